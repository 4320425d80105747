package spool

import (
	"fmt"
	"path/filepath"
	"slices"
)

// Acknowledge notes that the city has what the ranges hold, or has written down that they are missing, and returns when
// this is on disk [L-14.2]. Ranges may come in any order, overlap and repeat; numbers that were never given are passed
// over [L-14.1]. After an error nothing is noted, and the city may be asked again.
func (l *Log) Acknowledge(ranges ...Range) error {
	end := l.End()
	known := func(set rangeSet) rangeSet {
		for _, r := range ranges {
			r.First, r.Last = max(r.First, 1), min(r.Last, end-1)
			if r.First <= r.Last {
				set = set.add(r)
			}
		}
		return set
	}
	l.mu.RLock()
	before, closed := l.acked, l.closed
	l.mu.RUnlock()
	if closed {
		return fmt.Errorf("acknowledge: %w", ErrClosed)
	}
	if slices.Equal(known(before), before) {
		return nil
	}
	if err := l.changeState(func(s *state) { s.acked = known(s.acked) }); err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	return nil
}

// Acknowledged returns what was acknowledged, ascending, without neighbours that touch.
func (l *Log) Acknowledged() []Range {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Clone(l.acked)
}

// Missing returns the numbers whose records are lost and which the city has not acknowledged, ascending, without
// neighbours that touch [L-14.3]. Damage that no reader has passed yet is not among them.
func (l *Log) Missing() []Range {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Clone(l.missing)
}

// Losses returns what is missing with the reasons, and acknowledged losses within what the log still holds.
func (l *Log) Losses() []Loss {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Clone(l.lost)
}

// Unacknowledged returns the lowest number that is not acknowledged, lost or not (End when there is none), which is
// where a sender begins to read; and how many records wait for the city in how many bytes. The bytes are estimated
// within a segment.
func (l *Log) Unacknowledged() (first, records uint64, bytes int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	first = 1
	if len(l.acked) > 0 && l.acked[0].First == 1 {
		first = l.acked[0].Last + 1
	}
	missing := rangeSet(l.missing)
	for i := range l.segments {
		r, ok := l.numbersLocked(i)
		if !ok {
			continue
		}
		waiting := r.count() - l.acked.within(r) - missing.within(r)
		records += waiting
		bytes += int64(float64(l.segments[i].size) * float64(waiting) / float64(r.count()))
	}
	return first, records, bytes
}

// numbersLocked returns the numbers of a segment, and false when it has none yet.
func (l *Log) numbersLocked(i int) (Range, bool) {
	after := l.end
	if i+1 < len(l.segments) {
		after = l.segments[i+1].first
	}
	return Range{l.segments[i].first, after - 1}, after > l.segments[i].first
}

// changeState saves what change makes of the state, and only then lets the log go by it [L-8.1]. The mark of an orderly
// close is off unless change sets it [L-8.3].
func (l *Log) changeState(change func(*state)) error {
	l.stateMu.Lock()
	defer l.stateMu.Unlock()
	s, err := l.saveStateLocked(change)
	if err == nil {
		l.adopt(s)
	}
	return err
}

// saveStateLocked saves what change makes of the state and returns it, saved or not. The caller holds stateMu.
func (l *Log) saveStateLocked(change func(*state)) (*state, error) {
	l.mu.RLock()
	s := &state{epoch: l.epoch, end: l.end, limit: l.limit, newest: l.named, acked: l.acked, lost: l.lost}
	begin, closed := l.end, l.closed
	if len(l.segments) > 0 {
		begin = l.segments[0].first
	}
	l.mu.RUnlock()
	change(s)
	s.lost = s.lost.prune(s.acked, begin)
	if closed {
		// The directory may be another process's by now.
		return s, ErrClosed
	}
	if err := l.o.FS.ReplaceFile(filepath.Join(l.dir, stateName), s.encode(), filePerm); err != nil {
		return s, fmt.Errorf("save state of log: %w", err)
	}
	return s, nil
}

// adopt lets the log go by a state.
func (l *Log) adopt(s *state) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit, l.named, l.acked, l.lost = s.limit, s.newest, s.acked, s.lost
	l.missing = l.missing[:0:0]
	for _, r := range l.lost.ranges() {
		l.missing = append(l.missing, l.acked.without(r)...)
	}
}

// prune forgets losses that are acknowledged and below what the log holds: there is nobody left to tell.
func (l lossList) prune(acked rangeSet, begin uint64) lossList {
	return slices.DeleteFunc(slices.Clone(l), func(loss Loss) bool {
		return loss.Last < begin && acked.containsAll(loss.Range)
	})
}

// noteLoss adds the numbers of r that are neither acknowledged nor known as lost to the losses [L-12.2]. When the state
// cannot be saved the loss is known until the log is closed, and found again after that.
func (l *Log) noteLoss(r Range, cause Cause) {
	var added []Range
	l.stateMu.Lock()
	s, err := l.saveStateLocked(func(s *state) { s.lost, added = s.lost.addUnacked(s.acked, r, cause) })
	l.adopt(s)
	l.stateMu.Unlock()
	l.reportLosses(added, cause, err)
}

// addUnacked is add for the numbers of r that are not acknowledged.
func (l lossList) addUnacked(acked rangeSet, r Range, cause Cause) (list lossList, added []Range) {
	list = l
	for _, open := range acked.without(r) {
		var some []Range
		list, some = list.add(open, cause)
		added = append(added, some...)
	}
	return list, added
}

// reportLosses counts and logs what was newly lost [L-1.6].
func (l *Log) reportLosses(added []Range, cause Cause, saveErr error) {
	for _, r := range added {
		l.m.lose(cause, r.count())
		if saveErr != nil {
			l.log.Error("records are lost, and that could not be saved", "cause", cause.String(),
				"first", r.First, "last", r.Last, "err", saveErr)
			continue
		}
		l.log.Warn("records are lost", "cause", cause.String(), "first", r.First, "last", r.Last)
	}
}
