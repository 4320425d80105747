package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jishi-telemetry/jishi/internal/attendance"
)

// Figures are all that the ledger says of a base's days, in one state: as they are, or as they were sealed.
type Figures struct {
	Base           string
	FromDay, ToDay string      // both inclusive
	Machines       []Row       // in order of day, then machine
	Days           []PeopleDay // settlements of people, in order of day
	Hours          []HoursRow  // in order of day, session, person
	// Digest names the content of all of them (SHA-256, hex), and not how many revisions it took, or when.
	Digest string

	machineDigests, dayDigests []string // in the order of Machines and Days
}

// GrantedShare is 补录率: the part of the verified hours that stands on decisions of named persons. It is false when nothing
// is verified.
func (f *Figures) GrantedShare() (float64, bool) {
	var granted, verified int64
	for i := range f.Hours {
		granted += f.Hours[i].GrantedMs
		verified += f.Hours[i].VerifiedMs
	}
	if verified == 0 {
		return 0, false
	}
	return float64(granted) / float64(verified), true
}

// LatestFigures returns the figures of the base's days from one to another, both inclusive (yyyy-mm-dd), as they are now.
func (l *Ledger) LatestFigures(ctx context.Context, base, from, to string) (*Figures, error) {
	return latestFigures(ctx, l.db, base, from, to)
}

// SealedFigures returns the figures of a period as they were sealed. The error is ErrNotSealed when it is not, and ErrAltered
// when the ledger does not hold what was sealed.
func (l *Ledger) SealedFigures(ctx context.Context, base, period string) (*Figures, error) {
	step, err := l.sealedStep(ctx, base, period)
	if err != nil {
		return nil, err
	}
	f, err := readFigures(ctx, l.db, step)
	if err != nil {
		return nil, err
	}
	if f.Digest != step.Digest {
		return nil, fmt.Errorf("period %s of %s: digest %s, sealed %s: %w", period, base, f.Digest, step.Digest, ErrAltered)
	}
	return f, nil
}

func (l *Ledger) sealedStep(ctx context.Context, base, period string) (PeriodStep, error) {
	steps, err := l.PeriodSteps(ctx, base, period)
	if err != nil {
		return PeriodStep{}, err
	}
	for _, s := range steps {
		if s.State == PeriodSealed {
			return s, nil
		}
	}
	return PeriodStep{}, fmt.Errorf("period %s of %s: %w", period, base, ErrNotSealed)
}

func latestFigures(ctx context.Context, q queryer, base, from, to string) (*Figures, error) {
	return readFigures(ctx, q, PeriodStep{Base: base, FromDay: from, ToDay: to})
}

// readFigures reads the latest revisions of the step's days, or those that its period names when it is sealed.
func readFigures(ctx context.Context, q queryer, s PeriodStep) (*Figures, error) {
	f := &Figures{Base: s.Base, FromDay: s.FromDay, ToDay: s.ToDay}
	machines, days, verdicts := latestMachines, latestDays, latestHours
	args := []any{s.Base, s.FromDay, s.ToDay}
	if s.State == PeriodSealed {
		machines, days, verdicts = sealedMachines, sealedDays, sealedHours
		args = append(args, s.Period)
	}
	var err error
	if f.Machines, err = machineRows(ctx, q, machines, args...); err != nil {
		return nil, err
	}
	if f.Days, err = peopleOf(ctx, q, days, args...); err != nil {
		return nil, err
	}
	if f.Hours, err = scanHours(ctx, q, `SELECT `+hoursColumns+` FROM hours AS h WHERE `+verdicts, args...); err != nil {
		return nil, err
	}
	return f, f.digest()
}

const (
	latestMachines = `SELECT ` + columns + ` FROM usage_day AS u WHERE base = ?1 AND day BETWEEN ?2 AND ?3
		AND revision = (SELECT max(x.revision) FROM usage_day AS x WHERE x.base = u.base AND x.equipment = u.equipment AND x.day = u.day)
		ORDER BY day, equipment`
	sealedMachines = `SELECT ` + columns + ` FROM usage_day AS u WHERE base = ?1 AND day BETWEEN ?2 AND ?3
		AND revision = (SELECT s.revision FROM sealed_usage AS s WHERE s.base = u.base AND s.period = ?4 AND s.day = u.day AND s.equipment = u.equipment)
		ORDER BY day, equipment`
	latestDays = `base = ?1 AND day BETWEEN ?2 AND ?3
		AND revision = (SELECT max(x.revision) FROM people_day AS x WHERE x.base = people_day.base AND x.day = people_day.day) ORDER BY day`
	sealedDays = `base = ?1 AND day BETWEEN ?2 AND ?3
		AND revision = (SELECT s.revision FROM sealed_people AS s WHERE s.base = people_day.base AND s.period = ?4 AND s.day = people_day.day) ORDER BY day`
	latestHours = `base = ?1 AND day BETWEEN ?2 AND ?3 AND removed = 0
		AND revision = (SELECT max(x.revision) FROM hours AS x WHERE x.base = h.base AND x.day = h.day AND x.session = h.session AND x.person = h.person)
		ORDER BY day, session, person`
	// A settlement holds only what changed with it: the sealed verdict is the last one up to the sealed settlement.
	sealedHours = `base = ?1 AND day BETWEEN ?2 AND ?3 AND removed = 0
		AND revision = (SELECT max(x.revision) FROM hours AS x WHERE x.base = h.base AND x.day = h.day AND x.session = h.session AND x.person = h.person
			AND x.revision <= (SELECT s.revision FROM sealed_people AS s WHERE s.base = h.base AND s.period = ?4 AND s.day = h.day))
		ORDER BY day, session, person`
)

func machineRows(ctx context.Context, q queryer, query string, args ...any) (out []Row, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read figures: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read figures: %w", err)
		}
		out = append(out, *r)
	}
	return out, rows.Err()
}

// digest names the figures. The form is fixed: a seal must be recomputable by later programs (docs/settling.md has it).
func (f *Figures) digest() error {
	whole := sha256.New()
	add := func(d string) {
		whole.Write([]byte(d + "\n")) // a hash takes everything
	}
	head, err := canonical("jishi figures 1", f.Base, f.FromDay, f.ToDay)
	if err != nil {
		return err
	}
	add(head)
	for i := range f.Machines {
		d, err := f.Machines[i].contentDigest()
		if err != nil {
			return err
		}
		f.machineDigests = append(f.machineDigests, d)
		add(d)
	}
	rest := f.Hours
	for i := range f.Days {
		var mine []HoursRow
		for len(rest) > 0 && rest[0].Day == f.Days[i].Day {
			mine, rest = append(mine, rest[0]), rest[1:]
		}
		d, err := f.Days[i].contentDigest(mine)
		if err != nil {
			return err
		}
		f.dayDigests = append(f.dayDigests, d)
		add(d)
	}
	if len(rest) > 0 {
		return fmt.Errorf("hours of %s on %s without a settlement: %w", rest[0].Base, rest[0].Day, ErrAltered)
	}
	f.Digest = hex.EncodeToString(whole.Sum(nil))
	return nil
}

// contentDigest names what a row says, and not its revision or when it was settled.
func (r *Row) contentDigest() (string, error) {
	t := &r.Totals
	words := t.Words
	if len(words) == 0 {
		words = nil
	}
	return canonical("jishi usage_day 1", r.Base, r.Equipment, r.Day, r.RuleVersion, r.RegistryDigest, r.EvidenceDigest, r.StartMs,
		t.WindowMs, t.RunningMs, t.IdleMs, t.OffMs, t.FaultMs, t.UnknownMs, t.EstimatedRunningMs, t.EstimatedOffMs,
		t.OpeningMs, t.OpeningKnownMs, t.OpeningRunningMs, words)
}

// contentDigest names a settlement with all its verdicts.
func (d *PeopleDay) contentDigest(verdicts []HoursRow) (string, error) {
	values := []any{
		"jishi people_day 1", d.Base, d.Day, d.RuleVersion, d.RulesDigest, d.RegistryDigest, d.RosterDigest, d.EvidenceDigest, d.DecisionsDigest,
	}
	for i := range verdicts {
		h := &verdicts[i]
		values = append(values, []any{
			h.Session, h.Person, h.Class, h.Practice, h.Status, append([]attendance.Flag{}, h.Flags...), h.Claimed, h.ClaimedMs, h.PlannedMs,
			h.PresentMs, h.VerifiedMs, h.PendingMs, h.GrantedMs, packed(h.Pieces),
		})
	}
	return canonical(values...)
}

// canonical is the SHA-256, hex, of values written as one JSON array.
func canonical(values ...any) (string, error) {
	text, err := json.Marshal(values)
	if err != nil {
		return "", fmt.Errorf("digest of figures: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// seal writes down which revisions a period consists of.
func seal(ctx context.Context, tx *sql.Tx, s *PeriodStep) error {
	f, err := latestFigures(ctx, tx, s.Base, s.FromDay, s.ToDay)
	if err != nil {
		return err
	}
	for i := range f.Machines {
		r := &f.Machines[i]
		_, err := tx.ExecContext(ctx, `INSERT INTO sealed_usage (base, period, day, equipment, revision, digest) VALUES (?,?,?,?,?,?)`,
			s.Base, s.Period, r.Day, r.Equipment, r.Revision, f.machineDigests[i])
		if err != nil {
			return fmt.Errorf("seal %s %s: %w", r.Equipment, r.Day, err)
		}
	}
	for i := range f.Days {
		d := &f.Days[i]
		_, err := tx.ExecContext(ctx, `INSERT INTO sealed_people (base, period, day, revision, digest) VALUES (?,?,?,?,?)`,
			s.Base, s.Period, d.Day, d.Revision, f.dayDigests[i])
		if err != nil {
			return fmt.Errorf("seal people of %s: %w", d.Day, err)
		}
	}
	s.Digest = f.Digest
	return nil
}
