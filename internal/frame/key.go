package frame

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	pemType    = "PRIVATE KEY"
	maxKeyFile = 16 << 10
)

// GenerateKey returns a new signing key for a bridge.
func GenerateKey() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate signing key: %w", err)
	}
	return key, nil
}

// WriteKey writes the key to a new file that only its owner can read (PEM, PKCS#8) [F-8.1]. It never overwrites:
// the error is fs.ErrExist when the file is there, because the city knows the bridge by this key.
func WriteKey(path string, key ed25519.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("write signing key: %w", err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})
	if err := writeNew(path, block); err != nil {
		return fmt.Errorf("write signing key: %w", err)
	}
	return nil
}

// writeNew creates a file of mode 0600 whose name and bytes are on disk when it returns; a failed write leaves no file.
func writeNew(path string, b []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil // a directory cannot be opened for this
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ReadKey reads a key that WriteKey wrote, or any Ed25519 key in PEM and PKCS#8. It refuses a file that others than its
// owner can read [F-8.2].
func ReadKey(path string) (ed25519.PrivateKey, error) {
	key, err := readKey(path)
	if err != nil {
		return nil, fmt.Errorf("read signing key %s: %w", path, err)
	}
	return key, nil
}

func readKey(path string) (ed25519.PrivateKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("mode is %#o, others can read it: run chmod 600 on it, or make a new key if it was copied", mode)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(b)
	if block == nil || block.Type != pemType || strings.TrimSpace(string(rest)) != "" {
		return nil, malformed("want one PEM block of type %q", pemType)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, malformed("%w", err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, malformed("key is %T, want Ed25519", parsed)
	}
	return key, nil
}

// PublicText returns the text of a public key for the city's registry of bridges: the 32 bytes in base64 [F-8.3].
func PublicText(pub ed25519.PublicKey) string { return base64.StdEncoding.EncodeToString(pub) }

// ParsePublic reads the text of a public key; the error is ErrMalformed.
func ParsePublic(text string) (ed25519.PublicKey, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, malformed("public key: %w", err)
	}
	if len(b) != ed25519.PublicKeySize {
		return nil, malformed("public key has %d bytes, want %d", len(b), ed25519.PublicKeySize)
	}
	return b, nil
}

// Fingerprint returns a short text by which two people can compare a public key over the phone: SHA-256 of its 32
// bytes, in base64 without padding, as ssh-keygen prints it.
func Fingerprint(pub ed25519.PublicKey) string {
	sum := sha256.Sum256(pub)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}
