package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// bridgeID is the bridge at every base.
const bridgeID = "b1"

// messageID names a message: the n-th of a device, from 1. The message says n in its count, so that a copy is known by
// its content wherever and whenever it turns up.
type messageID struct{ device, n int }

// tally is what the devices of a base said, and what of it they were told is safe. It is kept by the devices' side alone
// and never asks the service. Its methods may be called concurrently.
type tally struct {
	base   string
	fromMs int64 // a device's n-th message is about this instant and n steps more
	stepMs int64
	// wildClocks: the event times are not the devices' own, so that they say nothing.
	wildClocks bool

	mu      sync.Mutex // guards the rest
	devices [][]bool   // by device and n-1: acknowledged
	acks    int
	next    chan struct{} // closed at the next acknowledgement; nil when nobody waits for it
}

func newTally(base string, devices int, from time.Time, step time.Duration) *tally {
	return &tally{base: base, fromMs: from.UnixMilli(), stepMs: step.Milliseconds(), devices: make([][]bool, devices)}
}

func deviceName(i int) string { return fmt.Sprintf("meter-%03d", i) }

// say has a device say its next message.
func (t *tally) say(device int) (messageID, string, []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.devices[device] = append(t.devices[device], false)
	id := messageID{device, len(t.devices[device])}
	return id, t.topic(device), t.payload(id, t.eventMs(id.n))
}

func (t *tally) topic(device int) string {
	return "jishi/v1/" + t.base + "/dev/" + deviceName(device) + "/sample"
}

// eventMs is when a device's n-th message happened, by a good clock.
func (t *tally) eventMs(n int) int64 { return t.fromMs + int64(n)*t.stepMs }

func (t *tally) payload(id messageID, atMs int64) []byte {
	b := strconv.AppendInt(append(make([]byte, 0, 64), `{"t":`...), atMs, 10)
	b = strconv.AppendInt(append(b, `,"v":{"count":`...), int64(id.n), 10)
	return append(b, `}}`...)
}

// acked notes that a device was told that its message is safe.
func (t *tally) acked(id messageID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.devices[id.device][id.n-1] {
		return
	}
	t.devices[id.device][id.n-1] = true
	t.acks++
	if t.next != nil {
		close(t.next)
		t.next = nil
	}
}

// nextAck returns a channel that is closed at the next acknowledgement.
func (t *tally) nextAck() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next == nil {
		t.next = make(chan struct{})
	}
	return t.next
}

// count returns how many messages were acknowledged.
func (t *tally) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.acks
}

// open returns what was said and not acknowledged, device by device in order.
func (t *tally) open() []messageID {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []messageID
	for d, acked := range t.devices {
		for i, ok := range acked {
			if !ok {
				out = append(out, messageID{d, i + 1})
			}
		}
	}
	return out
}

// settled reports whether everything that was said is acknowledged.
func (t *tally) settled() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	said := 0
	for _, acked := range t.devices {
		said += len(acked)
	}
	return t.acks == said
}

// promised returns, for each device, the last message that it was told is safe.
func (t *tally) promised() []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]int, len(t.devices))
	for d, acked := range t.devices {
		for i, ok := range slices.Backward(acked) {
			if ok {
				out[d] = i + 1
				break
			}
		}
	}
	return out
}

// number is a record's place in a log.
type number struct{ epoch, seq uint64 }

// judge compares what the devices were told with the evidence store. Numbers says under which numbers a base's log had a
// message, as far as that is known: only such a message can count as reported missing.
func (t *tally) judge(ctx context.Context, store evidence.Store, numbers map[messageID][]number) (outcome, error) {
	receipts, err := readReceipts(ctx, store, t.base)
	if err != nil {
		return outcome{}, err
	}
	o := outcome{failures: receipts.unaccounted()}
	for d := range t.devices {
		stored, err := t.read(ctx, store, d, &o)
		if err != nil {
			return outcome{}, err
		}
		for i, acked := range t.devices[d] {
			o.duplicated += max(0, stored[i]-1)
			if !acked {
				continue
			}
			o.acknowledged++
			switch id := (messageID{d, i + 1}); {
			case stored[i] > 0:
				o.stored++
			case receipts.reported(numbers[id]):
				o.reported++
			default:
				o.lost++
			}
		}
	}
	return o, nil
}

// read counts how often each message of a device is in the store, and notes what nobody said.
func (t *tally) read(ctx context.Context, store evidence.Store, device int, o *outcome) ([]int, error) {
	stored := make([]int, len(t.devices[device]))
	q := evidence.Query{Base: t.base, Device: deviceName(device), Window: allTime(), Kinds: []telemetry.Kind{telemetry.KindSample}}
	err := store.Read(ctx, q, func(e *evidence.Entry) error {
		count, ok := e.Value(telemetry.Count)
		n := int(count)
		switch {
		case !ok || n < 1 || n > len(stored):
			o.failures = append(o.failures, fmt.Sprintf("%s is said to have said %v, and did not", e.Device, count))
		case !t.wildClocks && e.EventMs != t.eventMs(n):
			o.failures = append(o.failures, fmt.Sprintf("message %d of %s is dated %d, and was %d", n, e.Device, e.EventMs, t.eventMs(n)))
		default:
			stored[n-1]++
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read evidence of %s: %w", deviceName(device), err)
	}
	return stored, nil
}

// allTime holds every event time that a store takes.
func allTime() span.Span { return span.Span{StartMs: 946_684_800_000, EndMs: 4_102_444_800_000} }

// receipts are the ranges that the city vouches for, by epoch.
type receipts struct {
	stored, missing map[uint64][]frame.Range
}

func readReceipts(ctx context.Context, store evidence.Store, base string) (receipts, error) {
	all, err := store.Receipts(ctx, base, bridgeID)
	if err != nil {
		return receipts{}, fmt.Errorf("read receipts: %w", err)
	}
	r := receipts{stored: map[uint64][]frame.Range{}, missing: map[uint64][]frame.Range{}}
	for _, one := range all {
		of := r.stored
		if one.Missing {
			of = r.missing
		}
		of[one.Epoch] = append(of[one.Epoch], frame.Range{First: one.First, Last: one.Last})
	}
	for _, of := range []map[uint64][]frame.Range{r.stored, r.missing} {
		for epoch := range of {
			of[epoch] = frame.MergeRanges(of[epoch])
		}
	}
	return r, nil
}

// reported reports whether the city knows of every number that it is missing.
func (r receipts) reported(numbers []number) bool {
	for _, n := range numbers {
		if !slices.ContainsFunc(r.missing[n.epoch], func(m frame.Range) bool { return m.First <= n.seq && n.seq <= m.Last }) {
			return false
		}
	}
	return len(numbers) > 0
}

// unaccounted names the numbers of each epoch, up to the last one that the city heard of, which are neither stored nor
// missing.
func (r receipts) unaccounted() []string {
	var out []string
	epochs := map[uint64][]frame.Range{}
	for _, of := range []map[uint64][]frame.Range{r.stored, r.missing} {
		for epoch, ranges := range of {
			epochs[epoch] = append(epochs[epoch], ranges...)
		}
	}
	for epoch, ranges := range epochs {
		next := uint64(1)
		for _, one := range frame.MergeRanges(ranges) {
			if one.First > next {
				out = append(out, fmt.Sprintf("the city cannot say what became of records %d to %d of epoch %x", next, one.First-1, epoch))
			}
			next = one.Last + 1
		}
	}
	return out
}
