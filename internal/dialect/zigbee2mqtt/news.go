package zigbee2mqtt

import (
	"slices"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Zigbee2MQTT publishes the whole cached state with each message, whatever caused it: a report of one attribute, the
// answer to a ping, a command, its own start. The message does not say which. So a channel is taken to have spoken when
// one of its fields differs from the device's message before: a cache does not change by itself. The meter's other fields
// then count as well, for they are reported when they change. Everything else repeats what was recorded already.

// maxKnown bounds what is remembered of one device; the largest meters have about thirty fields.
const maxKnown = 64

// device is what is remembered of one device.
type device struct {
	network    int
	down       bool  // its link is recorded as down
	heard      bool  // known is what its last message said
	lastSeenMs int64 // of its last message, or 0
	elapses    bool  // its reports say elapsed
	meters     bool  // it has said a power, current or energy
	battery    bool  // its voltage is its battery's
	known      []said
}

// forget makes the device's next message its first.
func (d *device) forget() { d.heard, d.lastSeenMs, d.known = false, 0, d.known[:0] }

// verdict says which channels of a message are news, and when they were said.
type verdict struct {
	timeMs   int64 // last_seen, or 0 for the receive time
	channels []string
}

func (v verdict) speaks(channel string) bool { return slices.Contains(v.channels, channel) }

// judge compares the message with the device's last one and remembers it.
func (r *reading) judge() verdict {
	dev := r.dev
	if r.timeMs != 0 && r.timeMs < dev.lastSeenMs {
		// Zigbee2MQTT's clock was set back.
		dev.forget()
	}
	advanced := r.timeMs > dev.lastSeenMs
	// A command changes the cache before, or without, a word of the device.
	own := advanced || r.timeMs == 0 && (r.elapsed || !dev.elapses)
	news := verdict{}
	if advanced {
		news.timeMs = r.timeMs
	}
	for i := range r.said {
		s := &r.said[i]
		if s.form == relay && !own && dev.heard {
			continue
		}
		if r.changed(s) && (dev.heard || r.d.uncached || s.form == event) && !news.speaks(s.channel) {
			news.channels = append(news.channels, s.channel)
		}
		r.remember(s)
	}
	dev.heard, dev.elapses = true, dev.elapses || r.elapsed
	if r.timeMs != 0 {
		dev.lastSeenMs = r.timeMs
	}
	return news
}

// changed reports whether a field differs from what the device's last message said.
func (r *reading) changed(s *said) bool {
	if r.d.uncached || s.form == event {
		return true
	}
	if before := r.dev.find(s); before != nil {
		return before.number != s.number || before.word != s.word
	}
	return len(r.dev.known) < maxKnown
}

func (d *device) find(s *said) *said {
	for i := range d.known {
		if k := &d.known[i]; k.channel == s.channel && k.quantity == s.quantity {
			return k
		}
	}
	return nil
}

func (r *reading) remember(s *said) {
	if r.d.uncached || s.form == event {
		return
	}
	if before := r.dev.find(s); before != nil {
		*before = *s
		return
	}
	if len(r.dev.known) == maxKnown {
		r.faults.Add(dialect.Errorf(telemetry.ReasonOversized, "device has more than %d fields; %s is not remembered", maxKnown, s.channel))
		return
	}
	r.dev.known = append(r.dev.known, *s)
}
