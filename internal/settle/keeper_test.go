package settle_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// keeping is a world whose ledger is kept.
type keeping struct {
	*world
	keeper *settle.Keeper
	ledger *ledger.Ledger
	store  *watched
	now    time.Time
}

// watched is a store that counts the machines derived from it, and fails for one base when told to.
type watched struct {
	evidence.Store
	derived atomic.Int64
	broken  string
}

// Before implements evidence.Store. Every derivation of a machine asks it once for each source.
func (s *watched) Before(ctx context.Context, q evidence.Query) ([]evidence.Entry, error) {
	s.derived.Add(1)
	return s.Store.Before(ctx, q)
}

// Receipts implements evidence.Store.
func (s *watched) Receipts(ctx context.Context, base, bridge string) ([]evidence.BridgeReceipt, error) {
	if base == s.broken {
		return nil, errInjected
	}
	return s.Store.Receipts(ctx, base, bridge)
}

func newKeeping(t *testing.T, bases ...registry.Base) *keeping {
	t.Helper()
	w := newWorld(t, bases...)
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	k := &keeping{world: w, ledger: l, store: &watched{Store: w.store}}
	k.restart()
	return k
}

// restart replaces the keeper, which remembers nothing of the one before.
func (k *keeping) restart() {
	settler := settle.New(k.store, k.registry, newCalendar(k.t))
	k.keeper = &settle.Keeper{Settler: settler, Ledger: k.ledger, Now: func() time.Time { return k.now }}
}

// turn has the keeper look at an instant, and returns how many machines it derived.
func (k *keeping) turn(clock string) int {
	k.t.Helper()
	k.now = time.UnixMilli(at(clock))
	before := k.store.derived.Load()
	if err := k.keeper.Turn(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
	return int(k.store.derived.Load() - before)
}

// kept is one row as tables have it: hours.
type kept struct {
	Day                      string
	Revision                 int
	Window, Running, Unknown float64
}

// wantKept holds the latest rows of the base from February 20 to March 20.
func (k *keeping) wantKept(want ...kept) {
	k.t.Helper()
	rows, err := k.ledger.Latest(k.t.Context(), testBase, "2026-02-20", "2026-03-20")
	if err != nil {
		k.t.Fatal(err)
	}
	var got []kept
	for _, r := range rows {
		h := func(ms int64) float64 { return float64(ms) / 3_600_000 }
		got = append(got, kept{r.Day[5:], r.Revision, h(r.Totals.WindowMs), h(r.Totals.RunningMs), h(r.Totals.UnknownMs)})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		k.t.Errorf("kept (-want +got):\n%s", diff)
	}
}

// TestDayIsKeptOnceItIsOver: a day's row is about the whole of the day, and is written once, two hours after its end; what
// a bridge that fell silent did not see is unknown.
func TestDayIsKeptOnceItIsOver(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, base(lathe))
	k.said(word("cnc", at("08:00"), "ACTIVE"), word("cnc", at("09:00"), "READY"), word("cnc", at("18:00"), "UNAVAILABLE"))
	for _, clock := range []string{"18:01", "23:59:59", "03-03 00:00", "03-03 01:59:59"} {
		if n := k.turn(clock); n != 0 {
			t.Errorf("at %s %d machines were derived for a day that is not decided", clock, n)
		}
	}
	k.wantKept()
	k.turn("03-03 02:00")
	k.wantKept(kept{"03-02", 1, 24, 1, 14})
	for _, clock := range []string{"03-03 02:01", "03-03 12:00", "03-03 23:59"} {
		if n := k.turn(clock); n != 0 {
			t.Errorf("at %s %d machines were derived from the same evidence", clock, n)
		}
	}
	k.restart()
	if n := k.turn("03-03 23:59"); n != 0 {
		t.Errorf("after a restart %d machines were derived from the same evidence", n)
	}
	k.wantKept(kept{"03-02", 1, 24, 1, 14})
}

// TestDaysWithoutEvidenceAreKept: a dead link is no gap in the ledger but an unknown day in it.
func TestDaysWithoutEvidenceAreKept(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, base(lathe))
	first, last := word("cnc", at("08:00"), "ACTIVE"), word("cnc", at("03-05 08:00"), "ACTIVE")
	first.ValidMs, last.ValidMs = 3_600_000, 3_600_000
	k.said(first)
	k.said(last)
	k.turn("03-07 03:00")
	k.wantKept(
		kept{"03-02", 1, 24, 0, 24}, kept{"03-03", 1, 24, 0, 24}, kept{"03-04", 1, 24, 0, 24},
		kept{"03-05", 1, 24, 0, 24}, kept{"03-06", 1, 24, 0, 24},
	)
}

// TestLateEvidenceMakesARevision of the day that it is about, of no other, and once.
func TestLateEvidenceMakesARevision(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, base(lathe))
	k.said(word("cnc", at("08:00"), "ACTIVE"))
	k.said(word("cnc", at("03-03 08:00"), "READY"))
	k.said(word("cnc", at("03-03 20:00"), "READY"))
	k.said(word("cnc", at("03-04 08:00"), "ACTIVE"))
	k.turn("03-06 03:00")
	k.wantKept(kept{"03-02", 1, 24, 16, 8}, kept{"03-03", 1, 24, 8, 0}, kept{"03-04", 1, 24, 16, 0}, kept{"03-05", 1, 24, 24, 0})
	late := word("cnc", at("03-03 12:00"), "READY")
	k.said(late) // a bridge was cut off from the city
	if n := k.turn("03-06 03:01"); n != 2 {
		t.Errorf("%d machine-days were derived for evidence of one day, want it and the next, on which the last word holds: 2", n)
	}
	k.wantKept(kept{"03-02", 1, 24, 16, 8}, kept{"03-03", 2, 24, 8, 0}, kept{"03-04", 1, 24, 16, 0}, kept{"03-05", 1, 24, 24, 0})
	k.said(late) // and sends it again
	k.turn("03-06 03:02")
	k.said(word("cnc", at("03-04 00:30"), "READY")) // just past midnight: it may decide how the day before ended
	if n := k.turn("03-06 03:03"); n != 3 {
		t.Errorf("%d machine-days were derived for evidence from just past midnight, want both days and the next: 3", n)
	}
	k.wantKept(kept{"03-02", 1, 24, 16, 8}, kept{"03-03", 3, 24, 8, 0}, kept{"03-04", 2, 24, 16, 0}, kept{"03-05", 1, 24, 24, 0})
}

// TestBufferedEvidenceIsFoundTheNextDay: a gateway that stored its messages makes a receipt of today about last week.
func TestBufferedEvidenceIsFoundTheNextDay(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, base(lathe))
	k.said(word("cnc", at("08:00"), "ACTIVE"))
	k.turn("03-05 03:00")
	k.saidTo(testBase, at("03-05 10:00"), word("cnc", at("09:00"), "READY"))
	k.turn("03-05 10:01")
	k.wantKept(kept{"03-02", 1, 24, 16, 8}, kept{"03-03", 1, 24, 24, 0}, kept{"03-04", 1, 24, 24, 0})
	k.turn("03-06 00:01")
	k.wantKept(kept{"03-02", 2, 24, 1, 8}, kept{"03-03", 2, 24, 0, 0}, kept{"03-04", 2, 24, 0, 0})
	if n := k.turn("03-06 00:02"); n != 0 {
		t.Errorf("%d machine-days were derived again on the same day", n)
	}
	k.turn("03-20 03:00")
	if n := k.turn("03-21 03:00"); n != 8 {
		t.Errorf("%d machine-days were derived on a quiet day, want the last eight days, once", n)
	}
}

// TestCollectorClocksDoNotMatter: receipts count, not when collectors say that they wrote them.
func TestCollectorClocksDoNotMatter(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, base(lathe))
	write := func(seq uint64, clock string, state string, collected string) {
		b := evidence.Batch{Base: testBase, Bridge: fmt.Sprint("b", seq), Epoch: 1, CollectedMs: at(collected)}
		m := word("cnc", at(clock), state)
		b.Messages = append(b.Messages, messageOf(seq, m))
		b.Receipts = []evidence.Receipt{{Epoch: 1, First: seq, Last: seq, FirstMs: m.EventMs, LastMs: m.EventMs, CollectedMs: at(collected)}}
		if _, err := k.world.store.Write(t.Context(), []evidence.Batch{b}); err != nil {
			t.Fatal(err)
		}
	}
	write(1, "08:00", "ACTIVE", "03-02 08:01")
	k.turn("03-03 03:00")
	k.wantKept(kept{"03-02", 1, 24, 16, 8})
	write(2, "12:00", "READY", "03-01 00:00") // by a collector whose clock is behind
	k.turn("03-03 03:01")
	k.wantKept(kept{"03-02", 2, 24, 4, 8})
}

// TestLossIsNoEvidence: that records will never come changes no figure.
func TestLossIsNoEvidence(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, base(lathe))
	k.said(word("cnc", at("08:00"), "ACTIVE"))
	k.turn("03-03 03:00")
	lost := evidence.Receipt{Epoch: 1, First: 90, Last: 99, Missing: true, FirstMs: at("12:00"), LastMs: at("12:00")}
	if _, err := k.world.store.Write(t.Context(), []evidence.Batch{{Base: testBase, Bridge: "b1", Epoch: 1, Receipts: []evidence.Receipt{lost}}}); err != nil {
		t.Fatal(err)
	}
	if n := k.turn("03-03 03:01"); n != 0 {
		t.Errorf("%d machines were derived for a loss", n)
	}
}

// TestClockThatBeganIn1970: a bridge whose clock jumped does not have half a century settled.
func TestClockThatBeganIn1970(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, base(lathe))
	b := evidence.Batch{Base: testBase, Bridge: "b1", Epoch: 1}
	first, second := word("cnc", 5000, "ACTIVE"), word("cnc", at("08:00"), "ACTIVE")
	b.Messages = append(b.Messages, messageOf(1, first), messageOf(2, second))
	b.Receipts = []evidence.Receipt{{Epoch: 1, First: 1, Last: 2, FirstMs: first.EventMs, LastMs: second.EventMs}}
	if _, err := k.world.store.Write(t.Context(), []evidence.Batch{b}); err != nil {
		t.Fatal(err)
	}
	if n := k.turn("03-03 03:00"); n != 1 {
		t.Errorf("%d machine-days were derived, want the one that has evidence", n)
	}
	k.wantKept(kept{"03-02", 1, 24, 16, 8})
}

// TestOneBaseDoesNotHoldUpTheOthers: the error names the base, and the others are kept.
func TestOneBaseDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	first := base(lathe)
	first.Code = "aa01"
	k := newKeeping(t, first, base(lathe))
	k.said(word("cnc", at("08:00"), "ACTIVE"))
	k.store.broken = "aa01"
	k.now = time.UnixMilli(at("03-03 03:00"))
	if err := k.keeper.Turn(t.Context()); !errors.Is(err, errInjected) {
		t.Errorf("Turn returned %v, want the store's error", err)
	}
	k.wantKept(kept{"03-02", 1, 24, 16, 8})
}

// TestRowsSayWhatTheyRestOn: a row holds the digests of evidence and registry, and other reference data is another
// revision.
func TestRowsSayWhatTheyRestOn(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, base(lathe))
	k.said(word("cnc", at("08:00"), "ACTIVE"))
	k.turn("03-03 03:00")
	m := k.machine("lathe", monday.Span())
	want := ledger.Row{
		Base: testBase, Equipment: "lathe", Day: "2026-03-02", Revision: 1, RuleVersion: settle.RuleVersion,
		RegistryDigest: k.registry.BaseDigest(testBase), EvidenceDigest: m.Digest,
		SettledMs: at("03-03 03:00"), StartMs: monday.Span().StartMs, Totals: m.Totals,
	}
	history := func() []ledger.Row {
		rows, err := k.ledger.History(t.Context(), testBase, "lathe", "2026-03-02")
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	if diff := cmp.Diff([]ledger.Row{want}, history()); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
	shorter, err := registry.New(base(func(b *registry.Base) {
		lathe(b)
		b.Equipment[0].InService = span.Span{StartMs: at("12:00"), EndMs: registry.ForeverMs}
	}))
	if err != nil {
		t.Fatal(err)
	}
	k.registry = shorter
	k.restart()
	k.turn("03-03 03:01")
	rows := history()
	if len(rows) != 2 || rows[1].StartMs != at("12:00") || rows[1].RegistryDigest != shorter.BaseDigest(testBase) {
		t.Errorf("rows after the registry changed: %+v", rows)
	}
}

// empty is a store without evidence that counts who asks.
type empty struct {
	evidence.Store
	asked []time.Time
}

// Receipts implements evidence.Store.
func (s *empty) Receipts(context.Context, string, string) ([]evidence.BridgeReceipt, error) {
	s.asked = append(s.asked, time.Now())
	return nil, nil
}

func TestRunLooksAtOnceAndEveryMinute(t *testing.T) {
	t.Parallel()
	reg, err := registry.New(base(lathe))
	if err != nil {
		t.Fatal(err)
	}
	cal := newCalendar(t)
	synctest.Test(t, func(t *testing.T) {
		store := &empty{}
		k := &settle.Keeper{Settler: settle.New(store, reg, cal)}
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
		defer cancel()
		begin := time.Now()
		k.Run(ctx)
		var got []time.Duration
		for _, at := range store.asked {
			got = append(got, at.Sub(begin))
		}
		if diff := cmp.Diff([]time.Duration{0, time.Minute, 2 * time.Minute}, got); diff != "" {
			t.Errorf("looked after (-want +got):\n%s", diff)
		}
	})
}
