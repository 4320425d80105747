package settle_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/embedded"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// The words in which the tests of this package tell their stories. Times are Asia/Shanghai; the day is Monday
// 2026-03-02 unless it is named.

const testBase = "cq01"

var monday = calendar.Date{Year: 2026, Month: time.March, Day: 2}

// at is an instant: "08:30", "08:30:05" on the Monday, or "01-31 08:30" on another day of the year.
func at(clock string) int64 {
	if !strings.Contains(clock, " ") {
		clock = "03-02 " + clock
	}
	if strings.Count(clock, ":") == 1 {
		clock += ":00"
	}
	t, err := time.ParseInLocation("2006 01-02 15:04:05", "2026 "+clock, time.FixedZone("CST", 8*3600))
	if err != nil {
		panic(err)
	}
	return t.UnixMilli()
}

func between(from, to string) span.Span { return span.Span{StartMs: at(from), EndMs: at(to)} }

// controller is a machine whose state its controller says.
func controller(id string) registry.Equipment {
	return registry.Equipment{
		ID: id, AssetNumber: "A-" + id, Name: id, Workshop: "w1", Category: registry.General, Profile: registry.Machine,
		InService: registry.Always(), Signal: registry.Signal{Kind: registry.SignalController},
	}
}

// metered is a machine whose state is read from power: off below 20 W, running from 200 W.
func metered(id string) registry.Equipment {
	e := controller(id)
	e.Signal = registry.Signal{Kind: registry.SignalPower, Power: &registry.PowerRule{
		OffW: 20, RunW: 200, Hysteresis: 0.1, DwellOn: 5 * time.Second, DwellOff: 20 * time.Second,
	}}
	return e
}

func device(id string) registry.Device {
	return registry.Device{ID: id, Name: id, Kind: registry.Controller}
}

// bound says that the device's unnamed channel decides the machine's state.
func bound(device, equipment string, valid span.Span) registry.Binding {
	return registry.Binding{Device: device, Equipment: equipment, Use: registry.UseState, Valid: valid}
}

// base is a base with one workshop, open on working days from 08:30 to 17:00.
func base(change func(b *registry.Base)) registry.Base {
	b := registry.Base{
		Code: testBase, Name: "测试基地", Tier: registry.TierLocal,
		Districts: []registry.District{{Code: "500107", Valid: registry.Always()}},
		Hours:     []registry.Hours{{Valid: registry.Always(), Workday: registry.Times{{Start: 8*60 + 30, End: 17 * 60}}}},
		Workshops: []registry.Workshop{{ID: "w1", Name: "车间"}},
	}
	change(&b)
	return b
}

// lathe is a base with one lathe whose controller speaks.
func lathe(b *registry.Base) {
	b.Equipment = []registry.Equipment{controller("lathe")}
	b.Devices = []registry.Device{device("cnc")}
	b.Bindings = []registry.Binding{bound("cnc", "lathe", registry.Always())}
}

// world is a base with its evidence.
type world struct {
	t        testing.TB
	store    *embedded.Store
	registry *registry.Registry
	settler  *settle.Settler
	seq      uint64
	bridge   string
}

func newWorld(t testing.TB, bases ...registry.Base) *world {
	t.Helper()
	reg, err := registry.New(bases...)
	if err != nil {
		t.Fatal(err)
	}
	store, err := embedded.Open(t.Context(), filepath.Join(t.TempDir(), "evidence.db"), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{t: t, store: store, registry: reg, settler: settle.New(store, reg, newCalendar(t)), bridge: "b1"}
}

func newCalendar(t testing.TB) *calendar.Calendar {
	t.Helper()
	cal, err := calendar.New()
	if err != nil {
		t.Fatal(err)
	}
	return cal
}

// word is a controller's word, which holds until the next.
func word(device string, ms int64, state string) telemetry.Record {
	return telemetry.Record{Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: device, EventMs: ms, DeviceMs: ms, State: state}
}

// power is a meter's reading, which holds for a minute.
func power(device string, ms int64, watts float64) telemetry.Record {
	r := word(device, ms, "")
	r.ValidMs = 60_000
	r.Values = []telemetry.Value{{Quantity: telemetry.PowerW, Number: watts}}
	return r
}

// working returns the meter's readings of a machine at work, every 30 s from one instant to before another.
func working(from, to string) []telemetry.Record {
	var out []telemetry.Record
	for ms := at(from); ms < at(to); ms += 30_000 {
		out = append(out, power("meter", ms, 500))
	}
	return out
}

func link(device string, ms int64, event telemetry.LinkEvent) telemetry.Record {
	return telemetry.Record{Kind: telemetry.KindLink, Clock: telemetry.ClockReceived, Device: device, EventMs: ms, Link: event}
}

// said stores records that the bridge received when they happened.
func (w *world) said(records ...telemetry.Record) {
	w.t.Helper()
	w.saidTo(testBase, 0, records...)
}

// saidTo stores records of a base: one message each, in one frame. receivedMs is when the bridge received them all, 0 for
// when each happened.
func (w *world) saidTo(base string, receivedMs int64, records ...telemetry.Record) {
	w.t.Helper()
	b := evidence.Batch{Base: base, Bridge: w.bridge, Epoch: 1, CollectedMs: 1}
	r := evidence.Receipt{Epoch: 1, First: w.seq + 1, Last: w.seq + uint64(len(records)), CollectedMs: 1}
	for i := range records {
		w.seq++
		m := telemetry.Message{Seq: w.seq, ReceivedMs: receivedMs, Dialect: "test", Records: records[i : i+1]}
		if receivedMs == 0 {
			m.ReceivedMs = records[i].EventMs
		}
		if i == 0 {
			r.FirstMs = m.ReceivedMs
		}
		r.LastMs = m.ReceivedMs
		b.Messages = append(b.Messages, m)
	}
	b.Receipts = []evidence.Receipt{r}
	if _, err := w.store.Write(w.t.Context(), []evidence.Batch{b}); err != nil {
		w.t.Fatal(err)
	}
}

// machine derives what a machine did.
func (w *world) machine(id string, window span.Span) *settle.Machine {
	w.t.Helper()
	m, err := w.settler.Machine(w.t.Context(), testBase, id, window)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// seconds are a machine's totals, as tables have them.
type seconds struct{ Running, Idle, Off, Unknown, Opening float64 }

func totals(t *usage.Totals) seconds {
	s := func(ms int64) float64 { return float64(ms) / 1000 }
	return seconds{s(t.RunningMs), s(t.IdleMs), s(t.OffMs), s(t.UnknownMs), s(t.OpeningMs)}
}

const hour = 3600.0

func wantTotals(t *testing.T, m *settle.Machine, want seconds) {
	t.Helper()
	if diff := cmp.Diff(want, totals(&m.Totals)); diff != "" {
		t.Errorf("seconds of %s (-want +got):\n%s", m.Equipment.ID, diff)
	}
}

func wantNotes(t *testing.T, m *settle.Machine, want ...settle.Note) {
	t.Helper()
	if diff := cmp.Diff(want, m.Notes); diff != "" {
		t.Errorf("notes of %s (-want +got):\n%s", m.Equipment.ID, diff)
	}
}

// messageOf is a message with one record, received when it happened.
func messageOf(seq uint64, r telemetry.Record) telemetry.Message {
	return telemetry.Message{Seq: seq, ReceivedMs: r.EventMs, Dialect: "test", Records: []telemetry.Record{r}}
}
