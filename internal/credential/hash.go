package credential

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"golang.org/x/crypto/argon2"
)

// Cost is what one look at a password costs.
type Cost struct {
	MemoryKiB uint32
	Passes    uint32
	Threads   uint8
}

// DefaultCost is what OWASP recommends for argon2id where memory is short: 19 MiB, and some 20 ms of a desktop's core. A
// base's small computer checks two at a time.
func DefaultCost() Cost { return Cost{MemoryKiB: 19 << 10, Passes: 2, Threads: 1} }

// weak reports whether guessing is cheaper than the least that OWASP recommends.
func (c Cost) weak() bool { return uint64(c.MemoryKiB)*uint64(c.Passes) < 7168*5 }

// work orders costs.
func (c Cost) work() uint64 { return uint64(c.MemoryKiB) * uint64(c.Passes) }

const (
	maxMemoryKiB = 64 << 10 // what two at a time may take of a base's computer
	maxPasses    = 10
	maxThreads   = 4
	saltBytes    = 16
	sumBytes     = 32
)

// Hash is an argon2id hash of a password, in the form of a PHC string. The zero Hash matches nothing.
type Hash struct {
	cost Cost
	salt string
	sum  string
}

var phc = regexp.MustCompile(`^\$argon2id\$v=19\$m=([1-9][0-9]{0,9}),t=([1-9][0-9]{0,9}),p=([1-9][0-9]{0,2})\$([A-Za-z0-9+/]{11,64})\$([A-Za-z0-9+/]{22,86})$`)

// ParseHash reads a PHC string as String writes it, with costs that a base's computer can bear.
func ParseHash(s string) (Hash, error) {
	parts := phc.FindStringSubmatch(s)
	if parts == nil {
		return Hash{}, errors.New("want $argon2id$v=19$m=…,t=…,p=…$salt$hash")
	}
	memory, passes, threads := number(parts[1]), number(parts[2]), number(parts[3])
	if threads > maxThreads || passes > maxPasses || memory > maxMemoryKiB || memory < 8*threads {
		return Hash{}, fmt.Errorf("want m up to %d KiB, t up to %d, p up to %d", maxMemoryKiB, maxPasses, maxThreads)
	}
	salt, saltErr := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	sum, sumErr := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if saltErr != nil || sumErr != nil {
		return Hash{}, errors.New("want salt and hash in base64 without padding")
	}
	return Hash{cost: Cost{uint32(memory), uint32(passes), uint8(threads)}, salt: string(salt), sum: string(sum)}, nil //nolint:gosec // bounded above
}

// number reads digits; one that is too large stays larger than every bound.
func number(digits string) uint64 {
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 1 << 32
	}
	return n
}

// NewHash hashes a password with a fresh salt.
func NewHash(password []byte, cost Cost) Hash {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // it never returns an error
	h := Hash{cost: cost, salt: string(salt)}
	h.sum = string(h.compute(password, sumBytes))
	return h
}

// NewPassword makes a password that nobody can guess: 24 characters that are not mistaken for each other, 120 bits.
func NewPassword() string {
	const letters = "abcdefghijkmnpqrstuvwxyz23456789" // 32: without l, o, 0 and 1
	raw := make([]byte, 24)
	_, _ = rand.Read(raw) // it never returns an error
	for i, b := range raw {
		raw[i] = letters[b%32]
	}
	return string(raw)
}

// String is the PHC string; "" for the zero Hash.
func (h Hash) String() string {
	if h.sum == "" {
		return ""
	}
	encode := func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) }
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.cost.MemoryKiB, h.cost.Passes, h.cost.Threads, encode(h.salt), encode(h.sum))
}

// Weak reports whether the hash is cheaper to guess against than is recommended.
func (h Hash) Weak() bool { return h.cost.weak() }

// Matches reports whether it is the password's hash. It takes as long as the hash's cost says, whatever the password.
func (h Hash) Matches(password []byte) bool {
	if h.sum == "" {
		return false
	}
	return subtle.ConstantTimeCompare(h.compute(password, len(h.sum)), []byte(h.sum)) == 1
}

func (h Hash) compute(password []byte, n int) []byte {
	return argon2.IDKey(password, []byte(h.salt), h.cost.Passes, h.cost.MemoryKiB, h.cost.Threads, uint32(n)) //nolint:gosec // at most 64
}
