package identity

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
)

// ErrNoKey says that a record was sealed with a key that is not at hand. The error around it names the key.
var ErrNoKey = errors.New("没有此身份密钥 / the identity key is not at hand")

// ErrEnvelope says that bytes are no sealed record, or one that was changed or belongs to another person.
var ErrEnvelope = errors.New("密文有误、被改动或不属于此人 / the sealed record is malformed, was changed, or belongs to another person")

// The envelope: version, key id, nonce, ciphertext with its tag.
const (
	envelopeVersion = 1
	keyIDBytes      = 4
	nonceBytes      = 12
	tagBytes        = 16
	headerBytes     = 1 + keyIDBytes
	maxEnvelope     = 8 << 10 // the longest record with every character escaped fits

	// padTo is what the length of a plaintext is a multiple of, so that it says little about the name.
	padTo = 128
)

// Sealed is a record under a key.
type Sealed struct {
	Blob  []byte // the envelope
	KeyID string // of the key that sealed it, as the envelope says too
	// Mark is a keyed hash of record, base and person, hex: equal for equal records of one person whatever key and nonce, so
	// that an import can be repeated without a change.
	Mark string
}

// Vault seals and opens records. It may be used concurrently.
type Vault struct {
	path string // "" for keys that come from no file

	mu   sync.Mutex  // guards what follows
	ring *Keyring    //
	info fs.FileInfo // of the file when the ring was read
}

// NewVault returns a vault with these keys.
func NewVault(ring *Keyring) *Vault { return &Vault{ring: ring} }

// OpenVault returns a vault with the keys of a file (see ReadKeys). It follows the file: a key that was added seals what is
// sealed from then on.
func OpenVault(path string) (*Vault, error) {
	v := &Vault{path: path}
	if _, err := v.Keys(); err != nil {
		return nil, err
	}
	return v, nil
}

// Keys returns the keys in force.
func (v *Vault) Keys() (*Keyring, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.path == "" {
		return v.ring, nil
	}
	info, err := os.Stat(v.path)
	if err != nil {
		return nil, fmt.Errorf("read identity keys: %w", err)
	}
	if v.info != nil && os.SameFile(v.info, info) && v.info.Size() == info.Size() && v.info.ModTime().Equal(info.ModTime()) {
		return v.ring, nil
	}
	ring, err := ReadKeys(v.path)
	if err != nil {
		return nil, err
	}
	v.ring, v.info = ring, info
	return ring, nil
}

// plain is what is sealed.
type plain struct {
	Name     string `json:"name,omitempty"`
	IDNumber string `json:"id_number,omitempty"`
	Phone    string `json:"phone,omitempty"`
}

// Seal seals a record for one person of one base, with the newest key and a nonce of its own. It does not open for any other.
func (v *Vault) Seal(base, person string, r Record) (Sealed, error) {
	if err := errors.Join(checkOwner(base, person), r.check()); err != nil {
		return Sealed{}, fmt.Errorf("seal identity: %w", err)
	}
	ring, err := v.Keys()
	if err != nil {
		return Sealed{}, fmt.Errorf("seal identity: %w", err)
	}
	text, err := json.Marshal(plain(r))
	if err != nil {
		return Sealed{}, fmt.Errorf("seal identity: %w", err)
	}
	mark := ring.mark(base, person, text)
	text = append(text, bytes.Repeat([]byte(" "), (padTo-len(text)%padTo)%padTo)...)
	newest := ring.seals[len(ring.seals)-1]
	blob, err := newest.seal(owner(base, person), text)
	if err != nil {
		return Sealed{}, fmt.Errorf("seal identity: %w", err)
	}
	return Sealed{Blob: blob, KeyID: newest.ID, Mark: mark}, nil
}

// seal makes the envelope.
func (k key) seal(owner, text []byte) ([]byte, error) {
	aead, err := k.aead()
	if err != nil {
		return nil, err
	}
	id, err := hex.DecodeString(k.ID)
	if err != nil {
		return nil, err
	}
	blob := append([]byte{envelopeVersion}, id...)
	nonce := make([]byte, nonceBytes)
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	bound := append(bytes.Clone(blob), owner...)
	return aead.Seal(append(blob, nonce...), nonce, text, bound), nil
}

func (k key) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.derive("aes-256-gcm"))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Open opens what Seal sealed for the same base and person. The errors are ErrNoKey and ErrEnvelope.
func (v *Vault) Open(base, person string, blob []byte) (Record, error) {
	if err := checkOwner(base, person); err != nil {
		return Record{}, fmt.Errorf("open identity: %w", err)
	}
	id, err := KeyOf(blob)
	if err != nil {
		return Record{}, fmt.Errorf("open identity: %w", err)
	}
	ring, err := v.Keys()
	if err != nil {
		return Record{}, fmt.Errorf("open identity: %w", err)
	}
	for _, k := range ring.seals {
		if k.ID == id {
			return k.open(owner(base, person), blob)
		}
	}
	return Record{}, fmt.Errorf("open identity: key %s: %w", id, ErrNoKey)
}

func (k key) open(owner, blob []byte) (Record, error) {
	aead, err := k.aead()
	if err != nil {
		return Record{}, fmt.Errorf("open identity: %w", err)
	}
	bound := append(bytes.Clone(blob[:headerBytes]), owner...)
	text, err := aead.Open(nil, blob[headerBytes:headerBytes+nonceBytes], blob[headerBytes+nonceBytes:], bound)
	if err != nil {
		return Record{}, fmt.Errorf("open identity: %w", ErrEnvelope)
	}
	var p plain
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil || dec.More() {
		return Record{}, fmt.Errorf("open identity: a newer version sealed it: %w", ErrEnvelope)
	}
	return Record(p), nil
}

// KeyOf returns the id of the key that sealed the bytes. The error is ErrEnvelope.
func KeyOf(blob []byte) (string, error) {
	if len(blob) < headerBytes+nonceBytes+tagBytes || len(blob) > maxEnvelope || blob[0] != envelopeVersion {
		return "", ErrEnvelope
	}
	return hex.EncodeToString(blob[1:headerBytes]), nil
}

// Reseal returns the same record under the newest key, and false when it is that already.
func (v *Vault) Reseal(base, person string, blob []byte) (Sealed, bool, error) {
	id, err := KeyOf(blob)
	if err != nil {
		return Sealed{}, false, fmt.Errorf("seal identity again: %w", err)
	}
	ring, err := v.Keys()
	if err != nil || id == ring.Newest().ID {
		return Sealed{}, false, err
	}
	r, err := v.Open(base, person, blob)
	if err != nil {
		return Sealed{}, false, err
	}
	s, err := v.Seal(base, person, r)
	return s, err == nil, err
}

// Hash returns the keyed hash of an ID number, 64 hexadecimal digits: equal for one human being at every base that has the
// same hash key, and of no use to whoever has no key. Blanks around the number and the case of letters do not matter; ""
// has the hash "". The caller has checked the number.
func (v *Vault) Hash(idNumber string) (string, error) {
	ring, err := v.Keys()
	if err != nil {
		return "", fmt.Errorf("hash ID number: %w", err)
	}
	number := strings.ToUpper(strings.TrimSpace(idNumber))
	if number == "" {
		return "", nil
	}
	mac := hmac.New(sha256.New, ring.hash.derive("hmac of ID numbers"))
	mac.Write([]byte(number))
	return hex.EncodeToString(mac.Sum(nil)), nil
}

func (k *Keyring) mark(base, person string, text []byte) string {
	mac := hmac.New(sha256.New, k.hash.derive("mark of records"))
	mac.Write(owner(base, person))
	mac.Write(text)
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// owner is whom an envelope is bound to, each part with its length before it.
func owner(base, person string) []byte {
	b := []byte("jishi identity v1")
	for _, part := range []string{base, person} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part))) //nolint:gosec // checkOwner bounds it
		b = append(b, part...)
	}
	return b
}

func checkOwner(base, person string) error {
	for _, part := range []string{base, person} {
		if part == "" || len(part) > maxFieldBytes {
			return fmt.Errorf("基地与人员编号应为 1 至 %d 字节 / want a base and a person's id of 1 to %d bytes", maxFieldBytes, maxFieldBytes)
		}
	}
	return nil
}
