package bridge

import (
	"maps"
	"slices"
	"sync"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const (
	// maxDevices bounds the devices that the status remembers: twice the largest base foreseen.
	maxDevices = 1000
	// offsetWindowMs is how long a device's best clock offset counts: what a device kept while it was cut off comes with
	// old times, and says nothing about its clock.
	offsetWindowMs = 5 * 60_000
)

// DeviceState is what the bridge can say of a device.
type DeviceState string

// The states of a device.
const (
	// DeviceOnline: it spoke within the time that its dialect allows.
	DeviceOnline DeviceState = "online"
	// DeviceSilent: it has not spoken for longer than its dialect allows, and nobody said that it went.
	DeviceSilent DeviceState = "silent"
	// DeviceOffline: the device, its agent or the broker said that it went.
	DeviceOffline DeviceState = "offline"
)

// DeviceSeen says when a device was last heard.
type DeviceSeen struct {
	Device  string `json:"device"`
	Dialect string `json:"dialect"` // of its last message
	// ReceivedMs is the bridge's clock at its last message, Unix ms.
	ReceivedMs int64 `json:"last_seen_ms"`
	// ValidMs is for how long its dialect lets it be silent; 0 when it speaks only of changes.
	ValidMs int64 `json:"valid_ms"`
	// OffsetMs is the device's clock minus the bridge's: the best of the last five to ten minutes in which it told a time
	// of its own. It counts only when Clocked; the way of the message is part of it.
	OffsetMs int64 `json:"clock_offset_ms"`
	Clocked  bool  `json:"clocked"`
	Records  int64 `json:"records"` // since the bridge started
	Online   bool  `json:"-"`       // false after the device, its agent or the broker said that it went
}

// State says how the device is at an instant of the bridge's clock.
func (d *DeviceSeen) State(nowMs int64) DeviceState {
	switch {
	case !d.Online:
		return DeviceOffline
	case d.ValidMs > 0 && nowMs-d.ReceivedMs > d.ValidMs:
		return DeviceSilent
	}
	return DeviceOnline
}

// offsets is the largest clock offset of this window of time and of the one before. What is held up on its way only
// makes an offset smaller, so the largest is the truest.
type offsets struct {
	beganMs    int64
	this, last int64
	inLast     bool
}

func (o *offsets) add(offsetMs, nowMs int64, first bool) {
	switch age := nowMs - o.beganMs; {
	case first || age >= 2*offsetWindowMs || age < 0:
		*o = offsets{beganMs: nowMs, this: offsetMs}
	case age >= offsetWindowMs:
		*o = offsets{beganMs: nowMs, this: offsetMs, last: o.this, inLast: true}
	default:
		o.this = max(o.this, offsetMs)
	}
}

func (o *offsets) best() int64 {
	if o.inLast {
		return max(o.this, o.last)
	}
	return o.this
}

// seen is the devices heard since the bridge started. Its methods may be called concurrently.
type seen struct {
	mu        sync.Mutex // guards what follows
	devices   map[string]*heardDevice
	untracked int64 // records of devices beyond maxDevices
}

type heardDevice struct {
	DeviceSeen
	offsets offsets
}

// heard notes one record of a message.
func (s *seen) heard(r *telemetry.Record, dialect string, receivedMs int64) {
	if r.Device == "" || r.Retained {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.devices[r.Device]
	if d == nil {
		if len(s.devices) >= maxDevices {
			s.untracked++
			return
		}
		if s.devices == nil {
			s.devices = make(map[string]*heardDevice)
		}
		d = &heardDevice{DeviceSeen: DeviceSeen{Device: r.Device}}
		s.devices[r.Device] = d
	}
	d.Dialect, d.ReceivedMs, d.Records = dialect, receivedMs, d.Records+1
	d.Online = r.Kind != telemetry.KindLink || !r.Link.Down()
	if r.ValidMs > 0 {
		d.ValidMs = r.ValidMs
	}
	if r.DeviceMs != 0 {
		d.offsets.add(r.DeviceMs-receivedMs, receivedMs, !d.Clocked)
		d.OffsetMs, d.Clocked = d.offsets.best(), true
	}
}

// all returns the devices in order of name, and how many records came from devices beyond those remembered.
func (s *seen) all() ([]DeviceSeen, int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]DeviceSeen, 0, len(s.devices))
	for _, name := range slices.Sorted(maps.Keys(s.devices)) {
		out = append(out, s.devices[name].DeviceSeen)
	}
	return out, s.untracked
}

// sum counts the devices by state, and finds the clock that is farthest off among those online, in ms.
func (s *seen) sum(nowMs int64) (states map[DeviceState]int, farthestMs int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	states = make(map[DeviceState]int)
	for _, d := range s.devices {
		state := d.State(nowMs)
		states[state]++
		if state == DeviceOnline && d.Clocked {
			farthestMs = max(farthestMs, d.OffsetMs, -d.OffsetMs)
		}
	}
	return states, farthestMs
}

// Devices returns the devices heard since the bridge started, at most a thousand, in order of name. It may be called
// concurrently.
func (b *Bridge) Devices() []DeviceSeen {
	devices, _ := b.status.seen.all()
	return devices
}
