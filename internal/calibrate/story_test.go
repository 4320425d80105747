package calibrate_test

import (
	"math"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/calibrate"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// The vocabulary of the stories: a machine does one thing after another, and its meter reports.

// story is a recording in the making, with the truth beside it.
type story struct {
	points  []usage.Point
	truth   map[usage.State]int64
	atMs    int64
	everyMs int64
	seed    uint64
}

// newStory begins a recording at 00:00 UTC of 2 March 2026 whose meter reports at the interval given.
func newStory(everySeconds int64) *story {
	return &story{truth: map[usage.State]int64{}, atMs: 1772409600_000, everyMs: everySeconds * 1000, seed: 1}
}

// ripple is a factor around 1, the same in every run of the test.
func (s *story) ripple(part float64) float64 {
	s.seed = s.seed*6364136223846793005 + 1442695040888963407
	return 1 + part*(float64(s.seed>>11)/float64(1<<52)-1)
}

// does adds a phase: for so many seconds, rounded to the meter's interval, at so many watts with so much ripple.
func (s *story) does(state usage.State, seconds int64, watts, ripple float64) *story {
	for range max(1, seconds*1000/s.everyMs) {
		s.points = append(s.points, usage.Point{AtMs: s.atMs, ValidMs: 3*s.everyMs + 30_000, PowerW: watts * s.ripple(ripple), HasPower: true})
		s.atMs += s.everyMs
		s.truth[state] += s.everyMs
	}
	return s
}

func (s *story) off(seconds int64) *story { return s.does(usage.Off, seconds, 0, 0) }

func (s *story) idle(seconds int64, watts float64) *story {
	return s.does(usage.Idle, seconds, watts, 0.04)
}

func (s *story) runs(seconds int64, watts float64) *story {
	return s.does(usage.Running, seconds, watts, 0.15)
}

// silence lets time pass without a word; the last report before it is unknown as well.
func (s *story) silence(seconds int64, last usage.State) *story {
	s.atMs += seconds * 1000
	s.truth[usage.Unknown] += seconds*1000 + s.everyMs
	s.truth[last] -= s.everyMs
	return s
}

func (s *story) window() span.Span {
	return span.Span{StartMs: s.points[0].AtMs, EndMs: s.atMs}
}

// propose fails the test when there is no proposal.
func propose(t testing.TB, points []usage.Point, window span.Span, profile string) calibrate.Proposal {
	t.Helper()
	p, err := calibrate.Propose(points, window, calibrate.Options{Profile: profile})
	if err != nil {
		t.Fatalf("propose: %v", err)
	}
	return p
}

// codes returns the notes' codes.
func codes(p calibrate.Proposal) map[string]bool {
	out := map[string]bool{}
	for _, n := range p.Notes {
		out[n.Code] = true
	}
	return out
}

// latheDay is a day at a lathe: switched on at nine, five short jobs with a person's pauses between them, lunch with the
// machine on, the link lost for a while, off in the evening.
func latheDay(everySeconds int64) *story {
	s := newStory(everySeconds).off(3600).idle(720, 320)
	for i := range int64(5) {
		s.runs(40+95*i, 2400+200*float64(i)).idle(90+37*i*i, 320)
	}
	s.idle(4200, 330)
	for i := range int64(12) {
		s.runs(180+50*(i%4), 2100+150*float64(i%5)).idle(60+23*i, 320)
		if i == 6 {
			s.silence(1500, usage.Idle)
		}
	}
	return s.idle(300, 315).off(3000)
}

func near(got, want, part float64) bool { return math.Abs(got-want) <= part*math.Abs(want) }
