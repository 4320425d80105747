// Package evidencetest holds every implementation of evidence.Store to the contract's sentences: one suite, run by
// default on the embedded store and on a real InfluxDB. It is for the tests of implementations. It refuses to know any
// of them: it speaks to evidence.Store alone, and what an engine cannot do is said as a Trait.
package evidencetest

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Traits says what the contract leaves to the engine.
type Traits struct {
	// CountsDuplicates: a repeat is reported as evidence.Duplicate.
	CountsDuplicates bool
	// LastWriteWins: the engine cannot compare with what it has; of two records with one identity in two calls, the
	// later written stays whatever its sequence number.
	LastWriteWins bool
}

// Run runs the suite. open returns an empty store, which Run closes; it may be called many times, also concurrently.
func Run(t *testing.T, traits Traits, open func(testing.TB) evidence.Store) {
	t.Helper()
	s := suite{traits: traits, open: open}
	for _, c := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"every kind comes back as it was written", s.everyKind},
		{"a number comes back with the same bits", s.numbers},
		{"a name comes back whatever its characters", s.hostileNames},
		{"whatever is accepted comes back equal", s.property},
		{"what is written twice is there once", s.repeat},
		{"the higher sequence number wins", s.higherSequenceWins},
		{"the later written wins across epochs", s.laterEpochWins},
		{"the later record of a message wins", s.laterRecordWins},
		{"a sample that wins replaces the other whole", s.replacesWhole},
		{"two taps at one instant stay two", s.tapsStayTwo},
		{"a call of many frames is one call", s.manyFrames},
		{"nothing to write is no error", s.emptyWrite},
		{"a batch without names is refused for good", s.namelessBatch},
		{"unsigned numbers keep their upper half", s.unsigned},
		{"entries come in order", s.order},
		{"the window is half-open", s.window},
		{"kinds and channels select", s.selection},
		{"quantities select", s.quantities},
		{"a query that selects nothing is an error", s.badQuery},
		{"yield's error ends the reading", s.yieldError},
		{"bases are apart", s.bases},
		{"before a window", s.before},
		{"latest", s.latest},
		{"devices are counted", s.devices},
		{"what is rejected stands in quarantine", s.rejected},
		{"raw records stand in quarantine", s.raw},
		{"quarantine is ordered by receive time", s.quarantineOrder},
		{"times at the edge", s.timesAtTheEdge},
		{"receipts", s.receipts},
		{"receipts never collide", s.receiptsNeverCollide},
		{"receipts among", s.receiptsAmong},
		{"reads and writes at once", s.concurrency},
		{"a cancelled call says so", s.cancelled},
		{"a closed store says so", s.closed},
		{"a live store answers", s.ping},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

type suite struct {
	traits Traits
	open   func(testing.TB) evidence.Store
}

// The places and times that most tests speak of.
const (
	base   = "北京-01"
	bridge = "bridge-a"
	device = "lathe 1"
	epoch  = 0x0123456789abcdef
	t0     = 1_700_000_000_000 // 2023-11-14T22:13:20Z
	lag    = 250               // ms from event to receipt
	later  = 1_000             // ms from event to collection
)

// always is every time that a store can keep.
var always = span.Span{StartMs: evidence.MinMs, EndMs: evidence.MaxMs + 1}

func (s suite) store(t testing.TB) evidence.Store {
	t.Helper()
	store := s.open(t)
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return store
}

// sample is a power reading at t0 + ms.
func sample(channel string, ms int64, watts float64) telemetry.Record {
	return telemetry.Record{
		Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: device, Channel: channel,
		EventMs: t0 + ms, DeviceMs: t0 + ms, Values: []telemetry.Value{{Quantity: telemetry.PowerW, Number: watts}},
	}
}

func link(channel string, ms int64, event telemetry.LinkEvent) telemetry.Record {
	return telemetry.Record{
		Kind: telemetry.KindLink, Clock: telemetry.ClockReceived, Device: device, Channel: channel, EventMs: t0 + ms, Link: event,
	}
}

func tap(card string, direction telemetry.Direction, ms int64) telemetry.Record {
	return telemetry.Record{
		Kind: telemetry.KindTap, Clock: telemetry.ClockDevice, Device: device, EventMs: t0 + ms, DeviceMs: t0 + ms,
		Card: card, Direction: direction,
	}
}

func raw(reason telemetry.Reason, ms int64, payload string) telemetry.Record {
	return telemetry.Record{
		Kind: telemetry.KindRaw, Clock: telemetry.ClockReceived, Device: device, EventMs: t0 + ms,
		Reason: reason, Detail: "at byte 3: want '}'", Topic: "a/b/c", Payload: []byte(payload),
	}
}

// message numbers records that one message said.
func message(seq uint64, records ...telemetry.Record) telemetry.Message {
	m := telemetry.Message{Seq: seq, Dialect: "native", Records: records}
	if len(records) > 0 {
		m.ReceivedMs = records[0].EventMs + lag
	}
	return m
}

// batch is a frame of these messages.
func batch(messages ...telemetry.Message) evidence.Batch {
	return evidence.Batch{Base: base, Bridge: bridge, Epoch: epoch, CollectedMs: t0 + later, Messages: messages}
}

// each is a frame with one message for each record, numbered from first.
func each(first uint64, records ...telemetry.Record) evidence.Batch {
	b := batch()
	for i := range records {
		b.Messages = append(b.Messages, message(first+uint64(i), records[i]))
	}
	return b
}

// entry is what a record becomes that message(seq) carried in batch.
func entry(seq uint64, r telemetry.Record) evidence.Entry {
	return evidence.Entry{
		Record: r, ReceivedMs: r.EventMs + lag, CollectedMs: t0 + later, Epoch: epoch, Seq: seq, Dialect: "native",
	}
}

func mustWrite(t testing.TB, s evidence.Store, batches ...evidence.Batch) []evidence.Outcome {
	t.Helper()
	outcomes, err := s.Write(t.Context(), batches)
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	if len(outcomes) != len(batches) {
		t.Fatalf("%d outcomes for %d batches", len(outcomes), len(batches))
	}
	for i, o := range outcomes {
		records := 0
		for _, m := range batches[i].Messages {
			records += len(m.Records)
		}
		if got := o.Accepted + o.Duplicate + len(o.Rejected); got != records || o.Accepted < 0 || o.Duplicate < 0 {
			t.Errorf("batch %d: %d accepted, %d duplicate, %d rejected of %d records",
				i, o.Accepted, o.Duplicate, len(o.Rejected), records)
		}
	}
	return outcomes
}

// keep copies an entry out of a reading.
func keep(e *evidence.Entry) evidence.Entry {
	kept := *e
	kept.Values, kept.Payload = slices.Clone(e.Values), slices.Clone(e.Payload)
	return kept
}

func mustRead(t testing.TB, s evidence.Store, q evidence.Query) []evidence.Entry {
	t.Helper()
	var got []evidence.Entry
	err := s.Read(t.Context(), q, func(e *evidence.Entry) error {
		got = append(got, keep(e))
		return nil
	})
	if err != nil {
		t.Fatalf("read %+v: %v", q, err)
	}
	return got
}

// all asks for every kind of the device.
func all() evidence.Query {
	return evidence.Query{Base: base, Device: device, Window: always, Kinds: []telemetry.Kind{
		telemetry.KindSample, telemetry.KindTap, telemetry.KindLink, telemetry.KindRaw,
	}}
}

func mustQuarantine(t testing.TB, s evidence.Store, window span.Span) []evidence.Entry {
	t.Helper()
	var got []evidence.Entry
	err := s.Quarantine(t.Context(), base, window, func(e *evidence.Entry) error {
		got = append(got, keep(e))
		return nil
	})
	if err != nil {
		t.Fatalf("quarantine: %v", err)
	}
	return got
}

func wantEntries(t testing.TB, want, got []evidence.Entry) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}
