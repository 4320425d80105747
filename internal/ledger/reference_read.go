package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// ReferenceVersion returns a number that grows with every change of the reference data, 0 when there is none. Asking is cheap.
func (l *Ledger) ReferenceVersion(ctx context.Context) (int64, error) {
	var v int64
	if err := l.db.QueryRowContext(ctx, versionQuery).Scan(&v); err != nil {
		return 0, fmt.Errorf("read reference version: %w", err)
	}
	return v, nil
}

// Bases returns every base as it is now, in order of code.
func (l *Ledger) Bases(ctx context.Context) ([]registry.Base, error) {
	list, err := latestBases(ctx, l.db)
	if err != nil {
		return nil, fmt.Errorf("read bases: %w", err)
	}
	out := make([]registry.Base, len(list))
	for i := range list {
		if out[i], err = unpackBase(list[i]); err != nil {
			return nil, fmt.Errorf("read bases: %w", err)
		}
	}
	return out, nil
}

// BaseAt returns a base as it was when it had the digest. The error is registry.ErrUnknown.
func (l *Ledger) BaseAt(ctx context.Context, base, digest string) (registry.Base, error) {
	s, err := oneStored(ctx, l.db, `SELECT base, version, digest, content FROM reference_base WHERE base = ? AND digest = ? ORDER BY version DESC LIMIT 1`, base, digest)
	if err == nil && s.content == nil {
		err = fmt.Errorf("base %q with digest %s: %w", base, digest, registry.ErrUnknown)
	}
	if err != nil {
		return registry.Base{}, fmt.Errorf("read base: %w", err)
	}
	return unpackBase(s)
}

// People returns who learns at a base now, nobody when nobody was ever put there.
func (l *Ledger) People(ctx context.Context, base string) (registry.People, error) {
	s, err := latestPeople(ctx, l.db, base)
	if err != nil {
		return registry.People{}, fmt.Errorf("read people: %w", err)
	}
	return unpackPeople(base, s)
}

// PeopleAt returns who learned at a base when its roster had the digest. The error is registry.ErrUnknown.
func (l *Ledger) PeopleAt(ctx context.Context, base, digest string) (registry.People, error) {
	s, err := oneStored(ctx, l.db, `SELECT base, version, digest, content FROM reference_people WHERE base = ? AND digest = ? ORDER BY version DESC LIMIT 1`, base, digest)
	if err == nil && s.content == nil {
		if digest == registry.EmptyRoster(base).Digest() {
			return registry.People{Base: base}, nil
		}
		err = fmt.Errorf("people of base %q with digest %s: %w", base, digest, registry.ErrUnknown)
	}
	if err != nil {
		return registry.People{}, fmt.Errorf("read people: %w", err)
	}
	return unpackPeople(base, s)
}

// ReferenceChange says who changed the reference data, when and why.
type ReferenceChange struct {
	Version     int64
	AtMs        int64
	Actor, Note string
}

// ReferenceChanges returns the changes, the latest first, at most limit of them.
func (l *Ledger) ReferenceChanges(ctx context.Context, limit int) (out []ReferenceChange, err error) {
	rows, err := l.db.QueryContext(ctx, `SELECT version, at_ms, actor, note FROM reference_change ORDER BY version DESC LIMIT ?`, limit)
	if err != nil {
		return nil, fmt.Errorf("read reference changes: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var c ReferenceChange
		if err := rows.Scan(&c.Version, &c.AtMs, &c.Actor, &c.Note); err != nil {
			return nil, fmt.Errorf("read reference changes: %w", err)
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// Reference is all reference data of one version. It never changes, so it may be used by many goroutines.
type Reference struct {
	Version  int64
	Registry *registry.Registry
	Rosters  map[string]*registry.Roster // by base; every base has one
	Calendar *calendar.Calendar          // the program's own with the years of the ledger

	rosters map[string]rosterOrigin // what each roster was made of
}

// rosterOrigin names what a roster was made of: while it is the same, so is the roster.
type rosterOrigin struct {
	base   string // digest
	people int64  // version, 0 for nobody
}

// Reference loads the reference data as it is now. was may be nil; what has not changed since it is taken from it, so that
// following a change is quicker than the first load.
func (l *Ledger) Reference(ctx context.Context, was *Reference) (*Reference, error) {
	r, err := l.loadReference(ctx, was)
	if err != nil {
		return nil, fmt.Errorf("load reference data: %w", err)
	}
	return r, nil
}

func (l *Ledger) loadReference(ctx context.Context, was *Reference) (*Reference, error) {
	snap, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	bases := make([]registry.Base, len(snap.bases))
	for i := range snap.bases {
		if bases[i], err = unpackBase(snap.bases[i]); err != nil {
			return nil, err
		}
	}
	r := &Reference{Version: snap.version, Rosters: map[string]*registry.Roster{}, rosters: map[string]rosterOrigin{}}
	if r.Registry, err = registry.New(bases...); err != nil {
		return nil, err
	}
	if r.Calendar, err = calendarOf(snap.years); err != nil {
		return nil, err
	}
	for _, b := range r.Registry.Bases() {
		people := snap.people[b.Code]
		origin := rosterOrigin{base: r.Registry.BaseDigest(b.Code), people: people.version}
		if was != nil && was.rosters[b.Code] == origin {
			r.Rosters[b.Code] = was.Rosters[b.Code]
		} else if r.Rosters[b.Code], err = rosterOf(b, people); err != nil {
			return nil, fmt.Errorf("people of base %s: %w", b.Code, err)
		}
		r.rosters[b.Code] = origin
	}
	return r, nil
}

// snapshot is the reference data as it lies in the ledger at one moment.
type snapshot struct {
	version int64
	bases   []stored
	people  map[string]stored
	years   []yearRow
}

// snapshot reads in one transaction, and unpacks nothing in it: writers wait for it.
func (l *Ledger) snapshot(ctx context.Context) (_ *snapshot, err error) {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	s := &snapshot{people: map[string]stored{}}
	if err := tx.QueryRowContext(ctx, versionQuery).Scan(&s.version); err != nil {
		return nil, err
	}
	if s.bases, err = latestBases(ctx, tx); err != nil {
		return nil, err
	}
	if s.years, err = latestYears(ctx, tx); err != nil {
		return nil, err
	}
	for _, b := range s.bases {
		if s.people[b.base], err = latestPeople(ctx, tx, b.base); err != nil {
			return nil, err
		}
	}
	return s, nil
}
