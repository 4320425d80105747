// Package intake brings workbooks into the ledger: it puts together what is known, has the files read over it, and stores the
// result, names sealed. It is for the import command and the API. It refuses to show or keep a name that is not sealed, and to
// store a change that somebody has not looked at: a plan is made first, and holds only for the data that it was made from.
package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/workbook"
)

// Desk takes workbooks in. Its methods may be called concurrently; of two plans made from the same data one is stored.
type Desk struct {
	// Ledger takes the data, Vault seals the names. Both are required.
	Ledger *ledger.Ledger
	Vault  *identity.Vault
	// Files are the bases that no import has touched yet; nil is none.
	Files *registry.Registry
	// CardToken turns a card's number into the token that records carry; nil admits tokens only.
	CardToken func(base, number string) (string, error)
}

// Plan is what an import would change.
type Plan struct {
	*workbook.Change
	since int64 // version of the data it was made from
}

// Limits say which bases an import may touch, and who hears of its progress.
type Limits struct {
	// Base is the base of rows that name none; "" is the only one there is.
	Base string
	// Only are the bases that may be written; empty is all.
	Only     []string
	Progress func(done, total int)
}

// Plan reads files over what there is. The error is workbook.Mistakes when the files have any.
func (d *Desk) Plan(ctx context.Context, files []workbook.File, l Limits) (*Plan, error) {
	current, since, err := d.current(ctx)
	if err != nil {
		return nil, err
	}
	var hashed error
	change, err := workbook.Import(current, files, workbook.Options{
		Base: l.Base, Only: l.Only, CardToken: d.CardToken, Progress: l.Progress,
		Identity: func(number string) string {
			hash, err := d.Vault.Hash(number)
			if err != nil && hashed == nil {
				hashed = err
			}
			return hash
		},
	})
	if err != nil {
		return nil, err
	}
	if hashed != nil {
		return nil, fmt.Errorf("plan import: %w", hashed)
	}
	return &Plan{change, since}, nil
}

// Content is all that is registered, with names: it is for exports, which mask them.
func (d *Desk) Content(ctx context.Context) (workbook.Content, error) {
	c, _, err := d.current(ctx)
	return c, err
}

// current puts together what is registered.
func (d *Desk) current(ctx context.Context) (workbook.Content, int64, error) {
	content := workbook.Content{People: map[string]registry.People{}}
	ref, err := d.Ledger.Reference(ctx, nil)
	if err != nil {
		return content, 0, err
	}
	content.Bases = ref.Registry.Bases()
	if d.Files != nil {
		for _, b := range d.Files.Bases() {
			if _, ok := ref.Registry.Base(b.Code); !ok {
				content.Bases = append(content.Bases, b)
			}
		}
	}
	for _, b := range content.Bases {
		if b.CreditCode != "" || b.Reporter != "" {
			content.Units = append(content.Units, workbook.Unit{Base: b.Code, CreditCode: b.CreditCode, Reporter: b.Reporter})
		}
		people, err := d.Ledger.People(ctx, b.Code)
		if err != nil {
			return content, 0, err
		}
		content.People[b.Code] = people
	}
	if content.Identities, err = d.identities(ctx); err != nil {
		return content, 0, err
	}
	content.Years, err = d.Ledger.Years(ctx)
	return content, ref.Version, err
}

// most bounds how many identities are read: a city's.
const most = 5_000_000

// identities opens every name that is kept.
func (d *Desk) identities(ctx context.Context) ([]workbook.Identity, error) {
	stored, err := d.Ledger.IdentitiesUnderOtherKeys(ctx, "", most)
	if err != nil {
		return nil, err
	}
	out := make([]workbook.Identity, len(stored))
	for i := range stored {
		s := &stored[i]
		record, err := d.Vault.Open(s.Base, s.Person, s.Blob)
		if err != nil {
			return nil, fmt.Errorf("identity of %s at %s: %w", s.Person, s.Base, err)
		}
		out[i] = workbook.Identity{Base: s.Base, Person: s.Person, Record: record}
	}
	return out, nil
}

// Store puts a plan into the ledger, all or nothing. The error is ledger.ErrStale when the data has changed since the plan was
// made.
func (d *Desk) Store(ctx context.Context, p *Plan, actor, note string, atMs int64) (ledger.Changed, error) {
	change := ledger.Change{AtMs: atMs, Actor: actor, Note: note, Since: p.since}
	units := map[string]workbook.Unit{}
	for _, u := range p.Content.Units {
		units[u.Base] = u
	}
	for _, b := range p.Content.Bases {
		if slices.Contains(p.Bases, b.Code) {
			b.CreditCode, b.Reporter = units[b.Code].CreditCode, units[b.Code].Reporter
			change.Bases = append(change.Bases, b)
			change.People = append(change.People, p.Content.People[b.Code])
		}
	}
	for _, who := range p.Content.Identities {
		if !slices.Contains(p.Bases, who.Base) {
			continue
		}
		sealed, err := d.Vault.Seal(who.Base, who.Person, who.Record)
		if err != nil {
			return ledger.Changed{}, err
		}
		change.Identities = append(change.Identities, ledger.Identified{Base: who.Base, Person: who.Person, Sealed: sealed})
	}
	for _, y := range p.Content.Years {
		if !slices.Contains(p.Years, y.Year) {
			continue
		}
		text, err := json.Marshal(y)
		if err != nil {
			return ledger.Changed{}, fmt.Errorf("store import: %w", err)
		}
		change.Years = append(change.Years, text)
	}
	return d.Ledger.PutReference(ctx, change)
}
