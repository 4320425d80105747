package strictyaml

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// plainText is what needs no quotes anywhere in YAML and cannot be read as a number.
var plainText = regexp.MustCompile(`^[\p{Han}A-Za-z][\p{Han}A-Za-z0-9_-]*$`)

// Quote writes a text so that every YAML reader reads the same text, with quotes only where they are needed: Parse gives
// back s. The text must be valid UTF-8.
func Quote(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf":
		return strconv.Quote(s)
	}
	if plainText.MatchString(s) {
		return s
	}
	if _, err := time.Parse(time.DateOnly, s); err == nil {
		return s
	}
	return strconv.Quote(s)
}
