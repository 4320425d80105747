package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// ErrStale says that the reference data changed after the version that a change was made from: look at it again.
var ErrStale = errors.New("登记数据已被他人更改，请重新核对 / the reference data has changed meanwhile, look at the change again")

// AnyVersion as a Change's Since puts the change on top of whatever is there.
const AnyVersion = -1

// Change is what an import or an edit of the reference data puts into the ledger, all or nothing.
type Change struct {
	AtMs  int64  // milliseconds since the Unix epoch
	Actor string // who does it
	Note  string // why, or from which file
	// Since is the ReferenceVersion that the change was made from, or AnyVersion.
	Since int64

	Bases      []registry.Base   // each replaces the base of its code
	People     []registry.People // each replaces the people of its base
	Identities []Identified      // each replaces the identity of its person
	Years      [][]byte          // files of holidays, as calendar.ParseYear reads them
}

// Identified is the sealed identity of a person of a base.
type Identified struct {
	Base, Person string
	identity.Sealed
}

// Changed is what a Change did. What was equal before is not in it.
type Changed struct {
	Version    int64    // of the reference data afterwards
	Bases      []string // codes
	People     []string // codes of the bases
	Years      []int
	Identities int
	// Purged are persons, as base and id, whose identity was deleted with a certificate: it does not come back.
	Purged [][2]string
}

// Nothing reports whether the change changed nothing.
func (c Changed) Nothing() bool {
	return len(c.Bases)+len(c.People)+len(c.Years)+c.Identities == 0
}

// PutReference puts a change into the ledger in one transaction. All of it is checked with all that is there: the error is
// registry.Problems when bases or people are not good together, ErrStale when the change was made from another version, and then
// nothing has changed. What is equal makes no new version.
func (l *Ledger) PutReference(ctx context.Context, c Change) (_ Changed, err error) {
	if c.Actor == "" || c.AtMs <= 0 {
		return Changed{}, errors.New("put reference data: want an actor and an instant")
	}
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return Changed{}, fmt.Errorf("put reference data: %w", err)
	}
	p := &putter{ctx: ctx, tx: tx, change: &c}
	if err := p.put(); err != nil {
		return Changed{}, errors.Join(fmt.Errorf("put reference data: %w", err), tx.Rollback())
	}
	if p.done.Nothing() {
		p.done.Version--
		return p.done, tx.Rollback()
	}
	if err := tx.Commit(); err != nil {
		return Changed{}, fmt.Errorf("put reference data: %w", err)
	}
	return p.done, nil
}

// putter is one PutReference on its way.
type putter struct {
	ctx    context.Context //nolint:containedctx // lives as long as the call that made it
	tx     *sql.Tx
	change *Change
	done   Changed

	reg    *registry.Registry
	people map[string]*registry.Roster // of the bases that were looked at
}

func (p *putter) put() error {
	if err := p.begin(); err != nil {
		return err
	}
	changed, err := p.putBases()
	if err != nil {
		return err
	}
	if err := p.putPeople(changed); err != nil {
		return err
	}
	if err := p.putYears(); err != nil {
		return err
	}
	return p.putIdentities()
}

// begin takes the next version. It is given back when nothing needs it.
func (p *putter) begin() error {
	var now int64
	if err := p.tx.QueryRowContext(p.ctx, versionQuery).Scan(&now); err != nil {
		return err
	}
	if p.change.Since != AnyVersion && p.change.Since != now {
		return fmt.Errorf("version %d, the change was made from %d: %w", now, p.change.Since, ErrStale)
	}
	p.done.Version = now + 1
	_, err := p.tx.ExecContext(p.ctx, `INSERT INTO reference_change (version, at_ms, actor, note) VALUES (?,?,?,?)`,
		p.done.Version, p.change.AtMs, p.change.Actor, p.change.Note)
	return err
}

// putBases checks the bases with all the others and writes those that differ; it returns their codes.
func (p *putter) putBases() ([]string, error) {
	held, err := latestBases(p.ctx, p.tx)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(p.change.Bases)
	digests := map[string]string{}
	for _, s := range held {
		digests[s.base] = s.digest
		if slices.ContainsFunc(p.change.Bases, func(b registry.Base) bool { return b.Code == s.base }) {
			continue
		}
		b, err := unpackBase(s)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	if p.reg, err = registry.New(all...); err != nil {
		return nil, err
	}
	for i := range p.change.Bases {
		code := p.change.Bases[i].Code
		digest := p.reg.BaseDigest(code)
		if digest == digests[code] {
			continue
		}
		b, _ := p.reg.Base(code)
		if err := p.insert("reference_base", stored{base: code, digest: digest}, b); err != nil {
			return nil, fmt.Errorf("base %s: %w", code, err)
		}
		p.done.Bases = append(p.done.Bases, code)
	}
	return p.done.Bases, nil
}

// putPeople checks the people of the change, and those of the bases that changed, with their bases.
func (p *putter) putPeople(changedBases []string) error {
	p.people = map[string]*registry.Roster{}
	for i := range p.change.People {
		people := &p.change.People[i]
		if p.people[people.Base] != nil {
			return fmt.Errorf("people of base %s: 出现两次 / they are there twice", people.Base)
		}
		base, ok := p.reg.Base(people.Base)
		if !ok {
			return fmt.Errorf("people of base %q: %w", people.Base, registry.ErrUnknown)
		}
		roster, err := registry.NewRoster(base, *people)
		if err != nil {
			return fmt.Errorf("people of base %s: %w", people.Base, err)
		}
		p.people[people.Base] = roster
		if err := p.writePeople(people, roster.Digest()); err != nil {
			return fmt.Errorf("people of base %s: %w", people.Base, err)
		}
	}
	for _, base := range changedBases {
		if _, err := p.rosterOf(base); err != nil {
			return fmt.Errorf("people of base %s do not fit the changed base: %w", base, err)
		}
	}
	return nil
}

func (p *putter) writePeople(people *registry.People, digest string) error {
	var was string
	err := p.tx.QueryRowContext(p.ctx, `SELECT digest FROM reference_people WHERE base = ? ORDER BY version DESC LIMIT 1`, people.Base).Scan(&was)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if was == digest || was == "" && registry.EmptyRoster(people.Base).Digest() == digest {
		return nil
	}
	if err := p.insert("reference_people", stored{base: people.Base, digest: digest}, people); err != nil {
		return err
	}
	p.done.People = append(p.done.People, people.Base)
	return nil
}

// rosterOf is the roster of a base as the change leaves it.
func (p *putter) rosterOf(base string) (*registry.Roster, error) {
	if r := p.people[base]; r != nil {
		return r, nil
	}
	b, ok := p.reg.Base(base)
	if !ok {
		return nil, fmt.Errorf("base %q: %w", base, registry.ErrUnknown)
	}
	s, err := latestPeople(p.ctx, p.tx, base)
	if err != nil {
		return nil, err
	}
	r, err := rosterOf(b, s)
	if err != nil {
		return nil, err
	}
	p.people[base] = r
	return r, nil
}

func (p *putter) insert(table string, s stored, content any) error {
	packed, err := pack(content)
	if err != nil {
		return err
	}
	_, err = p.tx.ExecContext(p.ctx, `INSERT INTO `+table+` (base, version, digest, content) VALUES (?,?,?,?)`, s.base, p.done.Version, s.digest, packed)
	return err
}

func (p *putter) putYears() error {
	if len(p.change.Years) == 0 {
		return nil
	}
	held, err := latestYears(p.ctx, p.tx)
	if err != nil {
		return err
	}
	all, err := calendarOf(held)
	if err != nil {
		return err
	}
	for _, text := range p.change.Years {
		year, err := calendar.ParseYear(text)
		if err != nil {
			return err
		}
		if all, err = all.With(text); err != nil {
			return err
		}
		next, err := storedYear(year)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(held, func(y yearRow) bool { return y.year == next.year && y.digest == next.digest }) {
			continue
		}
		_, err = p.tx.ExecContext(p.ctx, `INSERT INTO calendar_year (year, version, digest, content) VALUES (?,?,?,?)`,
			next.year, p.done.Version, next.digest, next.content)
		if err != nil {
			return fmt.Errorf("calendar of %d: %w", next.year, err)
		}
		p.done.Years = append(p.done.Years, next.year)
	}
	return nil
}
