package identity_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/identity"
)

const (
	someMs   = 1_772_323_200_000 // 2026-03-01
	idNumber = "500103199003071239"
)

func someone() identity.Record {
	return identity.Record{Name: "欧阳明月", IDNumber: idNumber, Phone: "13800001234"}
}

func vault(t interface{ Fatal(...any) }) (*identity.Vault, *identity.Keyring) {
	ring, err := identity.NewKeyring(someMs)
	if err != nil {
		t.Fatal(err)
	}
	return identity.NewVault(ring), ring
}

func drawRecord(t *rapid.T) identity.Record {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("张三李四<>&\"\\X0123456789·😀é")), 0, 256, 256)
	r := identity.Record{Name: text.Draw(t, "name"), IDNumber: text.Draw(t, "number"), Phone: text.Draw(t, "phone")}
	if r == (identity.Record{}) {
		r.Name = "张三"
	}
	return r
}

// What is sealed opens to the same, for its own person of its own base and for nobody else.
func TestSealedRecordsOpenForTheirOwnPersonOnly(t *testing.T) {
	t.Parallel()
	v, _ := vault(t)
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[A-Za-z0-9._-]{1,12}`)
		base, person, want := id.Draw(t, "base"), id.Draw(t, "person"), drawRecord(t)
		sealed, err := v.Seal(base, person, want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := v.Open(base, person, sealed.Blob); err != nil || got != want {
			t.Fatalf("opened to something else: %v", err)
		}
		for _, other := range [][2]string{{base + "x", person}, {base, person + "x"}, {base + person[:1], person[1:] + "x"}, {person + "y", base}} {
			if _, err := v.Open(other[0], other[1], sealed.Blob); !errors.Is(err, identity.ErrEnvelope) {
				t.Fatalf("opens for %v: %v", other, err)
			}
		}
	})
}

// The longest record, with every character that JSON escapes, is within the envelope's bound.
func TestTheLongestRecordOpens(t *testing.T) {
	t.Parallel()
	v, _ := vault(t)
	long := strings.Repeat("<", 256)
	want := identity.Record{Name: long, IDNumber: long, Phone: long}
	sealed, err := v.Seal("b", "p", want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Open("b", "p", sealed.Blob); err != nil || got != want {
		t.Fatalf("does not open: %v", err)
	}
}

func TestAnyChangedByteIsAnError(t *testing.T) {
	t.Parallel()
	v, _ := vault(t)
	sealed, err := v.Seal("cq01", "p1", someone())
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed.Blob {
		for _, bit := range []byte{1, 0x80} {
			changed := bytes.Clone(sealed.Blob)
			changed[i] ^= bit
			r, err := v.Open("cq01", "p1", changed)
			if !errors.Is(err, identity.ErrEnvelope) && !errors.Is(err, identity.ErrNoKey) {
				t.Fatalf("byte %d changed: %v", i, err)
			}
			if r != (identity.Record{}) {
				t.Fatalf("byte %d changed: something came out", i)
			}
		}
	}
	for n := range sealed.Blob {
		if _, err := v.Open("cq01", "p1", sealed.Blob[:n]); err == nil {
			t.Fatalf("cut to %d bytes, it opens", n)
		}
	}
}

func TestOneRecordIsSealedDifferentlyEachTimeUnderOneMark(t *testing.T) {
	t.Parallel()
	v, _ := vault(t)
	a, err := v.Seal("cq01", "p1", someone())
	if err != nil {
		t.Fatal(err)
	}
	b, _ := v.Seal("cq01", "p1", someone())
	other := someone()
	other.Phone = "13900001234"
	c, _ := v.Seal("cq01", "p1", other)
	d, _ := v.Seal("cq01", "p2", someone())
	if bytes.Equal(a.Blob, b.Blob) || a.Mark != b.Mark {
		t.Error("want two envelopes and one mark")
	}
	if a.Mark == c.Mark || a.Mark == d.Mark {
		t.Error("another record, or another person's, has the same mark")
	}
	short, _ := v.Seal("cq01", "p1", identity.Record{Name: "李四"})
	if len(short.Blob) != len(a.Blob) {
		t.Errorf("lengths %d and %d tell names apart", len(short.Blob), len(a.Blob))
	}
}

func TestAMissingKeyIsNamedAndNothingElse(t *testing.T) {
	t.Parallel()
	v, ring := vault(t)
	sealed, err := v.Seal("cq01", "p1", someone())
	if err != nil {
		t.Fatal(err)
	}
	stranger, _ := vault(t)
	_, err = stranger.Open("cq01", "p1", sealed.Blob)
	if !errors.Is(err, identity.ErrNoKey) || !strings.Contains(err.Error(), ring.Newest().ID) {
		t.Errorf("%v, want ErrNoKey that names %s", err, ring.Newest().ID)
	}
	for _, secret := range []string{"欧阳", idNumber, "p1"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%v says %s", err, secret)
		}
	}
}

func TestHashesAreOnesOfAPersonAndACity(t *testing.T) {
	t.Parallel()
	v, ring := vault(t)
	first, err := v.Hash(" 50010319900307123x\n")
	if err != nil || !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(first) {
		t.Fatalf("%q, %v", first, err)
	}
	if again, _ := v.Hash("50010319900307123X"); again != first {
		t.Error("the case of the check digit matters")
	}
	rotated, err := ring.Rotated(someMs + 5000)
	if err != nil {
		t.Fatal(err)
	}
	if after, _ := identity.NewVault(rotated).Hash("50010319900307123X"); after != first {
		t.Error("a new sealing key changed the hash")
	}
	other, _ := vault(t)
	if strange, _ := other.Hash("50010319900307123X"); strange == first {
		t.Error("another city's hash is the same")
	}
	if none, err := v.Hash("  "); none != "" || err != nil {
		t.Errorf("hash of nothing is %q, %v", none, err)
	}
}

func TestRecordsThatAreNotSealed(t *testing.T) {
	t.Parallel()
	v, _ := vault(t)
	for name, c := range map[string]struct {
		base, person string
		r            identity.Record
	}{
		"empty":        {"b", "p", identity.Record{}},
		"control":      {"b", "p", identity.Record{Name: "张\x1b三"}},
		"not UTF-8":    {"b", "p", identity.Record{Name: "\xff"}},
		"long":         {"b", "p", identity.Record{Phone: strings.Repeat("1", 257)}},
		"no base":      {"", "p", someone()},
		"no person":    {"b", "", someone()},
		"long person":  {"b", strings.Repeat("p", 257), someone()},
		"turned about": {"b", "p", identity.Record{Name: "a\u202eb"}},
	} {
		_, err := v.Seal(c.base, c.person, c.r)
		if err == nil {
			t.Errorf("%s: was sealed", name)
			continue
		}
		for _, f := range []string{c.r.Name, c.r.Phone} {
			if len(f) > 2 && strings.Contains(err.Error(), f) {
				t.Errorf("%s: the error repeats the record", name)
			}
		}
	}
}

// A record that slips into a log line, an error or a JSON document says nothing.
func TestRecordsPrintAsStars(t *testing.T) {
	t.Parallel()
	r := someone()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v %+v %#v %s %q %x %v", r, r, r, r, r, r, &r)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "r", r, "list", []identity.Record{r})
	if err := json.NewEncoder(&b).Encode(map[string]any{"r": r, "p": &r}); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"欧", "5001", "1380", "e6aca7"} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("%q is printed in %s", secret, b.String())
		}
	}
}

func TestResealingOpensUnderTheNewKeyAlone(t *testing.T) {
	t.Parallel()
	old, ring := vault(t)
	sealed, err := old.Seal("cq01", "p1", someone())
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := ring.Rotated(someMs)
	if err != nil {
		t.Fatal(err)
	}
	v := identity.NewVault(rotated)
	again, changed, err := v.Reseal("cq01", "p1", sealed.Blob)
	if err != nil || !changed || again.KeyID != rotated.Newest().ID || again.Mark != sealed.Mark {
		t.Fatalf("sealed again: %v, %v under %s with mark %v", changed, err, again.KeyID, again.Mark == sealed.Mark)
	}
	if _, changed, err := v.Reseal("cq01", "p1", again.Blob); changed || err != nil {
		t.Fatalf("a second time: %v, %v", changed, err)
	}
	without, err := rotated.Without(ring.Newest().ID)
	if err != nil {
		t.Fatal(err)
	}
	last := identity.NewVault(without)
	if r, err := last.Open("cq01", "p1", again.Blob); err != nil || r != someone() {
		t.Fatalf("does not open under the new key: %v", err)
	}
	if _, err := last.Open("cq01", "p1", sealed.Blob); !errors.Is(err, identity.ErrNoKey) {
		t.Fatalf("the old envelope: %v", err)
	}
	if _, err := rotated.Without(rotated.Newest().ID); err == nil {
		t.Error("the newest key could be taken out")
	}
}

func FuzzOpen(f *testing.F) {
	v, _ := vault(f)
	sealed, err := v.Seal("cq01", "p1", someone())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed.Blob)
	f.Add(sealed.Blob[:33])
	f.Add([]byte{1, 0, 0, 0, 0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, blob []byte) {
		before := slices.Clone(blob)
		r, err := v.Open("cq01", "p1", blob)
		if !bytes.Equal(before, blob) {
			t.Fatal("the envelope was written to")
		}
		if bytes.Equal(blob, sealed.Blob) {
			if err != nil || r != someone() {
				t.Fatalf("the true envelope: %v", err)
			}
			return
		}
		if err == nil || r != (identity.Record{}) {
			t.Fatal("something that nobody sealed opens")
		}
		if !errors.Is(err, identity.ErrEnvelope) && !errors.Is(err, identity.ErrNoKey) {
			t.Fatalf("an error of no kind: %v", err)
		}
	})
}
