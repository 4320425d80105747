package influx

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Tag values and words are percent-encoded where line protocol has no way to say a character: it cannot hold a
// newline in a tag, ends a value at a backslash before a delimiter, and drops what it calls unprintable. What an
// ordinary name is made of, in any script, stays as it is.

const upperHex = "0123456789ABCDEF"

// plain reports whether a byte below utf8.RuneSelf stands for itself in a tag or word.
func plain(c byte) bool { return c >= 0x20 && c != 0x7f && c != '%' && c != '\\' && c != '"' }

// appendEncoded appends s with % and two digits for each byte that cannot stand for itself.
func appendEncoded(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if plain(c) {
				b = append(b, c)
			} else {
				b = append(b, '%', upperHex[c>>4], upperHex[c&15])
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r != utf8.RuneError && unicode.IsPrint(r) {
			b = append(b, s[i:i+n]...)
		} else {
			for _, c := range []byte(s[i : i+n]) {
				b = append(b, '%', upperHex[c>>4], upperHex[c&15])
			}
		}
		i += n
	}
	return b
}

// encoded returns s as it stands in a tag.
func encoded(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf || !plain(s[i]) {
			return string(appendEncoded(nil, s))
		}
	}
	return s
}

// decoded takes appendEncoded back. A % without two digits stands for itself: somebody else wrote it.
func decoded(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := unhex(s[i+1]), unhex(s[i+2]); hi < 16 && lo < 16 {
				b = append(b, hi<<4|lo)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// appendTag appends ",key=value", and nothing for an empty value, which line protocol has no way to say: a point
// without the tag is read as one with an empty one.
func appendTag(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, ',')
	b = append(b, key...)
	b = append(b, '=')
	from := len(b)
	b = appendEncoded(b, value)
	return escapeDelimiters(b, from)
}

// escapeDelimiters puts a backslash before each comma, space and equals sign of b[from:].
func escapeDelimiters(b []byte, from int) []byte {
	extra := 0
	for _, c := range b[from:] {
		if c == ',' || c == ' ' || c == '=' {
			extra++
		}
	}
	if extra == 0 {
		return b
	}
	end := len(b)
	for range extra {
		b = append(b, 0)
	}
	for to := len(b); end > from; {
		end--
		to--
		b[to] = b[end]
		if c := b[end]; c == ',' || c == ' ' || c == '=' {
			to--
			b[to] = '\\'
		}
	}
	return b
}

// appendText appends ,key="text" with the two characters escaped that need it; a newline stands for itself.
func appendText(b []byte, key, text string) []byte {
	b = append(b, ',')
	b = append(b, key...)
	b = append(b, '=', '"')
	for {
		i := strings.IndexAny(text, "\"\\")
		if i < 0 {
			break
		}
		b = append(b, text[:i]...)
		b = append(b, '\\', text[i])
		text = text[i+1:]
	}
	b = append(b, text...)
	return append(b, '"')
}

// appendWord appends text as one word of a meta field: encoded, and its spaces too.
func appendWord(b []byte, text string) []byte {
	for {
		i := strings.IndexByte(text, ' ')
		if i < 0 {
			return appendEncoded(b, text)
		}
		b = append(appendEncoded(b, text[:i]), "%20"...)
		text = text[i+1:]
	}
}

// tagIs returns the InfluxQL condition that a tag, or a field that is encoded like one, has the value; an empty one is
// the tag's absence.
func tagIs(tag, value string) string { return condition(tag, encoded(value)) }

// condition is tagIs for a value that is encoded already: of what InfluxQL reads in a string, only the quote is left.
func condition(tag, encoded string) string {
	return `"` + tag + `" = '` + strings.ReplaceAll(encoded, "'", `\'`) + "'"
}
