package collector

import (
	"sync"
	"time"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// tellAgain is how long a reason is not told of again for the same bridge: who floods the collector must not fill its
// log. The metrics count every frame.
const tellAgain = time.Minute

// told remembers when the operator was last told of what. Its keys are the names of quarantine files without their day,
// so that a name that anybody can invent is none of them.
type told struct {
	mu    sync.Mutex // guards the rest
	since map[QuarantineName]*telling
}

type telling struct {
	at     time.Time
	untold int
}

// now reports whether the operator is to be told, and of how many before of which he was not.
func (t *told) now(about QuarantineName, now time.Time) (before int, tell bool) {
	about.Day = ""
	t.mu.Lock()
	defer t.mu.Unlock()
	last := t.since[about]
	switch {
	case last == nil:
		if t.since == nil {
			t.since = make(map[QuarantineName]*telling)
		}
		t.since[about] = &telling{at: now}
		return 0, true
	case now.Sub(last.at) < tellAgain && !now.Before(last.at):
		last.untold++
		return 0, false
	}
	before, *last = last.untold, telling{at: now}
	return before, true
}

// setAside tells the operator of a frame that is not taken, and keeps its bytes for a look. f is nil for what could not
// even be attributed to a bridge; err then says why, nil when it stood under another's topic.
func (c *Collector) setAside(in mqtt.Inbound, f *frame.Frame, reason string, err error) {
	now := c.o.Now()
	name := quarantineName(now, reason, f)
	before, tell := c.told.now(name, now)
	if tell && f != nil {
		c.o.Logger.Warn("frame refused", "base", f.Base, "bridge", f.Bridge, "first", f.First, "count", f.Count, "reason", reason,
			"untold", before)
	}
	if tell && f == nil {
		c.o.Logger.Warn("frame cannot be read or is not its topic's", "topic", in.Topic[:min(len(in.Topic), 300)],
			"bytes", len(in.Payload), "err", err, "untold", before)
	}
	if c.o.Quarantine == nil {
		return
	}
	if err := c.o.Quarantine.keep(name, in.Payload, f); err != nil && tell {
		c.o.Logger.Error("refused frame is not kept", "err", err)
	}
}
