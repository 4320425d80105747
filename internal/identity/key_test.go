package identity_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/identity"
)

func created(t *testing.T) (path string, ring *identity.Keyring) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "identity.key")
	ring, err := identity.CreateKeys(path, someMs)
	if err != nil {
		t.Fatal(err)
	}
	return path, ring
}

func TestKeysOfAFileAreThoseThatWereMade(t *testing.T) {
	t.Parallel()
	path, ring := created(t)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	again, err := identity.ReadKeys(path)
	if err != nil || again.String() != ring.String() || again.HashKey() != ring.HashKey() {
		t.Fatalf("%v, %v; want %v", again, err, ring)
	}
	if _, err := identity.CreateKeys(path, someMs); !errors.Is(err, fs.ErrExist) {
		t.Errorf("keys were overwritten: %v", err)
	}
	if _, err := identity.ReadKeys(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := identity.ReadKeys(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others read: %v", err)
	}
}

// Whoever prints a keyring sees names of keys.
func TestKeyringsPrintNoKey(t *testing.T) {
	t.Parallel()
	path, ring := created(t)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v %s", ring, ring, ring, ring)
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) == 4 && words[0] != "#" {
			raw, _ := base64.StdEncoding.DecodeString(words[3])
			if strings.Contains(printed, words[3]) || strings.Contains(printed, fmt.Sprintf("%x", raw)) {
				t.Errorf("a key is printed: %s", printed)
			}
		}
	}
}

// A vault follows its file: what is sealed after a rotation is sealed with the new key, and the old still opens.
func TestAVaultFollowsItsFile(t *testing.T) {
	t.Parallel()
	path, ring := created(t)
	v, err := identity.OpenVault(path)
	if err != nil {
		t.Fatal(err)
	}
	before, err := v.Seal("b", "p", someone())
	if err != nil {
		t.Fatal(err)
	}
	next, err := identity.UpdateKeys(path, func(k *identity.Keyring) (*identity.Keyring, error) { return k.Rotated(someMs) })
	if err != nil {
		t.Fatal(err)
	}
	after, err := v.Seal("b", "p", someone())
	if err != nil || after.KeyID != next.Newest().ID || before.KeyID != ring.Newest().ID {
		t.Fatalf("sealed with %s after %s, %v; want %s", after.KeyID, before.KeyID, err, next.Newest().ID)
	}
	for _, s := range []identity.Sealed{before, after} {
		if r, err := v.Open("b", "p", s.Blob); err != nil || r != someone() {
			t.Errorf("%s does not open: %v", s.KeyID, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Seal("b", "p", someone()); err == nil {
		t.Error("sealed with keys whose file is gone")
	}
}

func TestTwoUpdatesAtOnceAreRefused(t *testing.T) {
	t.Parallel()
	path, _ := created(t)
	_, err := identity.UpdateKeys(path, func(k *identity.Keyring) (*identity.Keyring, error) {
		if _, err := identity.UpdateKeys(path, func(k *identity.Keyring) (*identity.Keyring, error) { return k, nil }); err == nil || !strings.Contains(err.Error(), ".lock") {
			t.Errorf("the second update: %v", err)
		}
		return k.Rotated(someMs)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".lock"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock stays: %v", err)
	}
	refuse := errors.New("no")
	if _, err := identity.UpdateKeys(path, func(*identity.Keyring) (*identity.Keyring, error) { return nil, refuse }); !errors.Is(err, refuse) {
		t.Errorf("%v, want the change's own error", err)
	}
	if k, err := identity.ReadKeys(path); err != nil || len(k.Keys()) != 2 {
		t.Errorf("%v, %v: want the two keys of the first update", k, err)
	}
}

func TestKeyringsThatAreRefused(t *testing.T) {
	t.Parallel()
	path, ring := created(t)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(file)), "\n")
	hash, seal := lines[2], lines[3]
	if k, err := identity.ParseKeyring([]byte(hash + ";" + seal)); err != nil || k.String() != ring.String() {
		t.Fatalf("in one line: %v, %v", k, err)
	}
	words := strings.Fields(seal)
	secret := words[3]
	for name, c := range map[string]struct{ text, want string }{
		"empty":             {"", "one hash key"},
		"no hash":           {seal, "one hash key"},
		"no seal":           {hash, "at least one seal"},
		"two hashes":        {hash + "\n" + hash + "\n" + seal, "line 2"},
		"seal twice":        {hash + "\n" + seal + "\n" + seal, "line 3"},
		"purpose":           {hash + "\nopen" + seal[4:], "purpose"},
		"three words":       {hash + "\n" + strings.Join(words[:3], " "), "four words"},
		"time":              {hash + "\n" + strings.Replace(seal, "2026-03-01T", "2026-13-01T", 1), "time such as"},
		"short key":         {hash + "\n" + strings.Replace(seal, secret, "AAAA", 1), "32 bytes"},
		"hash key as seal":  {hash + "\n" + strings.Replace(hash, "hash", "seal", 1), "fit its id"},
		"mistyped":          {hash + "\n" + strings.Replace(seal, secret[:3], flipped(secret[:3]), 1), "fit its id"},
		"newest not last":   {hash + "\n" + strings.Replace(seal, "2026-03", "2026-04", 1) + "\n" + seal, "order of time"},
		"larger than a key": {strings.Repeat("#", 33<<10), "at most"},
	} {
		_, err := identity.ParseKeyring([]byte(c.text))
		if !errors.Is(err, identity.ErrKeyring) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want it to say %q", name, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), secret[4:30]) {
			t.Errorf("%s: the error repeats the key", name)
		}
	}
}

// flipped is other letters of base64.
func flipped(s string) string {
	return strings.Map(func(r rune) rune {
		if r == 'A' {
			return 'B'
		}
		return 'A'
	}, s)
}

func TestKeysAreBounded(t *testing.T) {
	t.Parallel()
	ring, err := identity.NewKeyring(someMs)
	if err != nil {
		t.Fatal(err)
	}
	for range 63 {
		last := ring.Newest()
		if ring, err = ring.Rotated(0); err != nil {
			t.Fatal(err)
		}
		if ring.Newest().MadeMs <= last.MadeMs {
			t.Fatal("a clock that went back put a key before another")
		}
	}
	if _, err := ring.Rotated(someMs); err == nil {
		t.Error("no bound")
	}
}

func FuzzParseKeyring(f *testing.F) {
	path := filepath.Join(f.TempDir(), "identity.key")
	if _, err := identity.CreateKeys(path, someMs); err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(bytes.ReplaceAll(text, []byte("\n"), []byte(";")))
	f.Add([]byte("hash 00000000 2026-03-01T00:00:00Z AAAA"))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := identity.ParseKeyring(text)
		if err != nil {
			if !errors.Is(err, identity.ErrKeyring) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if _, err := identity.NewVault(k).Seal("b", "p", someone()); err != nil {
			t.Fatalf("a keyring that cannot seal: %v", err)
		}
	})
}
