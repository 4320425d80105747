package usage_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// TestHandComputedRates holds the derivation to testdata/rates.txt, in which every figure was computed by hand and the
// arithmetic stands beside it. The head of that file says how to read it.
func TestHandComputedRates(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("testdata", "rates.txt"))
	if err != nil {
		t.Fatal(err)
	}
	cases := strings.Split(string(text), "\n== ")[1:]
	if len(cases) < 25 {
		t.Errorf("%d cases, want 25 or more", len(cases))
	}
	for _, c := range cases {
		name, body, _ := strings.Cut(c, "\n")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(body, "# ") {
				t.Error("the case does not say how it was computed")
			}
			s := newSheet(t)
			for line := range strings.SplitSeq(body, "\n") {
				if line, _, _ = strings.Cut(line, "#"); strings.TrimSpace(line) != "" {
					s.line(strings.Fields(line))
				}
			}
			s.compare()
		})
	}
}

// sheet is one case of the table while it is read.
type sheet struct {
	t       *testing.T
	facts   usage.Facts
	options usage.RateOptions
	fill    usage.State
	states  []usage.Segment
	meter   []usage.Point
	want    [][2]string
}

func newSheet(t *testing.T) *sheet {
	return &sheet{
		t: t, fill: usage.Off,
		options: usage.RateOptions{Floor: usage.CoverageFloor, Outside: usage.DefaultOutside()},
		facts:   usage.Facts{Profile: registry.Machine, QuotaHours: 1400, Timetable: true, VerifiedCoverage: 1},
	}
}

// line reads one line of a case.
func (s *sheet) line(f []string) {
	s.t.Helper()
	arg := func(i int) string {
		if i >= len(f) {
			s.t.Fatalf("%v: too short", f)
		}
		return f[i]
	}
	switch f[0] {
	case "days":
		from, to := s.date(arg(1)), s.date(arg(len(f)-1))
		for d := from; !to.Before(d); d = d.Add(1) {
			s.facts.Days = append(s.facts.Days, d)
		}
	case "quota":
		s.facts.QuotaHours = s.number(arg(1))
	case "profile":
		s.facts.Profile = registry.Profile(arg(1))
	case "open", "workday":
		set := s.set(f[1:])
		s.facts.Opening = s.facts.Opening.Union(set)
		if f[0] == "workday" {
			s.facts.Workdays = s.facts.Workdays.Union(set)
		}
	case "calendar":
		s.facts.WorkdaysWhy = usage.Why(arg(1))
	case "else":
		s.fill = s.state(arg(1))
	case "state":
		for _, p := range s.set(f[2:]) {
			s.states = append(s.states, usage.Segment{Span: p, State: s.state(arg(1))})
		}
	case "maintenance":
		s.facts.Maintenance = s.set(f[1:])
	case "outages":
		outages := s.set(f[1:])
		s.facts.Outages = &outages
	case "controller":
		s.facts.TellsFault = true
	case "no":
		s.facts.Timetable = arg(1) != "timetable"
	case "session":
		s.session(f)
	case "presence":
		s.facts.Presence = &usage.Presence{Known: s.set(f[1:])}
	case "there":
		s.facts.Presence.Attended = s.set(f[1:])
	case "online":
		online := s.set(f[1:])
		s.facts.Online = &online
	case "verified":
		ms := int64(s.number(arg(1)) * 3600_000)
		s.facts.VerifiedMs = &ms
	case "pending":
		s.facts.VerifiedCoverage = 1 - s.number(arg(1))
	case "counter":
		s.meter = append(s.meter, usage.Point{AtMs: s.instant(arg(1)), EnergyWh: s.number(arg(2)), HasEnergy: true})
	case "want":
		s.want = append(s.want, [2]string{arg(1), strings.Join(f[2:], " ")})
	default:
		s.t.Fatalf("%v: no such line", f)
	}
}

// session reads "session ID use from-to [theory] [station] [break from-to]…".
func (s *sheet) session(f []string) {
	b := usage.Booking{Session: f[1], Use: registry.UseCategory(f[2]), Span: s.span(f[3]), Practice: true}
	for i := 4; i < len(f); i++ {
		switch f[i] {
		case "theory":
			b.Practice = false
		case "station":
			b.Specific = true
		case "break":
			i++
			b.Breaks = b.Breaks.Union(span.NewSet(s.span(f[i])))
		}
	}
	s.facts.Bookings = append(s.facts.Bookings, b)
}

func (s *sheet) state(name string) usage.State {
	for _, state := range usage.States() {
		if state.String() == name {
			return state
		}
	}
	s.t.Fatalf("%q is no state", name)
	return usage.Unknown
}

func (s *sheet) number(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// date reads "2" as 2026-03-02, or a whole date.
func (s *sheet) date(text string) calendar.Date {
	if n, err := strconv.Atoi(text); err == nil {
		return calendar.Date{Year: 2026, Month: time.March, Day: n}
	}
	d, err := calendar.ParseDate(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// instant reads "08:30", "08:30:05" on 2026-03-02, or "3/08:30" on 2026-03-03; 24:00 is the day's end.
func (s *sheet) instant(text string) int64 {
	day := "2"
	if d, clock, ok := strings.Cut(text, "/"); ok {
		day, text = d, clock
	}
	ms := s.date(day).Span().StartMs
	for i, n := range strings.Split(text, ":") {
		v, err := strconv.Atoi(n)
		if err != nil {
			s.t.Fatal(err)
		}
		ms += int64(v) * []int64{3600_000, 60_000, 1000}[i]
	}
	return ms
}

func (s *sheet) span(text string) span.Span {
	i := strings.LastIndex(text, "-")
	if i < 0 {
		s.t.Fatalf("%q: want from-to", text)
	}
	from, to := text[:i], text[i+1:]
	if day, _, ok := strings.Cut(from, "/"); ok && !strings.Contains(to, "/") {
		to = day + "/" + to
	}
	return span.Span{StartMs: s.instant(from), EndMs: s.instant(to)}
}

func (s *sheet) set(texts []string) span.Set {
	var spans []span.Span
	for _, text := range texts {
		spans = append(spans, s.span(text))
	}
	return span.NewSet(spans...)
}

// compare measures and holds every want to what came out.
func (s *sheet) compare() {
	s.t.Helper()
	if len(s.facts.Days) > 0 {
		window := span.Span{StartMs: s.facts.Days[0].Span().StartMs, EndMs: s.facts.Days[len(s.facts.Days)-1].Span().EndMs}
		s.facts.Timeline = filled(s.states, s.fill, window)
		if s.meter != nil {
			m := usage.NewEnergyMeter(window)
			for i := range s.meter {
				m.Take(&s.meter[i])
			}
			e := m.Energy()
			s.facts.Energy = &e
		}
	}
	r := usage.Measure(&s.facts, s.options)
	got := shown(&r)
	if len(s.want) == 0 {
		s.t.Error("the case wants nothing")
	}
	for _, w := range s.want {
		if got[w[0]] != w[1] {
			s.t.Errorf("%s is %q, want %q", w[0], got[w[0]], w[1])
		}
	}
}

// filled covers the window with the states and, between them, with one.
func filled(states []usage.Segment, fill usage.State, window span.Span) []usage.Segment {
	var spans []span.Span
	for _, g := range states {
		spans = append(spans, g.Span)
	}
	for _, gap := range span.NewSet(spans...).Gaps(window) {
		states = append(states, usage.Segment{Span: gap, State: fill})
	}
	return usage.Join(inTime(states), window)
}

// shown is everything that a case may want, as it writes it.
func shown(r *usage.Rates) map[string]string {
	h := func(ms int64) string { return fmt.Sprintf("%.4fh", float64(ms)/3600_000) }
	effective := func(e usage.Effective) string {
		return fmt.Sprintf("%s = prep %s + run %s + post %s", h(e.Ms()), h(e.PrepMs), h(e.RunMs), h(e.PostMs))
	}
	got := map[string]string{"effective": effective(r.Attribution.Effective), "switched_on": h(r.OnMs), "unattended": "withheld", "drawn": "withheld"}
	for use, e := range r.Attribution.ByUse {
		got["use:"+string(use)] = effective(e)
	}
	for _, x := range r.Attribution.BySession {
		got["session:"+x.Session] = effective(x.Effective)
	}
	if r.IdleRunMs != nil {
		got["unattended"] = h(*r.IdleRunMs)
	}
	if r.Energy != nil {
		got["drawn"] = fmt.Sprintf("%.4fkWh resets %d", float64(r.Energy.MilliWh)/1e6, r.Energy.Resets)
	}
	for _, n := range r.All() {
		got[n.ID] = shownRate(n.Rate)
	}
	return got
}

func shownRate(r usage.Rate) string {
	amount := func(q usage.Quantity) string {
		if q.Unknown {
			return "?"
		}
		v, _, _ := q.Shown()
		return fmt.Sprintf("%.4f", v)
	}
	out := amount(r.Numerator) + " / " + amount(r.Denominator)
	if r.Value != nil {
		return fmt.Sprintf("%s = %.4f at %.4f", out, *r.Value, r.Coverage)
	}
	return fmt.Sprintf("%s withheld %s at %.4f", out, r.Why, r.Coverage)
}
