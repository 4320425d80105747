package settle

import (
	"errors"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// A correction of a binding, of a timetable or of a card is about some days and not about others. The scope of a day is what
// of the reference data its figures can rest on: only days whose scope changes are settled again, and a machine that is bought
// today makes no revision of last year.
const (
	// scopeBesideMs is how far around a day machines, bindings and cards are in its scope: lessons are looked at half a day around
	// it, may be long, and their taps lie beside them.
	scopeBesideMs = 2 * 24 * 60 * 60 * 1000
	// scopeAfterMs is how far past that the end of a binding matters: the next word is looked for that long.
	scopeAfterMs = returnMs + afterMs
)

// baseScopes are the scopes of one base's days, as long as its reference data is the same.
type baseScopes struct {
	registry, roster string // digests
	days             map[calendar.Date]string
}

// scope names the scope of a day.
func (k *Keeper) scope(j *job) string {
	roster := j.rosters[j.base]
	s := k.scopes[j.base]
	now := baseScopes{registry: j.settler.registry.BaseDigest(j.base)}
	if roster != nil {
		now.roster = roster.Digest()
	}
	if s.days == nil || s.registry != now.registry || s.roster != now.roster {
		s, s.days = now, map[calendar.Date]string{}
		k.scopes[j.base] = s
	}
	if s.days[j.day] == "" {
		s.days[j.day] = digestOf([]any{scopeOfBase(j.settler.registry, j.base, j.day), scopeOfRoster(roster, j.day)})
	}
	return s.days[j.day]
}

// baseScope is what the figures of machines rest on. Names, values and quotas are not in it.
type baseScope struct {
	Equipment []equipmentScope
	Bindings  []bindingScope
	// Open is when each workshop is open, were the day a working day, and were it none: the calendar is no part of the base.
	Open map[string][2]openScope
}

type equipmentScope struct {
	ID, Workshop, Station string
	InService             span.Span
	Signal                registry.Signal
}

type bindingScope struct {
	registry.Binding
	MaxSilenceMs int64
}

type openScope struct {
	Open    span.Set
	NoHours bool
}

func around(d calendar.Date) span.Span {
	day := d.Span()
	return span.Span{StartMs: day.StartMs - scopeBesideMs, EndMs: day.EndMs + scopeBesideMs}
}

func scopeOfBase(reg *registry.Registry, code string, d calendar.Date) baseScope {
	near := around(d)
	out := baseScope{Open: map[string][2]openScope{}}
	b, _ := reg.Base(code)
	for _, e := range b.Equipment {
		if in := e.InService.Intersect(near); !in.Empty() {
			out.Equipment = append(out.Equipment, equipmentScope{e.ID, e.Workshop, e.Station, in, e.Signal})
		}
	}
	for _, x := range b.Bindings {
		if x.Valid.Intersect(near).Empty() {
			continue
		}
		x.Valid.EndMs = min(x.Valid.EndMs, near.EndMs+scopeAfterMs)
		device, _ := reg.Device(code, x.Device)
		out.Bindings = append(out.Bindings, bindingScope{x, device.MaxSilence.Milliseconds()})
	}
	for _, w := range b.Workshops {
		out.Open[w.ID] = [2]openScope{openOn(reg, code, w.ID, d, true), openOn(reg, code, w.ID, d, false)}
	}
	return out
}

func openOn(reg *registry.Registry, base, workshop string, d calendar.Date, worked bool) openScope {
	open, err := reg.OpeningHours(base, workshop, d.Span(), func() (bool, error) { return worked, nil })
	return openScope{Open: open, NoHours: errors.Is(err, registry.ErrNoHours)}
}

// rosterScope is what attendance and hours rest on.
type rosterScope struct {
	Sessions []sessionScope
	Cards    []registry.Card // with their validity around the day, empty for those that ended before
}

type sessionScope struct {
	registry.Session
	Profile       registry.Profile
	MaxPerStation int
	Trainees      []traineeScope
	Checks        []registry.Check
}

type traineeScope struct {
	Person, Station string
	ClaimedMs       int64
	Claimed         bool
}

func scopeOfRoster(r *registry.Roster, d calendar.Date) rosterScope {
	var out rosterScope
	if r == nil {
		return out
	}
	near, day := around(d), d.Span()
	for _, s := range r.SessionsIn(span.Span{StartMs: day.StartMs - besideMs, EndMs: day.EndMs + besideMs}) {
		l := lessonOf(r, s)
		x := sessionScope{Session: s, Profile: l.Profile, MaxPerStation: l.MaxPerStation, Checks: l.Checks}
		for _, e := range l.Trainees {
			t := traineeScope{Person: e.Person, Station: e.Station}
			t.ClaimedMs, t.Claimed = r.ClaimedMs(s.ID, e.Person)
			x.Trainees = append(x.Trainees, t)
		}
		out.Sessions = append(out.Sessions, x)
	}
	if len(out.Sessions) == 0 {
		return out // nobody looks at a card
	}
	for _, c := range r.People().Cards {
		if c.Valid.StartMs >= near.EndMs {
			continue
		}
		if c.Valid = c.Valid.Intersect(near); c.Valid.Empty() {
			c.Valid = span.Span{}
		}
		out.Cards = append(out.Cards, c)
	}
	return out
}
