package shelly

import (
	"math"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// A generation 2 meter counts energy in a register and says beside it what the last three complete minutes added to it. After
// a link that was lost for so long, the register at each minute's boundary can be told: it is the register at one boundary
// that is known, less the minutes since. That is evidence of energy, and none of state: a mean over a minute is not a
// power that held. So it gets a channel of its own, where it cannot carry the last power across the silence, and counts as
// replayed by the device.

// MinuteChannel follows the name of a meter's channel in the name of the channel of its filled minutes.
const MinuteChannel = "/minute"

const (
	minuteMs = 60_000
	// filledMinutes is how many complete minutes a meter remembers.
	filledMinutes = 3
	// boundaryMs is how long after a minute's boundary the register still counts as the boundary's.
	boundaryMs = 1000
	// roundingWh is how far the register and the minutes may disagree: both are printed to a thousandth, of a watt-hour and of
	// a milliwatt-hour.
	roundingWh = 0.002
)

// register is what a meter last said of its energy, on the device's clock.
type register struct {
	channel  string
	known    bool
	wh       float64
	minuteMs int64 // the start of the minute in which it was said
	gap      gap   // minutes that went by unheard and wait for a register that is known at a boundary
}

// gap is a silence of a meter that its minutes fill.
type gap struct {
	open    bool
	fromWh  float64 // the register before the silence
	firstMs int64   // the first boundary within the silence
	lastMs  int64   // the boundary at which the minutes below end
	minutes [filledMinutes]float64
}

// minutes takes in a meter's energy and fills a gap that it closes.
func (r *reading) minutes(channel string, v *fastjson.Value) {
	now, spent, ok := r.energy(v)
	if !ok {
		return
	}
	m := r.dev.register(channel)
	if m == nil {
		return
	}
	before := *m
	m.channel, m.known, m.wh, m.minuteMs = r.d.names.Own(channel), true, now.wh, now.minuteMs
	if !before.known || now.minuteMs < before.minuteMs || now.wh < before.wh-roundingWh {
		// The clock was set back, or the register starts again: nothing before compares with it.
		m.gap = gap{}
		return
	}
	firstMs := before.minuteMs + minuteMs
	if unheard := (now.minuteMs - firstMs) / minuteMs; unheard > 0 {
		m.gap = gap{}
		if unheard <= filledMinutes && now.wh > before.wh {
			m.gap = gap{open: true, fromWh: before.wh, firstMs: firstMs, lastMs: now.minuteMs, minutes: spent}
		}
	}
	if m.gap.open && r.atBoundary(now.minuteMs) {
		r.fill(m, now, spent)
		m.gap = gap{}
	}
}

// energy reads a meter's register and its last complete minutes, the latest first, in watt-hours.
func (r *reading) energy(v *fastjson.Value) (now register, spent [filledMinutes]float64, ok bool) {
	const maxExact = 1 << 53
	at, reason := r.d.doc.Scaled(v.Get("minute_ts"), "e3")
	if reason != telemetry.ReasonNone || at < dialect.EarliestMs || at >= maxExact || math.Mod(at, minuteMs) != 0 {
		// Firmware before 1.0 stamps the minutes with any second.
		return now, spent, false
	}
	by := v.GetArray("by_minute")
	if len(by) != filledMinutes {
		return now, spent, false
	}
	for i, one := range by {
		if spent[i], reason = r.d.doc.Scaled(one, "e-3"); reason != telemetry.ReasonNone || spent[i] < 0 {
			return now, spent, false
		}
	}
	wh, reason := r.d.doc.Number(v.Get("total"))
	if reason != telemetry.ReasonNone || dialect.CheckNumber(telemetry.EnergyWh, wh, "") != nil {
		return now, spent, false
	}
	return register{wh: wh, minuteMs: int64(at)}, spent, true
}

// atBoundary reports whether the device spoke just after a minute's boundary by its own clock. A message that says no time
// may have waited, so it never did.
func (r *reading) atBoundary(boundary int64) bool {
	return r.timeMs >= boundary && r.timeMs < boundary+boundaryMs
}

// fill makes the records of a gap, now that the register is known at a boundary: the gap's last, or up to three minutes
// after it.
func (r *reading) fill(m *register, now register, spent [filledMinutes]float64) {
	g := &m.gap
	wh := now.wh
	for at, i := now.minuteMs, 0; at > g.lastMs; at, i = at-minuteMs, i+1 {
		if i == filledMinutes {
			return
		}
		wh -= spent[i]
	}
	n := int((g.lastMs-g.firstMs)/minuteMs) + 1
	var at [filledMinutes + 1]float64 // the register at each boundary, the last one first
	used := 0.0
	for i := range n {
		at[i] = wh
		if i < n-1 {
			wh -= g.minutes[i]
			used += g.minutes[i]
		}
	}
	switch {
	case at[n-1] < g.fromWh-roundingWh:
		// The minutes add up to more than the register grew by.
		return
	case used == 0:
		// Nothing was spent, or the minutes were lost in a restart: the ends of the silence say all that is known.
		return
	case r.dev.upSinceMs > g.firstMs:
		// The device started during the silence, and knows nothing of the minutes before.
		return
	}
	for i := n - 1; i >= 0; i-- {
		boundary := g.lastMs - int64(i)*minuteMs
		if boundary == now.minuteMs {
			// The live record says it.
			continue
		}
		r.filledAt(m.channel, boundary, max(at[i], g.fromWh))
	}
}

func (r *reading) filledAt(channel string, boundary int64, wh float64) {
	name := r.d.names.Own(channel + MinuteChannel)
	if dialect.CheckName("component", name) != nil {
		return
	}
	const perWh = 1e6 // a thousandth of what by_minute resolves: the subtraction's own noise is rounded off
	rec := telemetry.Record{
		Kind: telemetry.KindSample, Device: r.device, Channel: name, Retained: true, ValidMs: minuteMs,
		Values: []telemetry.Value{{Quantity: telemetry.EnergyWh, Number: math.Round(wh*perWh) / perWh}},
	}
	r.d.clock.Date(&rec, boundary, r.m.ReceivedMs, false)
	if !dialect.Dateless(&rec) {
		r.filled = append(r.filled, rec)
	}
}

// uptime notes since when the device runs, by its own clock or, in a message without a time, by the bridge's.
func (r *reading) uptime(v *fastjson.Value) {
	seconds, reason := r.d.doc.Number(v)
	if reason != telemetry.ReasonNone || seconds < 0 || seconds > 1e9 {
		return
	}
	at := r.timeMs
	if at == 0 {
		at = r.m.ReceivedMs
	}
	r.dev.upSinceMs = at - int64(seconds*1000)
}
