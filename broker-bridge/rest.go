package bridge

import (
	"time"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

const (
	// restPart is the part of Options.Linger for which decoder and forwarder rest after little work, so that what comes
	// meanwhile shares one wake-up, one fsync and one look at the log: when 500 devices speak once a second each, waking
	// up costs more than the work.
	restPart = 20
	// maxRest bounds how late a PUBACK may be for that.
	maxRest = 50 * time.Millisecond
	// maxHeard bounds what hurry remembers; a larger batch shares its fsync well enough.
	maxHeard = 64
)

func (b *Bridge) rest() time.Duration { return min(b.o.Linger/restPart, maxRest) }

// hurry finds those who must not wait for the decoder's rest each time: a device that publishes one message after the
// other's PUBACK, and a flood. They are heard in two batches running. A subscription is one client for all devices, and
// its broker has only so many messages out: it never waits.
type hurry struct {
	heard map[string]struct{} // the clients of the last batch
}

// among takes the messages of each batch and reports whether somebody among them is in a hurry.
func (h *hurry) among(messages []mqtt.Inbound) bool {
	if len(messages) > maxHeard {
		return true
	}
	found := false
	for i := range messages {
		client := messages[i].Client
		_, again := h.heard[client]
		found = found || again || client == ""
	}
	if h.heard == nil {
		h.heard = make(map[string]struct{}, maxHeard)
	}
	clear(h.heard)
	for i := range messages {
		h.heard[messages[i].Client] = struct{}{}
	}
	return found
}
