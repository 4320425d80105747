package bridge

import (
	"cmp"
	"slices"
	"time"

	"github.com/jishi-telemetry/jishi/internal/frame"
)

// window is the sliding window of frames that are out: sent, and not yet acknowledged as stored. It is pure: the caller
// brings the time and does the sending.
type window struct {
	size    int
	timeout time.Duration
	out     []*outFrame // in the order of first sending
}

// outFrame is one frame that is out.
type outFrame struct {
	bytes   []byte
	covers  []frame.Range // the records it carries, and the missing ranges it announces; merged
	due     time.Time     // when it is sent again
	repeats int
	refused string // the city's reason, "" when it gave none
	firstMs int64  // when the first record in it was received; 0 when it carries none
}

const (
	// maxResend bounds the wait between repeats, so that a city that comes back is noticed within two minutes.
	maxResend = 2 * time.Minute
	// refusedResend is the wait after a refusal.
	refusedResend = 30 * time.Second
	// maxDoublings is more than the shortest timeout needs to reach maxResend, and keeps the shift from overflowing.
	maxDoublings = 11
)

func (w *window) full() bool { return len(w.out) >= w.size }

// add takes a frame that has just been sent, and returns what it keeps of it. covers are merged.
func (w *window) add(bytes []byte, covers []frame.Range, now time.Time) *outFrame {
	f := &outFrame{bytes: bytes, covers: covers, due: now.Add(w.timeout)}
	w.out = append(w.out, f)
	return f
}

// acknowledge takes ranges that are stored, and forgets the frames that are wholly among them.
func (w *window) acknowledge(stored []frame.Range) {
	kept, stored := w.out[:0], frame.MergeRanges(stored)
	for _, f := range w.out {
		f.covers = subtract(f.covers, stored)
		if len(f.covers) > 0 {
			kept = append(kept, f)
		}
	}
	clear(w.out[len(kept):])
	w.out = kept
}

// notOut returns the parts of the ranges, which are merged, that no frame in the window speaks about.
func (w *window) notOut(ranges []frame.Range) []frame.Range {
	for _, f := range w.out {
		if len(ranges) == 0 {
			break
		}
		ranges = subtract(ranges, f.covers)
	}
	return ranges
}

// refuse notes that the city will not take a range, and why; it reports whether a frame is out that was not known to be
// refused for this. Such frames stay out and are repeated slowly: the cause, a key that is not enrolled yet or a clock, is
// for a person to mend, and the records wait for it on disk.
func (w *window) refuse(r frame.Refusal, now time.Time) (news bool) {
	for _, f := range w.out {
		if overlaps(f.covers, r.Range) {
			news = news || f.refused != r.Reason
			f.refused = r.Reason
			f.due = now.Add(refusedResend)
		}
	}
	return news
}

// overdue returns the frames whose acknowledgement is late, with their next due time set: twice as far each time.
func (w *window) overdue(now time.Time) []*outFrame {
	var late []*outFrame
	for _, f := range w.out {
		if f.due.After(now) {
			continue
		}
		f.repeats++
		f.due = now.Add(min(maxResend, w.timeout<<min(f.repeats, maxDoublings)))
		late = append(late, f)
	}
	return late
}

// nextDue returns when the next frame becomes overdue, or ok false when none is out.
func (w *window) nextDue() (at time.Time, ok bool) {
	for _, f := range w.out {
		if !ok || f.due.Before(at) {
			at, ok = f.due, true
		}
	}
	return at, ok
}

// subtract returns the parts of a that no range of b covers. Both are merged, and so is the result; a log that lost every
// second record has thousands of ranges.
func subtract(a, b []frame.Range) []frame.Range {
	var left []frame.Range
	for _, r := range a {
		i, _ := slices.BinarySearchFunc(b, r.First, func(cut frame.Range, first uint64) int { return cmp.Compare(cut.Last, first) })
		for ; i < len(b) && b[i].First <= r.Last; i++ {
			if r.First < b[i].First {
				left = append(left, frame.Range{First: r.First, Last: b[i].First - 1})
			}
			r.First = b[i].Last + 1
		}
		if r.First <= r.Last {
			left = append(left, r)
		}
	}
	return left
}

func overlaps(a []frame.Range, b frame.Range) bool {
	for _, r := range a {
		if r.First <= b.Last && b.First <= r.Last {
			return true
		}
	}
	return false
}
