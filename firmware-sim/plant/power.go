package plant

import (
	"math/rand/v2"
)

// meter writes the true power of a machine as steps.
type meter struct {
	model *model
	rng   *rand.Rand
	steps []Step
}

// power returns the true power of acts, in tenths of a watt behind the comma; the machine is off after the last one.
func (m *model) power(acts []act, rng *rand.Rand) []Step {
	w := meter{model: m, rng: rng}
	for _, a := range acts {
		switch a.doing {
		case isOff:
			w.set(a.StartMs, 0)
		case isStarting:
			w.level(a, m.start, m.start, 5*second)
		case isReady, isFailed:
			w.ready(a)
		case isWaiting:
			w.level(a, m.standby, m.standby, 60*second)
		case isSteady:
			w.steady(a)
		case isWorking:
			w.work(a)
		}
	}
	if n := len(acts); n > 0 {
		w.set(acts[n-1].EndMs, 0)
	}
	return w.steps
}

// set notes the power from an instant on, in tenths of a watt.
func (w *meter) set(ms, tenths int64) {
	if n := len(w.steps); n > 0 {
		last := &w.steps[n-1]
		if last.PowerW == float64(tenths)/10 {
			return
		}
		if last.AtMs == ms {
			last.PowerW = float64(tenths) / 10
			return
		}
	}
	w.steps = append(w.steps, Step{AtMs: ms, PowerW: float64(tenths) / 10})
}

// vary changes a level by its noise.
func (w *meter) vary(level int64) int64 {
	return level + level*between(w.rng, -w.model.noise, w.model.noise)/1000
}

// level holds a level between two, with noise, in steps of up to twice everyMs.
func (w *meter) level(a act, lo, hi, everyMs int64) {
	for at := a.StartMs; at < a.EndMs; at += everyMs + w.rng.Int64N(everyMs) {
		w.set(at, w.vary(between(w.rng, lo, hi)))
	}
}

// ready is a machine that waits: first at one level, after a while at a lower one.
func (w *meter) ready(a act) {
	m := w.model
	switch {
	case m.heated:
		w.heaters(a)
		return
	case m.count > 0:
		w.computers(a)
		return
	}
	later := a
	later.StartMs = min(a.StartMs+m.standbyAfterMs, a.EndMs)
	a.EndMs = later.StartMs
	w.level(a, m.idle, m.idle, 25*second)
	w.level(later, m.standby, m.standby, 40*second)
}

// heaters are those of a barrel: their thermostat switches them on for two fifths of the time.
func (w *meter) heaters(a act) {
	for at := a.StartMs; at < a.EndMs; {
		w.set(at, w.vary(w.model.start))
		at += between(w.rng, 12*second, 28*second)
		if at >= a.EndMs {
			return
		}
		w.set(at, w.vary(w.model.idle))
		at += between(w.rng, 18*second, 42*second)
	}
}

// computers are switched on one after the other; some stay off.
func (w *meter) computers(a act) {
	m := w.model
	on := int64(0)
	most := int64(m.count) * between(w.rng, 60, 100) / 100
	for at := a.StartMs; at < a.EndMs; at += between(w.rng, 5*second, 30*second) {
		if on < most {
			on++
		}
		w.set(at, w.vary(m.idle+on*m.each))
	}
}

// steady is a load that varies by half a per cent.
func (w *meter) steady(a act) {
	level := (w.model.least + w.model.run) / 2
	for at := a.StartMs; at < a.EndMs; at += 20*second + w.rng.Int64N(20*second) {
		w.set(at, level+level*between(w.rng, -5, 5)/1000)
	}
}

// work is a run.
func (w *meter) work(a act) {
	m := w.model
	switch m.shape {
	case cutting:
		w.cut(a)
	case arcs:
		base := m.run * between(w.rng, 88, 112) / 100
		for at := a.StartMs; at < a.EndMs; at += between(w.rng, 700, 2200) {
			w.set(at, max(base*between(w.rng, 94, 106)/100, m.least))
		}
	case cycles:
		for at := a.StartMs; at < a.EndMs; at += m.cycleMs {
			w.cycle(at)
		}
	case pressure:
		// The pressure rises, and with it what the motor has to do.
		for at := a.StartMs; at < a.EndMs; at += 10 * second {
			w.set(at, max(m.run*(94+12*(at-a.StartMs)/a.Ms())/100+m.run*between(w.rng, -5, 5)/1000, m.least))
		}
	case soaking:
		heating := a
		heating.EndMs = min(a.StartMs+max(a.Ms()/6, 10*minute), a.EndMs)
		holding := a
		holding.StartMs = heating.EndMs
		w.level(heating, m.run, m.run, 60*second)
		w.level(holding, m.least, m.least*104/100, 60*second)
	case printing:
		w.print(a)
	}
}

// cut is a spindle that is brought up to speed, then turns freely or cuts at a depth that changes from pass to pass.
func (w *meter) cut(a act) {
	m := w.model
	w.set(a.StartMs, max(m.run, m.least)*between(w.rng, 120, 170)/100)
	at := a.StartMs + between(w.rng, 400, 900)
	for at < a.EndMs {
		w.set(at, w.vary(m.least))
		at += between(w.rng, 900, 4500)
		depth := between(w.rng, 50, 150)
		for pass := at + between(w.rng, 3*second, 16*second); at < min(pass, a.EndMs); at += between(w.rng, 1500, 4500) {
			w.set(at, w.vary(max(m.least, m.least+(m.run-m.least)*depth/100)))
		}
	}
}

// phase is a part of a cycle: its end in hundredths of the cycle, and its power in hundredths of the working level, 0 for
// a dip to what the machine takes when it is ready.
type phase struct{ until, power int64 }

// cycle is one cycle of a robot or a press. It begins and ends at work, and its dips are shorter than the dwell of the
// signature.
func (w *meter) cycle(atMs int64) {
	m := w.model
	parts := []phase{{10, 95}, {36, 125}, {40, 0}, {64, 115}, {68, 0}, {90, 85}, {100, 100}}
	if m.heated {
		// Close and inject, pack, plasticize, cool, open and eject.
		parts = []phase{{12, 150}, {26, 105}, {50, 80}, {90, 0}, {100, 85}}
	}
	from := int64(0)
	for _, part := range parts {
		level := m.run * part.power / 100
		if part.power == 0 {
			level = between(w.rng, m.idle, m.ready())
		} else {
			level = max(level, m.least)
		}
		w.set(atMs+from, w.vary(level))
		from = m.cycleMs * part.until / 100
	}
}

// print heats up and then lets the bed's heater switch on and off.
func (w *meter) print(a act) {
	m := w.model
	warmMs := min(a.StartMs+between(w.rng, 3*minute, 6*minute), a.EndMs)
	for at := a.StartMs; at < warmMs; at += 20 * second {
		w.set(at, max(w.vary(m.heat), m.least))
	}
	for at := warmMs; at < a.EndMs; {
		w.set(at, w.vary(m.run*135/100))
		at += between(w.rng, 5*second, 9*second)
		if at >= a.EndMs {
			return
		}
		w.set(at, w.vary(m.least))
		at += between(w.rng, 6*second, 12*second)
	}
}
