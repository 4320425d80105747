package usage_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

func inTime(segments []usage.Segment) []usage.Segment {
	return slices.SortedFunc(slices.Values(segments), func(a, b usage.Segment) int { return cmp.Compare(a.StartMs, b.StartMs) })
}

// The properties live in a world of four hours in steps of a minute, in which an oracle that looks at each minute by
// itself is exact and cheap.
const (
	minuteMs = 60_000
	worldMin = 240
)

func minutes(from, to int) span.Span {
	return span.Span{StartMs: int64(from) * minuteMs, EndMs: int64(to) * minuteMs}
}

func drawTimeline(t *rapid.T) ([]usage.Segment, [worldMin]usage.State) {
	var states [worldMin]usage.State
	var segments []usage.Segment
	for at := 0; at < worldMin; {
		n := rapid.IntRange(1, 40).Draw(t, "length")
		state := rapid.SampledFrom([]usage.State{usage.Running, usage.Running, usage.Idle, usage.Idle, usage.Off, usage.Unknown, usage.Fault}).Draw(t, "state")
		word := rapid.SampledFrom([]string{"", "A", "B"}).Draw(t, "word")
		end := min(worldMin, at+n)
		segments = append(segments, usage.Segment{Span: minutes(at, end), State: state, Word: word})
		for ; at < end; at++ {
			states[at] = state
		}
	}
	return segments, states
}

func drawBookings(t *rapid.T) []usage.Booking {
	var out []usage.Booking
	for i := range rapid.IntRange(0, 6).Draw(t, "bookings") {
		from := rapid.IntRange(0, worldMin-1).Draw(t, "from")
		out = append(out, usage.Booking{
			Session: fmt.Sprintf("s%d", i), Use: rapid.SampledFrom(registry.UseCategories()).Draw(t, "use"),
			Span:     minutes(from, rapid.IntRange(from+1, worldMin+60).Draw(t, "to")),
			Practice: rapid.Bool().Draw(t, "practice"), Specific: rapid.Bool().Draw(t, "specific"),
		})
	}
	return out
}

// effectiveMinutes is the oracle: each minute of each session by itself.
func effectiveMinutes(states [worldMin]usage.State, bookings []usage.Booking) (out [worldMin]bool) {
	const adjoin = usage.AdjoinMs / minuteMs
	for _, b := range bookings {
		from, to := int(b.Span.StartMs/minuteMs), min(worldMin, int(b.Span.EndMs/minuteMs))
		touches := func(at, step int) bool {
			for n := 0; n <= adjoin && at >= from && at < to; n, at = n+1, at+step {
				switch states[at] {
				case usage.Running:
					return true
				case usage.Idle:
				default:
					return false
				}
			}
			return false
		}
		for at := from; at < to; at++ {
			if states[at] == usage.Running || states[at] == usage.Idle && (touches(at, 1) || touches(at, -1)) {
				out[at] = true
			}
		}
	}
	return out
}

// TestAttributionAgreesWithMinutes: effective time is what the oracle says, split without a rest, whatever the order of the
// bookings; it is never more than the machine was on; and one more booking never lowers it.
func TestAttributionAgreesWithMinutes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		timeline, states := drawTimeline(t)
		bookings := drawBookings(t)
		a := usage.Attribute(timeline, bookings)

		var want, on int64
		for at, effective := range effectiveMinutes(states, bookings) {
			if effective {
				want += minuteMs
			}
			if s := states[at]; s == usage.Running || s == usage.Idle || s == usage.Fault {
				on += minuteMs
			}
		}
		if a.Ms() != want {
			t.Fatalf("effective time is %d min, want %d", a.Ms()/minuteMs, want/minuteMs)
		}
		if a.Ms() > on {
			t.Fatalf("effective time %d is more than the machine was on, %d", a.Ms(), on)
		}
		var byUse, bySession usage.Effective
		for _, e := range a.ByUse {
			byUse = byUse.Add(e)
		}
		for _, s := range a.BySession {
			bySession = bySession.Add(s.Effective)
		}
		if byUse != a.Effective || bySession != a.Effective || len(a.BySession) != len(bookings) {
			t.Fatalf("by use %+v, by session %+v, together %+v", byUse, bySession, a.Effective)
		}
		if a.ScheduledEffectiveMs > a.ScheduledKnownMs || a.ScheduledKnownMs > a.ScheduledMs {
			t.Fatalf("scheduled %d, known %d, effective %d: want each within the one before", a.ScheduledMs, a.ScheduledKnownMs, a.ScheduledEffectiveMs)
		}
		shuffled := rapid.Permutation(bookings).Draw(t, "shuffled")
		if diff := gocmp.Diff(a, usage.Attribute(timeline, shuffled)); diff != "" {
			t.Fatalf("another order of the bookings gives another figure:\n%s", diff)
		}
		if n := len(bookings); n > 0 {
			if fewer := usage.Attribute(timeline, bookings[:n-1]); fewer.Ms() > a.Ms() {
				t.Fatalf("one more booking lowers effective time from %d to %d", fewer.Ms(), a.Ms())
			}
		}
	})
}

// TestRatesHoldTogether: a rate has a value exactly when it has no reason against one, and then it is the quotient; what
// depends on an unknown fact is withheld.
func TestRatesHoldTogether(t *testing.T) {
	t.Parallel()
	day := calendar.Date{Year: 2026, Month: time.March, Day: 2}
	rapid.Check(t, func(t *rapid.T) {
		timeline, _ := drawTimeline(t)
		f := usage.Facts{
			QuotaHours: rapid.Float64Range(1, 8784).Draw(t, "quota"), Days: []calendar.Date{day}, Timeline: timeline,
			Opening:  span.NewSet(minutes(rapid.IntRange(0, 100).Draw(t, "open"), rapid.IntRange(0, worldMin).Draw(t, "close"))),
			Bookings: drawBookings(t), Timetable: rapid.Bool().Draw(t, "timetable"), VerifiedCoverage: 1,
			TellsFault: rapid.Bool().Draw(t, "tells fault"),
		}
		f.Workdays = f.Opening
		if rapid.Bool().Draw(t, "presence") {
			f.Presence = &usage.Presence{Known: span.NewSet(minutes(0, 200)), Attended: span.NewSet(minutes(50, 100))}
		}
		floor := rapid.SampledFrom([]float64{0, 0.5, 0.9, 1}).Draw(t, "floor")
		r := usage.Measure(&f, usage.RateOptions{Floor: floor, Outside: usage.DefaultOutside()})
		for _, n := range r.All() {
			if n.Given() != (n.Why == usage.WhyGiven) || n.Given() && n.Coverage < floor {
				t.Fatalf("%s: value %v, why %q, coverage %v, floor %v", n.ID, n.Value, n.Why, n.Coverage, floor)
			}
			if n.Coverage < 0 || n.Coverage > 1 {
				t.Fatalf("%s: coverage %v", n.ID, n.Coverage)
			}
			if zh, en := n.Why.Text(); (zh == "" || en == "") == (n.Why != usage.WhyGiven) {
				t.Fatalf("%s: reason %q reads %q / %q", n.ID, n.Why, zh, en)
			}
		}
		for _, n := range []usage.Rate{r.Quota, r.Calendar, r.Timetable, r.Shared, r.TraineePerMachine} {
			if !f.Timetable && n.Given() {
				t.Fatal("a rate of effective time is given without a timetable")
			}
		}
		if f.Presence == nil && (r.IdleRunMs != nil || r.IdleRun.Given()) {
			t.Fatal("unattended running is given while nobody tells who was there")
		}
		if r.IdleRunMs != nil && *r.IdleRunMs > r.Totals.RunningMs {
			t.Fatal("more running unattended than running")
		}
		if r.Shared.Given() && *r.Shared.Value > 1 || r.Timetable.Given() && *r.Timetable.Value > 1 || r.Completeness.Given() && *r.Completeness.Value > 1 {
			t.Fatal("a part is more than its whole")
		}
		if rate, ok := r.Totals.Rate(floor); ok != r.Opening.Given() || ok && rate != *r.Opening.Value {
			t.Fatalf("使用率(开放) is %v, and Totals.Rate says %v %v", r.Opening.Value, rate, ok)
		}
	})
}

// TestEnergyAddsUp: the days of a period add up to the period, a counter that only rises is its last reading less its
// first, and nothing is ever invented across a reset.
func TestEnergyAddsUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		whole := minutes(0, worldMin)
		var points []usage.Point
		wh, rising, steps := rapid.Float64Range(0, 1000).Draw(t, "begin"), true, 0.0
		for at := -5; at < worldMin; at += rapid.IntRange(1, 30).Draw(t, "pause") {
			points = append(points, usage.Point{AtMs: int64(at) * minuteMs, EnergyWh: wh, HasEnergy: true})
			step := float64(rapid.IntRange(0, 5000).Draw(t, "step"))
			if wh >= 1 && rapid.IntRange(0, 9).Draw(t, "reset") == 0 {
				wh, rising = float64(rapid.IntRange(0, min(100, int(wh)-1)).Draw(t, "from")), false
			} else {
				wh, steps = wh+step, steps+step
			}
		}
		measure := func(w span.Span) usage.Energy {
			m := usage.NewEnergyMeter(w)
			for i := range points {
				m.Take(&points[i])
				m.Take(&points[i]) // what is given twice counts once
			}
			return m.Energy()
		}
		e := measure(whole)
		if e.MilliWh < 0 || float64(e.MilliWh) > steps*1000+1000 || e.Coverage() > 1 {
			t.Fatalf("%+v of steps that add up to %v Wh", e, steps)
		}
		if !rising {
			return
		}
		first, last := points[0].EnergyWh, points[len(points)-1].EnergyWh
		for _, p := range points {
			if p.AtMs < whole.StartMs {
				first = p.EnergyWh // what was drawn before the period is none of it
			}
		}
		if got := float64(e.MilliWh) / 1000; e.Resets > 0 || got < last-first-0.002 || got > last-first+0.002 {
			t.Fatalf("%+v, want %v Wh", e, last-first)
		}
		cut := rapid.IntRange(1, worldMin-1).Draw(t, "midnight")
		sum := measure(minutes(0, cut)).Add(measure(minutes(cut, worldMin)))
		if sum.MilliWh != e.MilliWh || sum.CoveredMs > e.CoveredMs || sum.ExpectedMs != e.ExpectedMs {
			t.Fatalf("two days are %+v, the period %+v", sum, e)
		}
	})
}

// TestOnlineHoldsWhatIsKnown: whatever is known of a machine, its device was there to say it.
func TestOnlineHoldsWhatIsKnown(t *testing.T) {
	t.Parallel()
	window := minutes(20, 200)
	rapid.Check(t, func(t *rapid.T) {
		var points []usage.Point
		for at := 0; at < worldMin; at += rapid.IntRange(1, 25).Draw(t, "pause") {
			points = append(points, usage.Point{
				AtMs: int64(at) * minuteMs, ValidMs: int64(rapid.SampledFrom([]int{0, 5, 10}).Draw(t, "valid")) * minuteMs,
				PowerW: float64(rapid.IntRange(0, 200).Draw(t, "watts")), HasPower: true,
				Down: rapid.IntRange(0, 5).Draw(t, "down") == 0,
			})
		}
		online := usage.Online(points, window)
		for _, s := range usage.Timeline(points, careful, window) {
			if s.State != usage.Unknown && span.NewSet(s.Span).Subtract(online).Ms() > 0 {
				t.Fatalf("%v is %v, and online is only %v", s.Span, s.State, online)
			}
		}
	})
}

// TestOnlineEndsWithSilence: a device is there from what it says for as long as that may stand alone, and not when it goes.
func TestOnlineEndsWithSilence(t *testing.T) {
	t.Parallel()
	points := []usage.Point{
		{AtMs: 0, ValidMs: 60_000}, {AtMs: 50_000, ValidMs: 60_000}, // silent for longer than a minute after it
		{AtMs: 200_000, Word: "UNAVAILABLE"}, {AtMs: 300_000, Down: true}, {AtMs: 400_000, Word: "READY"},
	}
	want := span.Set{{StartMs: 10_000, EndMs: 50_000}, {StartMs: 200_000, EndMs: 300_000}, {StartMs: 400_000, EndMs: 500_000}}
	if diff := gocmp.Diff(want, usage.Online(points, span.Span{StartMs: 10_000, EndMs: 500_000})); diff != "" {
		t.Errorf("online (-want +got):\n%s", diff)
	}
}

func rateOf(numerator, denominator int64) usage.Rate {
	h := func(n int64) usage.Quantity { return usage.Quantity{Unit: usage.UnitMs, Amount: n, Parts: 1} }
	return usage.NewRate(h(numerator), h(denominator), 1, 0.9, usage.WhyGiven)
}

func TestFleet(t *testing.T) {
	t.Parallel()
	short := usage.NewRate(usage.Quantity{}, usage.Quantity{Amount: 1}, 0.89, 0.9, usage.WhyGiven)
	none := usage.NewRate(usage.Quantity{}, usage.Quantity{Amount: 1}, 1, 0.9, usage.WhyNoTimetable)
	f := usage.NewFleet([]usage.Member{
		{Equipment: "a", ValueFen: 3_000_000, Rate: rateOf(1, 2)}, // 30,000 yuan
		{Equipment: "b", ValueFen: 1_000_000, Rate: rateOf(1, 4)}, // 10,000 yuan: just scored
		{Equipment: "c", ValueFen: 999_999, Rate: rateOf(3, 4)},   // a fen less: not scored
		{Equipment: "d", Rate: rateOf(1, 1)},                      // value not known
		{Equipment: "e", ValueFen: 90_000_000, Rate: short},
		{Equipment: "f", ValueFen: 90_000_000, Rate: none},
	})
	// Mean (0.5 + 0.25 + 0.75 + 1) ÷ 4 = 0.625; scored (0.5 + 0.25) ÷ 2 = 0.375;
	// by value (0.5 × 3,000,000 + 0.25 × 1,000,000 + 0.75 × 999,999) ÷ 4,999,999 = 2,499,999.25 ÷ 4,999,999 = 0.49999995
	mean, scored, byValue := 0.625, 0.375, 2_499_999.25/4_999_999
	want := usage.Fleet{
		Mean: &mean, ByValue: &byValue, Scored: &scored, Counted: 4, CountedByValue: 3, CountedScored: 2,
		Short: []string{"e"}, Withheld: []usage.Withheld{{Equipment: "f", Why: usage.WhyNoTimetable}},
	}
	if diff := gocmp.Diff(want, f); diff != "" {
		t.Errorf("fleet (-want +got):\n%s", diff)
	}
	if empty := usage.NewFleet(nil); empty.Mean != nil || empty.ByValue != nil || empty.Scored != nil {
		t.Errorf("means of no machine: %+v", empty)
	}
}

// TestFleetMeansLieBetween: means lie between the smallest and the largest, do not depend on the order, and every member is
// counted as exactly one of given, short and withheld.
func TestFleetMeansLieBetween(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var members []usage.Member
		low, high := 1e18, -1.0
		for i := range rapid.IntRange(0, 12).Draw(t, "members") {
			r := rateOf(rapid.Int64Range(0, 1e11).Draw(t, "numerator"), rapid.Int64Range(0, 1e11).Draw(t, "denominator"))
			if r.Given() {
				low, high = min(low, *r.Value), max(high, *r.Value)
			}
			members = append(members, usage.Member{Equipment: fmt.Sprint(i), ValueFen: rapid.Int64Range(0, 1e10).Draw(t, "value"), Rate: r})
		}
		f := usage.NewFleet(members)
		if f.Counted+len(f.Short)+len(f.Withheld) != len(members) {
			t.Fatalf("%d members, counted %+v", len(members), f)
		}
		for _, v := range []*float64{f.Mean, f.ByValue, f.Scored} {
			if v != nil && (*v < low || *v > high) {
				t.Fatalf("mean %v is not between %v and %v", *v, low, high)
			}
		}
		g := usage.NewFleet(rapid.Permutation(members).Draw(t, "order"))
		if diff := gocmp.Diff([]*float64{f.Mean, f.ByValue, f.Scored}, []*float64{g.Mean, g.ByValue, g.Scored}); diff != "" {
			t.Fatalf("another order gives other means:\n%s", diff)
		}
	})
}

func TestStationUse(t *testing.T) {
	t.Parallel()
	verified := int64(60 * 3600_000)
	// 60 trainee-hours at 3 stations × 5 days × 8 h = 120 station-hours.
	r := usage.StationUse(&verified, 3*5*8*3600_000, 0.95, 0.9, usage.WhyGiven)
	if !r.Given() || *r.Value != 0.5 {
		t.Errorf("station use %+v, want 0.5", r)
	}
	if r := usage.StationUse(nil, 1, 1, 0.9, usage.WhyGiven); r.Why != usage.WhyNoVerified {
		t.Errorf("without verified hours: %+v", r)
	}
	if r := usage.StationUse(nil, 1, 1, 0.9, usage.WhyCalendar); r.Why != usage.WhyCalendar {
		t.Errorf("without a calendar: %+v", r)
	}
	if r := usage.StationUse(&verified, 0, 1, 0.9, usage.WhyGiven); r.Why != usage.WhyNoDenominator {
		t.Errorf("without stations: %+v", r)
	}
	if r := usage.StationUse(&verified, 1, 0.89, 0.9, usage.WhyGiven); r.Why != usage.WhyLowCoverage {
		t.Errorf("with much pending: %+v", r)
	}
}
