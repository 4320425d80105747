package enrol

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/atomicfile"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
)

const pemType = "PRIVATE KEY"

// SealingKey reads the key with which a bridge opens what is sealed for it (PEM, PKCS #8, X25519, mode 0600), and makes
// one when there is none.
func SealingKey(path string) (*ecdh.PrivateKey, error) {
	key, err := readSealingKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = newSealingKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("sealing key %s: %w", path, err)
	}
	return key, nil
}

func readSealingKey(path string) (*ecdh.PrivateKey, error) {
	b, err := atomicfile.ReadPrivate(path, MaxBytes)
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
	key, ok := parsed.(*ecdh.PrivateKey)
	if !ok || key.Curve() != ecdh.X25519() {
		return nil, malformed("key is %T, want X25519", parsed)
	}
	return key, nil
}

func newSealingKey(path string) (*ecdh.PrivateKey, error) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, atomicfile.CreatePrivate(path, pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}))
}

// NewCardKey makes a city's card key in a new file. The error is fs.ErrExist when there is one: every token of the city
// hangs on it.
func NewCardKey(path string) ([]byte, error) {
	key := make([]byte, card.KeyBytes)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make card key: %w", err)
	}
	return key, WriteCardKey(path, key)
}

// WriteCardKey writes a card key to a new file of mode 0600: 64 hexadecimal digits. It never overwrites: the error is
// fs.ErrExist.
func WriteCardKey(path string, key []byte) error {
	if len(key) != card.KeyBytes {
		return fmt.Errorf("write card key: it has %d bytes, want %d", len(key), card.KeyBytes)
	}
	if err := atomicfile.CreatePrivate(path, []byte(hex.EncodeToString(key)+"\n")); err != nil {
		return fmt.Errorf("write card key: %w", err)
	}
	return nil
}

// ReadCardKey reads a card key. It refuses a file that others than its owner can read. The error never repeats the key.
func ReadCardKey(path string) ([]byte, error) {
	b, err := atomicfile.ReadPrivate(path, MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("read card key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(key) != card.KeyBytes {
		return nil, fmt.Errorf("read card key %s: %w", path, malformed("want %d hexadecimal digits", 2*card.KeyBytes))
	}
	return key, nil
}
