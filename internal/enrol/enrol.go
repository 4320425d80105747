// Package enrol is how the bridge of a base becomes known to the city: the request that a base makes and signs, the
// approval that the city answers with, and the city's card key on its way to the base inside it. It is for the two people
// who do this with the commands of jishi, one at each end, and compare a fingerprint over the phone. docs/enrolment.md
// tells their story.
//
// It refuses what is not exactly what it writes itself, line ends aside, because mail programs change those. It refuses to
// decide: whether a bridge is admitted is for a person, who can tell by the fingerprint that nobody changed the request on
// its way.
package enrol

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/nacl/box"

	"github.com/jishi-telemetry/jishi/internal/dialect/card"
)

// What can be wrong with a request or an approval; errors.Is finds them in the returned errors.
var (
	// ErrMalformed: the text is not a request or an approval.
	ErrMalformed = errors.New("malformed")
	// ErrSignature: somebody changed it, or it is not by whom it says.
	ErrSignature = errors.New("signature does not verify")
	// ErrRecipient: the card key inside is sealed for another bridge, or damaged.
	ErrRecipient = errors.New("not sealed for this bridge")
)

// MaxBytes is the largest request or approval that is read.
const MaxBytes = 4096

// Request asks the city to admit a bridge's keys.
type Request struct {
	// Base and Bridge are ids of the registry: 1 to 64 letters, digits and . _ -.
	Base, Bridge string
	// Signing is the key that the bridge signs its frames with; its holder signed the request.
	Signing ed25519.PublicKey
	// Sealing is the key to which the city seals what only this bridge may read.
	Sealing *ecdh.PublicKey
	// Replaces is the key that Signing is to replace, nil when it replaces none; its holder signed the request too.
	Replaces ed25519.PublicKey
	// Created is when the request was made, by the base's clock, in whole seconds.
	Created time.Time
}

const (
	requestTitle  = "jishi enrolment request 1"
	approvalTitle = "jishi enrolment approval 1"
)

// Sign writes the request and signs it with the key it is about, and with the key that it replaces, nil when there is
// none. Signing and Replaces are taken from the keys.
func (r *Request) Sign(key, replaced ed25519.PrivateKey) ([]byte, error) {
	if err := checkNames(r.Base, r.Bridge); err != nil {
		return nil, fmt.Errorf("write enrolment request: %w", err)
	}
	r.Signing, r.Replaces = publicOf(key), nil
	if replaced != nil {
		r.Replaces = publicOf(replaced)
	}
	w := writer{text: requestTitle + "\n"}
	r.write(&w)
	if replaced != nil {
		w.sign("signature-of-replaced-key", replaced)
	}
	w.sign("signature", key)
	return []byte(w.text), nil
}

func (r *Request) write(w *writer) {
	w.line("base", r.Base)
	w.line("bridge", r.Bridge)
	w.line("signing-key", encode(r.Signing))
	w.line("sealing-key", encode(r.Sealing.Bytes()))
	if r.Replaces != nil {
		w.line("replaces", encode(r.Replaces))
	}
	w.line("created", r.Created.UTC().Format(time.RFC3339))
}

// ParseRequest reads a request and verifies its signatures; the error is ErrMalformed or ErrSignature. Whose keys they are
// is another question: compare Fingerprint.
func ParseRequest(text []byte) (*Request, error) {
	r, err := parseRequest(text)
	if err != nil {
		return nil, fmt.Errorf("read enrolment request: %w", err)
	}
	return r, nil
}

func parseRequest(text []byte) (*Request, error) {
	p, err := newReader(text, requestTitle)
	if err != nil {
		return nil, err
	}
	r := &Request{Base: p.name("base"), Bridge: p.name("bridge"), Signing: p.bytes("signing-key", ed25519.PublicKeySize)}
	sealing := p.bytes("sealing-key", 32)
	if p.has("replaces") {
		r.Replaces = p.bytes("replaces", ed25519.PublicKeySize)
	}
	r.Created = p.time("created")
	if r.Replaces != nil {
		p.verify("signature-of-replaced-key", r.Replaces)
	}
	p.verify("signature", r.Signing)
	if err := p.end(); err != nil {
		return nil, err
	}
	if r.Sealing, err = sealingKey(sealing); err != nil {
		return nil, err
	}
	if r.Replaces.Equal(r.Signing) {
		return nil, malformed("a key does not replace itself")
	}
	return r, nil
}

// sealingKey refuses the few keys to which whatever is sealed can be read by anybody.
func sealingKey(b []byte) (*ecdh.PublicKey, error) {
	key, err := ecdh.X25519().NewPublicKey(b)
	if err != nil {
		return nil, malformed("sealing-key: %w", err)
	}
	probe, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("probe sealing-key: %w", err)
	}
	if _, err := probe.ECDH(key); err != nil {
		return nil, malformed("sealing-key: %w", err)
	}
	return key, nil
}

// Fingerprint is what two people compare over the phone: 30 digits in groups of five, about 100 bits of a digest of base,
// bridge and both keys. It stays the same when the request is made again.
func (r *Request) Fingerprint() string {
	return digits("request", r.Base, r.Bridge, string(r.Signing), string(r.Sealing.Bytes()))
}

// CityFingerprint is the same for the city's key.
func CityFingerprint(city ed25519.PublicKey) string { return digits("city", string(city)) }

// digits turns a digest of the parts, each behind its length, into six groups of five decimal digits.
func digits(parts ...string) string {
	h := sha512.New()
	for _, part := range append([]string{"jishi fingerprint 1"}, parts...) {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part))) //nolint:errcheck // a hash takes everything
		h.Write([]byte(part))
	}
	sum := h.Sum(nil)
	var groups []string
	for i := range 6 {
		group := append([]byte{0, 0, 0}, sum[5*i:5*i+5]...)
		groups = append(groups, fmt.Sprintf("%05d", binary.BigEndian.Uint64(group)%100_000))
	}
	return strings.Join(groups, " ")
}

// Approval is the city's answer: it names the keys that were admitted and holds the card key for the bridge's eyes only.
type Approval struct {
	Base, Bridge string
	// Signing is the bridge's key that was admitted.
	Signing ed25519.PublicKey
	// City is the key of the city that signed the approval. A base pins it: compare CityFingerprint the first time.
	City ed25519.PublicKey
	// CardKeyID names the card key, as the tokens do.
	CardKeyID string
	// Approved is when it was made, by the city's clock, in whole seconds.
	Approved time.Time

	sealed []byte
}

// Approve answers a request: it seals the card key to the bridge and signs all of it with the city's key.
func Approve(r *Request, city ed25519.PrivateKey, cardKey []byte, now time.Time) ([]byte, error) {
	if len(cardKey) != card.KeyBytes {
		return nil, fmt.Errorf("write approval: card key has %d bytes, want %d", len(cardKey), card.KeyBytes)
	}
	sealed, err := box.SealAnonymous(nil, cardKey, (*[32]byte)(r.Sealing.Bytes()), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("seal card key: %w", err)
	}
	w := writer{text: approvalTitle + "\n"}
	w.line("base", r.Base)
	w.line("bridge", r.Bridge)
	w.line("signing-key", encode(r.Signing))
	w.line("city-key", encode(publicOf(city)))
	w.line("card-key-id", card.KeyID(cardKey))
	w.line("card-key", encode(sealed))
	w.line("approved", now.UTC().Format(time.RFC3339))
	w.sign("signature", city)
	return []byte(w.text), nil
}

// ParseApproval reads an approval and verifies that the city it names signed it; the error is ErrMalformed or
// ErrSignature. Whether that is the base's city is for the caller to say.
func ParseApproval(text []byte) (*Approval, error) {
	p, err := newReader(text, approvalTitle)
	if err != nil {
		return nil, fmt.Errorf("read approval: %w", err)
	}
	a := &Approval{
		Base: p.name("base"), Bridge: p.name("bridge"), Signing: p.bytes("signing-key", ed25519.PublicKeySize),
		City: p.bytes("city-key", ed25519.PublicKeySize), CardKeyID: p.keyID("card-key-id"),
		sealed: p.bytes("card-key", card.KeyBytes+box.AnonymousOverhead), Approved: p.time("approved"),
	}
	p.verify("signature", a.City)
	if err := p.end(); err != nil {
		return nil, fmt.Errorf("read approval: %w", err)
	}
	return a, nil
}

// CardKey opens the card key with the bridge's sealing key; the error is ErrRecipient.
func (a *Approval) CardKey(key *ecdh.PrivateKey) ([]byte, error) {
	opened, ok := box.OpenAnonymous(nil, a.sealed, (*[32]byte)(key.PublicKey().Bytes()), (*[32]byte)(key.Bytes()))
	if !ok || card.KeyID(opened) != a.CardKeyID {
		return nil, fmt.Errorf("open card key: %w", ErrRecipient)
	}
	return opened, nil
}

// publicOf is the other half of a signing key.
func publicOf(key ed25519.PrivateKey) ed25519.PublicKey {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		panic("enrol: an Ed25519 key without its public half") // crypto/ed25519 promises that it has one
	}
	return public
}
