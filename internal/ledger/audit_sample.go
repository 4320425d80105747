package ledger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/clue"
)

// Errors of audit samples (抽样核查), told with the sample's name.
var (
	ErrNoSample   = errors.New("没有此抽样 / there is no such audit sample")
	ErrNoSeed     = errors.New("种子尚未公布，不能抽取 / the seed is not published, nothing can be drawn")
	ErrSeedStands = errors.New("种子已公布，不能更换 / the seed is published and stays")
	ErrDrawn      = errors.New("已经抽取，不能重抽 / the sample is drawn and stays")
	ErrNotDrawn   = errors.New("该项未被抽中 / the unit was not drawn")
	ErrHasResult  = errors.New("该项已有核查结果 / the unit has its result already")
)

// AuditSample is a random sample of what was claimed: its published seed, its draw, and what was found.
type AuditSample struct {
	Name   string
	Seed   string
	Source string // where the seed was published
	SeedBy string
	SeedMs int64
	Draw   *AuditDraw // nil before it is drawn
}

// AuditDraw is what was drawn, and from what.
type AuditDraw struct {
	From, To       string // days, both inclusive
	Size           int    // how many were asked for
	Units          int    // how many there were to draw from
	UnitsDigest    string // SHA-256 of their ids and claims, hex, so that nobody changes them afterwards
	TotalHalfUnits int64
	By             string
	AtMs           int64
	Drawn          []AuditUnit // in order of id
}

// AuditUnit is one drawn unit.
type AuditUnit struct {
	clue.Draw
	Result *AuditResult // nil before it was checked
}

// AuditResult is what the audit found of a unit.
type AuditResult struct {
	FoundHalfUnits float64
	Note, By       string
	AtMs           int64
}

// PublishSeed keeps a sample's seed, before anything is drawn by it. It stays as it is: the error is ErrSeedStands.
func (l *Ledger) PublishSeed(ctx context.Context, a AuditSample) (err error) {
	a.SeedBy, err = account(a.SeedBy)
	err = errors.Join(err, checkText("名称 name", a.Name, maxAccount), checkText("种子 seed", a.Seed, maxAttachmentName), checkText("公布处 source", a.Source, maxReason))
	if err != nil {
		return fmt.Errorf("audit sample %q: %w", a.Name, err)
	}
	done, err := l.db.ExecContext(ctx, `INSERT INTO audit_seed (sample, seed, source, by_account, at_ms) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING`,
		a.Name, a.Seed, a.Source, a.SeedBy, a.SeedMs)
	return onceOnly(done, err, "audit sample "+a.Name, ErrSeedStands)
}

// onceOnly reports whether an insertion added a row; taken is the error when there was one already.
func onceOnly(done sql.Result, err error, what string, taken error) error {
	var n int64
	if err == nil {
		n, err = done.RowsAffected()
	}
	if err == nil && n == 0 {
		err = taken
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// DrawAudit draws d.Size of the units by the seed that was published, once, and keeps the draw with what it was drawn from. The
// errors are ErrNoSeed, ErrDrawn and clue.ErrSample.
func (l *Ledger) DrawAudit(ctx context.Context, name string, units []clue.Unit, d AuditDraw) (out *AuditSample, err error) {
	if d.By, err = account(d.By); err != nil {
		return nil, fmt.Errorf("audit sample %q: %w", name, err)
	}
	err = l.inTx(ctx, func(tx *sql.Tx) error {
		if out, err = auditSample(ctx, tx, name); errors.Is(err, ErrNoSample) {
			return ErrNoSeed
		} else if err != nil {
			return err
		}
		if out.Draw != nil {
			return ErrDrawn
		}
		if err := d.draw(out.Seed, units); err != nil {
			return err
		}
		out.Draw = &d
		return insertDraw(ctx, tx, name, &d)
	})
	if err != nil {
		return nil, fmt.Errorf("audit sample %q: %w", name, err)
	}
	return out, nil
}

func (d *AuditDraw) draw(seed string, units []clue.Unit) error {
	drawn, err := clue.Sample(seed, units, d.Size)
	if err != nil {
		return err
	}
	if len(drawn) == 0 {
		return fmt.Errorf("%w: 没有可抽取的班次，或样本量为零 / there is nothing to draw", clue.ErrSample)
	}
	d.Units, d.UnitsDigest, d.TotalHalfUnits = len(units), digestOfUnits(units), 0
	for _, u := range units {
		d.TotalHalfUnits += u.HalfUnits
	}
	for _, x := range drawn {
		d.Drawn = append(d.Drawn, AuditUnit{Draw: x})
	}
	return nil
}

// digestOfUnits names units and their claims, whatever their order.
func digestOfUnits(units []clue.Unit) string {
	units = slices.SortedFunc(slices.Values(units), func(a, b clue.Unit) int { return cmp.Compare(a.ID, b.ID) })
	h := sha256.New()
	for _, u := range units {
		_, _ = h.Write(fmt.Appendf(nil, "%d\n%d:%s\n", u.HalfUnits, len(u.ID), u.ID))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func insertDraw(ctx context.Context, tx *sql.Tx, name string, d *AuditDraw) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO audit_draw (sample, from_day, to_day, size, units, units_digest, total_half_units, by_account, at_ms)
		VALUES (?,?,?,?,?,?,?,?,?)`, name, d.From, d.To, d.Size, d.Units, d.UnitsDigest, d.TotalHalfUnits, d.By, d.AtMs)
	if err != nil {
		return err
	}
	for _, u := range d.Drawn {
		_, err := tx.ExecContext(ctx, `INSERT INTO audit_unit (sample, unit, half_units, certain) VALUES (?,?,?,?)`, name, u.ID, u.HalfUnits, u.Certain)
		if err != nil {
			return err
		}
	}
	return nil
}

// PutAuditResult keeps what was found of a drawn unit, once. The errors are ErrNotDrawn and ErrHasResult.
func (l *Ledger) PutAuditResult(ctx context.Context, name, unit string, r AuditResult) (err error) {
	r.By, err = account(r.By)
	err = errors.Join(err, checkText("说明 note", r.Note, maxReason))
	if !(r.FoundHalfUnits >= 0 && r.FoundHalfUnits < 1<<40) { // not a number is neither
		err = errors.Join(err, fmt.Errorf("%w: 核实量应不小于 0 / want what was found to be 0 or more", clue.ErrSample))
	}
	if err != nil {
		return fmt.Errorf("audit sample %q, %q: %w", name, unit, err)
	}
	return l.inTx(ctx, func(tx *sql.Tx) error {
		var n int
		err := tx.QueryRowContext(ctx, `SELECT count(*) FROM audit_unit WHERE sample = ? AND unit = ?`, name, unit).Scan(&n)
		if err == nil && n == 0 {
			err = ErrNotDrawn
		}
		if err != nil {
			return fmt.Errorf("audit sample %q, %q: %w", name, unit, err)
		}
		done, err := tx.ExecContext(ctx, `INSERT INTO audit_result (sample, unit, found_half_units, note, by_account, at_ms) VALUES (?,?,?,?,?,?)
			ON CONFLICT DO NOTHING`, name, unit, r.FoundHalfUnits, r.Note, r.By, r.AtMs)
		return onceOnly(done, err, "audit sample "+name+", "+unit, ErrHasResult)
	})
}

// AuditSample returns a sample. The error is ErrNoSample.
func (l *Ledger) AuditSample(ctx context.Context, name string) (*AuditSample, error) {
	a, err := auditSample(ctx, l.db, name)
	if err != nil {
		return nil, fmt.Errorf("audit sample %q: %w", name, err)
	}
	return a, nil
}

// AuditSamples returns the names of all samples, in order of their seeds' publication.
func (l *Ledger) AuditSamples(ctx context.Context) ([]string, error) {
	rows, err := l.db.QueryContext(ctx, `SELECT sample FROM audit_seed ORDER BY at_ms, sample`)
	if err != nil {
		return nil, fmt.Errorf("list audit samples: %w", err)
	}
	return textsOf(rows)
}

func auditSample(ctx context.Context, q querier, name string) (*AuditSample, error) {
	a := AuditSample{Name: name}
	err := q.QueryRowContext(ctx, `SELECT seed, source, by_account, at_ms FROM audit_seed WHERE sample = ?`, name).Scan(&a.Seed, &a.Source, &a.SeedBy, &a.SeedMs)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoSample
	}
	if err != nil {
		return nil, err
	}
	var d AuditDraw
	err = q.QueryRowContext(ctx, `SELECT from_day, to_day, size, units, units_digest, total_half_units, by_account, at_ms FROM audit_draw WHERE sample = ?`, name).
		Scan(&d.From, &d.To, &d.Size, &d.Units, &d.UnitsDigest, &d.TotalHalfUnits, &d.By, &d.AtMs)
	if errors.Is(err, sql.ErrNoRows) {
		return &a, nil
	}
	if err != nil {
		return nil, err
	}
	a.Draw = &d
	return &a, d.read(ctx, q, name)
}

// read reads the drawn units with their results.
func (d *AuditDraw) read(ctx context.Context, q querier, name string) (err error) {
	rows, err := q.QueryContext(ctx, `SELECT u.unit, u.half_units, u.certain, r.found_half_units, r.note, r.by_account, r.at_ms
		FROM audit_unit AS u LEFT JOIN audit_result AS r ON r.sample = u.sample AND r.unit = u.unit WHERE u.sample = ? ORDER BY u.unit`, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var u AuditUnit
		var found sql.NullFloat64
		var note, by sql.NullString
		var at sql.NullInt64
		if err := rows.Scan(&u.ID, &u.HalfUnits, &u.Certain, &found, &note, &by, &at); err != nil {
			return err
		}
		if found.Valid {
			u.Result = &AuditResult{FoundHalfUnits: found.Float64, Note: note.String, By: by.String, AtMs: at.Int64}
		}
		d.Drawn = append(d.Drawn, u)
	}
	return rows.Err()
}

// Checked returns the drawn units that were checked, as clue.Estimate95 takes them.
func (d *AuditDraw) Checked() []clue.Checked {
	var out []clue.Checked
	for _, u := range d.Drawn {
		if u.Result != nil {
			out = append(out, clue.Checked{Draw: u.Draw, FoundHalfUnits: u.Result.FoundHalfUnits})
		}
	}
	return out
}
