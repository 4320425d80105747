package settle_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// linked is a store that counts, by device, how often a day's words about its connection are looked for, which deriving a day for
// clues does and settling it does not; and that fails there when told to.
type linked struct {
	evidence.Store
	looks  map[string]int
	broken bool
}

// Before implements evidence.Store.
func (s *linked) Before(ctx context.Context, q evidence.Query) ([]evidence.Entry, error) {
	if q.Channels != nil && len(q.Channels) == 0 && len(q.Kinds) == 2 && q.Kinds[1] == telemetry.KindLink {
		if s.broken {
			return nil, errInjected
		}
		s.looks[q.Device]++
	}
	return s.Store.Before(ctx, q)
}

// suspicious is an office whose lathe works through Monday's night, with nobody there, and that raises clues.
func suspicious(t *testing.T) (*office, *linked) {
	t.Helper()
	store := &linked{Store: newStore(t), looks: map[string]int{}}
	o := newOffice(t, store)
	o.keeper.Clues = clue.DefaultParams()
	o.arrive(o.twoDays()[0], o.twoDays()[2], o.frame(word("cnc", at("20:00"), "ACTIVE"), word("cnc", at("23:00"), "OFF"), word("cnc", at("03-03 01:00"), "OFF")))
	return o, store
}

// found are the clues in the ledger, as the rules and where they stand.
func (o *office) found() []string {
	o.t.Helper()
	list, _, err := o.ledger.Clues(o.t.Context(), ledger.ClueQuery{Gone: true})
	if err != nil {
		o.t.Fatal(err)
	}
	out := []string{}
	for i := range list {
		c := &list[i]
		text := c.Base + " " + c.Day.String()[5:] + " " + string(c.Rule) + " " + strings.Join(c.Tests, " ")
		if c.GoneMs != 0 {
			text += " gone"
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

// TestKeeperRaisesClues: once, when the day is settled; the day is derived once for itself and for those after it; and a clue that
// the corrected reference data explains is gone.
func TestKeeperRaisesClues(t *testing.T) {
	t.Parallel()
	o, store := suspicious(t)
	want := []string{testBase + " 03-02 F4 unattended closed"}
	for _, clock := range []string{"03-03 03:00", "03-03 03:01", "03-04 03:00", "03-06 03:00"} {
		o.turn(clock)
		if diff := cmp.Diff(want, o.found()); diff != "" {
			t.Fatalf("at %s (-want +got):\n%s", clock, diff)
		}
	}
	if store.looks["cnc"] != 4 { // Monday to Thursday
		t.Errorf("the lathe's days were derived %d times", store.looks["cnc"])
	}
	o.base.Bindings[0].Valid = until("18:00")
	o.refer()
	o.turn("03-06 03:01")
	if diff := cmp.Diff([]string{want[0] + " gone"}, o.found()); diff != "" {
		t.Errorf("with the binding corrected (-want +got):\n%s", diff)
	}
}

// TestHoursDoNotWaitForClues: a fault of what clues rest on is told and tried again, also by another process, and the hours are as
// they were.
func TestHoursDoNotWaitForClues(t *testing.T) {
	t.Parallel()
	o, store := suspicious(t)
	var log bytes.Buffer
	o.keeper.Logger = slog.New(slog.NewTextHandler(&log, nil))
	store.broken = true
	o.turn("03-03 03:00")
	if len(o.found()) != 0 || !strings.Contains(log.String(), "cannot raise clues") {
		t.Errorf("%v, log: %s", o.found(), &log)
	}
	hours := o.verified()
	if len(hours) != 2 {
		t.Errorf("hours: %v", hours)
	}
	store.broken = false
	o.restart()
	o.keeper.Clues = clue.DefaultParams()
	o.turn("03-03 03:00")
	if len(o.found()) != 1 {
		t.Errorf("not tried again: %v", o.found())
	}
	if diff := cmp.Diff(hours, o.verified()); diff != "" {
		t.Errorf("clues changed hours:\n%s", diff)
	}
}

// TestMemoryOfClueDaysIsBounded: with room for nothing, the same clues are found, by deriving more.
func TestMemoryOfClueDaysIsBounded(t *testing.T) {
	t.Parallel()
	o, store := suspicious(t)
	o.keeper.ClueMemory = 1
	o.turn("03-06 03:00")
	if got := o.found(); len(got) != 1 || store.looks["cnc"] != 1+1+3+4 {
		t.Errorf("%v, days were derived %d times", got, store.looks["cnc"])
	}
}

// TestStirredDay: a day whose figures changed though nothing about it that can be told from outside did, has its clues derived again.
func TestStirredDay(t *testing.T) {
	t.Parallel()
	o, store := suspicious(t)
	o.turn("03-03 03:00")
	if err := o.ledger.StirClueDay(t.Context(), testBase, "2026-03-02"); err != nil {
		t.Fatal(err)
	}
	before := store.looks["cnc"]
	o.turn("03-03 03:01")
	if store.looks["cnc"] != before+1 {
		t.Errorf("derived %d times", store.looks["cnc"]-before)
	}
	o.turn("03-03 03:02")
	if store.looks["cnc"] != before+1 {
		t.Errorf("derived again: %d times", store.looks["cnc"]-before)
	}
}

// TestCluesOfTheCity: one identity at two bases at once, and in two subsidised classes of a year, is seen by none of the bases.
func TestCluesOfTheCity(t *testing.T) {
	t.Parallel()
	w := newWorld(t, base(room), base(func(b *registry.Base) { room(b); b.Code = "cq02" }))
	l := newKeeping(t).ledger
	ref := &ledger.Reference{Registry: w.registry, Rosters: map[string]*registry.Roster{}, Calendar: newCalendar(t)}
	for _, code := range []string{testBase, "cq02"} {
		b, _ := w.registry.Base(code)
		roster, err := registry.NewRoster(b, registry.People{
			Base: code, Persons: []registry.Person{{ID: "p-" + code, Identity: strings.Repeat("ab", 32)}, {ID: "late-" + code, Identity: strings.Repeat("cd", 32)}},
			Cards:      []registry.Card{{Token: "card", Person: "p-" + code, Valid: registry.Always()}},
			Classes:    []registry.Class{{ID: "k", Name: "车工", Use: registry.UseSocial, Profile: registry.Bench, Workshop: "w1", Subsidised: true}},
			Enrolments: []registry.Enrolment{{Class: "k", Person: "p-" + code, Valid: registry.Always()}, {Class: "k", Person: "late-" + code, Valid: since("03-03 00:00")}},
			Sessions:   []registry.Session{{ID: "k1", Class: "k", Span: between("08:30", "11:30")}, {ID: "k2", Class: "k", Span: between("03-20 08:30", "03-20 11:30")}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ref.Rosters[code] = roster
		w.bridge = code
		w.saidTo(code, 0, tap(at("08:25"), "card", telemetry.DirectionIn), tap(at("11:32"), "card", telemetry.DirectionOut))
	}
	o := &office{t: t, store: w.store, ledger: l, reference: ref}
	o.restart()
	o.keeper.Clues = clue.DefaultParams()
	want := []string{testBase + " 03-02 F6 overlap", "cq02 03-02 F6 classes_a_year"}
	for _, clock := range []string{"03-03 03:00", "03-03 03:01"} {
		o.turn(clock)
		if diff := cmp.Diff(want, o.found()); diff != "" {
			t.Errorf("at %s (-want +got):\n%s", clock, diff)
		}
	}
	for _, code := range []string{testBase, "cq02"} {
		if list, _, err := l.Clues(t.Context(), ledger.ClueQuery{Base: code}); err != nil || len(list) != 2 {
			t.Errorf("%s sees %d, %v", code, len(list), err)
		}
	}
}
