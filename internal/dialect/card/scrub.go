package card

import (
	"bytes"
	"slices"
	"strings"
)

// mask stands for each character that was taken out.
const mask = '*'

// Scrub returns the payload as it may be kept. With private, every value becomes stars and only the members' names and
// the structure stay, so that a decoder's mistake can still be understood; else only ID numbers of persons become stars
// (GB 11643: 18 places whose check digit fits). The payload itself is returned when there is nothing to hide, and is
// never written to.
func Scrub(payload []byte, private bool) []byte {
	if private {
		return maskValues(payload)
	}
	return maskPersons(payload)
}

// ScrubText is Scrub for a topic or for an error's text: with private, every run of letters and digits with at least
// four digits becomes stars, and so do ID numbers always.
func ScrubText(text string, private bool) string {
	out := maskPersons([]byte(text))
	if private {
		out = maskRuns(out)
	}
	return string(out)
}

// Suspect reports whether a message that no dialect could read looks like a reader's, by a word in its topic or payload
// such as "uid", "rfid" or 卡号. It is then to be kept as if it were private.
func Suspect(topic string, payload []byte) bool {
	return suspectText([]byte(topic)) || suspectText(payload)
}

func suspectText(text []byte) bool {
	for _, w := range [...]string{"卡号", "姓名", "身份证", "学号", "工号"} {
		if bytes.Contains(text, []byte(w)) {
			return true
		}
	}
	for start := 0; start < len(text); {
		end := start
		for end < len(text) && isLetter(text[end]) {
			end++
		}
		if end > start && suspectWord(strings.ToLower(string(text[start:min(end, start+maxWord)]))) {
			return true
		}
		start = end + 1
	}
	return false
}

// maxWord is how much of a word is looked at.
const maxWord = 24

func suspectWord(word string) bool {
	if slices.Contains([]string{"uid", "tag", "tags", "nfc", "username", "fullname", "realname", "tagid", "userid", "pin", "code"}, word) {
		return true
	}
	for _, prefix := range [...]string{"card", "badge", "rfid", "wiegand", "idcard", "idnumber", "barcode", "mifare"} {
		if strings.HasPrefix(word, prefix) {
			return true
		}
	}
	return false
}

// maskValues stars every letter and digit that is not part of a member's name. A name with four digits or with letters
// beyond ASCII could be a card or a person itself.
func maskValues(payload []byte) []byte {
	out := slices.Clone(payload)
	for at := 0; at < len(out); {
		if out[at] == '"' {
			if end := memberEnd(out, at); end > 0 {
				at = end
				continue
			}
		}
		if keepsNothing(out[at]) {
			out[at] = mask
		}
		at++
	}
	return out
}

// memberEnd returns the place behind a member's name that begins with the quote at at, or 0 when there is none worth
// keeping.
func memberEnd(text []byte, at int) int {
	const maxMember = 64
	digits := 0
	for i := at + 1; i < len(text) && i < at+maxMember; i++ {
		c := text[i]
		switch {
		case c == '"':
			rest := bytes.TrimLeft(text[i+1:min(len(text), i+8)], " \t\r\n")
			if digits >= 4 || len(rest) == 0 || rest[0] != ':' {
				return 0
			}
			return i + 1
		case c >= 0x80 || c == '\\':
			return 0
		case isDigit(c):
			digits++
		}
	}
	return 0
}

// maskRuns stars every run of letters and digits that holds at least four digits.
func maskRuns(text []byte) []byte {
	out := slices.Clone(text)
	for start := 0; start < len(out); {
		end, digits := start, 0
		for end < len(out) && (isLetter(out[end]) || isDigit(out[end]) || out[end] >= 0x80) {
			if isDigit(out[end]) {
				digits++
			}
			end++
		}
		if digits >= 4 {
			for i := start; i < end; i++ {
				out[i] = mask
			}
		}
		start = end + 1
	}
	return out
}

// personLength is how many places an ID number of a person has.
const personLength = 18

// maskPersons stars the ID numbers of persons. It returns text itself when there are none.
func maskPersons(text []byte) []byte {
	out, run := text, 0
	for i, c := range text {
		if isDigit(c) {
			run++
			if run < personLength || !isPerson(text[i-personLength+1:i+1]) {
				continue
			}
		} else {
			ended := run
			run = 0
			if c != 'X' && c != 'x' || ended < personLength-1 || !isPerson(text[i-personLength+1:i+1]) {
				continue
			}
		}
		if &out[0] == &text[0] {
			out = slices.Clone(text)
		}
		for j := i - personLength + 1; j <= i; j++ {
			out[j] = mask
		}
	}
	return out
}

// isPerson checks the check digit of GB 11643 (ISO 7064 MOD 11-2), and that the birth date could be one.
func isPerson(number []byte) bool {
	sum := 0
	for i := range personLength - 1 {
		sum += int(number[i]-'0') * (1 << (personLength - 1 - i) % 11)
	}
	const check = "10X98765432"
	last := number[personLength-1]
	if last == 'x' {
		last = 'X'
	}
	year, month, day := string(number[6:8]), string(number[10:12]), string(number[12:14])
	return (year == "19" || year == "20") && month >= "01" && month <= "12" && day >= "01" && day <= "31" &&
		last == check[sum%11]
}

func keepsNothing(c byte) bool { return isLetter(c) || isDigit(c) || c >= 0x80 }

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
