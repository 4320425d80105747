// Package identity keeps who a person is apart from what the person did. It checks and masks the numbers that name a person
// or an organisation, seals names, ID numbers and phones under the city's keys, gives the keyed hash by which one human being
// is recognised at two bases, and holds the rules of who may see a name, when it must be deleted and what is written down
// then. It is for the import and the commands that take identities in, and for the few places that may show one. It
// refuses to show anything without a reason and an entry in the audit log, it never prints a Record, and none of its errors
// repeats what was sealed.
package identity

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"unicode"
	"unicode/utf8"
)

// maxFieldBytes bounds one field of a Record, and the texts that a Record is bound to.
const maxFieldBytes = 256

// hidden is what a Record looks like everywhere.
const hidden = "***"

// Record is who a person is. It prints as stars with every verb, in logs and in JSON; who may show a field reads the field.
type Record struct {
	Name     string // 姓名
	IDNumber string // 公民身份号码, or the number of another document
	Phone    string // 手机
}

// String implements fmt.Stringer with stars.
func (r Record) String() string {
	if r == (Record{}) {
		return ""
	}
	return hidden
}

// Format implements fmt.Formatter, so that no verb shows a field.
func (r Record) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, r.String()) //nolint:errcheck // fmt.Formatter has no way to say it, and fmt's buffer takes everything
}

// LogValue implements slog.LogValuer with stars.
func (r Record) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalText implements encoding.TextMarshaler with stars, which encoding/json uses too.
func (r Record) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// fields are the record's texts with their names.
func (r Record) fields() [3][2]string {
	return [3][2]string{{"姓名 name", r.Name}, {"证件号码 ID number", r.IDNumber}, {"手机 phone", r.Phone}}
}

// check says what keeps the record from being sealed, and never repeats it.
func (r Record) check() error {
	var errs []error
	for _, f := range r.fields() {
		if !printableText(f[1], maxFieldBytes) {
			errs = append(errs, fmt.Errorf("%s: 应为至多 %d 字节的可打印文字 / want printable text of at most %d bytes", f[0], maxFieldBytes, maxFieldBytes))
		}
	}
	if r == (Record{}) {
		errs = append(errs, errors.New("姓名、证件号码、手机均为空 / name, ID number and phone are all empty"))
	}
	return errors.Join(errs...)
}

// printableText reports whether a text is at most so many bytes of UTF-8 without control characters.
func printableText(s string, limit int) bool {
	if len(s) > limit || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
