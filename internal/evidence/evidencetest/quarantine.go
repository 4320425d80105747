package evidencetest

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

func (s suite) rejected(t *testing.T) {
	store := s.store(t)
	change := func(change func(*telemetry.Record)) telemetry.Record {
		r := sample("a", 1, 1)
		change(&r)
		return r
	}
	records := []telemetry.Record{
		sample("good", 1, 1),
		change(func(r *telemetry.Record) { r.Values[0].Number = math.NaN() }),
		change(func(r *telemetry.Record) { r.EventMs = math.MaxInt64 }),
		change(func(r *telemetry.Record) { r.Device = strings.Repeat("数", 100) }),
		change(func(r *telemetry.Record) { r.Channel = "\xff\xfe" }),
		change(func(r *telemetry.Record) { r.Device = "" }),
		change(func(r *telemetry.Record) { r.Kind = 77 }),
		change(func(r *telemetry.Record) { r.Values[0].Quantity = "power w=1,evil" }),
		change(func(r *telemetry.Record) { r.Values = append(r.Values, r.Values[0]) }),
		sample("good", 2, 1),
	}
	m := telemetry.Message{Seq: 5, ReceivedMs: t0 + 3, Dialect: "native", Records: records}
	odd := message(6, sample("a", 9, 1))
	odd.Dialect, odd.ReceivedMs = "\xff", t0+4
	outcomes := mustWrite(t, store, batch(m, odd))
	want := []telemetry.Reason{
		telemetry.ReasonNotFinite, telemetry.ReasonBadTime, telemetry.ReasonOversized, telemetry.ReasonNotUTF8,
		telemetry.ReasonMalformed, telemetry.ReasonMalformed, telemetry.ReasonMalformed, telemetry.ReasonMalformed, telemetry.ReasonNotUTF8,
	}
	var got []telemetry.Reason
	for i, r := range outcomes[0].Rejected {
		got = append(got, r.Reason)
		if r.Detail == "" {
			t.Errorf("rejection %d has no detail", i)
		}
		if i < 8 && (r.Seq != 5 || r.Index != i+1) {
			t.Errorf("rejection %d is of seq %d, index %d", i, r.Seq, r.Index)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	// The good ones are there, and nothing else is.
	e1, e2 := entry(5, records[0]), entry(5, records[9])
	e1.ReceivedMs, e2.ReceivedMs = m.ReceivedMs, m.ReceivedMs
	wantEntries(t, []evidence.Entry{e1, e2}, mustRead(t, store, evidence.Query{Base: base, Device: device, Window: always}))
	// And the others are in quarantine, as evidence.Quarantined says.
	var held []evidence.Entry
	for _, r := range outcomes[0].Rejected {
		e := evidence.Entry{ReceivedMs: t0 + 3, CollectedMs: t0 + later, Epoch: epoch, Seq: r.Seq, Dialect: "native"}
		if r.Seq == 6 {
			e.Record, e.Dialect, e.ReceivedMs = evidence.Quarantined(&odd.Records[0], r.Reason, r.Detail), "\uFFFD", t0+4
		} else {
			e.Record = evidence.Quarantined(&records[r.Index], r.Reason, r.Detail)
		}
		held = append(held, e)
	}
	wantEntries(t, held, mustQuarantine(t, store, always))
}

func (s suite) raw(t *testing.T) {
	store := s.store(t)
	var records []telemetry.Record
	for i, payload := range []string{
		"", "{}", "a\nb", "\x00", "\xff\xfe\x00binary", "\"", "\\", "数", strings.Repeat("\"", telemetry.MaxRawPayload),
		strings.Repeat("\xff", telemetry.MaxRawPayload), "a\r\nb",
	} {
		r := raw(telemetry.Reasons()[i%len(telemetry.Reasons())], int64(i), payload)
		r.Detail, r.Topic = strings.Repeat("é", i), payloadTopic(payload)
		r.Retained, r.ValidMs, r.DeviceMs = i%2 == 0, int64(i), int64(i)*7
		records = append(records, r)
	}
	nobody := raw(telemetry.ReasonUnknownTopic, 50, "x")
	nobody.Device = ""
	records = append(records, nobody)
	mustWrite(t, store, each(1, records...))
	var want []evidence.Entry
	for i, r := range records {
		want = append(want, entry(uint64(i+1), r))
	}
	wantEntries(t, want, mustQuarantine(t, store, always))
	q := all()
	q.Kinds = []telemetry.Kind{telemetry.KindRaw}
	wantEntries(t, want[:len(want)-1], mustRead(t, store, q))
	q.Device = ""
	wantEntries(t, want[len(want)-1:], mustRead(t, store, q))
}

func payloadTopic(payload string) string { return "base/dev/" + strings.ToValidUTF8(payload, "?") }

func (s suite) quarantineOrder(t *testing.T) {
	store := s.store(t)
	// Messages of one millisecond, two epochs, several records a message; event times run backwards.
	const n = 40
	var batches []evidence.Batch
	for _, epoch := range []uint64{2, 1} {
		b := batch()
		b.Epoch = epoch
		for i := range n {
			m := message(uint64(n-i), raw(telemetry.ReasonMalformed, int64(i), "a"), raw(telemetry.ReasonMalformed, int64(-i), "b"))
			m.ReceivedMs = t0 + int64(n-i)/10
			b.Messages = append(b.Messages, m)
		}
		batches = append(batches, b)
	}
	mustWrite(t, store, batches...)
	got := mustQuarantine(t, store, always)
	if len(got) != 4*n {
		t.Fatalf("%d entries, want %d", len(got), 4*n)
	}
	for i := 1; i < len(got); i++ {
		a, b := &got[i-1], &got[i]
		inOrder := a.ReceivedMs < b.ReceivedMs || a.ReceivedMs == b.ReceivedMs &&
			(a.Epoch < b.Epoch || a.Epoch == b.Epoch && (a.Seq < b.Seq || a.Seq == b.Seq && string(a.Payload) < string(b.Payload)))
		if !inOrder {
			t.Fatalf("entry %d is out of order: %+v then %+v", i, a, b)
		}
	}
	if n := len(mustQuarantine(t, store, span.Span{StartMs: t0 + 1, EndMs: t0 + 2})); n != 40 {
		t.Errorf("%d entries in one millisecond, want 40", n)
	}
	if n := len(mustQuarantine(t, store, span.Span{StartMs: t0 + 2, EndMs: t0 + 2})); n != 0 {
		t.Errorf("%d entries in an empty window", n)
	}
}

func (s suite) timesAtTheEdge(t *testing.T) {
	store := s.store(t)
	at := func(ms int64) telemetry.Message {
		r := sample("", 0, 1)
		r.EventMs, r.DeviceMs = ms, math.MinInt64
		return telemetry.Message{Seq: 1, ReceivedMs: ms, Records: []telemetry.Record{r}}
	}
	good := []int64{evidence.MinMs, -1, 0, 1, evidence.MaxMs}
	bad := []int64{math.MinInt64, evidence.MinMs - 1, evidence.MaxMs + 1, math.MaxInt64}
	b := batch()
	for _, ms := range append(good, bad...) {
		m := at(ms)
		m.Seq = uint64(len(b.Messages) + 1)
		b.Messages = append(b.Messages, m)
	}
	outcome := mustWrite(t, store, b)[0]
	if len(outcome.Rejected) != len(bad) {
		t.Errorf("rejected %+v", outcome.Rejected)
	}
	for _, r := range outcome.Rejected {
		if r.Reason != telemetry.ReasonBadTime {
			t.Errorf("seq %d: %s", r.Seq, r.Reason)
		}
	}
	var got []int64
	for _, e := range mustRead(t, store, evidence.Query{Base: base, Device: device, Window: always}) {
		got = append(got, e.EventMs)
		if e.DeviceMs != math.MinInt64 {
			t.Errorf("device time %d", e.DeviceMs)
		}
	}
	if diff := cmp.Diff(good, got); diff != "" {
		t.Errorf("event times (-want +got):\n%s", diff)
	}
	held := mustQuarantine(t, store, span.Span{StartMs: math.MinInt64, EndMs: math.MaxInt64})
	var received []int64
	for _, e := range held {
		received = append(received, e.ReceivedMs)
	}
	// MaxInt64 itself lies outside the half-open window.
	if diff := cmp.Diff(bad[:3], received); diff != "" {
		t.Errorf("receive times in quarantine (-want +got):\n%s", diff)
	}
}
