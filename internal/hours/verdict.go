package hours

import (
	"slices"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// verdict writes the paper down: every scheduled stretch with its one reason.
func (p *paper) verdict() Verdict {
	v := Verdict{
		Session: p.a.Session, Person: p.a.Person,
		PlannedMs: p.planned.Ms(), PresentMs: p.present.Ms(), VerifiedMs: p.verified.Ms(), GrantedMs: p.granted.Ms(),
	}
	cuts := p.cuts()
	for i := 1; i < len(cuts); i++ {
		piece := span.Span{StartMs: cuts[i-1], EndMs: cuts[i]}
		if !p.planned.Contains(piece.StartMs) {
			continue
		}
		v.Pieces = appendPiece(v.Pieces, Piece{piece, p.why(piece.StartMs)})
	}
	v.PendingMs = v.Ms(DataGap)
	for _, s := range p.beyond {
		v.Beyond = append(v.Beyond, Piece{s, OutOfSchedule})
	}
	return v
}

func appendPiece(out []Piece, p Piece) []Piece {
	if n := len(out); n > 0 && out[n-1].EndMs == p.StartMs && out[n-1].Reason == p.Reason {
		out[n-1].EndMs = p.EndMs
		return out
	}
	return append(out, p)
}

// cuts are the instants at which the verdict may change.
func (p *paper) cuts() []int64 {
	out := p.a.Cuts()
	for _, set := range []span.Set{
		p.planned, p.present, p.verified, p.pending, p.off, p.crowded, p.unread, p.overlap, p.excluded, p.overCap,
	} {
		for _, s := range set {
			out = append(out, s.StartMs, s.EndMs)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// why is the verdict of one scheduled instant.
func (p *paper) why(atMs int64) Reason {
	switch {
	case p.verified.Contains(atMs):
		return Verified
	case p.excluded.Contains(atMs):
		return ManualExcluded
	case p.overCap.Contains(atMs):
		return DailyCap
	case p.pending.Contains(atMs):
		return DataGap
	case p.overlap.Contains(atMs):
		return OverlapOtherClass
	case !p.present.Contains(atMs):
		return p.absent(atMs)
	}
	return p.idle(atMs)
}

// idle is why nobody who is there is credited with having worked.
func (p *paper) idle(atMs int64) Reason {
	switch {
	case p.crowded.Contains(atMs):
		return Overcrowded
	case p.unread.Contains(atMs):
		return NoBadgeIn
	case p.off.Contains(atMs):
		return StationOffline
	}
	return StationIdle
}

// absent is why nobody is credited with having been there.
func (p *paper) absent(atMs int64) Reason {
	switch p.a.Why(atMs) {
	case attendance.NoBadgeOut:
		return NoBadgeOut
	case attendance.LateIn:
		return Late
	case attendance.EarlyOut:
		return EarlyLeave
	case attendance.IdentityFail:
		return IdentityFail
	case attendance.ReaderNotHeard: // and nothing was done at the station whoever was there
		return p.idle(atMs)
	}
	return NoBadgeIn
}
