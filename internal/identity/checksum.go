package identity

import (
	"strconv"
	"strings"
	"time"
)

// Fault is what is wrong with a number, in Chinese and English. It never repeats the number.
type Fault struct{ Zh, En string }

func fault(zh, en string) *Fault { return &Fault{zh, en} }

// String returns both languages.
func (f *Fault) String() string { return f.Zh + " / " + f.En }

// idLength is the length of an ID number and of a unified social credit code.
const idLength = 18

// provinces are the first two digits of an ID number (GB/T 2260), the regions of residence permits included.
const provinces = "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83"

// CheckIDNumber returns what is wrong with a citizen's ID number (公民身份号码, GB 11643-1999), nil when nothing is: 18
// characters, a district that can be, a birth date that exists from 1900 to 2099, and the check character. An X at the end
// is a capital. Numbers that begin with 9 are those of foreign permanent residents, with the province one digit later.
func CheckIDNumber(s string) *Fault {
	if len(s) == 15 && digits(s) {
		return fault("是 15 位旧号码，应为 18 位", "is an old number of 15 digits, want 18")
	}
	if len(s) != idLength || !digits(s[:17]) || (!digits(s[17:]) && s[17] != 'X') {
		return fault("应为 18 位：17 位数字加 1 位校验码（数字或 X）", "want 18 characters: 17 digits and a check character, a digit or X")
	}
	if f := checkDistrict(s); f != nil {
		return f
	}
	born, err := time.Parse("20060102", s[6:14])
	if err != nil || born.Year() < 1900 || born.Year() > 2099 {
		return fault("第 7 至 14 位应为存在的出生日期（年月日）", "digits 7 to 14 must be a birth date that exists (year, month, day)")
	}
	if s[17] != idCheck(s) {
		return fault("校验码不符，请核对每一位（GB 11643）", "the check character does not fit, compare every digit (GB 11643)")
	}
	return nil
}

func checkDistrict(s string) *Fault {
	province := s[0:2]
	if s[0] == '9' {
		province = s[1:3]
	}
	if !strings.Contains(" "+provinces+" ", " "+province+" ") {
		return fault("前 6 位应为行政区划代码，没有以 "+s[0:2]+" 开头的", "the first 6 digits must be a district code, none begins with "+s[0:2])
	}
	return nil
}

func idCheck(s string) byte {
	weights := [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, w := range weights {
		sum += int(s[i]-'0') * w
	}
	return "10X98765432"[sum%11]
}

// creditAlphabet are the characters of a unified social credit code, each standing for its place: no I, O, S, V, Z.
const creditAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"

// CheckCreditCode returns what is wrong with a unified social credit code (统一社会信用代码, GB 32100-2015), nil when
// nothing is: 18 characters of its alphabet, a district of six digits in the third to eighth, and the check character.
func CheckCreditCode(s string) *Fault {
	if len(s) != idLength || strings.Trim(s, creditAlphabet) != "" {
		return fault("应为 18 位数字或大写字母（不含 I、O、S、V、Z）", "want 18 digits or capitals (without I, O, S, V, Z)")
	}
	if !digits(s[2:8]) {
		return fault("第 3 至 8 位应为数字（登记机关行政区划代码）", "characters 3 to 8 must be digits (the district of registration)")
	}
	if want := creditCheck(s); s[17] != want {
		return fault("校验码不符，请核对每一位（GB 32100）", "the check character does not fit, compare every character (GB 32100)")
	}
	return nil
}

func creditCheck(s string) byte {
	sum, weight := 0, 1
	for i := range 17 {
		sum += strings.IndexByte(creditAlphabet, s[i]) * weight
		weight = weight * 3 % 31
	}
	return creditAlphabet[(31-sum%31)%31]
}

// CheckPhone returns what is wrong with a mobile phone number of mainland China, nil when nothing is: 11 digits that begin
// with 13 to 19.
func CheckPhone(s string) *Fault {
	if n, err := strconv.Atoi(s[:min(2, len(s))]); err != nil || len(s) != 11 || !digits(s) || n < 13 || n > 19 {
		return fault("应为 11 位手机号，以 13 至 19 开头", "want a mobile number of 11 digits that begins with 13 to 19")
	}
	return nil
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// maxStars bounds a mask: its length says nothing beyond it.
const maxStars = 18

func stars(n int) string { return strings.Repeat("*", min(max(n, 1), maxStars)) }

// MaskID returns an ID number with its first six and last four characters, 500103********1239. A text that is no ID number
// becomes stars alone.
func MaskID(s string) string {
	switch {
	case s == "":
		return ""
	case len(s) != idLength:
		return stars(len([]rune(s)))
	}
	return s[:6] + stars(8) + s[14:]
}

// MaskName returns a name with its first and last character, 张*三, and of a name of two characters the first, 李*.
func MaskName(s string) string {
	r := []rune(s)
	switch len(r) {
	case 0:
		return ""
	case 1:
		return "*"
	case 2:
		return string(r[0]) + "*"
	}
	return string(r[0]) + stars(len(r)-2) + string(r[len(r)-1])
}

// MaskPhone returns a mobile number with its first three and last four digits, 138****1234. Another text becomes stars
// alone.
func MaskPhone(s string) string {
	switch {
	case s == "":
		return ""
	case len(s) != 11 || !digits(s):
		return stars(len([]rune(s)))
	}
	return s[:3] + stars(4) + s[7:]
}
