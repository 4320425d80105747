package config

import (
	"fmt"
	"math"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// value is a setting's value in the form its kind needs.
type value struct {
	text string   // of everything but a list, in its canonical form
	n    int64    // of an Int, Size (bytes), Duration (nanoseconds) and Bool (0, 1)
	list []string // of a List
}

// wrong says what is wrong with a value, in both languages.
type wrong struct{ zh, en string }

// parse reads a value as a user wrote it.
func (s Setting) parse(text string) (value, *wrong) {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return value{}, &wrong{"应为 UTF-8 文字", "want UTF-8 text"}
	}
	switch s.Kind {
	case Int:
		return s.number(text, parseInt, formatInt, wrong{"应为整数", "want a whole number"})
	case Size:
		return s.number(text, parseSize, formatSize, wrong{"应为字节数，如 64MiB、1GiB、500kB", "want a size such as 64MiB, 1GiB or 500kB"})
	case Duration:
		return s.number(text, parseDuration, formatDuration, wrong{"应为带单位的时长，如 250ms、90s、1h30m、30d", "want a duration with its unit, such as 250ms, 90s, 1h30m or 30d"})
	case Bool:
		return parseBool(text)
	case URL:
		return parseURL(text)
	case Addr:
		return parseAddr(text)
	case Enum:
		return s.choice(text)
	case List:
		return parseList(strings.Split(text, ","))
	case Secret:
		return parseSecret(text)
	}
	if text == "" {
		return value{}, &wrong{"不应为空", "want a value that is not empty"}
	}
	return value{text: text}, nil
}

func (s Setting) number(text string, read func(string) (int64, bool), write func(int64) string, w wrong) (value, *wrong) {
	n, ok := read(text)
	lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
	if s.Min != "" {
		lo, _ = read(s.Min)
	}
	if s.Max != "" {
		hi, _ = read(s.Max)
	}
	switch {
	case s.Min != "" && s.Max != "":
		w = wrong{fmt.Sprintf("%s，%s 至 %s", w.zh, s.Min, s.Max), fmt.Sprintf("%s, from %s to %s", w.en, s.Min, s.Max)}
	case s.Min != "":
		w = wrong{fmt.Sprintf("%s，至少 %s", w.zh, s.Min), fmt.Sprintf("%s, at least %s", w.en, s.Min)}
	case s.Max != "":
		w = wrong{fmt.Sprintf("%s，至多 %s", w.zh, s.Max), fmt.Sprintf("%s, at most %s", w.en, s.Max)}
	}
	if !ok || n < lo || n > hi {
		return value{}, &w
	}
	return value{text: write(n), n: n}, nil
}

func parseInt(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && !strings.HasPrefix(s, "+")
}

func formatInt(n int64) string { return strconv.FormatInt(n, 10) }

// sizeUnits are in order of reading: a longer name before its own end.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"B", 1},
	{"", 1},
}

func parseSize(s string) (int64, bool) {
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSuffix(digits, " "), 10, 63)
		if err != nil || int64(n) > math.MaxInt64/u.bytes {
			return 0, false
		}
		return int64(n) * u.bytes, true
	}
	return 0, false
}

// formatSize uses the largest unit that divides the size, powers of two first.
func formatSize(n int64) string {
	for _, u := range sizeUnits {
		if n != 0 && n%u.bytes == 0 && u.name != "B" {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

const day = 24 * time.Hour

func parseDuration(s string) (int64, bool) {
	if digits, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil || int64(n) > math.MaxInt64/int64(day) {
			return 0, false
		}
		return int64(n) * int64(day), true
	}
	d, err := time.ParseDuration(s)
	return int64(d), err == nil && !strings.HasPrefix(s, "+")
}

func formatDuration(n int64) string {
	if n > 0 && n%int64(day) == 0 {
		return strconv.FormatInt(n/int64(day), 10) + "d"
	}
	s := time.Duration(n).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func parseBool(s string) (value, *wrong) {
	switch s {
	case "true":
		return value{text: s, n: 1}, nil
	case "false":
		return value{text: s}, nil
	}
	return value{}, &wrong{"应为 true 或 false", "want true or false"}
}

func parseURL(s string) (value, *wrong) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return value{}, &wrong{"应为带协议和主机的地址，如 https://influx.example.cn:8086", "want a URL with scheme and host, such as https://influx.example.cn:8086"}
	}
	if _, has := u.User.Password(); has {
		return value{}, &wrong{"地址中不应有密码，请用相应的密码设置", "want no password in the URL, use the setting for it"}
	}
	return value{text: s}, nil
}

func parseAddr(s string) (value, *wrong) {
	w := &wrong{"应为 主机:端口，如 127.0.0.1:1883、:8080", "want host:port, such as 127.0.0.1:1883 or :8080"}
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.ContainsAny(host, "/@ \t\r\n") {
		return value{}, w
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return value{}, w
	}
	return value{text: s}, nil
}

func (s Setting) choice(text string) (value, *wrong) {
	if slices.Contains(s.Choices, text) {
		return value{text: text}, nil
	}
	w := &wrong{"可用：" + strings.Join(s.Choices, "、"), "want one of " + strings.Join(s.Choices, ", ")}
	if near := strictyaml.Nearest(text, s.Choices); near != "" {
		w = &wrong{"是否应为 " + near + "？" + w.zh, "did you mean " + near + "? " + w.en}
	}
	return value{}, w
}

func parseList(items []string) (value, *wrong) {
	var v value
	for _, item := range items {
		item = strings.TrimSpace(item)
		if item == "" || strings.Contains(item, ",") || !utf8.ValidString(item) || strings.ContainsRune(item, 0) {
			return value{}, &wrong{"每一项应为不含逗号的非空文字", "want items that are not empty and have no comma"}
		}
		v.list = append(v.list, item)
	}
	v.text = strings.Join(v.list, ",")
	return v, nil
}

// redacted is what stands for a secret. As a value it would be a printed configuration that was fed back.
const redacted = "***"

func parseSecret(s string) (value, *wrong) {
	if s == "" || s == redacted {
		return value{}, &wrong{"应为密文本身，*** 只是隐去的显示", "want the secret itself, *** only stands for it"}
	}
	return value{text: s}, nil
}

// SecretText is a secret that no printing, logging or marshalling shows; Reveal does.
type SecretText struct{ text string }

// Reveal returns the secret.
func (s SecretText) Reveal() string { return s.text }

// String returns "***", or "" when there is no secret. It covers fmt and slog.
func (s SecretText) String() string {
	if s.text == "" {
		return ""
	}
	return redacted
}

// GoString implements fmt.GoStringer like String.
func (s SecretText) GoString() string { return strconv.Quote(s.String()) }

// MarshalText implements encoding.TextMarshaler like String.
func (s SecretText) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
