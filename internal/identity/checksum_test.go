package identity_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/identity"
)

// The numbers here are invented: only their check characters are computed.
const (
	goodID     = "500103199003071239"
	goodCredit = "12500000450400000C"
)

func TestCheckIDNumber(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, id, want string }{
		{"good", goodID, ""},
		{"an X", "11010519491231002X", ""},
		{"foreign permanent resident", withCheck("95000019900307123"), ""},
		{"small x", "11010519491231002x", "17 digits"},
		{"one digit wrong", "500103199003071238", "check character"},
		{"two swapped", "500103199003072139", "check character"},
		{"30 February", "500103199002301239", "birth date"},
		{"year 1890", "500103189003071239", "birth date"},
		{"no such province", "990103199003071239", "district"},
		{"old number", "500103900307123", "15 digits"},
		{"short", "50010319900307123", "17 digits"},
		{"empty", "", "17 digits"},
		{"letters", "50010319900307ABCD", "17 digits"},
		{"Chinese", "五零零一零三", "17 digits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			checkFault(t, identity.CheckIDNumber(c.id), c.want)
		})
	}
}

// withCheck finds the check character by asking.
func withCheck(first17 string) string {
	for _, c := range "0123456789X" {
		if identity.CheckIDNumber(first17+string(c)) == nil {
			return first17 + string(c)
		}
	}
	return first17
}

func checkFault(t *testing.T, got *identity.Fault, want string) {
	t.Helper()
	switch {
	case want == "" && got != nil:
		t.Errorf("got %v, want no fault", got)
	case want != "" && (got == nil || !strings.Contains(got.En, want) || got.Zh == ""):
		t.Errorf("got %v, want a fault in both languages with %q", got, want)
	}
}

func TestCheckCreditCode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, code, want string }{
		{"good", goodCredit, ""},
		{"known sample", "91350100M000100Y43", ""},
		{"one character wrong", "12500000450400001C", "check character"},
		{"letter O for 0", "125O0000450400000C", "18 digits or capitals"},
		{"small", strings.ToLower(goodCredit), "18 digits or capitals"},
		{"letters in the district", "12A00000450400000C", "characters 3 to 8"},
		{"short", goodCredit[:17], "18 digits or capitals"},
		{"empty", "", "18 digits or capitals"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			checkFault(t, identity.CheckCreditCode(c.code), c.want)
		})
	}
}

// TestOneWrongCharacterIsFound: of the characters of a number none can change alone without being noticed.
func TestOneWrongCharacterIsFound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.IntRange(0, 17).Draw(t, "place")
		c := rapid.SampledFrom([]byte("0123456789")).Draw(t, "digit")
		for number, check := range map[string]func(string) *identity.Fault{goodID: identity.CheckIDNumber, goodCredit: identity.CheckCreditCode} {
			if number[i] == c {
				continue
			}
			if wrong := number[:i] + string(c) + number[i+1:]; check(wrong) == nil {
				t.Errorf("%s passes", wrong)
			}
		}
	})
}

func TestCheckPhone(t *testing.T) {
	t.Parallel()
	for phone, want := range map[string]string{
		"13812341234": "", "19912341234": "", "12812341234": "11 digits", "1381234123": "11 digits", "": "11 digits", "1": "11 digits",
		"+8613812341234": "11 digits", "1381234123a": "11 digits",
	} {
		checkFault(t, identity.CheckPhone(phone), want)
	}
}

func TestMasks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mask     func(string) string
		in, want string
	}{
		{identity.MaskID, goodID, "500103********1239"},
		{identity.MaskID, "5001031990", "**********"},
		{identity.MaskID, "", ""},
		{identity.MaskName, "张小三", "张*三"},
		{identity.MaskName, "李四", "李*"},
		{identity.MaskName, "王", "*"},
		{identity.MaskName, "欧阳修远", "欧**远"},
		{identity.MaskName, "", ""},
		{identity.MaskPhone, "13812341234", "138****1234"},
		{identity.MaskPhone, "68123456", "********"},
		{identity.MaskPhone, "", ""},
	} {
		if got := c.mask(c.in); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func FuzzChecks(f *testing.F) {
	for _, s := range []string{goodID, goodCredit, "13812341234", "", "张三", "5.00103E+17"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		number := len(s) >= 8 && strings.Trim(s, "0123456789X") == ""
		for _, fault := range []*identity.Fault{identity.CheckIDNumber(s), identity.CheckCreditCode(s), identity.CheckPhone(s)} {
			if fault != nil && (fault.Zh == "" || fault.En == "" || (number && strings.Contains(fault.String(), s))) {
				t.Errorf("fault %v lacks a language or repeats the number", fault)
			}
		}
		for _, masked := range []string{identity.MaskID(s), identity.MaskName(s), identity.MaskPhone(s)} {
			if s != "" && !strings.Contains(masked, "*") {
				t.Errorf("mask of %q hides nothing: %q", s, masked)
			}
		}
	})
}
