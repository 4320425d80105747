package plant

import (
	"fmt"
	"math/rand/v2"
)

// The words of a controller.
const (
	unavailable = "UNAVAILABLE"
	ready       = "READY"
	active      = "ACTIVE"
	completed   = "PROGRAM_COMPLETED"
	stopped     = "STOPPED"
	automatic   = "AUTOMATIC"
	manual      = "MANUAL"
)

// controller writes what a machine's controller says.
type controller struct {
	model *model
	rng   *rand.Rand
	now   Words
	out   []Words
}

// words returns what the controller says during acts, each when it changes; after the last one it is switched off.
func (m *model) words(acts []act, rng *rand.Rand) []Words {
	c := controller{model: m, rng: rng}
	for i, a := range acts {
		before := isOff
		if i > 0 {
			before = acts[i-1].doing
		}
		c.enter(a, before)
	}
	if n := len(acts); n > 0 {
		c.off(acts[n-1].EndMs)
	}
	return c.out
}

func (c *controller) say(ms int64) {
	c.now.AtMs = ms
	if n := len(c.out); n > 0 && c.out[n-1].AtMs == ms {
		c.out[n-1] = c.now
		return
	}
	c.out = append(c.out, c.now)
}

func (c *controller) off(ms int64) {
	c.now = Words{Execution: unavailable, Mode: unavailable, Parts: c.now.Parts}
	c.say(ms)
}

func (c *controller) enter(a act, before doing) {
	if !c.now.Available && a.doing != isOff {
		c.boot(a.StartMs)
	}
	switch a.doing {
	case isOff:
		c.off(a.StartMs)
	case isStarting:
	case isReady, isWaiting:
		c.rest(a, before)
	case isWorking, isSteady:
		c.run(a)
	case isFailed:
		c.now.Execution, c.now.SpeedRPM = stopped, 0
		c.now.Alarm = fmt.Sprint(1000 + c.rng.IntN(900))
		c.say(a.StartMs)
	}
}

func (c *controller) boot(ms int64) {
	c.now = Words{
		Available: true, Execution: ready, Mode: manual, Parts: c.now.Parts,
		Program: fmt.Sprintf("O%04d", 1000+c.rng.IntN(40)),
	}
	c.say(ms)
}

// rest is what the controller says between runs: why the last one ended, and a while later that it is ready.
func (c *controller) rest(a act, before doing) {
	switch {
	case before.state() == Running:
		// As often as real machine tools say them after ACTIVE.
		c.now.Execution = [...]string{completed, completed, completed, ready, ready, "INTERRUPTED", "INTERRUPTED", "FEED_HOLD", stopped, "PROGRAM_STOPPED"}[c.rng.IntN(10)]
		c.now.SpeedRPM = 0
		if c.now.Execution == completed && c.model.shape != cycles {
			c.now.Parts++
		}
	default:
		c.now.Execution, c.now.Alarm = ready, ""
	}
	c.say(a.StartMs)
	if later := a.StartMs + between(c.rng, 2*second, 60*second); c.now.Execution != ready && later < a.EndMs {
		c.now.Execution = ready
		if happens(c.rng, 0.3) {
			c.now.Mode = manual
		}
		c.say(later)
	}
}

// run is a program: the spindle's speed as it is measured, and a part for every cycle.
func (c *controller) run(a act) {
	c.now.Execution, c.now.Mode, c.now.Alarm = active, automatic, ""
	if happens(c.rng, 0.1) {
		c.now.Program = fmt.Sprintf("O%04d", 1000+c.rng.IntN(40))
	}
	switch {
	case c.model.rpm > 0:
		c.spin(a)
	case c.model.shape == cycles && a.doing == isWorking:
		c.say(a.StartMs)
		for at := a.StartMs + c.model.cycleMs; at < a.EndMs; at += c.model.cycleMs {
			c.now.Parts++
			c.say(at)
		}
		c.now.Parts++
	default:
		c.say(a.StartMs)
	}
}

func (c *controller) spin(a act) {
	rpm := 400 + 100*c.rng.Int64N(c.model.rpm/100)
	c.say(a.StartMs)
	for at := a.StartMs + between(c.rng, 300, 900); at < a.EndMs; at += between(c.rng, 5*second, 15*second) {
		c.now.SpeedRPM = float64(rpm*10+rpm*between(c.rng, -40, 40)/1000) / 10
		c.say(at)
	}
}
