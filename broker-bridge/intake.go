package bridge

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const (
	// maxStrays bounds the recent kinds of unreadable messages that are remembered.
	maxStrays = 50
	// paceSamples is how many seconds back the pace of the intake looks.
	paceSamples = 60
)

// IntakeStatus is what came from devices.
type IntakeStatus struct {
	Messages int64 `json:"messages_total"` // since the bridge started
	// PerSecond is the mean of the last minute.
	PerSecond float64 `json:"messages_per_second"`
	// WaitingMessages wait to be decoded.
	WaitingMessages int   `json:"waiting_messages"`
	LastMs          int64 `json:"last_message_ms"` // by the receiving clock; 0 when none came
}

// QuarantineStatus is what of the devices' messages could not be read.
type QuarantineStatus struct {
	// ByReason counts since the bridge started, for every reason that occurred.
	ByReason map[telemetry.Reason]int64 `json:"by_reason"`
	// Recent are the latest kinds, at most 50, the latest first.
	Recent []Stray `json:"recent"`
}

// Stray is one kind of message that could not be read: one reason on one topic. Its texts are the device's own, without
// the numbers of cards and persons.
type Stray struct {
	Reason  telemetry.Reason `json:"reason"`
	Topic   string           `json:"topic"`
	Device  string           `json:"device"` // "" when it is not known
	Dialect string           `json:"dialect"`
	Detail  string           `json:"detail"` // of the last one
	Count   int64            `json:"count"`  // since it is remembered
	FirstMs int64            `json:"first_ms"`
	LastMs  int64            `json:"last_ms"`
}

// intakes counts what comes. Its methods may be called concurrently.
type intakes struct {
	messages atomic.Int64
	lastMs   atomic.Int64

	mu       sync.Mutex // guards what follows
	pace     []paceSample
	byReason map[telemetry.Reason]int64
	strays   map[strayKey]*Stray
}

type paceSample struct {
	at       time.Time
	messages int64
}

type strayKey struct {
	reason telemetry.Reason
	topic  string
}

// took notes one message.
func (i *intakes) took(receivedMs int64) {
	i.messages.Add(1)
	i.lastMs.Store(receivedMs)
}

// tick remembers how far the count is; it is called about once a second.
func (i *intakes) tick(now time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.pace = append(i.pace, paceSample{now, i.messages.Load()})
	if len(i.pace) > paceSamples+1 {
		i.pace = slices.Delete(i.pace, 0, len(i.pace)-paceSamples-1)
	}
}

// stray notes a record that could not be read.
func (i *intakes) stray(r *telemetry.Record, dialect string, receivedMs int64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.strays == nil {
		i.strays, i.byReason = make(map[strayKey]*Stray), make(map[telemetry.Reason]int64)
	}
	i.byReason[r.Reason]++
	key := strayKey{r.Reason, r.Topic}
	s := i.strays[key]
	if s == nil {
		i.forgetQuietest()
		s = &Stray{Reason: r.Reason, Topic: r.Topic, FirstMs: receivedMs}
		i.strays[key] = s
	}
	s.Device, s.Dialect, s.Detail, s.LastMs = r.Device, dialect, r.Detail, receivedMs
	s.Count++
}

func (i *intakes) forgetQuietest() {
	if len(i.strays) < maxStrays {
		return
	}
	var quietest strayKey
	var last *Stray
	for key, s := range i.strays {
		if last == nil || s.LastMs < last.LastMs {
			quietest, last = key, s
		}
	}
	delete(i.strays, quietest)
}

// status returns copies.
func (i *intakes) status(now time.Time) (IntakeStatus, QuarantineStatus) {
	in := IntakeStatus{Messages: i.messages.Load(), LastMs: i.lastMs.Load()}
	q := QuarantineStatus{ByReason: make(map[telemetry.Reason]int64), Recent: []Stray{}}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.pace) > 0 {
		if took := now.Sub(i.pace[0].at).Seconds(); took > 0 {
			in.PerSecond = float64(in.Messages-i.pace[0].messages) / took
		}
	}
	maps.Copy(q.ByReason, i.byReason)
	for _, s := range i.strays {
		q.Recent = append(q.Recent, *s)
	}
	slices.SortFunc(q.Recent, func(a, b Stray) int {
		return cmp.Or(cmp.Compare(b.LastMs, a.LastMs), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Reason, b.Reason))
	})
	return in, q
}
