package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// PeopleDay is one settlement of a base's day of attendance and hours.
type PeopleDay struct {
	Base     string
	Day      string // yyyy-mm-dd, Asia/Shanghai
	Revision int    // from 1; set by PutPeople
	// RuleVersion names the rules, and the digests (SHA-256, hex) the inputs, that gave the verdicts.
	RuleVersion, RulesDigest, RegistryDigest, RosterDigest, EvidenceDigest, DecisionsDigest string

	SettledMs int64
	// Cause says what changed since the revision before: some of the Cause words; "first" for the first. Set by PutPeople.
	Cause string
	// Changed is how many verdicts differ from the revision before. Set by PutPeople.
	Changed int
}

// The words of a revision's cause.
const (
	CauseFirst     = "first"
	CauseEvidence  = "evidence"  // 迟到的证据
	CauseRegistry  = "registry"  // 设备或绑定更正
	CauseRoster    = "roster"    // 名册或课表更正
	CauseRules     = "rules"     // 规则版本变更
	CauseDecisions = "decisions" // 人工核定
)

// HoursRow is what became of one trainee's lesson on one day.
type HoursRow struct {
	Base, Day, Session, Person string

	Revision int  // the settlement from which on it is so; set by PutPeople
	Removed  bool // from that settlement on the trainee is not in the lesson

	Class    string
	Practice bool
	Status   attendance.Status
	Flags    []attendance.Flag
	// ClaimedMs is what the base claims; it counts when Claimed is set.
	ClaimedMs                                              int64
	Claimed                                                bool
	PlannedMs, PresentMs, VerifiedMs, PendingMs, GrantedMs int64
	Pieces                                                 []hours.Piece
}

// PutPeople stores a settlement of a day, all or nothing. When no verdict and no digest differs from the latest revision
// nothing is stored and revision is that one's; else it becomes the next revision, which holds the verdicts that changed.
func (l *Ledger) PutPeople(ctx context.Context, day PeopleDay, rows []HoursRow) (revision int, err error) {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("put people in ledger: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	latest, err := latestSettlement(ctx, tx, day.Base, day.Day)
	if err != nil {
		return 0, fmt.Errorf("read latest settlement of %s %s: %w", day.Base, day.Day, err)
	}
	known, err := hoursOf(ctx, tx, `base = ? AND day = ?`, day.Base, day.Day)
	if err != nil {
		return 0, err
	}
	day.Cause = causeOf(latest, &day)
	changed := changes(known, rows)
	if latest != nil && day.Cause == "" && len(changed) == 0 {
		return latest.Revision, tx.Rollback()
	}
	day.Revision, day.Changed = 1, len(changed)
	if latest != nil {
		day.Revision = latest.Revision + 1
	}
	if err := insertPeople(ctx, tx, &day, changed); err != nil {
		return 0, fmt.Errorf("put %s %s in ledger: %w", day.Base, day.Day, err)
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("put people in ledger: %w", err)
	}
	return day.Revision, nil
}

// causeOf says which inputs differ.
func causeOf(latest, now *PeopleDay) string {
	if latest == nil {
		return CauseFirst
	}
	var causes []string
	differ := func(is bool, word string) {
		if is {
			causes = append(causes, word)
		}
	}
	differ(latest.EvidenceDigest != now.EvidenceDigest, CauseEvidence)
	differ(latest.RegistryDigest != now.RegistryDigest, CauseRegistry)
	differ(latest.RosterDigest != now.RosterDigest, CauseRoster)
	differ(latest.RuleVersion != now.RuleVersion || latest.RulesDigest != now.RulesDigest, CauseRules)
	differ(latest.DecisionsDigest != now.DecisionsDigest, CauseDecisions)
	return strings.Join(causes, ",")
}

// changes returns the rows that differ from what is known, and a removal for each that is there no more.
func changes(known, rows []HoursRow) []HoursRow {
	type key struct{ session, person string }
	before := make(map[key]*HoursRow, len(known))
	for i := range known {
		before[key{known[i].Session, known[i].Person}] = &known[i]
	}
	var out []HoursRow
	for i := range rows {
		k := key{rows[i].Session, rows[i].Person}
		was := before[k]
		delete(before, k)
		if was == nil || !rows[i].equal(was) {
			out = append(out, rows[i])
		}
	}
	for i := range known {
		if was := before[key{known[i].Session, known[i].Person}]; was != nil {
			gone := HoursRow{Base: was.Base, Day: was.Day, Session: was.Session, Person: was.Person, Class: was.Class, Removed: true}
			out = append(out, gone)
		}
	}
	return out
}

func (r HoursRow) equal(o *HoursRow) bool {
	p := *o
	r.Revision, p.Revision = 0, 0
	if len(r.Flags) == 0 && len(p.Flags) == 0 {
		r.Flags, p.Flags = nil, nil
	}
	if len(r.Pieces) == 0 && len(p.Pieces) == 0 {
		r.Pieces, p.Pieces = nil, nil
	}
	return reflect.DeepEqual(r, p)
}

const peopleColumns = `base, day, revision, rule_version, rules_digest, registry_digest, roster_digest, evidence_digest,
	decisions_digest, settled_ms, cause, changed`

const hoursColumns = `base, day, session, person, revision, removed, class, practice, status, flags, claimed_ms, planned_ms,
	present_ms, verified_ms, pending_ms, granted_ms, pieces`

func insertPeople(ctx context.Context, tx *sql.Tx, d *PeopleDay, rows []HoursRow) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO people_day (`+peopleColumns+`) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`,
		d.Base, d.Day, d.Revision, d.RuleVersion, d.RulesDigest, d.RegistryDigest, d.RosterDigest, d.EvidenceDigest,
		d.DecisionsDigest, d.SettledMs, d.Cause, d.Changed)
	if err != nil {
		return err
	}
	insert, err := tx.PrepareContext(ctx, `INSERT INTO hours (`+hoursColumns+`) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`)
	if err != nil {
		return err
	}
	for i := range rows {
		if err := insertHours(ctx, insert, &rows[i], d.Revision); err != nil {
			return errors.Join(fmt.Errorf("hours of %s in %s: %w", rows[i].Person, rows[i].Session, err), insert.Close())
		}
	}
	return insert.Close()
}

func insertHours(ctx context.Context, insert *sql.Stmt, r *HoursRow, revision int) error {
	flags, err := json.Marshal(append([]attendance.Flag{}, r.Flags...))
	if err != nil {
		return err
	}
	pieces, err := json.Marshal(packed(r.Pieces))
	if err != nil {
		return err
	}
	_, err = insert.ExecContext(ctx, r.Base, r.Day, r.Session, r.Person, revision, r.Removed, r.Class, r.Practice, r.Status, string(flags),
		sql.NullInt64{Int64: r.ClaimedMs, Valid: r.Claimed}, r.PlannedMs, r.PresentMs, r.VerifiedMs, r.PendingMs, r.GrantedMs, string(pieces))
	return err
}

// packed writes pieces as [start_ms, end_ms, reason].
func packed(pieces []hours.Piece) [][3]any {
	out := make([][3]any, len(pieces))
	for i, p := range pieces {
		out[i] = [3]any{p.StartMs, p.EndMs, p.Reason}
	}
	return out
}

func unpacked(text string) ([]hours.Piece, error) {
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	out := make([]hours.Piece, 0, len(list))
	for _, raw := range list {
		var s span.Span
		var reason hours.Reason
		if err := json.Unmarshal(raw, &[]any{&s.StartMs, &s.EndMs, &reason}); err != nil {
			return nil, err
		}
		out = append(out, hours.Piece{Span: s, Reason: reason})
	}
	return out, nil
}

// Settlements returns every settlement of a base's day, the first first.
func (l *Ledger) Settlements(ctx context.Context, base, day string) ([]PeopleDay, error) {
	return peopleOf(ctx, l.db, `base = ? AND day = ? ORDER BY revision`, base, day)
}

// HoursQuery selects verdicts of a base's trainees.
type HoursQuery struct {
	Base     string // required
	From, To string // days, both inclusive, yyyy-mm-dd; required
	Person   string // "" is everybody
	Class    string // "" is every class
}

// Hours returns the latest verdicts that the query selects, in order of day, session and person.
func (l *Ledger) Hours(ctx context.Context, q HoursQuery) ([]HoursRow, error) {
	return hoursOf(ctx, l.db, `base = ? AND day BETWEEN ? AND ? AND (? = '' OR person = ?) AND (? = '' OR class = ?)`,
		q.Base, q.From, q.To, q.Person, q.Person, q.Class, q.Class)
}

// HoursHistory returns every revision of one trainee's lesson on a day that said something new, removals among them.
func (l *Ledger) HoursHistory(ctx context.Context, base, day, session, person string) ([]HoursRow, error) {
	return scanHours(ctx, l.db, `SELECT `+hoursColumns+` FROM hours WHERE base = ? AND day = ? AND session = ? AND person = ? ORDER BY revision`,
		base, day, session, person)
}

// queryer is a database or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func latestSettlement(ctx context.Context, q queryer, base, day string) (*PeopleDay, error) {
	list, err := peopleOf(ctx, q, `base = ? AND day = ? ORDER BY revision DESC LIMIT 1`, base, day)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

func peopleOf(ctx context.Context, q queryer, where string, args ...any) (out []PeopleDay, err error) {
	rows, err := q.QueryContext(ctx, `SELECT `+peopleColumns+` FROM people_day WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read settlements: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var d PeopleDay
		if err := rows.Scan(&d.Base, &d.Day, &d.Revision, &d.RuleVersion, &d.RulesDigest, &d.RegistryDigest, &d.RosterDigest,
			&d.EvidenceDigest, &d.DecisionsDigest, &d.SettledMs, &d.Cause, &d.Changed); err != nil {
			return nil, fmt.Errorf("read settlements: %w", err)
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

// hoursOf returns the latest of the rows that a condition selects, without those that were removed.
func hoursOf(ctx context.Context, q queryer, where string, args ...any) ([]HoursRow, error) {
	return scanHours(ctx, q, `SELECT `+hoursColumns+` FROM hours AS h WHERE `+where+` AND removed = 0
		AND revision = (SELECT max(revision) FROM hours WHERE base = h.base AND day = h.day AND session = h.session AND person = h.person)
		ORDER BY day, session, person`, args...)
}

func scanHours(ctx context.Context, q queryer, query string, args ...any) (out []HoursRow, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read hours: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r HoursRow
		var flags, pieces string
		var claimed sql.NullInt64
		if err := rows.Scan(&r.Base, &r.Day, &r.Session, &r.Person, &r.Revision, &r.Removed, &r.Class, &r.Practice, &r.Status, &flags,
			&claimed, &r.PlannedMs, &r.PresentMs, &r.VerifiedMs, &r.PendingMs, &r.GrantedMs, &pieces); err != nil {
			return nil, fmt.Errorf("read hours: %w", err)
		}
		r.ClaimedMs, r.Claimed = claimed.Int64, claimed.Valid
		if err := json.Unmarshal([]byte(flags), &r.Flags); err != nil {
			return nil, fmt.Errorf("flags of %s in %s: %w", r.Person, r.Session, err)
		}
		if r.Pieces, err = unpacked(pieces); err != nil {
			return nil, fmt.Errorf("pieces of %s in %s: %w", r.Person, r.Session, err)
		}
		out = append(out, r)
	}
	return out, rows.Err()
}
