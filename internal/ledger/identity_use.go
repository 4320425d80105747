package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// IdentityUses returns every identity that is kept, in order of base and person, with the end of the last session that the
// person learned, taught or was claimed in. What counts is the latest version of the base's people that has such a session: a
// timetable that was corrected does not keep a name longer.
func (l *Ledger) IdentityUses(ctx context.Context) ([]identity.Use, error) {
	uses, err := l.keptIdentities(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for the last sessions: %w", err)
	}
	for start := 0; start < len(uses); {
		end := start
		for end < len(uses) && uses[end].Base == uses[start].Base {
			end++
		}
		if err := l.fillLast(ctx, uses[start:end]); err != nil {
			return nil, fmt.Errorf("look for the last sessions: %w", err)
		}
		start = end
	}
	return uses, nil
}

func (l *Ledger) keptIdentities(ctx context.Context) (out []identity.Use, err error) {
	rows, err := l.db.QueryContext(ctx, `SELECT base, person, updated_ms FROM identity WHERE deleted_ms IS NULL ORDER BY base, person`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var u identity.Use
		if err := rows.Scan(&u.Base, &u.Person, &u.UpdatedMs); err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, rows.Err()
}

// fillLast goes through the versions of one base's people, the latest first, until everybody is found.
func (l *Ledger) fillLast(ctx context.Context, uses []identity.Use) error {
	base, beforeVersion, missing := uses[0].Base, int64(1<<62), len(uses)
	for missing > 0 {
		s, err := oneStored(ctx, l.db, `SELECT base, version, digest, content FROM reference_people
			WHERE base = ? AND version < ? ORDER BY version DESC LIMIT 1`, base, beforeVersion)
		if err != nil || s.content == nil {
			return err
		}
		people, err := unpackPeople(base, s)
		if err != nil {
			return err
		}
		last := lastSessions(&people)
		missing = 0
		for i := range uses {
			if uses[i].LastMs == 0 {
				uses[i].LastMs = last[uses[i].Person]
			}
			if uses[i].LastMs == 0 {
				missing++
			}
		}
		beforeVersion = s.version
	}
	return nil
}

// lastSessions returns the end of each person's last session.
func lastSessions(p *registry.People) map[string]int64 {
	last := map[string]int64{}
	took := func(person string, endMs int64) {
		if person != "" {
			last[person] = max(last[person], endMs)
		}
	}
	teachers := map[string]string{}
	for _, c := range p.Classes {
		teachers[c.ID] = c.Teacher
	}
	ends := map[string]int64{}
	byClass := map[string][]registry.Session{}
	for _, s := range p.Sessions {
		ends[s.ID] = s.Span.EndMs
		byClass[s.Class] = append(byClass[s.Class], s)
		took(cmp.Or(s.Teacher, teachers[s.Class]), s.Span.EndMs)
	}
	for _, list := range byClass {
		slices.SortFunc(list, func(a, b registry.Session) int { return cmp.Compare(a.Span.StartMs, b.Span.StartMs) })
	}
	for _, e := range p.Enrolments {
		list := byClass[e.Class] // disjoint, so the last to begin is the last to end
		i, _ := slices.BinarySearchFunc(list, e.Valid.EndMs, func(s registry.Session, ms int64) int { return cmp.Compare(s.Span.StartMs, ms) })
		if i > 0 && list[i-1].Span.StartMs >= e.Valid.StartMs {
			took(e.Person, list[i-1].Span.EndMs)
		}
	}
	for _, c := range p.Claims {
		took(c.Person, ends[c.Session])
	}
	return last
}
