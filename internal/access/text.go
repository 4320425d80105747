package access

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Problem is what is wrong with something that a person asked for.
type Problem struct { //nolint:errname // named as in registry: a mistake that can also be returned as the error
	Field  string // such as name or roles
	Zh, En string // what would be right
}

// Error implements error.
func (p Problem) Error() string { return p.Field + ": " + p.Zh + " / " + p.En }

const (
	maxName    = 64  // of accounts, tokens, bases, in bytes
	maxDisplay = 128 // in bytes
	// MinPassword is the shortest password, in bytes.
	MinPassword = 12
	// MaxPassword is the longest, in bytes.
	MaxPassword = 128
)

var accountName = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$`)

func checkAccountName(name string) error {
	if !accountName.MatchString(name) {
		return Problem{"name", "账号名应为 1 至 64 个小写字母、数字或 . _ -，首尾为字母或数字", "want 1 to 64 of a-z 0-9 . _ -, the first and last a letter or digit"}
	}
	return nil
}

func checkText(field, s string, most int) error {
	if !plain(s, most) || strings.TrimSpace(s) == "" {
		return Problem{field, "应为不含控制字符的文字，且不过长", "want text without control characters, not empty and not too long"}
	}
	return nil
}

// checkPassword refuses what a guesser tries first.
func checkPassword(name, password string) error {
	distinct := make(map[rune]bool)
	for _, r := range password {
		distinct[r] = true
	}
	switch {
	case len(password) < MinPassword || len(password) > MaxPassword:
		return Problem{"password", "口令应为 12 至 128 字节", "want a password of 12 to 128 bytes"}
	case !utf8.ValidString(password):
		return Problem{"password", "口令应为 UTF-8 文字", "want a password of UTF-8 text"}
	case len(distinct) < 5:
		return Problem{"password", "口令过于简单：不同字符少于 5 个", "want at least 5 different characters in a password"}
	case len(name) > 3 && strings.Contains(strings.ToLower(password), name):
		return Problem{"password", "口令不得包含账号名", "want a password without the account's name in it"}
	}
	return nil
}

// plain reports whether s is text that can be shown, of at most so many bytes.
func plain(s string, most int) bool {
	return len(s) <= most && utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) }) < 0
}

// clip makes a text from outside fit to be stored: valid, and at most so many bytes.
func clip(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	s = s[:most]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}
