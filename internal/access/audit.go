package access

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

// Action is what was done, as the audit log names it.
type Action string

// The actions of this package, and those that others record.
const (
	ActLogIn           Action = "login"
	ActLogInRefused    Action = "login.refused"
	ActLogOut          Action = "logout"
	ActRefused         Action = "refused" // a permission that was not there
	ActFirstRun        Action = "account.first"
	ActAccountAdd      Action = "account.add"
	ActAccountChange   Action = "account.change"
	ActAccountPassword Action = "account.password"
	ActAccountRoles    Action = "account.roles"
	ActTokenAdd        Action = "token.add"
	ActTokenRevoke     Action = "token.revoke"
	ActUnmask          Action = "people.unmask"
	ActImport          Action = "registry.import"
	ActExport          Action = "export"
	ActClue            Action = "clue.step"
	ActClueAnswer      Action = "clue.answer"
	ActCorrection      Action = "correction.step"
	ActPeriod          Action = "period.step"
)

// Entry is one line of the audit log. Seq, AtMs and Hash are set when it is recorded.
type Entry struct {
	Seq    int64 // from 1, without a gap
	AtMs   int64
	Actor  string // Principal.Actor, or who was at the server's command line
	Action Action
	Object string         // what it was done to
	Base   string         // "" when it concerns no base
	Reason string         // what the person gave as the reason
	Detail map[string]any // never a secret or an identity; as JSON at most 64 KiB
	Hash   [sha256.Size]byte
}

const (
	maxText   = 512     // of a field, in bytes; what is longer is cut
	maxReason = 4 << 10 // of a reason, in bytes
	maxDetail = 64 << 10
)

// origin is the hash before the first entry.
var origin = sha256.Sum256([]byte("jishi audit log 1"))

// Record adds an entry in a transaction of its own.
func (a *Access) Record(ctx context.Context, e Entry) error {
	return a.in(ctx, "record in audit log", func(tx *sql.Tx) error { return a.RecordIn(ctx, tx, e) })
}

// RecordIn adds an entry in the transaction of what it tells about: both are there, or neither.
func (a *Access) RecordIn(ctx context.Context, tx *sql.Tx, e Entry) error {
	e.Actor, e.Object, e.Base = clip(e.Actor, maxText), clip(e.Object, maxText), clip(e.Base, maxText)
	e.Action, e.Reason = Action(clip(string(e.Action), maxText)), clip(e.Reason, maxReason)
	detail, err := detailText(e.Detail)
	if err != nil {
		return fmt.Errorf("record %s in audit log: %w", e.Action, err)
	}
	before, err := lastOf(ctx, tx)
	if err != nil {
		return fmt.Errorf("read end of audit log: %w", err)
	}
	e.Seq, e.AtMs = before.seq+1, a.nowMs()
	e.Hash = chain(before.hash, &e, detail)
	_, err = tx.ExecContext(ctx, `INSERT INTO audit (seq, at_ms, actor, action, object, base, reason, detail, hash) VALUES (?,?,?,?,?,?,?,?,?)`,
		e.Seq, e.AtMs, e.Actor, string(e.Action), e.Object, e.Base, e.Reason, detail, e.Hash[:])
	if err != nil {
		return fmt.Errorf("record in audit log: %w", err)
	}
	return nil
}

func detailText(detail map[string]any) (string, error) {
	if len(detail) == 0 {
		return "", nil
	}
	text, err := json.Marshal(detail)
	if err != nil {
		return "", err
	}
	if len(text) > maxDetail {
		return "", fmt.Errorf("detail has %d bytes, want at most %d", len(text), maxDetail)
	}
	return string(text), nil
}

// link is the end of a chain.
type link struct {
	seq  int64
	hash [sha256.Size]byte
}

func lastOf(ctx context.Context, q querier) (link, error) {
	l := link{hash: origin}
	var hash []byte
	err := q.QueryRowContext(ctx, `SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1`).Scan(&l.seq, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return l, nil
	}
	copy(l.hash[:], hash)
	return l, err
}

// chain is the entry's hash: SHA-256 over the hash before it, seq and at_ms as 8 bytes each, big-endian, and then each
// text with its length before it as 8 bytes: actor, action, object, base, reason, detail.
func chain(before [sha256.Size]byte, e *Entry, detail string) [sha256.Size]byte {
	b := bytes.NewBuffer(before[:])
	number := func(n int64) { b.Write(binary.BigEndian.AppendUint64(nil, uint64(n))) } //nolint:gosec // the bits as they are
	number(e.Seq)
	number(e.AtMs)
	for _, s := range []string{e.Actor, string(e.Action), e.Object, e.Base, e.Reason, detail} {
		number(int64(len(s)))
		b.WriteString(s)
	}
	return sha256.Sum256(b.Bytes())
}

// AuditQuery chooses entries; an empty field chooses all.
type AuditQuery struct {
	Actor, Action, Base string
	// Before is the sequence number to go back from, exclusive; 0 is the end of the log.
	Before int64
	// Most is how many entries, 1 to 500; 0 is 100.
	Most int
}

const (
	defaultEntries = 100
	maxEntries     = 500
)

// Entries returns the chosen entries, the newest first.
func (a *Access) Entries(ctx context.Context, q AuditQuery) ([]Entry, error) {
	if q.Most <= 0 {
		q.Most = defaultEntries
	}
	out, err := rows(ctx, a.db, scanEntry, `SELECT `+entryColumns+` FROM audit
		WHERE (? = 0 OR seq < ?) AND (? = '' OR actor = ?) AND (? = '' OR action = ?) AND (? = '' OR base = ?) ORDER BY seq DESC LIMIT ?`,
		q.Before, q.Before, q.Actor, q.Actor, q.Action, q.Action, q.Base, q.Base, min(q.Most, maxEntries))
	if err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	entries := make([]Entry, len(out))
	for i := range out {
		entries[i] = out[i].Entry
	}
	return entries, nil
}

const entryColumns = `seq, at_ms, actor, action, object, base, reason, detail, hash`

// stored is an entry as the table holds it.
type stored struct {
	Entry
	detail string
}

func scanEntry(s interface{ Scan(...any) error }) (stored, error) {
	var e stored
	var action string
	var hash []byte
	if err := s.Scan(&e.Seq, &e.AtMs, &e.Actor, &action, &e.Object, &e.Base, &e.Reason, &e.detail, &hash); err != nil {
		return e, err
	}
	e.Action = Action(action)
	copy(e.Hash[:], hash)
	if e.detail != "" {
		// One that somebody wrote past this package must not hide the rest: Verify names it.
		if err := json.Unmarshal([]byte(e.detail), &e.Detail); err != nil {
			e.Detail = map[string]any{"damaged": e.detail}
		}
	}
	return e, nil
}

// BrokenError is the first entry that is not what it was when it was recorded, or the first one that is gone.
type BrokenError struct{ Seq int64 }

// Error implements error.
func (e BrokenError) Error() string {
	return fmt.Sprintf("审计日志在第 %d 条处断裂：有人改动过数据库 / the audit log is broken at entry %d: somebody changed the database", e.Seq, e.Seq)
}

// Verify walks the whole log. It returns the last entry's number and hash, to be noted outside the database: only
// what is noted elsewhere shows that a log was replaced as a whole. The error is a BrokenError when a link does not hold.
func (a *Access) Verify(ctx context.Context) (seq int64, head [sha256.Size]byte, err error) {
	last := link{hash: origin}
	for {
		page, err := rows(ctx, a.db, scanEntry, `SELECT `+entryColumns+` FROM audit WHERE seq > ? ORDER BY seq LIMIT 1000`, last.seq)
		if err != nil {
			return last.seq, last.hash, fmt.Errorf("read audit log: %w", err)
		}
		for i := range page {
			e := &page[i]
			if e.Seq != last.seq+1 || chain(last.hash, &e.Entry, e.detail) != e.Hash {
				return last.seq, last.hash, BrokenError{last.seq + 1}
			}
			last = link{e.Seq, e.Hash}
		}
		if len(page) == 0 {
			return last.seq, last.hash, a.checkEnd(ctx, last.seq)
		}
	}
}

// checkEnd compares the end of the log with the highest number that was ever given: what was cut off leaves a trace there.
func (a *Access) checkEnd(ctx context.Context, seq int64) error {
	var highest int64
	err := a.db.QueryRowContext(ctx, `SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0)`).Scan(&highest)
	if err != nil {
		return fmt.Errorf("read end of audit log: %w", err)
	}
	// Entries may have come since the walk ended; fewer than were given means that some are gone.
	var left int64
	if err := a.db.QueryRowContext(ctx, `SELECT count(*) FROM audit WHERE seq > ? AND seq <= ?`, seq, highest).Scan(&left); err != nil {
		return fmt.Errorf("read end of audit log: %w", err)
	}
	if highest-seq != left {
		return BrokenError{seq + 1}
	}
	return nil
}
