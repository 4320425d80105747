package evidencetest

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

func (s suite) everyKind(t *testing.T) {
	store := s.store(t)
	rich := sample("switch:0", 1, 1234.5)
	rich.Values = append(rich.Values,
		telemetry.Value{Quantity: telemetry.EnergyWh, Number: 98765.4321}, telemetry.Value{Quantity: telemetry.Number, Number: -3})
	rich.State, rich.Retained, rich.Clock, rich.ValidMs, rich.DeviceMs = "ACTIVE", true, telemetry.ClockCorrected, 15_000, t0-8*3_600_000
	silent := sample("", 2, 0)
	silent.Values, silent.Clock, silent.DeviceMs = nil, telemetry.ClockReceived, 0
	word := sample("execution", 3, 0)
	word.Values, word.State, word.Clock = nil, "FEED_HOLD", telemetry.ClockSuspect
	records := []telemetry.Record{
		rich, silent, word, link("agent", 4, telemetry.LinkWill), tap("9f8e7d", telemetry.DirectionOut, 5),
		raw(telemetry.ReasonMalformed, 6, "{\"a\":"),
	}
	mustWrite(t, store, each(1, records...))
	var want []evidence.Entry
	for i, r := range records {
		want = append(want, entry(uint64(i)+1, r))
	}
	wantEntries(t, want, mustRead(t, store, all()))
}

func (s suite) numbers(t *testing.T) {
	store := s.store(t)
	numbers := []float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, 0.001, 1e-7, 12.34, -273.15, 1e15, 1 << 53, 1<<53 + 2, 1e21, 1e22, 1e300,
		math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, math.Pi, 1.0 / 3, 123456789.125,
	}
	var records []telemetry.Record
	for i, x := range numbers {
		records = append(records, sample("", int64(i), x))
	}
	mustWrite(t, store, each(1, records...))
	got := mustRead(t, store, all())
	if len(got) != len(numbers) {
		t.Fatalf("%d of %d samples came back", len(got), len(numbers))
	}
	for i, x := range numbers {
		if y, ok := got[i].Value(telemetry.PowerW); !ok || math.Float64bits(x) != math.Float64bits(y) {
			t.Errorf("%v came back as %v, %t", x, y, ok)
		}
	}
}

// hostile are texts that end, escape or comment something somewhere.
var hostile = []string{
	"a b", " leading", "trailing ", "a,b", "a=b", "a\\", "\\", "a\\,b", "a\\ b", "a\\=b", "\\\\", "\"", "\"a\"", "'", "a'b--",
	"a\nb", "a\r\nb", "\r", "\t", "\x00", "a\x00b", "\x7f", "#c", "%", "%41", "%2C", "%%", "null", "true", "1i", "0", "-", "_", "time",
	"数控车床", "é", "e\u0301", "😀", "\u2028", "\uFEFF", "\uFFFD", "$1", "${x}", "/.*/", "*", ";", "'; DROP DATABASE jishi; --",
	"<script>", "a&b", "a|b", "a\u0085b", strings.Repeat("长", 42), strings.Repeat("\\", 128), strings.Repeat(",", 128),
}

func (s suite) hostileNames(t *testing.T) {
	store := s.store(t)
	var batches []evidence.Batch
	for i, text := range hostile {
		on := sample(text, 1, 1)
		on.Device, on.State = text, text
		linked := link(text, 2, telemetry.LinkOnline)
		linked.Device = text
		tapped := tap(text, telemetry.DirectionNone, 3)
		tapped.Device, tapped.Channel = text, text
		broken := raw(telemetry.ReasonMalformed, 4, text)
		broken.Device, broken.Channel, broken.Topic, broken.Detail = text, text, text, text
		b := each(uint64(10*i+1), on, linked, tapped, broken)
		b.Base, b.Bridge = text, text
		for j := range b.Messages {
			b.Messages[j].Dialect = text
		}
		b.Receipts = []evidence.Receipt{{Epoch: epoch, First: 1, Last: 2, FirstMs: t0, LastMs: t0 + 1}}
		batches = append(batches, b)
	}
	for i, o := range mustWrite(t, store, batches...) {
		if len(o.Rejected) > 0 {
			t.Errorf("%q: rejected %+v", hostile[i], o.Rejected)
		}
	}
	for i, text := range hostile {
		b := &batches[i]
		var want []evidence.Entry
		for j := range b.Messages {
			e := entry(b.Messages[j].Seq, b.Messages[j].Records[0])
			e.Dialect = text
			want = append(want, e)
		}
		q := all()
		q.Base, q.Device = b.Base, text
		wantEntries(t, want, mustRead(t, store, q))
		receipts, err := store.Receipts(t.Context(), b.Base, text)
		if err != nil || len(receipts) != 1 || receipts[0].Bridge != text {
			t.Errorf("%q: receipts %+v, %v", text, receipts, err)
		}
	}
}

func (s suite) repeat(t *testing.T) {
	store := s.store(t)
	b := each(1, sample("a", 1, 1), sample("a", 2, 2), link("", 3, telemetry.LinkOnline), tap("x", telemetry.DirectionIn, 4),
		raw(telemetry.ReasonOversized, 5, "..."))
	b.Receipts = []evidence.Receipt{{Epoch: epoch, First: 1, Last: 5, FirstMs: t0, LastMs: t0 + 5, CollectedMs: t0}}
	first := mustWrite(t, store, b)
	if first[0].Accepted != 5 {
		t.Errorf("first time: %+v", first[0])
	}
	was := mustRead(t, store, all())
	for range 3 {
		again := mustWrite(t, store, b, b)
		if s.traits.CountsDuplicates && (again[0].Duplicate != 5 || again[1].Duplicate != 5) {
			t.Errorf("repeat: %+v", again)
		}
	}
	wantEntries(t, was, mustRead(t, store, all()))
	if n := len(mustQuarantine(t, store, always)); n != 1 {
		t.Errorf("%d in quarantine, want 1", n)
	}
	receipts, err := store.Receipts(t.Context(), base, "")
	if err != nil || len(receipts) != 1 {
		t.Errorf("receipts %+v, %v", receipts, err)
	}
	// A repeat may come with another collect time and still be the same record.
	b.CollectedMs++
	mustWrite(t, store, b)
	if got := mustRead(t, store, all()); len(got) != len(was) {
		t.Errorf("%d records after a later repeat, want %d", len(got), len(was))
	}
}

func (s suite) higherSequenceWins(t *testing.T) {
	store := s.store(t)
	want := []evidence.Entry{entry(9, sample("a", 1, 9)), entry(8, link("", 2, telemetry.LinkOffline))}
	old := each(1, sample("a", 1, 1), link("", 2, telemetry.LinkOnline))
	young := batch(message(8, want[1].Record), message(9, want[0].Record))
	mustWrite(t, store, young, old) // out of order in one call
	wantEntries(t, want, mustRead(t, store, all()))
	mustWrite(t, store, old, young)
	wantEntries(t, want, mustRead(t, store, all()))
	if s.traits.LastWriteWins {
		return
	}
	mustWrite(t, store, old)
	wantEntries(t, want, mustRead(t, store, all()))
}

func (s suite) laterEpochWins(t *testing.T) {
	store := s.store(t)
	mustWrite(t, store, each(100, sample("a", 1, 1)))
	fresh := each(3, sample("a", 1, 2))
	fresh.Epoch = 7
	mustWrite(t, store, fresh)
	want := entry(3, sample("a", 1, 2))
	want.Epoch = 7
	wantEntries(t, []evidence.Entry{want}, mustRead(t, store, all()))
	// And in one call, in order of the batches.
	mustWrite(t, store, fresh, each(100, sample("a", 1, 1)))
	wantEntries(t, []evidence.Entry{entry(100, sample("a", 1, 1))}, mustRead(t, store, all()))
}

func (s suite) laterRecordWins(t *testing.T) {
	store := s.store(t)
	b := batch(message(1, sample("a", 1, 1), sample("a", 1, 2), sample("a", 1, 3)))
	for range 2 {
		mustWrite(t, store, b)
		wantEntries(t, []evidence.Entry{entry(1, sample("a", 1, 3))}, mustRead(t, store, all()))
	}
}

func (s suite) replacesWhole(t *testing.T) {
	store := s.store(t)
	full := sample("a", 1, 1)
	full.State, full.DeviceMs, full.ValidMs, full.Retained = "ACTIVE", t0, 5, true
	full.Values = append(full.Values, telemetry.Value{Quantity: telemetry.CurrentA, Number: 2})
	poor := sample("a", 1, 0)
	poor.Values = []telemetry.Value{{Quantity: telemetry.VoltageV, Number: 230}}
	poor.DeviceMs = 0
	for _, b := range [][]evidence.Batch{
		{batch(message(1, full, poor))}, {each(1, full, poor)}, {each(1, full), each(2, poor)},
	} {
		mustWrite(t, store, b...)
		got := mustRead(t, store, all())
		want := entry(b[len(b)-1].Messages[len(b[len(b)-1].Messages)-1].Seq, poor)
		if len(got) == 1 && !s.traits.LastWriteWins {
			want.Seq = got[0].Seq // an older call's number 2 stays
		}
		wantEntries(t, []evidence.Entry{want}, got)
	}
}

func (s suite) tapsStayTwo(t *testing.T) {
	store := s.store(t)
	taps := []telemetry.Record{ // in the order of evidence.Compare
		tap("card 1", telemetry.DirectionIn, 1), tap("card 1", telemetry.DirectionOut, 1), tap("card 2", telemetry.DirectionIn, 1),
		tap("card 1", telemetry.DirectionIn, 2),
	}
	mustWrite(t, store, batch(message(1, taps[2], taps[1], taps[0], taps[3])))
	var want []evidence.Entry
	for _, r := range taps {
		e := entry(1, r)
		e.ReceivedMs = taps[2].EventMs + lag
		want = append(want, e)
	}
	wantEntries(t, want, mustRead(t, store, all()))
	// The reader says it again: the same tap in another message.
	mustWrite(t, store, each(2, taps[0]))
	if n := len(mustRead(t, store, all())); n != len(taps) {
		t.Errorf("%d taps after a repeat, want %d", n, len(taps))
	}
}

func (s suite) manyFrames(t *testing.T) {
	store := s.store(t)
	const frames, records = 13, 1000
	var batches []evidence.Batch
	for f := range frames {
		b := batch()
		b.Bridge = fmt.Sprintf("bridge %d", f)
		for i := range records {
			n := f*records + i
			r := sample([]string{"a", "b"}[n%2], int64(n), float64(n))
			if n%4000 == 17 {
				r.Values[0].Number = math.NaN()
			}
			b.Messages = append(b.Messages, message(uint64(i+1), r))
		}
		batches = append(batches, b)
	}
	rejected := 0
	for _, o := range mustWrite(t, store, batches...) {
		rejected += len(o.Rejected)
	}
	if rejected != 4 {
		t.Errorf("%d rejected, want 4", rejected)
	}
	got := mustRead(t, store, evidence.Query{Base: base, Device: device, Window: always})
	if len(got) != frames*records-rejected {
		t.Fatalf("%d of %d samples came back", len(got), frames*records-rejected)
	}
	for i := 1; i < len(got); i++ {
		if evidence.Compare(&got[i-1], &got[i]) >= 0 {
			t.Fatalf("entry %d is out of order", i)
		}
	}
}

func (s suite) emptyWrite(t *testing.T) {
	store := s.store(t)
	mustWrite(t, store)
	mustWrite(t, store, batch())
	mustWrite(t, store, batch(message(1)), batch())
	vouching := batch()
	vouching.Receipts = []evidence.Receipt{{Epoch: epoch, First: 1, Last: 1, FirstMs: t0, LastMs: t0}}
	mustWrite(t, store, vouching)
	wantEntries(t, nil, mustRead(t, store, all()))
	if got, err := store.Receipts(t.Context(), base, bridge); err != nil || len(got) != 1 {
		t.Errorf("receipts %+v, %v", got, err)
	}
}

func (s suite) namelessBatch(t *testing.T) {
	store := s.store(t)
	for name, change := range map[string]func(*evidence.Batch){
		"no base":       func(b *evidence.Batch) { b.Base = "" },
		"no bridge":     func(b *evidence.Batch) { b.Bridge = "" },
		"base in bytes": func(b *evidence.Batch) { b.Base = "\xff" },
		"long bridge":   func(b *evidence.Batch) { b.Bridge = strings.Repeat("b", telemetry.MaxName+1) },
	} {
		b := each(1, sample("", 1, 1))
		change(&b)
		if _, err := store.Write(t.Context(), []evidence.Batch{each(2, sample("", 2, 1)), b}); !errors.Is(err, evidence.ErrPermanent) {
			t.Errorf("%s: %v, want ErrPermanent", name, err)
		}
	}
	wantEntries(t, nil, mustRead(t, store, all()))
}

func (s suite) unsigned(t *testing.T) {
	store := s.store(t)
	const high = math.MaxUint64 - 5
	b := each(high, sample("a", 1, 1), raw(telemetry.ReasonMalformed, 2, "x"))
	b.Epoch = math.MaxUint64
	b.Receipts = []evidence.Receipt{
		{Epoch: math.MaxUint64, First: high, Last: high + 1, FirstMs: t0, LastMs: t0 + 1, CollectedMs: t0 + 2},
		{Epoch: math.MaxUint64, First: 3, Last: 4, FirstMs: t0, LastMs: t0 + 1, CollectedMs: t0 + 2},
	}
	mustWrite(t, store, b)
	for i, e := range mustRead(t, store, all()) {
		if e.Epoch != math.MaxUint64 || e.Seq != high+uint64(i) {
			t.Errorf("epoch %d, seq %d", e.Epoch, e.Seq)
		}
	}
	got, err := store.Receipts(t.Context(), base, bridge)
	if err != nil || len(got) != 2 || got[0].Receipt != b.Receipts[1] || got[1].Receipt != b.Receipts[0] {
		t.Errorf("receipts %+v, %v", got, err)
	}
}
