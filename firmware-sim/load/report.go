package load

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Report is what a load did so far. Its counts are of messages unless they say otherwise.
type Report struct {
	// Devices this report is about, and how many of them are connected, or were at the end.
	Devices, Connected int64
	// Attempts to connect, and Losses of connections that were made.
	Attempts, Losses int64
	// Ramp is how long the devices took to try to connect once; 0 while they do.
	Ramp time.Duration
	// Sending is how long messages are being sent, and Planned how many were due in that time.
	Sending time.Duration
	Planned int64
	// Sent were handed to the network, also the late ones. Missed were due while their device was not connected; Unsent
	// while it had too many unacknowledged ones, or while the network took nothing until the end.
	Sent, Missed, Unsent int64
	// Acked of Sent were acknowledged. Lost were unacknowledged when their connection went, and Open when the load ended.
	Acked, Lost, Open int64
	// Late is by how much messages were sent after their instant. Response is the time from the scheduled instant, Service
	// that from the sending, to the acknowledgement.
	Late, Response, Service Histogram
	// Faults counts errors by kind.
	Faults map[string]int64
	// BaselineBytes is the process's memory before it connected, and PeakBytes the most it had.
	BaselineBytes, PeakBytes int64
}

// Add adds the report of another process that plays a part of the same load.
func (r *Report) Add(o Report) {
	for _, sum := range []struct {
		to *int64
		n  int64
	}{
		{&r.Devices, o.Devices},
		{&r.Connected, o.Connected},
		{&r.Attempts, o.Attempts},
		{&r.Losses, o.Losses},
		{&r.Planned, o.Planned},
		{&r.Sent, o.Sent},
		{&r.Missed, o.Missed},
		{&r.Unsent, o.Unsent},
		{&r.Acked, o.Acked},
		{&r.Lost, o.Lost},
		{&r.Open, o.Open},
		{&r.BaselineBytes, o.BaselineBytes},
		{&r.PeakBytes, o.PeakBytes},
	} {
		*sum.to += sum.n
	}
	r.Ramp, r.Sending = max(r.Ramp, o.Ramp), max(r.Sending, o.Sending)
	r.Late.Add(o.Late)
	r.Response.Add(o.Response)
	r.Service.Add(o.Service)
	faults := maps.Clone(o.Faults)
	for kind, n := range r.Faults {
		if faults == nil {
			faults = map[string]int64{}
		}
		faults[kind] += n
	}
	r.Faults = faults
}

// Rate is how many messages were sent a second.
func (r Report) Rate() float64 { return perSecond(r.Sent, r.Sending) }

// AckRate is how many messages were acknowledged a second.
func (r Report) AckRate() float64 { return perSecond(r.Acked, r.Sending) }

// BytesPerDevice is the memory of a connected device in this program, without that of the system's sockets.
func (r Report) BytesPerDevice() int64 {
	return max(0, r.PeakBytes-r.BaselineBytes) / max(1, r.Connected)
}

func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// tally counts while a load runs.
type tally struct {
	connected, attempts, losses             atomic.Int64
	sent, missed, unsent, acked, lost, open atomic.Int64
	late, response, service                 recorder

	mu     sync.Mutex // guards faults; taken after a device's mutex
	faults map[string]int64
}

func (t *tally) fault(kind string) {
	t.mu.Lock()
	t.faults[kind]++
	t.mu.Unlock()
}

// report is the state of this moment. Counts are read one after the other: while messages flow they may differ by those
// of a few microseconds.
func (r *run) report() Report {
	t := &r.tally
	out := Report{
		Devices: int64(len(r.devices)), Connected: t.connected.Load(), Attempts: t.attempts.Load(), Losses: t.losses.Load(),
		Ramp: time.Duration(r.rampUs.Load()) * time.Microsecond, Lost: t.lost.Load(), Open: t.open.Load(),
		Acked: t.acked.Load(), Sent: t.sent.Load(), Missed: t.missed.Load(), Unsent: t.unsent.Load(),
		Late: t.late.snapshot(), Response: t.response.snapshot(), Service: t.service.snapshot(),
		BaselineBytes: r.baseline, PeakBytes: peakMemory(),
	}
	if r.closed.Load() {
		out.Connected = r.held.Load()
	}
	if start := r.startUs.Load(); start > 0 {
		now := min(r.nowUs(), r.stopUs.Load())
		out.Sending = max(0, time.Duration(now-start)*time.Microsecond)
		for i := range r.devices {
			out.Planned += r.schedule.due(i, 0, now)
		}
	}
	t.mu.Lock()
	out.Faults = maps.Clone(t.faults)
	t.mu.Unlock()
	return out
}
