package sparkplug

import "hash/maphash"

// verdict says how a message stands in its node's sequence.
type verdict uint8

const (
	unordered verdict = iota // it has no number, or no birth gave the first one
	inOrder
	ahead    // numbers before it have not come
	late     // its number was missed before
	repeated // the same message came a short while ago
	stray    // its number was taken by another message
)

// past reports whether the message is older than others that came before it, so that it must not change what is known
// of the present.
func (v verdict) past() bool { return v == late || v == repeated || v == stray }

// sequence follows the numbers 0 to 255 that all messages of one node and its devices share. Nothing is held back: a
// message that is missed is waited for, and the ones after it are read meanwhile, for every metric has its own time.
type sequence struct {
	started bool
	next    uint8
	// missing has the instant of the bridge's clock at which each missing number was noticed.
	missing map[uint8]int64
	// lostMs is the instant at which a message was missed that cannot come any more, for its number has come around
	// again; 0 for none.
	lostMs int64
	// strayMs is the instant of the first stray since the last message in order; 0 for none.
	strayMs int64
	// seen are digests of the last messages, by which a repeat is told from another message of the same number.
	seen   [8]uint64
	seenAt uint8
}

// start begins anew after a birth of the node. A birth that says no number means 0, as the specification wants it and as
// encoders leave it out that do not write zeros.
func (s *sequence) start(h header) {
	*s = sequence{started: true, next: h.seq + 1}
}

// take says how a message stands. old marks one that the node sent before its birth by its own clock: if it is not the
// next one, its number belongs to the session before.
func (s *sequence) take(h header, digest uint64, old bool, nowMs int64) verdict {
	if !h.ordered && (!s.started || s.next != 0) {
		return unordered
	}
	if s.repeat(digest) {
		return repeated
	}
	if !s.started {
		s.started, s.next = true, h.seq+1
		return unordered
	}
	gap := h.seq - s.next
	sinceMs, missed := s.missing[h.seq]
	switch {
	case gap == 0:
		if missed {
			s.give(h.seq, sinceMs)
		}
		s.next, s.strayMs = h.seq+1, 0
		return inOrder
	case missed:
		delete(s.missing, h.seq)
		return late
	case old || gap >= 128:
		if s.strayMs == 0 {
			s.strayMs = nowMs
		}
		return stray
	}
	if s.missing == nil {
		s.missing = make(map[uint8]int64)
	}
	for n := s.next; n != h.seq; n++ {
		if sinceMs, missed := s.missing[n]; missed {
			s.give(n, sinceMs)
		}
		s.missing[n] = nowMs
	}
	s.next = h.seq + 1
	return ahead
}

// give gives up a message that was missed a round ago.
func (s *sequence) give(seq uint8, sinceMs int64) {
	delete(s.missing, seq)
	if s.lostMs == 0 || sinceMs < s.lostMs {
		s.lostMs = sinceMs
	}
}

func (s *sequence) repeat(digest uint64) bool {
	for _, d := range s.seen {
		if d == digest {
			return true
		}
	}
	s.seen[s.seenAt%uint8(len(s.seen))] = digest
	s.seenAt++
	return false
}

// overdue reports whether something has been missing or out of order for the time given.
func (s *sequence) overdue(nowMs, timeoutMs int64) bool {
	if s.strayMs != 0 && nowMs-s.strayMs >= timeoutMs || s.lostMs != 0 && nowMs-s.lostMs >= timeoutMs {
		return true
	}
	for _, sinceMs := range s.missing {
		if nowMs-sinceMs >= timeoutMs {
			return true
		}
	}
	return false
}

// digest returns a digest of a message that is never 0.
func digest(seed maphash.Seed, topic string, payload []byte) uint64 {
	return maphash.String(seed, topic) ^ maphash.Bytes(seed, payload) | 1
}
