package enrol_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/enrol"
)

var dawn = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// signingKey is always the same for a name.
func signingKey(name string) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat(name, ed25519.SeedSize)[:ed25519.SeedSize]))
}

func sealingKey(t testing.TB, name string) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.X25519().NewPrivateKey([]byte(strings.Repeat(name, 32)[:32]))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// asked is a request of bridge b1, for its first key or for one in the place of another.
func asked(t testing.TB, replaced ed25519.PrivateKey) (*enrol.Request, []byte) {
	t.Helper()
	r := &enrol.Request{Base: "cq01", Bridge: "b1", Sealing: sealingKey(t, "base").PublicKey(), Created: dawn}
	text, err := r.Sign(signingKey("bridge"), replaced)
	if err != nil {
		t.Fatal(err)
	}
	return r, text
}

func approved(t testing.TB, cardKey []byte) []byte {
	t.Helper()
	r, _ := asked(t, nil)
	text, err := enrol.Approve(r, signingKey("city"), cardKey, dawn.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func newCardKey(t testing.TB) []byte {
	t.Helper()
	key := make([]byte, card.KeyBytes)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	return key
}

// TestRequestIsReadAsItWasMade, also after what mail programs do to it.
func TestRequestIsReadAsItWasMade(t *testing.T) {
	t.Parallel()
	for name, replaced := range map[string]ed25519.PrivateKey{"first key": nil, "in the place of another": signingKey("old")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, text := asked(t, replaced)
			mailed := "\ufeff" + strings.ReplaceAll(string(text), "\n", "\r\n") + "\r\n\r\n"
			for _, text := range []string{string(text), mailed, strings.TrimSpace(string(text))} {
				got, err := enrol.ParseRequest([]byte(text))
				if err != nil {
					t.Fatalf("%v\n%s", err, text)
				}
				if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b *ecdh.PublicKey) bool { return a.Equal(b) })); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

// TestNoByteOfADocumentCanChange: whatever byte is changed, left out or put in, the document is refused.
func TestNoByteOfADocumentCanChange(t *testing.T) {
	t.Parallel()
	_, request := asked(t, signingKey("old"))
	for name, d := range map[string]struct {
		text  []byte
		parse func([]byte) error
	}{
		"request":  {request, func(b []byte) error { _, err := enrol.ParseRequest(b); return err }},
		"approval": {approved(t, newCardKey(t)), func(b []byte) error { _, err := enrol.ParseApproval(b); return err }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := d.parse(d.text); err != nil {
				t.Fatal(err)
			}
			for i := range len(d.text) - 1 { // the last is a line end
				for what, changed := range map[string][]byte{
					"flipped":  bytes.Join([][]byte{d.text[:i], {d.text[i] ^ 1}, d.text[i+1:]}, nil),
					"left out": bytes.Join([][]byte{d.text[:i], d.text[i+1:]}, nil),
					"doubled":  bytes.Join([][]byte{d.text[:i], d.text[i : i+1], d.text[i:]}, nil),
					"cut":      d.text[:i],
				} {
					err := d.parse(changed)
					if !errors.Is(err, enrol.ErrMalformed) && !errors.Is(err, enrol.ErrSignature) {
						t.Fatalf("byte %d %s: got %v, want it refused:\n%s", i, what, err, changed)
					}
				}
			}
		})
	}
}

// TestRequestsThatAreRefused though their signatures hold.
func TestRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	sign := func(text string, keys ...ed25519.PrivateKey) string {
		names := []string{"signature-of-replaced-key", "signature"}[2-len(keys):]
		for i, key := range keys {
			text += names[i] + ": " + base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte(text))) + "\n"
		}
		return text
	}
	key, other := signingKey("bridge"), signingKey("other")
	public := func(k ed25519.PrivateKey) string {
		return base64.StdEncoding.EncodeToString(k.Public().(ed25519.PublicKey))
	}
	sealing := base64.StdEncoding.EncodeToString(sealingKey(t, "base").PublicKey().Bytes())
	lowOrder := base64.StdEncoding.EncodeToString(append([]byte{1}, make([]byte, 31)...))
	head := "jishi enrolment request 1\nbase: cq01\nbridge: b1\nsigning-key: " + public(key) + "\n"
	const created = "created: 2026-03-02T00:00:00Z\n"
	good := sign(head+"sealing-key: "+sealing+"\n"+created, key)
	if _, err := enrol.ParseRequest([]byte(good)); err != nil {
		t.Fatalf("the pattern of this test is refused: %v", err)
	}
	for name, test := range map[string]struct {
		text string
		want error
	}{
		"signed by another":           {sign(head+"sealing-key: "+sealing+"\n"+created, other), enrol.ErrSignature},
		"not signed by the replaced":  {sign(head+"sealing-key: "+sealing+"\nreplaces: "+public(other)+"\n"+created, key, key), enrol.ErrSignature},
		"replaces itself":             {sign(head+"sealing-key: "+sealing+"\nreplaces: "+public(key)+"\n"+created, key, key), enrol.ErrMalformed},
		"readable by anybody":         {sign(head+"sealing-key: "+lowOrder+"\n"+created, key), enrol.ErrMalformed},
		"another zone":                {sign(head+"sealing-key: "+sealing+"\ncreated: 2026-03-02T08:00:00+08:00\n", key), enrol.ErrMalformed},
		"no id of a base":             {sign(strings.Replace(head, "cq01", "../cq01", 1)+"sealing-key: "+sealing+"\n"+created, key), enrol.ErrMalformed},
		"a longer id":                 {sign(strings.Replace(head, "cq01", strings.Repeat("c", 65), 1)+"sealing-key: "+sealing+"\n"+created, key), enrol.ErrMalformed},
		"another version":             {strings.Replace(good, "request 1", "request 2", 1), enrol.ErrMalformed},
		"an approval":                 {string(approved(t, newCardKey(t))), enrol.ErrMalformed},
		"something behind":            {good + "base: cq02\n", enrol.ErrMalformed},
		"nothing":                     {"", enrol.ErrMalformed},
		"too much":                    {good + strings.Repeat("\n", enrol.MaxBytes), enrol.ErrMalformed},
		"a line twice, signed anew":   {sign(head+"base: cq01\nsealing-key: "+sealing+"\n"+created, key), enrol.ErrMalformed},
		"a field that nobody knows":   {sign(head+"sealing-key: "+sealing+"\nadmin: yes\n"+created, key), enrol.ErrMalformed},
		"base64 written another way":  {strings.Replace(good, "=\nsealing", "\nsealing", 1), enrol.ErrMalformed},
		"replaced key without a sign": {sign(head+"sealing-key: "+sealing+"\nreplaces: "+public(other)+"\n"+created, key), enrol.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if r, err := enrol.ParseRequest([]byte(test.text)); !errors.Is(err, test.want) || r != nil {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// TestFingerprintTellsRequestsApart: it stays when a request is made again, and changes with whatever matters.
func TestFingerprintTellsRequestsApart(t *testing.T) {
	t.Parallel()
	first, _ := asked(t, nil)
	again, _ := asked(t, signingKey("old"))
	again.Created = dawn.Add(time.Hour)
	if first.Fingerprint() != again.Fingerprint() {
		t.Error("the fingerprint changes when the request is made again")
	}
	if !regexp.MustCompile(`^\d{5}( \d{5}){5}$`).MatchString(first.Fingerprint()) {
		t.Errorf("fingerprint %q, want six groups of five digits", first.Fingerprint())
	}
	seen := map[string]string{first.Fingerprint(): "the request itself"}
	for what, change := range map[string]func(r *enrol.Request){
		"base":           func(r *enrol.Request) { r.Base = "cq0" },
		"bridge":         func(r *enrol.Request) { r.Bridge = "1b1" },
		"base to bridge": func(r *enrol.Request) { r.Base, r.Bridge = "cq0", "1b1" },
		"signing key":    func(r *enrol.Request) { r.Signing = signingKey("x").Public().(ed25519.PublicKey) },
		"sealing key":    func(r *enrol.Request) { r.Sealing = sealingKey(t, "x").PublicKey() },
	} {
		r, _ := asked(t, nil)
		change(r)
		if other, ok := seen[r.Fingerprint()]; ok {
			t.Errorf("with another %s it is that of %s", what, other)
		}
		seen[r.Fingerprint()] = what
	}
	if city := enrol.CityFingerprint(first.Signing); seen[city] != "" {
		t.Error("a city's fingerprint is a request's")
	}
}

// TestCardKeyReachesOnlyItsBridge: nobody but the bridge that asked opens the card key, and no document shows it.
func TestCardKeyReachesOnlyItsBridge(t *testing.T) {
	t.Parallel()
	key := newCardKey(t)
	text := approved(t, key)
	if strings.Contains(string(text), base64.StdEncoding.EncodeToString(key)) {
		t.Fatal("the approval shows the card key")
	}
	a, err := enrol.ParseApproval(text)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := a.CardKey(sealingKey(t, "base")); err != nil || !bytes.Equal(got, key) {
		t.Errorf("the bridge opens %x, %v; want %x", got, err, key)
	}
	if got, err := a.CardKey(sealingKey(t, "another")); !errors.Is(err, enrol.ErrRecipient) || got != nil {
		t.Errorf("another bridge opens %x, %v; want ErrRecipient", got, err)
	}
	a.CardKeyID = "00000000"
	if _, err := a.CardKey(sealingKey(t, "base")); !errors.Is(err, enrol.ErrRecipient) {
		t.Errorf("a card key under another name: %v, want ErrRecipient", err)
	}
	if a.Base != "cq01" || a.Bridge != "b1" || !a.City.Equal(signingKey("city").Public()) || !a.Approved.Equal(dawn.Add(time.Hour)) {
		t.Errorf("approval is read as %+v", a)
	}
	r, _ := asked(t, nil)
	if _, err := enrol.Approve(r, signingKey("city"), key[:31], dawn); err == nil {
		t.Error("a short card key was sealed")
	}
}

// TestKeyFiles: keys come back as they were written, only their owner may read them, and none is ever overwritten.
func TestKeyFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cardPath, sealPath := filepath.Join(dir, "card.key"), filepath.Join(dir, "sealing.key")
	key, err := enrol.NewCardKey(cardPath)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := enrol.ReadCardKey(cardPath); err != nil || !bytes.Equal(got, key) {
		t.Errorf("card key reads back as %x, %v; want %x", got, err, key)
	}
	if _, err := enrol.NewCardKey(cardPath); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second card key: %v, want fs.ErrExist", err)
	}
	first, err := enrol.SealingKey(sealPath)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := enrol.SealingKey(sealPath); err != nil || !again.Equal(first) {
		t.Errorf("sealing key reads back different: %v", err)
	}
	for _, path := range []string{cardPath, sealPath} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v; want 0600", path, info.Mode(), err)
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := enrol.ReadCardKey(cardPath); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a card key that others can read: %v", err)
	}
	if _, err := enrol.SealingKey(sealPath); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a sealing key that others can read: %v", err)
	}
	for _, text := range []string{"", "00", strings.Repeat("zz", 32), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := enrol.ReadCardKey(path); !errors.Is(err, enrol.ErrMalformed) || len(text) > 10 && strings.Contains(err.Error(), text) {
			t.Errorf("card key %q: %v, want ErrMalformed without the text", text, err)
		}
		if _, err := enrol.SealingKey(path); !errors.Is(err, enrol.ErrMalformed) {
			t.Errorf("sealing key %q: %v, want ErrMalformed", text, err)
		}
	}
}

// FuzzParseRequest: no text crashes the reader, and what it takes is signed by the key that it names.
func FuzzParseRequest(f *testing.F) {
	_, first := asked(f, nil)
	_, rotated := asked(f, signingKey("old"))
	f.Add(first)
	f.Add(rotated)
	f.Add(bytes.ReplaceAll(first, []byte("\n"), []byte("\r\n")))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := enrol.ParseRequest(text)
		if err != nil {
			if r != nil || !errors.Is(err, enrol.ErrMalformed) && !errors.Is(err, enrol.ErrSignature) {
				t.Fatalf("got %v, %v", r, err)
			}
			return
		}
		if want := signingKey("bridge").Public(); !r.Signing.Equal(want) {
			t.Errorf("a request is taken that the fuzzer cannot have signed: %+v", r)
		}
	})
}

// FuzzParseApproval: the same for approvals; the card key comes out as it went in, or not at all.
func FuzzParseApproval(f *testing.F) {
	key := bytes.Repeat([]byte{7}, card.KeyBytes)
	f.Add(approved(f, key))
	own := sealingKey(f, "base")
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := enrol.ParseApproval(text)
		if err != nil {
			if a != nil || !errors.Is(err, enrol.ErrMalformed) && !errors.Is(err, enrol.ErrSignature) {
				t.Fatalf("got %v, %v", a, err)
			}
			return
		}
		if got, err := a.CardKey(own); err != nil || !bytes.Equal(got, key) {
			t.Errorf("an approval is taken that the fuzzer cannot have signed: %+v, %v", a, err)
		}
	})
}
