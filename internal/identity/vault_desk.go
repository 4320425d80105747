package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

var (
	// ErrUnknown says that no identity of the person is kept.
	ErrUnknown = errors.New("没有此人的身份信息 / no identity of this person is kept")
	// ErrPurged says that the identity was deleted, with a certificate.
	ErrPurged = errors.New("此人的身份信息已删除 / the identity of this person was deleted")
	// ErrReason says that a reason is missing, too long, or repeats what it should keep secret.
	ErrReason = errors.New("原因有误 / the reason is not good")
	// ErrTraces says that a deletion is done and certified, and that bytes of the sealed record may stay in the database's
	// log until it is checkpointed.
	ErrTraces = errors.New("已删除，但数据库日志中可能暂留密文 / deleted, but the sealed bytes may stay in the database's log for a while")
)

// Stored is a sealed identity as the ledger keeps it.
type Stored struct {
	Base, Person string
	Sealed
	UpdatedMs int64 // milliseconds since the Unix epoch
}

// Use is when a person whose identity is kept took part last.
type Use struct {
	Base, Person string
	UpdatedMs    int64 // when the identity was written last
	LastMs       int64 // the end of the last session of the person, 0 when there is none
}

// Store keeps sealed identities; the ledger is one. It never sees an open one.
type Store interface {
	// Identity returns one. The errors are ErrUnknown and ErrPurged.
	Identity(ctx context.Context, base, person string) (Stored, error)
	// EraseIdentity deletes one for good and keeps the certificate, both or neither. The errors are ErrUnknown, ErrPurged, and ErrTraces
	// beside a certificate that is valid.
	EraseIdentity(ctx context.Context, e Erasure) (Certificate, error)
	// IdentityUses returns every identity that is kept, in order of base and person.
	IdentityUses(ctx context.Context) ([]Use, error)
	// IdentitiesUnderOtherKeys returns up to limit identities that this key did not seal.
	IdentitiesUnderOtherKeys(ctx context.Context, keyID string, limit int) ([]Stored, error)
	// ReplaceSealed puts the second envelope in the place of the first, all or none, where the first is still there, and
	// returns for how many it was.
	ReplaceSealed(ctx context.Context, swaps []Swap) (int, error)
	// IdentityKeys counts the identities that each key sealed.
	IdentityKeys(ctx context.Context) (map[string]int, error)
}

// Swap is one identity under another key.
type Swap struct {
	Was  Stored
	Next Sealed
}

// The actions that are recorded.
const (
	ActionUnmask = "people.unmask"
	ActionPurge  = "people.purge"
	ActionReseal = "people.reseal"
	ActionKeys   = "people.keys" // a key was added, or old ones were dropped
)

// Entry is what is recorded of an act. It holds no identity.
type Entry struct {
	AtMs   int64
	Who    string
	Action string
	Base   string
	Person string // "" when the act is about all of them
	Reason string
	Detail string
}

// Auditor writes down who did what. What cannot be written down is not done.
type Auditor interface {
	Record(ctx context.Context, e Entry) error
}

// Desk is the one place where identities are shown and deleted. It may be used concurrently.
type Desk struct {
	store Store
	vault *Vault
	audit Auditor
	now   func() time.Time
}

// NewDesk returns a desk; all its parts are required.
func NewDesk(store Store, vault *Vault, audit Auditor, now func() time.Time) (*Desk, error) {
	if store == nil || vault == nil || audit == nil || now == nil {
		return nil, errors.New("identity desk: want a store, a vault, an auditor and a clock")
	}
	return &Desk{store: store, vault: vault, audit: audit, now: now}, nil
}

// Act is who asks for one person's identity, and why. The caller has made sure that who may.
type Act struct {
	Who, Base, Person, Reason string
}

// The bounds of a reason, in characters and bytes.
const (
	minReason      = 2
	maxReasonBytes = 1000
)

// Unmask returns who the person is. Nothing is shown without a reason, or when the act cannot be written down; an attempt
// that shows nothing, because there is nothing or no key, is written down too. The errors are ErrReason, ErrUnknown, ErrPurged, those of
// Vault.Open and the auditor's.
func (d *Desk) Unmask(ctx context.Context, a Act) (Record, error) {
	if err := a.check(); err != nil {
		return Record{}, fmt.Errorf("show identity: %w", err)
	}
	r, openErr := d.open(ctx, a)
	if openErr == nil && r.repeatedIn(a.Reason) {
		return Record{}, fmt.Errorf("show identity: 原因中不要写姓名、证件号或手机，它会长期保存 / do not repeat name, number or phone in the reason, it is kept: %w", ErrReason)
	}
	detail := "shown"
	if openErr != nil {
		detail = "not shown: " + openErr.Error()
	}
	if err := d.record(ctx, a, ActionUnmask, detail); err != nil {
		return Record{}, err
	}
	if openErr != nil {
		return Record{}, fmt.Errorf("show identity: %w", openErr)
	}
	return r, nil
}

func (d *Desk) open(ctx context.Context, a Act) (Record, error) {
	s, err := d.store.Identity(ctx, a.Base, a.Person)
	if err != nil {
		return Record{}, err
	}
	return d.vault.Open(a.Base, a.Person, s.Blob)
}

// Purge deletes who the person is, for good, and returns the certificate. The person's id and every row about it stay. It
// needs no key: what cannot be opened any more can still be deleted. The errors are ErrReason, ErrUnknown, ErrPurged, the auditor's,
// and ErrTraces beside a certificate that is valid.
func (d *Desk) Purge(ctx context.Context, a Act) (Certificate, error) {
	if err := a.check(); err != nil {
		return Certificate{}, fmt.Errorf("delete identity: %w", err)
	}
	r, err := d.open(ctx, a)
	if errors.Is(err, ErrUnknown) || errors.Is(err, ErrPurged) {
		return Certificate{}, fmt.Errorf("delete identity: %w", err)
	}
	if err == nil && r.repeatedIn(a.Reason) {
		return Certificate{}, fmt.Errorf("delete identity: 原因中不要写姓名、证件号或手机，它会长期保存 / do not repeat name, number or phone in the reason, it is kept: %w", ErrReason)
	}
	if err := d.record(ctx, a, ActionPurge, "ordered"); err != nil {
		return Certificate{}, err
	}
	c, err := d.store.EraseIdentity(ctx, Erasure{AtMs: d.now().UnixMilli(), Who: a.Who, Base: a.Base, Person: a.Person, Reason: a.Reason})
	if err != nil {
		return c, fmt.Errorf("delete identity: %w", err)
	}
	return c, nil
}

func (d *Desk) record(ctx context.Context, a Act, action, detail string) error {
	err := d.audit.Record(ctx, Entry{AtMs: d.now().UnixMilli(), Who: a.Who, Action: action, Base: a.Base, Person: a.Person, Reason: a.Reason, Detail: detail})
	if err != nil {
		return fmt.Errorf("无法写入审计日志，未执行 / the audit log could not be written, nothing was done: %w", err)
	}
	return nil
}

func (a Act) check() error {
	reason := strings.TrimSpace(a.Reason)
	switch {
	case a.Who == "":
		return errors.New("经办人为空 / nobody is named who does it")
	case utf8.RuneCountInString(reason) < minReason:
		return fmt.Errorf("请写明原因 / say why: %w", ErrReason)
	case !printableText(a.Reason, maxReasonBytes):
		return fmt.Errorf("应为至多 %d 字节的一行文字 / want one line of at most %d bytes: %w", maxReasonBytes, maxReasonBytes, ErrReason)
	}
	return checkOwner(a.Base, a.Person)
}

// repeatedIn reports whether a text says what the record says.
func (r Record) repeatedIn(text string) bool {
	for _, f := range r.fields() {
		if utf8.RuneCountInString(f[1]) >= 2 && strings.Contains(strings.ToUpper(text), strings.ToUpper(f[1])) {
			return true
		}
	}
	return false
}

// resealBatch is how many records are sealed again in one transaction: an import waits for no more than one of them.
const resealBatch = 500

// Reseal seals every identity with the newest key and returns how many it did. It may end at any point and be run again, and
// imports may go on meanwhile. The act is recorded. One that cannot be opened ends it with an error that names the person's id and the key.
func (d *Desk) Reseal(ctx context.Context, who, reason string) (done int, err error) {
	ring, err := d.vault.Keys()
	if err != nil {
		return 0, fmt.Errorf("seal identities again: %w", err)
	}
	newest := ring.Newest().ID
	if err := d.record(ctx, Act{Who: who, Reason: reason}, ActionReseal, "key "+newest); err != nil {
		return 0, err
	}
	for {
		n, err := d.resealSome(ctx, newest)
		done += n
		if err != nil {
			return done, fmt.Errorf("seal identities again: %w", err)
		}
		if n == 0 {
			return done, nil
		}
	}
}

func (d *Desk) resealSome(ctx context.Context, newest string) (int, error) {
	list, err := d.store.IdentitiesUnderOtherKeys(ctx, newest, resealBatch)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	swaps := make([]Swap, 0, len(list))
	for _, s := range list {
		next, changed, err := d.vault.Reseal(s.Base, s.Person, s.Blob)
		if err != nil {
			return 0, fmt.Errorf("base %s, person %s: %w", s.Base, s.Person, err)
		}
		if !changed {
			return 0, fmt.Errorf("base %s, person %s: the ledger names key %s, the envelope %s: %w", s.Base, s.Person, s.KeyID, newest, ErrEnvelope)
		}
		swaps = append(swaps, Swap{Was: s, Next: next})
	}
	if _, err := d.store.ReplaceSealed(ctx, swaps); err != nil {
		return 0, err
	}
	return len(swaps), nil
}
