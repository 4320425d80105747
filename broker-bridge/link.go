package bridge

import (
	"sync"

	"github.com/jishi-telemetry/jishi/internal/frame"
)

// maxSaidText bounds what is kept of a reason that the city gave in words of its own, in bytes.
const maxSaidText = 64

// RefusedStatus is what the city refuses for one reason.
type RefusedStatus struct {
	// Reason is one of frame's refusals, or "other" for a word that this bridge does not know.
	Reason string `json:"reason"`
	// Said is the city's own word, cut to 64 bytes.
	Said string `json:"said"`
	// FramesOut and RecordsOut are what is out now and refused; the records wait on disk.
	FramesOut  int    `json:"frames_out"`
	RecordsOut uint64 `json:"records_out"`
	// Total counts the city's refusals since the bridge started: one frame is refused again each time it is sent again.
	Total  int64 `json:"total"`
	LastMs int64 `json:"last_ms"`
}

// UplinkStatus is what is known of the way to the city.
type UplinkStatus struct {
	Connected bool `json:"connected"`
	// SinceMs is when the connection came up or went down last; the start of the bridge when it never was up.
	SinceMs int64 `json:"since_ms"`
	// FramesOut is how many frames are out unacknowledged, of at most WindowFrames.
	FramesOut    int `json:"frames_out"`
	WindowFrames int `json:"window_frames"`
	// LastAckMs is when the city last said that it had stored something; 0 when it has not since the start.
	LastAckMs int64 `json:"last_ack_ms"`
	// CityOffsetMs is the city's clock minus the bridge's at the last acknowledgement, whose way is part of it; it counts
	// only when LastAckMs is not 0.
	CityOffsetMs int64 `json:"city_clock_offset_ms"`
	// Refused has an entry for each reason that the city gave since the bridge started.
	Refused []RefusedStatus `json:"refused"`
}

// link is what is known of the way to the city. Its methods may be called concurrently.
type link struct {
	mu        sync.Mutex // guards what follows
	connected bool
	sinceMs   int64
	out       windowSum
	lastAckMs int64
	offsetMs  int64
	refused   map[string]*RefusedStatus
}

// changed notes that the connection came up or went down.
func (l *link) changed(connected bool, nowMs int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connected, l.sinceMs, l.out = connected, nowMs, windowSum{}
}

// reports what is out now.
func (l *link) reports(out windowSum) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = out
}

// acknowledged notes an acknowledgement with something stored, by the city's clock.
func (l *link) acknowledged(collectorMs, nowMs int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastAckMs, l.offsetMs = nowMs, collectorMs-nowMs
}

// refusal notes one refusal.
func (l *link) refusal(r frame.Refusal, nowMs int64) {
	reason := refusalLabel(r.Reason)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused == nil {
		l.refused = make(map[string]*RefusedStatus)
	}
	if l.refused[reason] == nil {
		l.refused[reason] = &RefusedStatus{Reason: reason}
	}
	known := l.refused[reason]
	known.Said, known.LastMs = cut(r.Reason, maxSaidText), nowMs
	known.Total++
}

// status returns a copy; oldestMs is when the oldest record that is out or on its way there was received, 0 when the
// forwarder knows of none.
func (l *link) status(startedMs int64, window int) (s UplinkStatus, oldestMs int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s = UplinkStatus{
		Connected: l.connected, SinceMs: l.sinceMs, FramesOut: l.out.frames, WindowFrames: window,
		LastAckMs: l.lastAckMs, CityOffsetMs: l.offsetMs, Refused: []RefusedStatus{},
	}
	if s.SinceMs == 0 {
		s.SinceMs = startedMs
	}
	for _, reason := range refusalLabels() {
		if known := l.refused[reason]; known != nil {
			r, out := *known, l.out.refused[reason]
			r.FramesOut, r.RecordsOut = out.frames, out.records
			s.Refused = append(s.Refused, r)
		}
	}
	return s, l.out.oldestMs
}

// windowSum sums up what is out.
type windowSum struct {
	frames   int
	oldestMs int64 // when the oldest record was received that is out or about to go; 0 when there is none
	refused  map[string]refusedSum
}

type refusedSum struct {
	frames  int
	records uint64
}

// sum sums the window up.
func (w *window) sum() windowSum {
	s := windowSum{frames: len(w.out)}
	for _, f := range w.out {
		if s.oldestMs == 0 {
			s.oldestMs = f.firstMs
		}
		if f.refused == "" {
			continue
		}
		if s.refused == nil {
			s.refused = make(map[string]refusedSum)
		}
		label := refusalLabel(f.refused)
		r := s.refused[label]
		r.frames++
		for _, c := range f.covers {
			r.records += c.Last - c.First + 1
		}
		s.refused[label] = r
	}
	return s
}

// report tells the status what is out, and since when the oldest record waits.
func (f *forwarder) report() {
	s := f.window.sum()
	if s.oldestMs == 0 && f.builder.Len() > 0 {
		s.oldestMs = f.heldMs
	}
	f.b.status.link.reports(s)
}

// refusalLabels are the reasons of refusals that are told apart.
func refusalLabels() []string {
	return []string{
		frame.RefusedUnknownBridge, frame.RefusedBadSignature, frame.RefusedForked, frame.RefusedBadChain, frame.RefusedMalformed,
		refusedOther,
	}
}

// refusedOther stands for a word of a newer city.
const refusedOther = "other"

// Connected reports whether a connection to the city is up. It may be called concurrently.
func (b *Bridge) Connected() bool {
	b.status.link.mu.Lock()
	defer b.status.link.mu.Unlock()
	return b.status.link.connected
}
