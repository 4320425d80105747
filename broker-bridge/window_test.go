package bridge

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/frame"
)

// universe is small, so that the model, one state for each number, is exact and cheap.
const universe = 60

// model is what must be so: which frame speaks for a number that is out, 0 for none.
type model struct {
	owner   [universe]int
	refused map[int]string
	due     map[int]time.Time
	repeats map[int]int
	order   []int // frames that are out, by first sending
}

func (m *model) acknowledge(r frame.Range) {
	for n := r.First; n <= min(r.Last, universe-1); n++ {
		m.owner[n] = 0
	}
	m.order = slices.DeleteFunc(m.order, func(id int) bool { return !slices.Contains(m.owner[:], id) })
}

func drawRange(t *rapid.T, label string) frame.Range {
	first := rapid.Uint64Range(1, universe-1).Draw(t, label+" first")
	return frame.Range{First: first, Last: first + rapid.Uint64Range(0, 9).Draw(t, label+" length")}
}

// TestWindowAgreesWithModel: whatever is sent, acknowledged in parts, refused and repeated, every number is either out, in
// exactly one frame, or acknowledged; and frames are due when the rule says.
func TestWindowAgreesWithModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := window{size: rapid.IntRange(1, 6).Draw(t, "size"), timeout: time.Duration(rapid.IntRange(1, 200).Draw(t, "timeout")) * time.Second}
		m := model{refused: map[int]string{}, due: map[int]time.Time{}, repeats: map[int]int{}}
		now, frames := time.Unix(1_700_000_000, 0), 0
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				covers := free(&m, drawRange(t, "cover"))
				if w.full() || len(covers) == 0 {
					return
				}
				frames++
				w.add([]byte{byte(frames)}, covers, now)
				m.order = append(m.order, frames)
				m.due[frames] = now.Add(w.timeout)
				for _, r := range covers {
					for n := r.First; n <= r.Last; n++ {
						m.owner[n] = frames
					}
				}
			},
			"acknowledge": func(t *rapid.T) {
				stored := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) frame.Range { return drawRange(t, "ack") }), 0, 4).Draw(t, "stored")
				w.acknowledge(stored)
				for _, r := range stored {
					m.acknowledge(r)
				}
			},
			"refuse": func(t *rapid.T) {
				r := frame.Refusal{Range: drawRange(t, "refuse"), Reason: rapid.SampledFrom([]string{"bad_chain", "malformed"}).Draw(t, "reason")}
				news := false
				for _, id := range m.touched(r.Range) {
					news = news || m.refused[id] != r.Reason
					m.refused[id], m.due[id] = r.Reason, now.Add(refusedResend)
				}
				if got := w.refuse(r, now); got != news {
					t.Fatalf("refuse reports news %v, want %v", got, news)
				}
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "seconds")) * time.Second)
				var want, got []int
				for _, id := range m.order {
					if m.due[id].After(now) {
						continue
					}
					want = append(want, id)
					m.repeats[id]++
					wait := w.timeout
					for range m.repeats[id] {
						wait = min(2*wait, maxResend)
					}
					m.due[id] = now.Add(wait)
				}
				for _, f := range w.overdue(now) {
					got = append(got, int(f.bytes[0]))
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("overdue frames (-want +got):\n%s", diff)
				}
			},
			"": func(t *rapid.T) { m.check(t, &w) },
		})
	})
}

// free returns the numbers of the range that nothing speaks for, as ranges.
func free(m *model, r frame.Range) []frame.Range {
	var out []frame.Range
	for n := r.First; n <= min(r.Last, universe-1); n++ {
		if m.owner[n] != 0 {
			continue
		}
		if last := len(out) - 1; last >= 0 && out[last].Last+1 == n {
			out[last].Last = n
			continue
		}
		out = append(out, frame.Range{First: n, Last: n})
	}
	return out
}

// touched returns the frames that speak for a number of the range.
func (m *model) touched(r frame.Range) []int {
	var out []int
	for _, id := range m.order {
		for n := r.First; n <= min(r.Last, universe-1); n++ {
			if m.owner[n] == id {
				out = append(out, id)
				break
			}
		}
	}
	return out
}

func (m *model) check(t *rapid.T, w *window) {
	if len(w.out) != len(m.order) || w.full() != (len(m.order) >= w.size) {
		t.Fatalf("%d frames are out (full %v), want %d", len(w.out), w.full(), len(m.order))
	}
	var got [universe]int
	for _, f := range w.out {
		for _, r := range f.covers {
			for n := r.First; n <= r.Last; n++ {
				if got[n] != 0 {
					t.Fatalf("two frames speak for %d", n)
				}
				got[n] = int(f.bytes[0])
			}
		}
	}
	if got != m.owner {
		t.Fatalf("frames by number are\n%v, want\n%v", got, m.owner)
	}
	var due time.Time
	for _, id := range m.order {
		if at := m.due[id]; due.IsZero() || at.Before(due) {
			due = at
		}
	}
	if at, ok := w.nextDue(); ok != (len(m.order) > 0) || !at.Equal(due) {
		t.Fatalf("next is due at %v (%v), want %v", at, ok, due)
	}
	all := []frame.Range{{First: 1, Last: universe - 1}}
	want := 0
	for _, id := range m.owner[1:] {
		if id == 0 {
			want++
		}
	}
	notOut := 0
	for _, r := range w.notOut(all) {
		notOut += int(r.Len())
	}
	if notOut != want {
		t.Fatalf("%d numbers are not out, want %d", notOut, want)
	}
}

func TestSubtract(t *testing.T) {
	t.Parallel()
	all := []frame.Range{{First: 10, Last: 19}, {First: 30, Last: 30}}
	tests := []struct {
		name      string
		cut, want []frame.Range
	}{
		{"nothing", nil, all},
		{"beside", []frame.Range{{First: 1, Last: 9}, {First: 20, Last: 29}}, all},
		{"beginning", []frame.Range{{First: 1, Last: 12}}, []frame.Range{{First: 13, Last: 19}, {First: 30, Last: 30}}},
		{"middle", []frame.Range{{First: 12, Last: 17}}, []frame.Range{{First: 10, Last: 11}, {First: 18, Last: 19}, {First: 30, Last: 30}}},
		{"end", []frame.Range{{First: 19, Last: 30}}, []frame.Range{{First: 10, Last: 18}}},
		{"everything, twice", []frame.Range{{First: 1, Last: 99}, {First: 1, Last: 99}}, nil},
		{"out of order", []frame.Range{{First: 30, Last: 30}, {First: 15, Last: 19}, {First: 10, Last: 14}}, nil},
		{"overlapping", []frame.Range{{First: 12, Last: 18}, {First: 1, Last: 15}, {First: 14, Last: 14}}, []frame.Range{{First: 19, Last: 19}, {First: 30, Last: 30}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			before, cutBefore := slices.Clone(all), slices.Clone(test.cut)
			if diff := cmp.Diff(test.want, subtract(all, frame.MergeRanges(test.cut))); diff != "" {
				t.Errorf("what is left (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, all); diff != "" {
				t.Errorf("the argument was changed:\n%s", diff)
			}
			if diff := cmp.Diff(cutBefore, test.cut); diff != "" {
				t.Errorf("the argument was changed:\n%s", diff)
			}
		})
	}
}
