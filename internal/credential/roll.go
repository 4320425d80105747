package credential

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// roll is a file prepared for look-ups. It does not change, but for what it has learned about right passwords.
type roll struct {
	entries    map[string]*entry   // by name
	identities map[Identity]*entry // by certificate
	rounds     int                 // the most passwords that any entry has: what every failed attempt costs
	cost       Cost                // the highest of any
	digest     [sha256.Size]byte   // of the content
}

type entry struct {
	Device
	allowance Allowance
	rights    string
	secrets   []*secret
}

// secret is a password's hash with the digest of the password, once it was shown.
type secret struct {
	text     string // of the hash
	hash     Hash
	notAfter time.Time
	proof    *atomic.Pointer[[32]byte]
}

func (s *secret) ended(now time.Time) bool { return !s.notAfter.IsZero() && !now.Before(s.notAfter) }

// newRoll prepares a file. What the old roll learned about hashes that are still there is kept, so that a change of one
// device does not cost a look at the password of each.
func newRoll(f *File, old *roll) *roll {
	r := &roll{entries: make(map[string]*entry), identities: make(map[Identity]*entry), rounds: 1}
	var content strings.Builder
	for _, d := range f.Devices {
		e := &entry{Device: d, allowance: f.AllowanceOf(d), rights: f.rights(d)}
		for _, p := range d.Passwords {
			s := &secret{text: p.Hash.String(), hash: p.Hash, notAfter: p.NotAfter, proof: old.proof(d.Name, p.Hash.String())}
			e.secrets = append(e.secrets, s)
			if p.Hash.cost.work() > r.cost.work() {
				r.cost = p.Hash.cost
			}
		}
		for _, c := range d.Certificates {
			r.identities[c] = e
		}
		r.entries[d.Name] = e
		r.rounds = max(r.rounds, len(e.secrets))
		fmt.Fprintf(&content, "%q %v %s %v %v\n", d.Name, d.Disabled, e.rights, d.Passwords, d.Certificates)
	}
	if r.cost == (Cost{}) {
		r.cost = DefaultCost()
	}
	r.digest = sha256.Sum256([]byte(content.String()))
	return r
}

// proof returns where the digest of the right password is kept, which may be known already.
func (r *roll) proof(name, text string) *atomic.Pointer[[32]byte] {
	if r != nil && r.entries[name] != nil {
		for _, s := range r.entries[name].secrets {
			if s.text == text {
				return s.proof
			}
		}
	}
	return new(atomic.Pointer[[32]byte])
}

// proven is how a client proved its name.
type proven struct {
	by       string // the text of the hash, or of the identity
	notAfter time.Time
}

// holds says why what a client proved its name with does not prove it any more, or "".
func (r *roll) holds(name, rights string, p proven, now time.Time) string {
	e := r.entries[name]
	switch {
	case e == nil:
		return "removed from the file"
	case e.Disabled:
		return "disabled"
	case e.rights != rights:
		return "its rights have changed"
	case !p.notAfter.IsZero() && !now.Before(p.notAfter):
		return "its credential has ended"
	}
	for _, s := range e.secrets {
		if s.text == p.by {
			if s.ended(now) {
				return "its credential has ended"
			}
			return ""
		}
	}
	for _, c := range e.Certificates {
		if c.String() == p.by {
			return ""
		}
	}
	return "its credential was removed"
}
