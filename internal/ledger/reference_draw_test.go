package ledger_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

const (
	dayMs  = 86_400_000
	hourMs = 3_600_000
	// monday is 2026-03-02, 00:00 in Asia/Shanghai.
	monday int64 = 1_772_380_800_000
)

// workshop is a base with one workshop of two stations, and every kind of content.
func workshop(code string) registry.Base {
	key := sha256.Sum256([]byte(code))
	return registry.Base{
		Code: code, Name: "基地" + code, Tier: registry.TierLead,
		Districts:  []registry.District{{Code: "500112", Valid: registry.Always()}},
		Bridges:    []registry.Bridge{{ID: "edge", Keys: []registry.BridgeKey{{Key: ed25519.PublicKey(key[:]), Valid: registry.Always()}}}},
		Hours:      []registry.Hours{{Valid: registry.Always(), Workday: registry.Times{{Start: 510, End: 690}, {Start: 810, End: 1020}}}},
		Exceptions: []registry.Exception{{Valid: span.Span{StartMs: monday, EndMs: monday + dayMs}, Reason: "检修"}},
		Workshops:  []registry.Workshop{{ID: "w", Name: "车间", Stations: []registry.Station{{ID: "s1", Name: "一号"}, {ID: "s2", Name: "二号"}}}},
		Equipment: []registry.Equipment{{
			ID: "m", AssetNumber: "A1", Name: "车床", Workshop: "w", Station: "s1", Category: registry.General, Profile: registry.Machine, InService: registry.Always(),
			Signal: registry.Signal{Kind: registry.SignalPower, Power: &registry.PowerRule{OffW: 10, RunW: 100, Hysteresis: 0.1, DwellOn: time.Second}},
		}},
		Devices:  []registry.Device{{ID: "d", Kind: registry.Meter, MaxSilence: time.Minute, Ranges: map[string]registry.Range{"power_w": {Min: -1, Max: 9999.5}}}},
		Bindings: []registry.Binding{{Device: "d", Channel: "main", Equipment: "m", Use: registry.UseState, Valid: registry.Always()}},
	}
}

// class is a roster of some trainees with a teacher, and sessions of two hours on the days after monday.
func class(base string, trainees, sessions int) registry.People {
	p := registry.People{
		Base:    base,
		Persons: []registry.Person{{ID: "t1", Teacher: true}},
		Classes: []registry.Class{{ID: "c", Name: "车工班", Use: registry.UseSocial, Profile: registry.Machine, Workshop: "w", Stations: []string{"s1", "s2"}, Teacher: "t1"}},
	}
	for i := range trainees {
		id := fmt.Sprintf("p%05d", i)
		p.Persons = append(p.Persons, registry.Person{ID: id, Category: "退役军人", Identity: fmt.Sprintf("%064x", i)})
		p.Cards = append(p.Cards, registry.Card{Token: fmt.Sprintf("k00000000_%032x", i), Person: id, Valid: registry.Always()})
		p.Enrolments = append(p.Enrolments, registry.Enrolment{Class: "c", Person: id, Valid: registry.Always()})
	}
	for i := range sessions {
		start := monday + int64(i)*dayMs + 9*hourMs
		p.Sessions = append(p.Sessions, registry.Session{
			ID: fmt.Sprintf("s%06d", i), Class: "c", Span: span.Span{StartMs: start, EndMs: start + 2*hourMs},
			Breaks: span.Set{{StartMs: start + hourMs, EndMs: start + hourMs + 600_000}}, Practice: true,
		})
	}
	return p
}

// drawWorkshop is workshop with some of its content another.
func drawWorkshop(t *rapid.T, code string) registry.Base {
	b := workshop(code)
	texts := rapid.StringMatching(`[一-龥a-zA-Z0-9:#"'\\{}<>&*!|%@.~-]{1,12}`)
	b.Name, b.NameEN = texts.Draw(t, "name"), texts.Draw(t, "name_en")
	b.Equipment[0].QuotaHours = rapid.Float64Range(0.5, 8784).Draw(t, "quota")
	b.Equipment[0].ValueFen = rapid.Int64Range(0, 1e14).Draw(t, "value")
	b.Equipment[0].Signal.Power.RunW = rapid.Float64Range(12, 1e6).Draw(t, "run")
	b.Devices[0].Ranges["power_w"] = registry.Range{Min: -rapid.Float64Range(0, 1e6).Draw(t, "min"), Max: 1e9}
	switch rapid.IntRange(0, 2).Draw(t, "hours") {
	case 0:
		b.Hours, b.Exceptions = nil, nil
	case 1:
		b.Hours = []registry.Hours{{Valid: registry.Always(), ByWeekday: true, Weekday: [7]registry.Times{1: {{Start: 0, End: 1440}}}}}
	}
	if rapid.Bool().Draw(t, "controller") {
		b.Equipment[0].Signal = registry.Signal{Kind: registry.SignalController, States: map[string]string{texts.Draw(t, "word"): "running"}}
		b.Devices[0].Kind = registry.Controller
	}
	return b
}

// drawClass is people of the base with some of each kind.
func drawClass(t *rapid.T, base string) registry.People {
	p := class(base, rapid.IntRange(0, 5).Draw(t, "trainees"), rapid.IntRange(0, 4).Draw(t, "sessions"))
	for i := range p.Sessions {
		s := &p.Sessions[i]
		switch rapid.IntRange(0, 2).Draw(t, "what the session says itself") {
		case 0:
			s.Workshop, s.Stations, s.Breaks = "w", []string{"s2"}, nil
		case 1:
			s.Teacher, s.Stations = "t1", []string{}
		}
		for _, person := range p.Persons[1:] {
			if rapid.Bool().Draw(t, "claimed") {
				p.Claims = append(p.Claims, registry.Claim{Session: s.ID, Person: person.ID, Ms: rapid.Int64Range(0, dayMs).Draw(t, "claim")})
			}
		}
		if rapid.Bool().Draw(t, "checked") {
			p.Checks = append(p.Checks, registry.Check{Session: s.ID, Span: span.Span{StartMs: s.Span.StartMs, EndMs: s.Span.StartMs + 60_000}})
		}
	}
	for i := range p.Enrolments {
		if rapid.Bool().Draw(t, "from tuesday") {
			p.Enrolments[i].Valid.StartMs, p.Enrolments[i].Station = monday+dayMs, "s1"
		}
	}
	slices.Reverse(p.Persons)
	return p
}

// fataler is a test, or a property's draw.
type fataler interface {
	Context() context.Context
	Fatal(args ...any)
	Helper()
}

// putReference puts a change that is good.
func putReference(t fataler, l *ledger.Ledger, c ledger.Change) ledger.Changed {
	t.Helper()
	if c.AtMs == 0 {
		c.AtMs = monday
	}
	c.Actor = "admin"
	done, err := l.PutReference(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// lines are what an import would put for a base.
func lines(code string) ledger.Change {
	return ledger.Change{Since: ledger.AnyVersion, Bases: []registry.Base{workshop(code)}, People: []registry.People{class(code, 3, 2)}}
}

func keys(t *testing.T) (*identity.Vault, *identity.Keyring) {
	t.Helper()
	ring, err := identity.NewKeyring(monday)
	if err != nil {
		t.Fatal(err)
	}
	return identity.NewVault(ring), ring
}

// identified is the sealed identity of a person of the base b.
func identified(t *testing.T, v *identity.Vault, person string, r identity.Record) ledger.Identified {
	t.Helper()
	s, err := v.Seal("b", person, r)
	if err != nil {
		t.Fatal(err)
	}
	return ledger.Identified{Base: "b", Person: person, Sealed: s}
}
