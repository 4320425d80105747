// Package credential is the file of who may connect to a base's own broker and what each may do there: passwords as
// argon2id hashes, client certificates, topics, and limits. It is for cmd, which gives a Keeper to the embedded broker, and
// for the commands that write the file.
//
// It refuses a file with any mistake as a whole, with the place of each, and goes on with the last good one: a slip of the
// pen must neither lock a workshop out nor let a stranger in. It never keeps a password, and what a client may not do does
// not depend on how well the file was written: frames and acknowledgements between bridges and collectors are out of reach
// for every entry.
package credential

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"
)

// FileName is the file's name in the data directory.
const FileName = "credentials.yaml"

// Limits of the file.
const (
	// MaxName is the longest name, in bytes.
	MaxName = 128
	// MaxPasswords is how many passwords one entry may have at a time. A failed attempt costs as much as the most of any.
	MaxPasswords = 4
	// MaxPasswordBytes is the longest password that is looked at.
	MaxPasswordBytes = 1024
	maxDevices       = 20000
	maxFilters       = 64
	maxFilterBytes   = 1024
)

// Role says what an entry is for.
type Role string

// The roles.
const (
	// RoleDevice publishes its own topics and hears its own commands.
	RoleDevice Role = "device"
	// RoleReader hears and never publishes: a local board, or another system at the base.
	RoleReader Role = "reader"
)

// Allowance bounds what all connections of one entry may send. In a Device, zero fields mean the file's defaults.
type Allowance struct {
	MessagesPerSecond float64
	Burst             int
	MaxPayloadBytes   int
	MaxConnections    int
}

// DefaultAllowance is in force where neither the entry nor the file says otherwise: ten times what a busy gateway sends.
func DefaultAllowance() Allowance {
	return Allowance{MessagesPerSecond: 100, Burst: 500, MaxPayloadBytes: 256 << 10, MaxConnections: 8}
}

// or fills what is not given from other.
func (a Allowance) or(other Allowance) Allowance {
	if a.MessagesPerSecond == 0 {
		a.MessagesPerSecond = other.MessagesPerSecond
	}
	if a.Burst == 0 {
		a.Burst = other.Burst
	}
	if a.MaxPayloadBytes == 0 {
		a.MaxPayloadBytes = other.MaxPayloadBytes
	}
	if a.MaxConnections == 0 {
		a.MaxConnections = other.MaxConnections
	}
	return a
}

// Password is one of the passwords of an entry.
type Password struct {
	Hash Hash
	// NotAfter is when it ends; the zero time is never.
	NotAfter time.Time
}

// Identity is a client certificate that proves an entry: exactly one of the two is set.
type Identity struct {
	CommonName string // of the subject
	SHA256     string // of the certificate, 64 lower-case hexadecimal digits
}

// String is the identity as the file writes it.
func (i Identity) String() string {
	if i.SHA256 != "" {
		return "sha256:" + i.SHA256
	}
	return "cn:" + i.CommonName
}

// identitiesOf are what a certificate can prove, the surer first.
func identitiesOf(leaf *x509.Certificate) []Identity {
	sum := sha256.Sum256(leaf.Raw)
	out := []Identity{{SHA256: hex.EncodeToString(sum[:])}}
	if leaf.Subject.CommonName != "" {
		out = append(out, Identity{CommonName: leaf.Subject.CommonName})
	}
	return out
}

// Device is one entry: whoever connects under its name.
type Device struct {
	Name     string // the MQTT username
	Note     string // for people
	Role     Role
	Dialect  string // "" for none in particular
	Disabled bool
	// Passwords and Certificates prove the name, each alone.
	Passwords    []Password
	Certificates []Identity
	// ClientIDs are the MQTT client ids that it must use one of; none means any.
	ClientIDs []string
	// Publish and Subscribe are topic filters with placeholders; nil means those of the dialect.
	Publish, Subscribe []string
	Allowance          Allowance
	// Line is where the entry begins in its file, 0 for one that comes from none.
	Line int
}

// File is the content of a file without mistakes.
type File struct {
	Devices  []Device
	Defaults Allowance // zero fields mean DefaultAllowance
}

// Find returns the entry of that name.
func (f *File) Find(name string) (Device, bool) {
	for _, d := range f.Devices {
		if d.Name == name {
			return d, true
		}
	}
	return Device{}, false
}

// AllowanceOf is what is in force for an entry.
func (f *File) AllowanceOf(d Device) Allowance {
	return d.Allowance.or(f.Defaults).or(DefaultAllowance())
}

// rights is everything about an entry that a permit carries: when it changes, the permit is withdrawn.
func (f *File) rights(d Device) string {
	return fmt.Sprintf("%q %q %q %q %+v", d.Role, topicsOf(d).publish, topicsOf(d).subscribe, d.ClientIDs, f.AllowanceOf(d))
}
