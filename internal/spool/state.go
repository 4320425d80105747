package spool

import (
	"encoding/binary"
	"fmt"
)

const (
	stateName  = "state"
	stateMagic = "JISHIST1"
	stateFixed = 56
	// reservation is how many numbers a save of the state makes usable [L-8.2].
	reservation = 1 << 20
)

// state is what the state file holds.
type state struct {
	epoch     uint64
	end       uint64
	limit     uint64
	newest    uint64 // first number of the newest segment
	cleanSize int64  // of the newest segment; 0 = not closed in order
	acked     rangeSet
	lost      lossList
}

func (s *state) encode() []byte {
	b := make([]byte, 0, stateFixed+16*len(s.acked)+24*len(s.lost)+4)
	b = append(b, stateMagic...)
	for _, v := range []uint64{s.epoch, s.end, s.limit, s.newest, uint64(s.cleanSize)} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.acked)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.lost)))
	for _, r := range s.acked {
		b = binary.LittleEndian.AppendUint64(b, r.First)
		b = binary.LittleEndian.AppendUint64(b, r.Last)
	}
	for _, l := range s.lost {
		b = binary.LittleEndian.AppendUint64(b, l.First)
		b = binary.LittleEndian.AppendUint64(b, l.Last)
		b = binary.LittleEndian.AppendUint64(b, uint64(l.Cause))
	}
	return binary.LittleEndian.AppendUint32(b, sum(b))
}

// decodeState returns errDamaged for bytes that encode did not make.
func decodeState(b []byte) (*state, error) {
	if len(b) < stateFixed+4 || string(b[:8]) != stateMagic {
		return nil, fmt.Errorf("no state: %w", errDamaged)
	}
	body, want := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if sum(body) != want {
		return nil, fmt.Errorf("sum of state: %w", errDamaged)
	}
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(body[at:]) }
	s := &state{epoch: u64(8), end: u64(16), limit: u64(24), newest: u64(32), cleanSize: int64(u64(40))}
	acked, lost := int(binary.LittleEndian.Uint32(body[48:])), int(binary.LittleEndian.Uint32(body[52:]))
	if uint64(len(body)) != stateFixed+16*uint64(acked)+24*uint64(lost) {
		return nil, fmt.Errorf("length of state: %w", errDamaged)
	}
	for at := stateFixed; acked > 0; acked, at = acked-1, at+16 {
		s.acked = append(s.acked, Range{u64(at), u64(at + 8)})
	}
	for at := stateFixed + 16*len(s.acked); lost > 0; lost, at = lost-1, at+24 {
		cause := u64(at + 16)
		if cause > uint64(CauseVanished) {
			return nil, fmt.Errorf("cause %d in state: %w", cause, errDamaged)
		}
		s.lost = append(s.lost, Loss{Range{u64(at), u64(at + 8)}, Cause(cause)})
	}
	if !s.plausible() {
		return nil, fmt.Errorf("order of state: %w", errDamaged)
	}
	return s, nil
}

// plausible holds the promises that the rest of the package builds on: order, no overlap, known causes.
func (s *state) plausible() bool {
	if s.epoch == 0 || s.end == 0 || s.limit < s.end || s.cleanSize < 0 {
		return false
	}
	above := uint64(0)
	for i, r := range s.acked {
		if r.First <= above || r.Last < r.First || i > 0 && r.First == above+1 {
			return false
		}
		above = r.Last
	}
	above = 0
	for _, l := range s.lost {
		if l.First <= above || l.Last < l.First || l.Cause < CauseCorrupt || l.Cause > CauseVanished {
			return false
		}
		above = l.Last
	}
	return above < s.limit && (len(s.acked) == 0 || s.acked[len(s.acked)-1].Last < s.limit)
}
