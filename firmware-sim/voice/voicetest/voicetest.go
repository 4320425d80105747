// Package voicetest makes the days that tests let voices speak of: a machine that is used as machines are, with every
// state, alarms and a controller, and cards held to a reader. It is for tests of package voice and of the product's
// decoders, and refuses to know either: what it returns is the truth that both are compared with.
package voicetest

import (
	"math/rand/v2"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/firmware-sim/voice"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// ZoneOffsetMs is UTC+8, where the days are.
const ZoneOffsetMs = 8 * hourMs

const (
	minuteMs = 60_000
	hourMs   = 60 * minuteMs
	dayMs    = 24 * hourMs
	firstMs  = 1_772_380_800_000 // 2026-03-02T00:00:00+08:00
)

// Calendar is how long days are, and when the machine is used on them.
type Calendar struct {
	lengthMs, onMs, offMs int64
	alarms                [2]int // after how many runs there is an alarm
}

// Whole are days of 24 hours, of which the functions of this package speak.
func Whole() Calendar { return Calendar{dayMs, 8 * hourMs, 16*hourMs + 30*minuteMs, [2]int{20, 23}} }

// Brief are days of three hours, so that many tests are quick: no voice knows what a day is.
func Brief() Calendar { return Calendar{3 * hourMs, 10 * minuteMs, 150 * minuteMs, [2]int{5, 8}} }

// Span is the n-th day, from 0.
func Span(n int) span.Span { return Whole().Span(n) }

// Span is the n-th day, from 0.
func (c Calendar) Span(n int) span.Span {
	return span.Span{StartMs: firstMs + int64(n)*c.lengthMs, EndMs: firstMs + int64(n+1)*c.lengthMs}
}

// At is a minute of the n-th day, from 0.
func (c Calendar) At(n int, minute int64) int64 { return c.Span(n).StartMs + minute*minuteMs }

// At is a clock time of the n-th day.
func At(n int, hour, minute int64) int64 { return Span(n).StartMs + hour*hourMs + minute*minuteMs }

// Machine is what a machine did on the n-th day: off at night, from eight to half past four idle and running by turns,
// with two alarms in the afternoon. The seed decides the rest.
func Machine(n int, seed uint64) *plant.MachineDay { return Whole().Machine(n, seed) }

// Machine is what a machine did on the n-th day, idle and running by turns between the hours in which it is on.
func (c Calendar) Machine(n int, seed uint64) *plant.MachineDay {
	day := c.Span(n)
	m := &maker{
		rng: rand.New(rand.NewPCG(seed, uint64(n))), day: &plant.MachineDay{Machine: &scenario.Machine{ID: "m-1", Kind: scenario.CNCLathe}},
		atMs: day.StartMs,
	}
	m.phase(plant.Off, day.StartMs+c.onMs+m.rng.Int64N(10*minuteMs))
	m.phase(plant.Idle, m.atMs+2*minuteMs)
	for m.atMs < day.StartMs+c.offMs {
		m.phase(plant.Running, m.atMs+20_000+m.rng.Int64N(7*minuteMs))
		if m.parts == c.alarms[0] || m.parts == c.alarms[1] {
			m.phase(plant.Fault, m.atMs+m.rng.Int64N(10*minuteMs)+1000)
		}
		m.phase(plant.Idle, m.atMs+5_000+m.rng.Int64N(5*minuteMs))
	}
	m.phase(plant.Off, day.EndMs)
	return m.day
}

// maker writes a machine's day from midnight on.
type maker struct {
	rng   *rand.Rand
	day   *plant.MachineDay
	atMs  int64
	parts int
}

// phase goes on in a state up to an instant.
func (m *maker) phase(s plant.State, untilMs int64) {
	m.day.Phases = append(m.day.Phases, plant.Phase{Span: span.Span{StartMs: m.atMs, EndMs: untilMs}, State: s})
	words := plant.Words{AtMs: m.atMs, Available: s != plant.Off, Execution: "READY", Mode: "AUTOMATIC", Program: "O1007"}
	power, everyMs := 65.0, int64(40_000)
	switch s {
	case plant.Off:
		words, power, everyMs = plant.Words{AtMs: m.atMs}, 0, dayMs
	case plant.Running:
		words.Execution, words.SpeedRPM = "ACTIVE", float64(400+100*m.rng.IntN(20))
		power, everyMs = 1300, 9_000
		m.parts++
	case plant.Fault:
		words.Execution, words.Alarm = "INTERRUPTED", "E101"
	case plant.Idle:
	}
	words.Parts = m.parts
	m.day.Words = append(m.day.Words, words)
	for at := m.atMs; at < untilMs; at += everyMs/2 + m.rng.Int64N(everyMs) {
		// Whole tenths of a watt, so that a voice's decimals lose nothing.
		w := power
		if w > 0 {
			w += float64(m.rng.IntN(int(power))-int(power)/2) / 10
		}
		m.day.Power = append(m.day.Power, plant.Step{AtMs: at, PowerW: w})
	}
	m.atMs = untilMs
}

// Taps are cards held to a reader on the n-th day: three people in the morning and in the evening, one of them twice, and
// one card that is nobody's.
func Taps(n int, reader *scenario.Reader) []plant.Tap { return Whole().Taps(n, reader) }

// Taps are cards held to a reader on the n-th day, after the machine was switched on and after it was switched off.
func (c Calendar) Taps(n int, reader *scenario.Reader) []plant.Tap {
	day := c.Span(n)
	var taps []plant.Tap
	for i, holder := range []string{"p-1", "p-2", "p-3", "p-3", ""} {
		card := []string{"BA839D07", "ED0BA996", "04A1B2C3", "04A1B2C3", "0000FFEE"}[i]
		taps = append(taps, plant.Tap{
			AtMs: day.StartMs + c.onMs + 10*minuteMs + int64(i)*4_321, Reader: reader, Card: card, Holder: holder, Owner: holder, Direction: "in",
		})
	}
	for i := range 3 {
		out := taps[i]
		out.AtMs, out.Direction = day.StartMs+c.offMs+15*minuteMs+int64(i)*2_222, "out"
		taps = append(taps, out)
	}
	return taps
}

// Base is a base with one machine that the devices speak for, and with readers.
func Base(devices []scenario.Device, readers []scenario.Reader) *scenario.Base {
	return &scenario.Base{
		Code: "base-1", Bridge: "bridge-1",
		Workshops: []scenario.Workshop{{
			ID: "w-1", Machines: []scenario.Machine{{ID: "m-1", Kind: scenario.CNCLathe, Devices: devices}}, Readers: readers,
		}},
	}
}

// Device is the spec of a device that is alone at its base.
func Device(d scenario.Device) voice.Spec {
	base := Base([]scenario.Device{d}, nil)
	machine := &base.Workshops[0].Machines[0]
	return voice.Spec{Base: base, Machine: machine, Device: &machine.Devices[0], ZoneOffsetMs: ZoneOffsetMs}
}

// Reader is the spec of a reader that is alone at its base.
func Reader(r scenario.Reader) voice.Spec {
	base := Base(nil, []scenario.Reader{r})
	return voice.Spec{Base: base, Reader: &base.Workshops[0].Readers[0], ZoneOffsetMs: ZoneOffsetMs}
}

// Input is the n-th day of the spec's device or reader, with what is wrong with it.
func Input(spec *voice.Spec, n int, wrong voice.Conditions) voice.Input {
	return Whole().Input(spec, n, wrong)
}

// Input is the n-th day of the spec's device or reader, with what is wrong with it.
func (c Calendar) Input(spec *voice.Spec, n int, wrong voice.Conditions) voice.Input {
	in := voice.Input{
		Span: c.Span(n), First: n == 0, At: span.NewSet(c.Span(n)), Conditions: wrong, Rand: rand.New(rand.NewPCG(7, uint64(n))),
	}
	if spec.Reader != nil {
		in.At, in.Taps = nil, c.Taps(n, spec.Reader)
		return in
	}
	in.Machine = c.Machine(n, 1)
	return in
}
