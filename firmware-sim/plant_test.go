package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// A Thursday in China.
var plantDate = time.Date(2026, 11, 19, 10, 0, 0, 0, time.UTC)

func newPlant(t testing.TB, o PlantOptions) *Plant {
	t.Helper()
	if o.Date.IsZero() {
		o.Date = plantDate
	}
	p, err := NewPlant(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// dayOf is the plant's n-th day.
func dayOf(p *Plant, n int) span.Span {
	const dayMs = 24 * 60 * 60 * 1000
	startMs := p.firstMs() + int64(n)*dayMs
	return span.Span{StartMs: startMs, EndMs: startMs + dayMs}
}

func truthOf(t testing.TB, p *Plant, machine string, window span.Span) []Stretch {
	t.Helper()
	out, err := p.Truth(machine, window)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// listener reads messages as somebody who knows the dialects' documents and nothing of the plant's plan. It is written
// for these machines only; the product's decoders are tested against the same messages elsewhere.
type listener struct {
	t      testing.TB
	states map[string][]Stretch // by device, each from its message to the next
	power  map[string]PowerSignature
	counts map[string]int
	energy map[string]float64
}

func newListener(t testing.TB, p *Plant) *listener {
	l := &listener{t: t, states: map[string][]Stretch{}, power: map[string]PowerSignature{}, counts: map[string]int{}, energy: map[string]float64{}}
	for _, m := range p.Machines() {
		l.power[m.Device] = m.Power
	}
	return l
}

func (l *listener) hear(m Timed) {
	parts := strings.Split(m.Topic, "/")
	leaf := parts[len(parts)-1]
	var body struct {
		T         int64
		State     string
		Timestamp string
		Result    string
		Time      string
		V         struct {
			Power  float64 `json:"power_w"`
			Energy float64 `json:"energy_wh"`
		}
		Energy  struct{ Power, Total float64 } `json:"ENERGY"`
		Power   *float64                       `json:"apower"`
		Counter struct{ Total float64 }        `json:"aenergy"`
		Params  struct {
			TS     json.Number
			Switch struct {
				Power *float64 `json:"apower"`
			} `json:"switch:0"`
		}
	}
	if m.Payload[0] == '{' {
		d := json.NewDecoder(bytes.NewReader(m.Payload))
		d.UseNumber()
		if err := d.Decode(&body); err != nil {
			l.t.Fatalf("%s: %s: %v", m.Topic, m.Payload, err)
		}
	}
	switch {
	case parts[0] == "MTConnect" && leaf == executionItem:
		l.sameTime(m, body.Timestamp, "2006-01-02T15:04:05.000Z07:00")
		l.note(parts[2], m.AtMs, map[string]State{"ACTIVE": Running, "UNAVAILABLE": Unknown}[body.Result], Idle)
	case leaf == "sample":
		if body.T != m.AtMs {
			l.t.Fatalf("%s at %d says %s", m.Topic, m.AtMs, m.Payload)
		}
		l.note(parts[4], m.AtMs, map[string]State{"RUNNING": Running, "OFF": Off}[body.State], Idle)
		l.meter(parts[4], body.V.Energy)
	case leaf == "rpc":
		if ts := fmt.Sprintf("%.2f", float64(m.AtMs)/1000); ts != body.Params.TS.String() || m.AtMs%10 != 0 {
			l.t.Fatalf("%s at %d says %s", m.Topic, m.AtMs, m.Payload)
		}
		l.watts(parts[0], m.AtMs, *body.Params.Switch.Power)
	case leaf == "switch:0":
		l.watts(parts[0], m.AtMs, *body.Power)
		l.meter(parts[0], body.Counter.Total)
	case leaf == "SENSOR":
		l.sameTime(m, body.Time+"+08:00", "2006-01-02T15:04:05Z07:00")
		l.watts(parts[1], m.AtMs, body.Energy.Power)
		l.meter(parts[1], body.Energy.Total*1000)
	}
}

func (l *listener) sameTime(m Timed, text, layout string) {
	l.t.Helper()
	if at, err := time.Parse(layout, text); err != nil || at.UnixMilli() != m.AtMs {
		l.t.Fatalf("%s at %d says %s (%v)", m.Topic, m.AtMs, m.Payload, err)
	}
}

func (l *listener) watts(device string, atMs int64, watts float64) {
	s := Idle
	switch p := l.power[device]; {
	case watts < p.OffW:
		s = Off
	case watts >= p.RunW:
		s = Running
	}
	l.note(device, atMs, s, s)
}

// note ends the stretch before; state "" is otherwise.
func (l *listener) note(device string, atMs int64, state, otherwise State) {
	if state == "" {
		state = otherwise
	}
	l.counts[device]++
	all := l.states[device]
	if n := len(all); n > 0 {
		all[n-1].EndMs = atMs
		if all[n-1].Ms() == 0 {
			all = all[:n-1] // two words in one millisecond: the later stands
		}
	}
	if n := len(all); n == 0 || all[n-1].State != state {
		all = append(all, Stretch{span.Span{StartMs: atMs, EndMs: atMs}, state})
	}
	l.states[device] = all
}

func (l *listener) meter(device string, wattHours float64) {
	if wattHours < l.energy[device] {
		l.t.Fatalf("the counter of %s goes back from %g to %g", device, l.energy[device], wattHours)
	}
	l.energy[device] = wattHours
}

// Whatever the seed: what the devices say is what is true, to the millisecond, and the days are as they were promised.
func TestPlantSaysItsTruth(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		p := newPlant(t, PlantOptions{Seed: seed, Date: plantDate.AddDate(0, 0, int(seed))})
		window := span.Span{StartMs: p.firstMs(), EndMs: dayOf(p, int(seed%2)).EndMs}
		l := newListener(t, p)
		lastMs := int64(0)
		for m := range p.Messages(window) {
			if m.AtMs < lastMs || !window.Contains(m.AtMs) {
				t.Fatalf("seed %d: %s at %d after %d, window %v", seed, m.Topic, m.AtMs, lastMs, window)
			}
			lastMs = m.AtMs
			l.hear(m)
		}
		for _, m := range p.Machines() {
			heard := l.states[m.Device]
			if len(heard) == 0 {
				t.Fatalf("seed %d: %s said nothing", seed, m.ID)
			}
			heard[len(heard)-1].EndMs = window.EndMs
			truth := truthOf(t, p, m.ID, window)
			if diff := cmp.Diff(truth, heard); diff != "" {
				t.Fatalf("seed %d: %s (-truth +heard):\n%s", seed, m.ID, diff)
			}
			checkDay(t, p, m, dayOf(p, int(seed%2)))
		}
	}
}

// checkDay checks one machine's day against what the plant promises.
func checkDay(t *testing.T, p *Plant, m Machine, window span.Span) {
	t.Helper()
	day := truthOf(t, p, m.ID, window)
	at := window.StartMs
	total := map[State]int64{}
	for i, s := range day {
		if s.StartMs != at || s.Empty() {
			t.Fatalf("%s: stretch %d is %v: want it to begin at %d", m.ID, i, s, at)
		}
		at = s.EndMs
		total[s.State] += s.Ms()
		if dwell := m.Power.DwellOn.Milliseconds(); s.State == Running && s.Ms() < dwell {
			t.Fatalf("%s runs for %d ms, less than its dwell", m.ID, s.Ms())
		}
		if pause := m.Power.DwellOff.Milliseconds(); s.State == Idle && s.Ms() < pause {
			t.Fatalf("%s pauses for %d ms, less than its dwell", m.ID, s.Ms())
		}
		if hour := time.Duration(s.StartMs-window.StartMs) * time.Millisecond; s.State == Running && (hour < 8*time.Hour+30*time.Minute || hour > 17*time.Hour) {
			t.Fatalf("%s runs at %v", m.ID, hour)
		}
	}
	if at != window.EndMs {
		t.Fatalf("%s: the day ends at %d, want %d", m.ID, at, window.EndMs)
	}
	const hourMs = 60 * 60 * 1000
	switch {
	case m.ID == "welder-2":
		if total[Off] != window.Ms() {
			t.Fatalf("welder-2 is off for %d ms of a day that nobody switches it on", total[Off])
		}
	case total[Running] < hourMs/2 || total[Running] > 6*hourMs || total[Idle] < hourMs/2:
		t.Fatalf("%s: running %d ms, idle %d ms: no plausible day", m.ID, total[Running], total[Idle])
	}
	if lost := lostLinks(p, m, window); m.ID == "cnc-lathe-2" != (len(lost) == 1) || len(lost) == 1 && (lost[0].Ms() < 50_000 || lost[0].Ms() > 80_000) {
		t.Fatalf("%s: lost links %v", m.ID, lost)
	}
}

// lostLinks are the unknown stretches that begin and end within the working day.
func lostLinks(p *Plant, m Machine, window span.Span) span.Set {
	i := slices.IndexFunc(p.machines, func(x plantMachine) bool { return x.ID == m.ID })
	return p.plan(i, window).down
}

// The same options give the same bytes, whatever part of the day is asked for, and a seed changes them.
func TestPlantIsDeterministic(t *testing.T) {
	t.Parallel()
	digest := func(seed uint64, date time.Time) (sum uint64, n int) {
		h := fnv.New64a()
		p := newPlant(t, PlantOptions{Seed: seed, Date: date})
		for m := range p.Messages(dayOf(p, 0)) {
			_, _ = fmt.Fprint(h, m.AtMs, m.Topic, m.Retain, m.Exact)
			h.Write(m.Payload)
			n++
		}
		return h.Sum64(), n
	}
	one, n := digest(1, plantDate)
	if again, _ := digest(1, plantDate.Add(5*time.Hour)); one != again {
		t.Error("one seed and one day give two plants")
	}
	if other, _ := digest(2, plantDate); one == other {
		t.Error("two seeds give one plant")
	}
	if other, _ := digest(1, plantDate.AddDate(0, 0, 1)); one == other {
		t.Error("two days are the same")
	}
	if n < 15_000 || n > 40_000 {
		t.Errorf("%d messages a day: want tens of thousands", n)
	}

	p := newPlant(t, PlantOptions{Seed: 1})
	day := dayOf(p, 1)
	noon := (day.StartMs + day.EndMs) / 2
	whole := collect(p, day)
	parts := append(collect(p, span.Span{StartMs: day.StartMs, EndMs: noon}), collect(p, span.Span{StartMs: noon, EndMs: day.EndMs})...)
	if script(whole) != script(parts) {
		t.Error("a day in two halves is not the day")
	}
	morning := append(truthOf(t, p, "lathe-1", span.Span{StartMs: day.StartMs, EndMs: noon}), truthOf(t, p, "lathe-1", span.Span{StartMs: noon, EndMs: day.EndMs})...)
	if ms(morning, Running) != ms(truthOf(t, p, "lathe-1", day), Running) {
		t.Error("the truth of a day in two halves is not the day's")
	}
}

func collect(p *Plant, window span.Span) []Timed {
	var out []Timed
	for m := range p.Messages(window) {
		out = append(out, m)
	}
	return out
}

func ms(all []Stretch, state State) int64 {
	var total int64
	for _, s := range all {
		if s.State == state {
			total += s.Ms()
		}
	}
	return total
}

// The first message of each kind, for the reader and against change by accident.
func TestPlantGolden(t *testing.T) {
	t.Parallel()
	p := newPlant(t, PlantOptions{Seed: 7})
	seen := map[string]int{}
	var first []Timed
	for m := range p.Messages(dayOf(p, 0)) {
		hour := (m.AtMs - p.firstMs()) / 3_600_000
		if strings.Contains(m.Topic, "lathe-2") || strings.Contains(m.Topic, "000002") {
			continue // another of its kind
		}
		key := m.Topic
		if hour >= 9 {
			key += " in class"
		}
		if seen[key]++; seen[key] == 1 {
			first = append(first, m)
		}
	}
	golden(t, "plant.golden", script(first))
}

func TestNewPlantErrors(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		o    PlantOptions
		want string
	}{
		{"no date", PlantOptions{}, "Date is required"},
		{"a base that is no part of a topic", PlantOptions{Date: plantDate, Base: "a/b"}, `Base "a/b"`},
		{"a class too short", PlantOptions{Date: plantDate, Sessions: []Session{{8 * time.Hour, 8*time.Hour + 59*time.Minute}}}, "Sessions 8h0m0s-8h59m0s"},
		{"classes that overlap", PlantOptions{Date: plantDate, Sessions: []Session{{8 * time.Hour, 10 * time.Hour}, {9 * time.Hour, 11 * time.Hour}}}, "Sessions 9h0m0s"},
		{"a class past midnight", PlantOptions{Date: plantDate, Sessions: []Session{{22 * time.Hour, 25 * time.Hour}}}, "end by 24h"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if _, err := NewPlant(row.o); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want an error with %q", err, row.want)
			}
		})
	}
	if _, err := newPlant(t, PlantOptions{}).Truth("press-1", span.Span{}); err == nil {
		t.Error("a machine that the plant has not got has a truth")
	}
}

func BenchmarkPlantDay(b *testing.B) {
	p := newPlant(b, PlantOptions{Seed: 1})
	for b.Loop() {
		for range p.Messages(dayOf(p, 0)) {
		}
	}
}
