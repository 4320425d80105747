package identity

import (
	"bufio"
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The limits of a keyring's text.
const (
	keyBytes    = 32
	maxKeys     = 64
	maxKeyBytes = 32 << 10
)

// The two purposes of a key. The hash key never changes: every person's hash at every base hangs on it. The seal keys do.
const (
	purposeHash = "hash"
	purposeSeal = "seal"
)

// ErrKeyring says that a text is no keyring.
var ErrKeyring = errors.New("身份密钥格式有误 / malformed identity keys")

// keyringHeader begins a file of keys.
const keyringHeader = "# 机时身份密钥：请与台账分开备份；丢失后姓名与证件号无法再读出。写法见 docs/privacy.md\n" +
	"# jishi identity keys. Keep a copy apart from the ledger: without it no name can be read again. See docs/privacy.md\n"

// Key names one key of a keyring. It does not hold the key.
type Key struct {
	ID     string // eight hexadecimal digits
	MadeMs int64  // milliseconds since the Unix epoch, whole seconds
}

// key is a secret with its name.
type key struct {
	Key
	purpose string
	secret  []byte
}

// Keyring is the city's key for hashes and the keys for sealing, of which the newest seals and all open. It never changes,
// may be used concurrently, and prints no key.
type Keyring struct {
	hash  key
	seals []key // in order of time
}

// NewKeyring makes a keyring with a key for hashes and one for sealing.
func NewKeyring(atMs int64) (*Keyring, error) {
	hash, err := newKey(purposeHash, atMs)
	if err != nil {
		return nil, err
	}
	return (&Keyring{hash: hash}).Rotated(atMs)
}

func newKey(purpose string, atMs int64) (key, error) {
	secret := make([]byte, keyBytes)
	if _, err := rand.Read(secret); err != nil {
		return key{}, fmt.Errorf("make identity key: %w", err)
	}
	atMs -= atMs % 1000
	return key{Key: Key{ID: keyID(purpose, secret), MadeMs: atMs}, purpose: purpose, secret: secret}, nil
}

// keyID is the name of a key, which says nothing about it: a mistyped key does not fit its name.
func keyID(purpose string, secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("jishi identity key id v1 " + purpose))
	return hex.EncodeToString(mac.Sum(nil)[:4])
}

// derive returns the subkey for one use.
func (k key) derive(use string) []byte {
	sub, err := hkdf.Key(sha256.New, k.secret, nil, "jishi identity v1 "+use, keyBytes)
	if err != nil {
		panic(fmt.Sprintf("identity: derive a key of %d bytes: %v", keyBytes, err)) // HKDF gives up to 255 hashes
	}
	return sub
}

// Rotated returns a keyring with one more key, which seals from now on. atMs is the time of its making; a clock that went
// back does not put it before the others.
func (k *Keyring) Rotated(atMs int64) (*Keyring, error) {
	if len(k.seals) >= maxKeys {
		return nil, fmt.Errorf("identity keys: %d are there already, drop those that are no longer in use", len(k.seals))
	}
	if n := len(k.seals); n > 0 {
		atMs = max(atMs, k.seals[n-1].MadeMs+1000)
	}
	next, err := newKey(purposeSeal, atMs)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(k.seals, func(other key) bool { return other.ID == next.ID }) {
		return k.Rotated(atMs) // two names of 32 bits met
	}
	return &Keyring{hash: k.hash, seals: append(slices.Clone(k.seals), next)}, nil
}

// Without returns a keyring without these keys for sealing. The newest cannot be taken out.
func (k *Keyring) Without(ids ...string) (*Keyring, error) {
	if slices.Contains(ids, k.Newest().ID) {
		return nil, fmt.Errorf("identity key %s is the newest, it seals: 不能移除最新的密钥", k.Newest().ID)
	}
	out := &Keyring{hash: k.hash}
	for _, s := range k.seals {
		if !slices.Contains(ids, s.ID) {
			out.seals = append(out.seals, s)
		}
	}
	return out, nil
}

// Newest names the key that seals.
func (k *Keyring) Newest() Key { return k.seals[len(k.seals)-1].Key }

// Keys names the keys that open, the oldest first.
func (k *Keyring) Keys() []Key {
	out := make([]Key, len(k.seals))
	for i := range k.seals {
		out[i] = k.seals[i].Key
	}
	return out
}

// HashKey names the key of hashes: two installations with equal names give one person one hash.
func (k *Keyring) HashKey() Key { return k.hash.Key }

// String names the keys.
func (k *Keyring) String() string {
	return fmt.Sprintf("identity keys (hash %s, %d seal, newest %s)", k.hash.ID, len(k.seals), k.Newest().ID)
}

// GoString is String, for %#v.
func (k *Keyring) GoString() string { return k.String() }

// text writes the keyring as ParseKeyring reads it. It holds the keys.
func (k *Keyring) text() []byte {
	var b bytes.Buffer
	b.WriteString(keyringHeader)
	for _, one := range append([]key{k.hash}, k.seals...) {
		made := time.UnixMilli(one.MadeMs).UTC().Format(time.RFC3339)
		fmt.Fprintf(&b, "%s %s %s %s\n", one.purpose, one.ID, made, base64.StdEncoding.EncodeToString(one.secret))
	}
	return b.Bytes()
}

// ParseKeyring reads keys, one a line: purpose (hash or seal), id, time of making (RFC 3339, whole seconds), and 32 bytes in base64.
// There is one key for hashes; the keys for sealing stand in order of time, the newest last. Empty lines and lines that
// begin with # are passed over; a semicolon ends a line too, for an environment variable. The error is ErrKeyring; it names
// the line and never repeats it.
func ParseKeyring(text []byte) (*Keyring, error) {
	if len(text) > maxKeyBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrKeyring, len(text), maxKeyBytes)
	}
	k := &Keyring{}
	lines := bufio.NewScanner(bytes.NewReader(bytes.ReplaceAll(text, []byte(";"), []byte("\n"))))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := k.addLine(line); err != nil {
			return nil, fmt.Errorf("%w: 第 %d 行 line %d: %w", ErrKeyring, n, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyring, err)
	}
	if k.hash.secret == nil || len(k.seals) == 0 {
		return nil, fmt.Errorf("%w: 应有一个 hash 密钥和至少一个 seal 密钥 / want one hash key and at least one seal key", ErrKeyring)
	}
	return k, nil
}

func (k *Keyring) addLine(line string) error {
	one, err := parseKey(line)
	if err != nil {
		return err
	}
	if one.purpose == purposeHash {
		if k.hash.secret != nil {
			return errors.New("只能有一个 hash 密钥 / there is a hash key already")
		}
		k.hash = one
		return nil
	}
	if n := len(k.seals); n > 0 && one.MadeMs <= k.seals[n-1].MadeMs {
		return errors.New("seal 密钥应按时间先后 / want seal keys in order of time, the newest last")
	}
	if slices.ContainsFunc(k.seals, func(other key) bool { return other.ID == one.ID }) {
		return errors.New("密钥重复 / the key is there twice")
	}
	if len(k.seals) == maxKeys {
		return fmt.Errorf("密钥过多 / more than %d keys", maxKeys)
	}
	k.seals = append(k.seals, one)
	return nil
}

func parseKey(line string) (key, error) {
	words := strings.Fields(line)
	if len(words) != 4 {
		return key{}, errors.New("应为四项：用途 编号 时间 密钥 / want four words: purpose id time key")
	}
	if words[0] != purposeHash && words[0] != purposeSeal {
		return key{}, errors.New("用途应为 hash 或 seal / want the purpose hash or seal")
	}
	made, err := time.Parse(time.RFC3339, words[2])
	if err != nil || made.Nanosecond() != 0 || made.Year() < 2000 || made.Year() > 2999 {
		return key{}, errors.New("时间应如 2026-03-01T08:00:00Z / want a time such as 2026-03-01T08:00:00Z")
	}
	secret, err := base64.StdEncoding.Strict().DecodeString(words[3])
	if err != nil || len(secret) != keyBytes {
		return key{}, fmt.Errorf("密钥应为 %d 字节的 Base64 / want a key of %d bytes in base64", keyBytes, keyBytes)
	}
	if words[1] != keyID(words[0], secret) {
		return key{}, errors.New("密钥与编号不符，可能抄写有误 / the key does not fit its id, it may be mistyped")
	}
	return key{Key: Key{ID: words[1], MadeMs: made.UnixMilli()}, purpose: words[0], secret: secret}, nil
}
