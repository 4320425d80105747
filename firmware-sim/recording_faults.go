package sim

import (
	"container/heap"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kinds of faults that happen to single messages on their way.
const (
	// FaultDrop loses the message.
	FaultDrop = "drop"
	// FaultDelay lets it come up to For later.
	FaultDelay = "delay"
	// FaultReorder lets it come after the message that follows.
	FaultReorder = "reorder"
	// FaultDuplicate lets it come twice.
	FaultDuplicate = "duplicate"
)

// MessageFault is a fault that happens to messages by chance.
type MessageFault struct {
	Kind string
	// Rate is the share of messages that it happens to, above 0 and at most 1.
	Rate float64
	// For bounds a delay; 0 is 30 seconds.
	For time.Duration
}

// defaultMessageDelay is what a radio link needs to come back.
const defaultMessageDelay = 30 * time.Second

// ParseMessageFault reads KIND=RATE or delay=RATE,DURATION, such as drop=0.02 or delay=0.05,30s.
func ParseMessageFault(text string) (MessageFault, error) {
	kind, value, _ := strings.Cut(text, "=")
	rate, bound, bounded := strings.Cut(value, ",")
	f := MessageFault{Kind: kind}
	var err error
	if f.Rate, err = strconv.ParseFloat(rate, 64); err != nil {
		return f, fmt.Errorf("fault %q: want KIND=RATE such as drop=0.02, or delay=0.05,30s", text)
	}
	if bounded {
		if f.For, err = time.ParseDuration(bound); err != nil || f.For <= 0 || kind != FaultDelay {
			return f, fmt.Errorf("fault %q: only a delay has a duration, such as delay=0.05,30s", text)
		}
	}
	return f, f.check()
}

func (f MessageFault) check() error {
	kinds := []string{FaultDrop, FaultDelay, FaultReorder, FaultDuplicate}
	switch {
	case !slices.Contains(kinds, f.Kind):
		return fmt.Errorf("fault %q: want one of %s", f.Kind, strings.Join(kinds, ", "))
	case !(f.Rate > 0 && f.Rate <= 1):
		return fmt.Errorf("fault %s: rate %g: want above 0 and at most 1", f.Kind, f.Rate)
	case f.For < 0:
		return fmt.Errorf("fault %s: %v: want more than 0", f.Kind, f.For)
	}
	return nil
}

// checkFaults checks each, and that no kind is there twice.
func checkFaults(faults []MessageFault) error {
	var errs []error
	seen := map[string]bool{}
	for _, f := range faults {
		if errs = append(errs, f.check()); seen[f.Kind] {
			errs = append(errs, fmt.Errorf("fault %s is given twice: want once", f.Kind))
		}
		seen[f.Kind] = true
	}
	return errors.Join(errs...)
}

// faulted does the faults to messages, which must be in the order of their instants; so are those that it yields. What it
// did is counted by kind. Each message costs the same draws whatever becomes of the others.
func faulted(messages iter.Seq2[Timed, error], faults []MessageFault, seed uint64, done map[string]int64) iter.Seq2[Timed, error] {
	return func(yield func(Timed, error) bool) {
		l := lateness{faults: faults, done: done, rng: rand.New(rand.NewPCG(seed, 0x7265706c6179)), yield: yield}
		for m, err := range messages {
			if err != nil {
				l.release(1 << 62)
				if !l.stopped {
					yield(m, err)
				}
				return
			}
			if l.release(m.AtMs); l.stopped {
				return
			}
			if l.pass(m); l.stopped {
				return
			}
		}
		l.release(1 << 62)
	}
}

// lateness holds what comes later than it was sent.
type lateness struct {
	faults  []MessageFault
	done    map[string]int64
	rng     *rand.Rand
	yield   func(Timed, error) bool
	stopped bool
	late    lateHeap
	number  int
	behind  []Timed // those that come after the next message
}

// pass lets one message through, or not.
func (l *lateness) pass(m Timed) {
	hit := map[string]time.Duration{}
	for _, f := range l.faults {
		chance, part := l.rng.Float64(), l.rng.Float64()
		if chance < f.Rate {
			bound := f.For
			if bound == 0 {
				bound = defaultMessageDelay
			}
			hit[f.Kind] = time.Duration(part*float64(bound)) + time.Millisecond
		}
	}
	_, dropped := hit[FaultDrop]
	delay, delayed := hit[FaultDelay]
	_, reordered := hit[FaultReorder]
	_, doubled := hit[FaultDuplicate]
	copies := 1
	switch {
	case dropped:
		l.done[FaultDrop]++
		return // nor does the next message let go of those behind: they come after one that arrives
	case doubled:
		l.done[FaultDuplicate]++
		copies = 2
	}
	waiting := l.behind
	l.behind = nil
	for range copies {
		switch {
		case delayed:
			l.hold(m, m.AtMs+delay.Milliseconds())
		case reordered:
			l.behind = append(l.behind, m)
		default:
			l.send(m)
		}
	}
	if delayed {
		l.done[FaultDelay]++
	} else if reordered {
		l.done[FaultReorder]++
	}
	for _, w := range waiting {
		w.AtMs = m.AtMs
		l.send(w)
	}
}

func (l *lateness) send(m Timed) {
	if !l.stopped {
		l.stopped = !l.yield(m, nil)
	}
}

func (l *lateness) hold(m Timed, atMs int64) {
	m.AtMs = atMs
	l.number++
	heap.Push(&l.late, lateMessage{m, l.number})
}

// release sends what comes at or before the instant; 1<<62 is the end, at which also those behind come.
func (l *lateness) release(untilMs int64) {
	lastMs := int64(0)
	for len(l.late) > 0 && l.late[0].message.AtMs <= untilMs && !l.stopped {
		m, _ := heap.Pop(&l.late).(lateMessage)
		lastMs = m.message.AtMs
		l.send(m.message)
	}
	if untilMs < 1<<62 {
		return
	}
	for _, m := range l.behind {
		m.AtMs = max(m.AtMs, lastMs)
		l.send(m)
	}
	l.behind = nil
}

type lateMessage struct {
	message Timed
	number  int
}

// lateHeap is a container/heap by instant, and in the order of holding at one instant.
type lateHeap []lateMessage

func (h lateHeap) Len() int { return len(h) }

func (h lateHeap) Less(i, j int) bool {
	if h[i].message.AtMs != h[j].message.AtMs {
		return h[i].message.AtMs < h[j].message.AtMs
	}
	return h[i].number < h[j].number
}

func (h lateHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *lateHeap) Push(x any) { *h = append(*h, x.(lateMessage)) }

func (h *lateHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
