package settle

import (
	"cmp"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// Watermark says how far one bridge's evidence is complete. It is computed from the receipts alone: each names a range of the
// bridge's log, and the log numbers its records without a gap.
type Watermark struct {
	Bridge string
	// ThroughMs is the bridge's clock up to which everything that it received has arrived; 0 when nothing can be said, as of a
	// bridge that never sent.
	ThroughMs int64
	// Waiting are the ranges of the log that should have arrived and did not, in order of epoch and number. Their records may
	// still come.
	Waiting []Absence
	// Lost are the ranges that the bridge says will never come.
	Lost []Absence
}

// Absence is a range of a bridge's log that is not in the evidence.
type Absence struct {
	Epoch       uint64
	First, Last uint64 // inclusive
	// Between are the bridge's clock at the record before the range and at the one after it: its records were received in there.
	// The start is 0, or the end registry.ForeverMs, when there is no such record.
	Between span.Span
}

// Completeness says how far each bridge is complete, in order of bridge. The bridges expected are those that have receipts and
// the others named. nowMs is the clock: no bridge is complete beyond it, whatever its own clock says.
//
// A log that began anew (another epoch) goes on from the one before. What the old one had not sent when it ended cannot be seen
// here: only a range that is followed by another one is known to be absent.
func Completeness(receipts []evidence.BridgeReceipt, nowMs int64, others ...string) []Watermark {
	byBridge := map[string][]evidence.BridgeReceipt{}
	for _, name := range others {
		byBridge[name] = nil
	}
	for i := range receipts {
		byBridge[receipts[i].Bridge] = append(byBridge[receipts[i].Bridge], receipts[i])
	}
	out := make([]Watermark, 0, len(byBridge))
	for name, list := range byBridge {
		out = append(out, watermark(name, list, nowMs))
	}
	slices.SortFunc(out, func(a, b Watermark) int { return cmp.Compare(a.Bridge, b.Bridge) })
	return out
}

// watermark goes through one bridge's logs.
func watermark(bridge string, receipts []evidence.BridgeReceipt, nowMs int64) Watermark {
	w := Watermark{Bridge: bridge}
	heldMs := int64(registry.ForeverMs) // where the first range that may still come begins
	for _, log := range logsOf(receipts) {
		waiting, lost, lastMs := absences(log, w.ThroughMs)
		w.Waiting, w.Lost = append(w.Waiting, waiting...), append(w.Lost, lost...)
		if len(waiting) > 0 {
			heldMs = min(heldMs, waiting[0].Between.StartMs)
		}
		w.ThroughMs = max(w.ThroughMs, lastMs)
	}
	w.ThroughMs = min(w.ThroughMs, heldMs, nowMs)
	return w
}

// logsOf returns the receipts of each epoch, in order of number; the epochs in the order in which they began. Of two receipts
// that begin alike the one that has the records comes first.
func logsOf(receipts []evidence.BridgeReceipt) [][]evidence.BridgeReceipt {
	byEpoch := map[uint64][]evidence.BridgeReceipt{}
	for i := range receipts {
		byEpoch[receipts[i].Epoch] = append(byEpoch[receipts[i].Epoch], receipts[i])
	}
	out := make([][]evidence.BridgeReceipt, 0, len(byEpoch))
	for _, log := range byEpoch {
		slices.SortFunc(log, func(a, b evidence.BridgeReceipt) int {
			return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(b.Last, a.Last), evidence.CompareReceipts(a, b))
		})
		out = append(out, log)
	}
	slices.SortFunc(out, func(a, b []evidence.BridgeReceipt) int {
		return cmp.Or(cmp.Compare(a[0].FirstMs, b[0].FirstMs), cmp.Compare(a[0].Epoch, b[0].Epoch))
	})
	return out
}

// absences goes through one log. beforeMs is the last instant that the logs before it tell of; lastMs is this one's, or that.
func absences(receipts []evidence.BridgeReceipt, beforeMs int64) (waiting, lost []Absence, lastMs int64) {
	log := readLog(receipts, beforeMs)
	for i := range receipts {
		if r := &receipts[i]; r.Missing && !log.has(r.First, r.Last) {
			lost = append(lost, log.absence(r.First, r.Last))
		}
	}
	next := uint64(1)
	for _, n := range log.told {
		if n.first > next {
			waiting = append(waiting, log.absence(next, n.first-1))
		}
		next = n.last + 1
	}
	return waiting, lost, log.before[len(receipts)]
}

// numbers is a range of a log, both inclusive.
type numbers struct{ first, last uint64 }

// merge adds a range to those before it, of which none begins later.
func merge(list []numbers, n numbers) []numbers {
	if end := len(list) - 1; end >= 0 && n.first <= list[end].last+1 {
		list[end].last = max(list[end].last, n.last)
		return list
	}
	return append(list, n)
}

// bridgeLog is what the receipts of one epoch say together.
type bridgeLog struct {
	receipts []evidence.BridgeReceipt // in order of number
	have     []numbers                // what is in the evidence
	told     []numbers                // that, and what will never be
	// before[i] is the latest instant of the records before receipt i, after[i] the earliest from it on. A receipt of a loss does
	// not tell: it carries the time at which the loss was announced.
	before, after []int64
}

func readLog(receipts []evidence.BridgeReceipt, beforeMs int64) *bridgeLog {
	n := len(receipts)
	l := &bridgeLog{receipts: receipts, before: make([]int64, n+1), after: make([]int64, n+1)}
	l.before[0], l.after[n] = beforeMs, registry.ForeverMs
	for i := range receipts {
		r := &receipts[i]
		l.before[i+1] = l.before[i]
		l.told = merge(l.told, numbers{r.First, r.Last})
		if !r.Missing {
			l.have = merge(l.have, numbers{r.First, r.Last})
			l.before[i+1] = max(l.before[i], r.LastMs)
		}
	}
	for i := n - 1; i >= 0; i-- {
		l.after[i] = l.after[i+1]
		if !receipts[i].Missing {
			l.after[i] = min(l.after[i], receipts[i].FirstMs)
		}
	}
	return l
}

// has reports whether a whole range is in the evidence.
func (l *bridgeLog) has(first, last uint64) bool {
	i, _ := slices.BinarySearchFunc(l.have, last, func(n numbers, last uint64) int { return cmp.Compare(n.last, last) })
	return i < len(l.have) && l.have[i].first <= first
}

func (l *bridgeLog) absence(first, last uint64) Absence {
	at := func(number uint64) int {
		i, _ := slices.BinarySearchFunc(l.receipts, number, func(r evidence.BridgeReceipt, n uint64) int { return cmp.Compare(r.First, n) })
		return i
	}
	return Absence{
		Epoch: l.receipts[0].Epoch, First: first, Last: last,
		Between: span.Span{StartMs: l.before[at(first)], EndMs: l.after[at(last+1)]},
	}
}
