package bridge

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// maxDevices bounds the devices that the status remembers: twice the largest base foreseen.
const maxDevices = 1000

// DeviceSeen says when a device was last heard.
type DeviceSeen struct {
	Device     string
	ReceivedMs int64 // the bridge's clock at its last message
	OffsetMs   int64 // device clock minus bridge clock at its last message with a time of its own; 0 when it has none
	Records    int64 // since the bridge started
	Online     bool  // false after the device, its agent or the broker said that it went
}

// status is what the bridge can say about itself without asking the log.
type status struct {
	connected atomic.Bool

	mu      sync.Mutex // guards devices
	devices map[string]DeviceSeen
}

// heard notes one record.
func (s *status) heard(r *telemetry.Record, receivedMs int64) {
	if r.Device == "" || r.Retained {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.devices == nil {
		s.devices = make(map[string]DeviceSeen)
	}
	seen, known := s.devices[r.Device]
	if !known && len(s.devices) >= maxDevices {
		return
	}
	seen.Device, seen.ReceivedMs, seen.Records = r.Device, receivedMs, seen.Records+1
	seen.Online = r.Kind != telemetry.KindLink || !r.Link.Down()
	if r.DeviceMs != 0 {
		seen.OffsetMs = r.DeviceMs - receivedMs
	}
	s.devices[r.Device] = seen
}

// Devices returns the devices heard since the bridge started, at most a thousand, in order of name. It may be called
// concurrently.
func (b *Bridge) Devices() []DeviceSeen {
	b.status.mu.Lock()
	defer b.status.mu.Unlock()
	out := make([]DeviceSeen, 0, len(b.status.devices))
	for _, name := range slices.Sorted(maps.Keys(b.status.devices)) {
		out = append(out, b.status.devices[name])
	}
	return out
}

// Connected reports whether a connection to the city is up.
func (b *Bridge) Connected() bool { return b.status.connected.Load() }
