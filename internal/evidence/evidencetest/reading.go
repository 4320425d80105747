package evidencetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

func (s suite) order(t *testing.T) {
	store := s.store(t)
	inOrder := []telemetry.Record{
		sample("", -5, 1), sample("b", 0, 2), link("", 1, telemetry.LinkOnline), tap("x", telemetry.DirectionIn, 1),
		sample("a", 1, 3), link("a", 1, telemetry.LinkOffline), sample("b", 1, 4), sample("é", 1, 5), sample("数", 1, 6),
		raw(telemetry.ReasonMalformed, 2, "x"), sample("", 3, 7),
	}
	// tap comes before link at one instant and channel: kinds are in order of their numbers.
	inOrder[2], inOrder[3] = inOrder[3], inOrder[2]
	var want []evidence.Entry
	var b evidence.Batch
	for i := range inOrder { // written backwards
		r := inOrder[len(inOrder)-1-i]
		b.Messages = append(b.Messages, message(uint64(i+1), r))
		want = append([]evidence.Entry{entry(uint64(i+1), r)}, want...)
	}
	full := batch(b.Messages...)
	mustWrite(t, store, full)
	wantEntries(t, want, mustRead(t, store, all()))
}

func (s suite) window(t *testing.T) {
	store := s.store(t)
	var records []telemetry.Record
	for ms := range int64(5) {
		records = append(records, sample("a", ms, 1), link("", ms, telemetry.LinkOnline), tap("x", telemetry.DirectionIn, ms),
			raw(telemetry.ReasonMalformed, ms, "x"))
	}
	mustWrite(t, store, each(1, records...))
	for name, test := range map[string]struct {
		start, end int64
		want       int
	}{
		"all": {0, 5, 20}, "first left out": {1, 5, 16}, "last left out": {0, 4, 16}, "one": {2, 3, 4},
		"empty": {2, 2, 0}, "turned round": {3, 1, 0}, "before": {-9, 0, 0}, "after": {5, 9, 0},
	} {
		q := all()
		q.Window = span.Span{StartMs: t0 + test.start, EndMs: t0 + test.end}
		if got := mustRead(t, store, q); len(got) != test.want {
			t.Errorf("%s: %d entries, want %d", name, len(got), test.want)
		}
	}
	q := all()
	q.Device = "nobody"
	wantEntries(t, nil, mustRead(t, store, q))
}

func (s suite) selection(t *testing.T) {
	store := s.store(t)
	mustWrite(t, store, each(1, sample("", 1, 1), sample("a", 2, 1), sample("b", 3, 1), link("a", 4, telemetry.LinkOnline),
		tap("x", telemetry.DirectionIn, 5), raw(telemetry.ReasonMalformed, 6, "x")))
	for name, test := range map[string]struct {
		kinds    []telemetry.Kind
		channels []string
		want     string
	}{
		"nothing said":     {nil, nil, "1234"},
		"samples":          {[]telemetry.Kind{telemetry.KindSample}, nil, "123"},
		"taps":             {[]telemetry.Kind{telemetry.KindTap}, nil, "5"},
		"raw and links":    {[]telemetry.Kind{telemetry.KindRaw, telemetry.KindLink}, nil, "46"},
		"a kind twice":     {[]telemetry.Kind{telemetry.KindLink, telemetry.KindLink}, nil, "4"},
		"one channel":      {nil, []string{"b"}, "34"},
		"two channels":     {nil, []string{"b", "a", "none"}, "234"},
		"empty name":       {nil, []string{""}, "14"},
		"no channel":       {nil, []string{}, "4"},
		"only for samples": {[]telemetry.Kind{telemetry.KindTap, telemetry.KindRaw}, []string{"b"}, "56"},
	} {
		q := all()
		q.Kinds, q.Channels = test.kinds, test.channels
		var got []byte
		for _, e := range mustRead(t, store, q) {
			got = append(got, '0'+byte(e.Seq))
		}
		if string(got) != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// quantities: who asks for some gets them, and all else that a derivation reads, whatever more the store gives.
func (s suite) quantities(t *testing.T) {
	store := s.store(t)
	var said []telemetry.Record
	for i, channel := range []string{"a", "b", "a", "", "a"} {
		r := sample(channel, int64(10*i), float64(i)+0.5)
		r.ValidMs, r.Retained, r.State = int64(25_000*(i%2)), i == 2, []string{"", "READY"}[i%2]
		r.Values = append(r.Values, telemetry.Value{Quantity: telemetry.VoltageV, Number: 230}, telemetry.Value{Quantity: telemetry.EnergyWh, Number: float64(i)})
		said = append(said, r)
	}
	bare := sample("a", 60, 0)
	bare.Values, bare.State = nil, "OFF"
	said = append(said, bare, link("a", 70, telemetry.LinkWill), link("b", 80, telemetry.LinkOnline))
	mustWrite(t, store, each(1, said...))
	for name, channels := range map[string][]string{"every channel": nil, "one": {"a"}, "the empty one": {""}, "two": {"a", "b"}, "none": {}} {
		for _, wanted := range [][]string{{}, {telemetry.EnergyWh}, {telemetry.EnergyWh, telemetry.PowerW, "never_said"}} {
			q := all()
			q.Kinds, q.Channels = []telemetry.Kind{telemetry.KindSample, telemetry.KindLink}, channels
			want := read(t, store, q, wanted)
			q.Quantities = wanted
			if diff := cmp.Diff(want, read(t, store, q, wanted)); diff != "" {
				t.Errorf("%s, %v (-all asked for +some):\n%s", name, wanted, diff)
			}
		}
	}
	q := all()
	q.Quantities = []string{`power_w" FROM x; --`}
	if err := store.Read(t.Context(), q, func(*evidence.Entry) error { return nil }); err == nil {
		t.Error("read a quantity that none can be called")
	}
}

// read returns what a derivation reads of each record.
func read(t *testing.T, store evidence.Store, q evidence.Query, wanted []string) []telemetry.Record {
	t.Helper()
	var out []telemetry.Record
	for _, e := range mustRead(t, store, q) {
		r := e.Record
		r.DeviceMs, r.Values = 0, nil
		for _, v := range e.Values {
			if slices.Contains(wanted, v.Quantity) {
				r.Values = append(r.Values, v)
			}
		}
		out = append(out, r)
	}
	return out
}

func (s suite) badQuery(t *testing.T) {
	store := s.store(t)
	for name, q := range map[string]evidence.Query{
		"no base":   {Device: device, Window: always},
		"no device": {Base: base, Window: always},
		"bad kind":  {Base: base, Device: device, Window: always, Kinds: []telemetry.Kind{9}},
	} {
		if err := store.Read(t.Context(), q, func(*evidence.Entry) error { return nil }); err == nil {
			t.Errorf("%s: read without an error", name)
		}
		if _, err := store.Before(t.Context(), q); err == nil {
			t.Errorf("%s: before without an error", name)
		}
	}
}

func (s suite) yieldError(t *testing.T) {
	store := s.store(t)
	mustWrite(t, store, each(1, sample("a", 1, 1), sample("b", 1, 1), link("", 2, telemetry.LinkOnline),
		raw(telemetry.ReasonMalformed, 3, "x"), raw(telemetry.ReasonMalformed, 4, "x")))
	enough := errors.New("enough")
	calls := 0
	stop := func(*evidence.Entry) error {
		calls++
		return enough
	}
	if err := store.Read(t.Context(), all(), stop); !errors.Is(err, enough) || calls != 1 {
		t.Errorf("read: %v after %d calls", err, calls)
	}
	calls = 0
	if err := store.Quarantine(t.Context(), base, always, stop); !errors.Is(err, enough) || calls != 1 {
		t.Errorf("quarantine: %v after %d calls", err, calls)
	}
	// A reader that reads more while it reads is not a deadlock.
	err := store.Read(t.Context(), all(), func(*evidence.Entry) error {
		_, err := store.Latest(t.Context(), base, device)
		return err
	})
	if err != nil {
		t.Errorf("read within a read: %v", err)
	}
}

func (s suite) bases(t *testing.T) {
	store := s.store(t)
	here, there := each(1, sample("a", 1, 1), raw(telemetry.ReasonMalformed, 2, "x")), each(1, sample("a", 1, 2))
	there.Base = "上海"
	there.Receipts = []evidence.Receipt{{Epoch: epoch, First: 1, Last: 1, FirstMs: t0}}
	mustWrite(t, store, here, there)
	q := all()
	q.Base = there.Base
	wantEntries(t, []evidence.Entry{entry(1, sample("a", 1, 2))}, mustRead(t, store, q))
	if got, err := store.Receipts(t.Context(), base, ""); err != nil || len(got) != 0 {
		t.Errorf("receipts of the other base: %+v, %v", got, err)
	}
	if got, err := store.Devices(t.Context(), there.Base, always); err != nil || len(got) != 1 || got[0].Raw != 0 {
		t.Errorf("devices of the other base: %+v, %v", got, err)
	}
}

func (s suite) before(t *testing.T) {
	store := s.store(t)
	retained := sample("b", 3, 3)
	retained.Retained = true
	records := []telemetry.Record{
		sample("a", 1, 1), sample("a", 2, 2), retained, link("", 1, telemetry.LinkOnline), link("agent", 4, telemetry.LinkWill),
		sample("a", 5, 5), link("", 6, telemetry.LinkOnline), sample("c", 7, 7), tap("x", telemetry.DirectionIn, 1),
		raw(telemetry.ReasonMalformed, 1, "x"), sample("", -9_000_000_000, 8),
	}
	mustWrite(t, store, each(1, records...))
	at := func(numbers ...int) (want []evidence.Entry) {
		for _, n := range numbers {
			want = append(want, entry(uint64(n), records[n-1]))
		}
		return want
	}
	for name, test := range map[string]struct {
		start    int64
		kinds    []telemetry.Kind
		channels []string
		want     []evidence.Entry
	}{
		"the last of each":  {5, nil, nil, at(11, 2, 3, 5)},
		"at is not before":  {4, nil, nil, at(11, 4, 2, 3)},
		"just after":        {6, nil, nil, at(11, 3, 5, 6)},
		"everything":        {100, nil, nil, at(11, 3, 6, 7, 8)},
		"nothing":           {-9_000_000_001, nil, nil, nil},
		"one channel":       {5, nil, []string{"a"}, at(2, 5)},
		"no channel":        {5, nil, []string{}, at(5)},
		"samples":           {5, []telemetry.Kind{telemetry.KindSample}, nil, at(11, 2, 3)},
		"links":             {5, []telemetry.Kind{telemetry.KindLink}, nil, at(5)},
		"taps never":        {5, []telemetry.Kind{telemetry.KindTap, telemetry.KindRaw}, nil, nil},
		"at the end of all": {evidence.MaxMs - t0 + 1, nil, []string{"c"}, at(7, 8)},
	} {
		q := evidence.Query{
			Base: base, Device: device, Window: span.Span{StartMs: t0 + test.start}, Kinds: test.kinds, Channels: test.channels,
		}
		got, err := store.Before(t.Context(), q)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		t.Log(name)
		wantEntries(t, test.want, got)
	}
}

func (s suite) latest(t *testing.T) {
	store := s.store(t)
	far := sample("b", 100*365*24*3_600_000, 3) // a hundred years ahead
	records := []telemetry.Record{
		sample("b", 1, 1), far, sample("a", 2, 2), link("z", 5, telemetry.LinkOnline), link("", 1, telemetry.LinkOffline),
		tap("x", telemetry.DirectionIn, 9), sample("", 3, 4),
	}
	mustWrite(t, store, each(1, records...))
	got, err := store.Latest(t.Context(), base, device)
	if err != nil {
		t.Fatal(err)
	}
	wantEntries(t, []evidence.Entry{entry(7, records[6]), entry(3, records[2]), entry(2, far), entry(4, records[3])}, got)
	if got, err = store.Latest(t.Context(), base, "nobody"); err != nil || len(got) != 0 {
		t.Errorf("latest of nobody: %+v, %v", got, err)
	}
}

func (s suite) devices(t *testing.T) {
	store := s.store(t)
	of := func(r telemetry.Record, device string) telemetry.Record {
		r.Device = device
		return r
	}
	mustWrite(t, store, each(1,
		of(sample("a", 1, 1), "z"), of(sample("b", 1, 1), "z"), of(sample("b", 2, 1), "z"), of(link("", 3, telemetry.LinkOnline), "z"),
		of(tap("x", telemetry.DirectionIn, 4), "reader"), of(tap("y", telemetry.DirectionIn, 4), "reader"),
		of(raw(telemetry.ReasonMalformed, 5, "x"), "odd"), of(raw(telemetry.ReasonUnknownTopic, 5, "x"), ""),
		of(sample("a", 6, 1), "outside"), of(raw(telemetry.ReasonMalformed, -1, "x"), "outside"), of(sample("a", -1, 1), "z"),
	))
	want := []evidence.DeviceCount{
		{Device: "", Raw: 1},
		{Device: "odd", Raw: 1},
		{Device: "reader", Taps: 2, FirstMs: t0 + 4, LastMs: t0 + 4},
		{Device: "z", Samples: 3, Links: 1, FirstMs: t0 + 1, LastMs: t0 + 3},
	}
	got, err := store.Devices(t.Context(), base, span.Span{StartMs: t0, EndMs: t0 + 6})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("devices (-want +got):\n%s", diff)
	}
	if got, err = store.Devices(t.Context(), base, span.Span{StartMs: t0 + 6, EndMs: t0}); err != nil || len(got) != 0 {
		t.Errorf("empty window: %+v, %v", got, err)
	}
}
