package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// State is what a machine of a plant really does.
type State string

// The states.
const (
	Running State = "running"
	Idle    State = "idle"
	Off     State = "off"
	// Unknown: no device was in a position to say. A machine tool that speaks through an MTConnect agent is unknown while
	// its controller is switched off, since the agent then says what it says when the link is lost.
	Unknown State = "unknown"
)

// Stretch is a span in which a machine did one thing.
type Stretch struct {
	span.Span
	State State
}

// Session is a class, from and to as time since local midnight.
type Session struct{ From, To time.Duration }

// PlantOptions says which day a plant lives.
type PlantOptions struct {
	// Seed decides everything that is random.
	Seed uint64
	// Date is any instant of the first day; the plant begins at its local midnight. Required.
	Date time.Time
	// Zone is the plant's zone; nil is UTC+8.
	Zone *time.Location
	// Base is the base's code in native topics, 1 to 64 letters, digits, '-', '_' or '.'; "" is "demo".
	Base string
	// Sessions are every day's classes, in order and apart; nil is 08:30-11:30 and 13:30-17:00.
	Sessions []Session
}

// Machine describes one machine of a plant and the device that speaks for it, for whoever writes the registry.
type Machine struct {
	ID             string // such as "cnc-lathe-1"
	NameZH, NameEN string
	// Dialect is "mtconnect", "native", "shelly" or "tasmota"; Device and Channel are what its decoder calls the device
	// and the channel that tells the state.
	Dialect, Device, Channel string
	// Power is how the state shows in the power; the zero value when the controller says the state itself.
	Power PowerSignature
}

// PowerSignature is what the plant was designed with: applied to its messages, these figures give Truth.
type PowerSignature struct {
	// OffW and RunW: below OffW the machine is off, from RunW on it runs.
	OffW, RunW float64
	// Every run lasts at least DwellOn, and every pause between two runs at least DwellOff.
	DwellOn, DwellOff time.Duration
}

// Plant is the workshop of an imaginary training base: six machines, two classes a day, late starts, breaks, one link
// that is lost for about a minute and one machine that nobody switches on. It is deterministic: the same options give
// the same messages and the same truth.
//
// Its devices say the time with the precision that their dialect has, and some say none; a plant is therefore replayed
// with a simulated clock (ReplayOptions.Clock), also while it runs live.
//
// A Plant is safe for concurrent use; a sequence of its messages is not.
type Plant struct {
	options  PlantOptions
	machines []plantMachine
}

// plantMachine is a machine with its habits and its voice.
type plantMachine struct {
	Machine
	habits habits
	// voice returns a new device as it is on the plant's first midnight.
	voice func() voice
}

// voice is a device that tells what its machine does.
type voice interface {
	// day returns the messages of one day in order. The plan covers the day; first is true on the plant's first day.
	day(plan plan, rng *rand.Rand, first bool) []Timed
}

// chinaZone is the zone of all bases. It has no daylight saving time, so no zone data needs to be present.
func chinaZone() *time.Location { return time.FixedZone("UTC+8", 8*60*60) }

// defaultSessions are the classes of a day.
func defaultSessions() []Session {
	return []Session{{8*time.Hour + 30*time.Minute, 11*time.Hour + 30*time.Minute}, {13*time.Hour + 30*time.Minute, 17 * time.Hour}}
}

// NewPlant checks the options and returns the plant.
func NewPlant(o PlantOptions) (*Plant, error) {
	if o.Zone == nil {
		o.Zone = chinaZone()
	}
	if o.Base == "" {
		o.Base = "demo"
	}
	if o.Sessions == nil {
		o.Sessions = defaultSessions()
	}
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("new plant: %w", err)
	}
	return &Plant{options: o, machines: workshop(o)}, nil
}

func (o *PlantOptions) validate() error {
	var errs []error
	if o.Date.IsZero() {
		errs = append(errs, errors.New("option Date is required"))
	}
	if len(o.Base) > 64 || notInTopic.MatchString(o.Base) {
		errs = append(errs, fmt.Errorf("option Base %q: must be 1 to 64 letters, digits, '-', '_' or '.'", o.Base))
	}
	at := time.Duration(0)
	for _, s := range o.Sessions {
		if s.From < at || s.To < s.From+minSession || s.To > 24*time.Hour {
			errs = append(errs, fmt.Errorf("option Sessions %v-%v: must last %v or more, follow the one before and end by 24h", s.From, s.To, minSession))
		}
		at = s.To
	}
	return errors.Join(errs...)
}

// Machines lists the plant's machines in a fixed order.
func (p *Plant) Machines() []Machine {
	out := make([]Machine, 0, len(p.machines))
	for i := range p.machines {
		out = append(out, p.machines[i].Machine)
	}
	return out
}

// Truth returns what the machine does in the window, without gaps and in order, from the plant's first midnight on.
func (p *Plant) Truth(machine string, window span.Span) ([]Stretch, error) {
	i := slices.IndexFunc(p.machines, func(m plantMachine) bool { return m.ID == machine })
	if i < 0 {
		return nil, fmt.Errorf("truth: the plant has no machine %q", machine)
	}
	var out []Stretch
	for day := range p.days(window) {
		for _, s := range p.plan(i, day).truth() {
			s.Span = s.Intersect(window)
			if s.Empty() {
				continue
			}
			if n := len(out); n > 0 && out[n-1].State == s.State {
				out[n-1].EndMs = s.EndMs
				continue
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// Messages yields what the devices publish in the window, by instant, from the plant's first midnight on. With an end
// far ahead it never ends; the days are made one at a time.
func (p *Plant) Messages(window span.Span) iter.Seq[Timed] {
	return func(yield func(Timed) bool) {
		voices := make([]voice, len(p.machines))
		for i := range voices {
			voices[i] = p.machines[i].voice()
		}
		whole := span.Span{StartMs: p.firstMs(), EndMs: window.EndMs}
		for day := range p.days(whole) {
			for _, m := range p.day(voices, day) {
				if window.Contains(m.AtMs) && !yield(m) {
					return
				}
			}
		}
	}
}

// Replay publishes the plant's messages of the window; see the function Replay.
func (p *Plant) Replay(ctx context.Context, window span.Span, o ReplayOptions) (Result, error) {
	return Replay(ctx, func(yield func(Timed, error) bool) {
		for m := range p.Messages(window) {
			if !yield(m, nil) {
				return
			}
		}
	}, o)
}

// day returns one day's messages of all machines. Each device's counters go on from the day before, so days are asked
// for in order.
func (p *Plant) day(voices []voice, day span.Span) []Timed {
	var all []Timed
	for i, v := range voices {
		all = append(all, v.day(p.plan(i, day), p.random(i, day, 1), day.StartMs == p.firstMs())...)
	}
	slices.SortStableFunc(all, func(a, b Timed) int { return cmp.Compare(a.AtMs, b.AtMs) })
	return all
}

func (p *Plant) firstMs() int64 {
	y, m, d := p.options.Date.In(p.options.Zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, p.options.Zone).UnixMilli()
}

// days yields the plant's local days that touch the window.
func (p *Plant) days(window span.Span) iter.Seq[span.Span] {
	return func(yield func(span.Span) bool) {
		startMs := max(window.StartMs, p.firstMs())
		y, m, d := time.UnixMilli(startMs).In(p.options.Zone).Date()
		for startMs < window.EndMs {
			day := span.Of(time.Date(y, m, d, 0, 0, 0, 0, p.options.Zone), time.Date(y, m, d+1, 0, 0, 0, 0, p.options.Zone))
			if !yield(day) {
				return
			}
			startMs = day.EndMs
			d++
		}
	}
}

// plan returns what one machine does on one day; no other day has a part in it.
func (p *Plant) plan(machine int, day span.Span) plan {
	return p.machines[machine].habits.plan(p.random(machine, day, 0), day, p.options.Sessions)
}

// random returns the source of chance for one machine's day: purpose 0 for the plan, 1 for what the device adds.
func (p *Plant) random(machine int, day span.Span, purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(p.options.Seed, uint64(day.StartMs)<<8|uint64(machine)<<1|purpose))
}

// workshop is the fixed list of machines.
func workshop(o PlantOptions) []plantMachine {
	lathe := habits{
		run: between(25*time.Second, 8*time.Minute), pause: between(12*time.Second, 4*time.Minute),
		grainMs: 1, off: Unknown,
	}
	dropping := lathe
	dropping.drops = true
	mill := habits{run: between(40*time.Second, 14*time.Minute), pause: between(20*time.Second, 5*time.Minute), grainMs: 1, off: Off}
	welding := habits{
		run: between(6*time.Second, 45*time.Second), pause: between(8*time.Second, 50*time.Second),
		series: between(4*time.Minute, 12*time.Minute), rest: between(2*time.Minute, 8*time.Minute), grainMs: 10, off: Off,
	}
	turning := habits{
		run: between(40*time.Second, 7*time.Minute), pause: between(25*time.Second, 4*time.Minute),
		grainMs: 1000, off: Off, offAtLunch: true,
	}
	welder := PowerSignature{OffW: 10, RunW: 500, DwellOn: 2 * time.Second, DwellOff: 5 * time.Second}
	return []plantMachine{
		cncLathe(1, "数控车床1号", "CNC lathe 1", lathe),
		cncLathe(2, "数控车床2号", "CNC lathe 2", dropping),
		{
			Machine: Machine{
				ID: "cnc-mill-1", NameZH: "数控铣床1号", NameEN: "CNC mill 1", Dialect: "native", Device: "cnc-mill-1",
			},
			habits: mill, voice: func() voice { return newNativeMill(o.Base, "cnc-mill-1") },
		},
		shellyWelder(1, "焊机1号", "Welder 1", welder, welding),
		shellyWelder(2, "焊机2号", "Welder 2", welder, habits{grainMs: 10, off: Off, absent: true}),
		{
			Machine: Machine{
				ID: "lathe-1", NameZH: "普通车床1号", NameEN: "Lathe 1", Dialect: "tasmota", Device: "tasmota_lathe1", Channel: "energy",
				Power: PowerSignature{OffW: 15, RunW: 350, DwellOn: 10 * time.Second, DwellOff: 15 * time.Second},
			},
			habits: turning, voice: func() voice { return &tasmotaLathe{topic: "tasmota_lathe1", zone: o.Zone} },
		},
	}
}

func cncLathe(n int, zh, en string, h habits) plantMachine {
	id := fmt.Sprintf("cnc-lathe-%d", n)
	return plantMachine{
		Machine: Machine{ID: id, NameZH: zh, NameEN: en, Dialect: "mtconnect", Device: "jishi-" + id, Channel: executionItem},
		habits:  h, voice: func() voice { return newMTConnectLathe("jishi-" + id) },
	}
}

func shellyWelder(n int, zh, en string, power PowerSignature, h habits) plantMachine {
	device := "shellypro1pm-" + strings.Repeat("0", 11) + fmt.Sprint(n)
	return plantMachine{
		Machine: Machine{
			ID: fmt.Sprintf("welder-%d", n), NameZH: zh, NameEN: en, Dialect: "shelly", Device: device, Channel: "switch:0",
			Power: power,
		},
		habits: h, voice: func() voice { return &shellyWelderPlug{prefix: device} },
	}
}
