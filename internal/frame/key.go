package frame

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/atomicfile"
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
	if err := atomicfile.CreatePrivate(path, block); err != nil {
		return fmt.Errorf("write signing key: %w", err)
	}
	return nil
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
	b, err := atomicfile.ReadPrivate(path, maxKeyFile)
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
