package frame_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/frame"
)

func TestKeyFile(t *testing.T) {
	t.Parallel()
	key, err := frame.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bridge.key")
	if err := frame.WriteKey(path, key); err != nil {
		t.Fatalf("WriteKey: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode is %#o, want 0600", got)
	}
	back, err := frame.ReadKey(path)
	if err != nil {
		t.Fatalf("ReadKey: %v", err)
	}
	if !back.Equal(key) {
		t.Error("another key came back")
	}
	if err := frame.WriteKey(path, testKey()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("WriteKey over a key: %v, want fs.ErrExist", err)
	}
	if again, err := frame.ReadKey(path); err != nil || !again.Equal(key) {
		t.Errorf("the key was touched: %v", err)
	}
}

func TestReadKeyRefuses(t *testing.T) {
	t.Parallel()
	good := filepath.Join(t.TempDir(), "good.key")
	if err := frame.WriteKey(good, testKey()); err != nil {
		t.Fatal(err)
	}
	block, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, content string
		mode          fs.FileMode
		want          string
	}{
		{"readable by others", string(block), 0o644, "chmod 600"},
		{"not PEM", "secret", 0o600, "want one PEM block"},
		{"more after it", string(block) + "x", 0o600, "want one PEM block"},
		{"public key", strings.ReplaceAll(string(block), "PRIVATE", "PUBLIC"), 0o600, "want one PEM block"},
		{"another kind", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), 0o600, "want Ed25519"},
		{"damaged", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der[1:]})), 0o600, "malformed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			_, err := frame.ReadKey(path)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want one with %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), c.content) {
				t.Errorf("error shows the file's content: %v", err)
			}
		})
	}
}

func TestPublicText(t *testing.T) {
	t.Parallel()
	text := frame.PublicText(public())
	back, err := frame.ParsePublic(text + "\n")
	if err != nil || !back.Equal(public()) {
		t.Errorf("ParsePublic(%q) = %x, %v", text, back, err)
	}
	for _, bad := range []string{"", "?", text[:40], text[1:], strings.TrimRight(text, "=")} {
		if _, err := frame.ParsePublic(bad); !errors.Is(err, frame.ErrMalformed) {
			t.Errorf("ParsePublic(%q): %v, want ErrMalformed", bad, err)
		}
	}
	const want = "SHA256:"
	if got := frame.Fingerprint(public()); !strings.HasPrefix(got, want) || len(got) != len(want)+43 {
		t.Errorf("Fingerprint = %q", got)
	}
}
