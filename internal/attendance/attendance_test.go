package attendance_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

var midnight = time.Date(2026, 3, 2, 0, 0, 0, 0, time.FixedZone("", 8*3600)).UnixMilli()

// ms reads "8:30", "8:30:05" or "26:10" (the next day) as an instant.
func ms(t testing.TB, clock string) int64 {
	t.Helper()
	var h, m, s int64
	if n, err := fmt.Sscanf(clock+":0", "%d:%d:%d", &h, &m, &s); err != nil && n < 2 {
		t.Fatalf("%q: %v", clock, err)
	}
	return midnight + ((h*60+m)*60+s)*1000
}

func during(t testing.TB, text string) span.Span {
	t.Helper()
	from, to, ok := strings.Cut(text, "-")
	if !ok {
		t.Fatalf("%q is no span", text)
	}
	return span.Span{StartMs: ms(t, from), EndMs: ms(t, to)}
}

func spans(t testing.TB, text string) span.Set {
	t.Helper()
	var out []span.Span
	for f := range strings.FieldsSeq(text) {
		out = append(out, during(t, f))
	}
	return span.NewSet(out...)
}

func show(set span.Set) string {
	var out []string
	clock := func(at int64) string {
		s := (at - midnight) / 1000
		text := fmt.Sprintf("%d:%02d", s/3600, s/60%60)
		if s%60 != 0 {
			text += fmt.Sprintf(":%02d", s%60)
		}
		return text
	}
	for _, s := range set {
		out = append(out, clock(s.StartMs)+"-"+clock(s.EndMs))
	}
	return strings.Join(out, " ")
}

// taps reads "8:25 in, 11:32 out, 9:00 at w2, 9:10 s1": a direction, another room, a station.
func taps(t testing.TB, text string) []attendance.Tap {
	t.Helper()
	var out []attendance.Tap
	for item := range strings.SplitSeq(text, ",") {
		words := strings.Fields(item)
		if len(words) == 0 {
			continue
		}
		tap := attendance.Tap{AtMs: ms(t, words[0]), Reader: "door", Place: attendance.Place{Workshop: "w"}, Card: "c", Person: "p"}
		for _, w := range words[1:] {
			switch {
			case w == "in":
				tap.Direction = telemetry.DirectionIn
			case w == "out":
				tap.Direction = telemetry.DirectionOut
			case w == "expired":
				tap.Expired = true
			case strings.HasPrefix(w, "w"):
				tap.Workshop = w
			case strings.HasPrefix(w, "s"):
				tap.Station, tap.Reader = w, w
			case strings.HasPrefix(w, "r"):
				tap.Reader = w
			default:
				t.Fatalf("%q: what is %q?", item, w)
			}
		}
		out = append(out, tap)
	}
	return out
}

func lesson(t testing.TB, id, when string) attendance.Lesson {
	t.Helper()
	return attendance.Lesson{
		Session: registry.Session{ID: id, Class: "k", Span: during(t, when), Practice: true, Workshop: "w", Stations: []string{"s1", "s2"}},
		Profile: registry.Machine, Trainees: []registry.Enrolment{{Class: "k", Person: "p"}},
	}
}

func TestDerive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, lessons, taps, deaf, runs, checks string
		present, pending, status, flags         string
		why                                     string // clock=reason …
	}{
		{name: "in and out", taps: "8:25 in, 11:32 out", present: "8:25-11:32", status: "present"},
		{name: "directionless, in turn", taps: "8:25, 9:50, 10:05, 11:32", present: "8:25-9:50 10:05-11:32", status: "present", why: "9:55=early"},
		{name: "the same card within seconds", taps: "8:25, 8:25:40, 11:32", present: "8:25-11:32", status: "present"},
		{name: "out, read at a station, and out within seconds", taps: "8:25 in, 9:00 out, 9:00:30 s1, 9:01:20 out, 9:20 in, 9:21 out", present: "8:25-9:00 9:00:30-9:01:20 9:20-9:21", status: "left_early", flags: "no_badge_in"},
		{name: "tapped twice before the lesson", taps: "8:15, 8:27, 11:32", present: "8:15-11:32", status: "present"},
		{name: "late", taps: "8:50 in, 11:32 out", present: "8:50-11:32", status: "late", why: "8:40=late"},
		{name: "left early", taps: "8:25 in, 11:00 out", present: "8:25-11:00", status: "left_early", why: "11:10=early"},
		{name: "absent", status: "absent", why: "9:00=no_badge_in"},
		{name: "no going", taps: "8:25 in", present: "", status: "absent", flags: "no_badge_out", why: "9:00=no_badge_out"},
		{name: "no going, a read at the station", taps: "8:25 in, 10:00 s1", present: "8:25-10:00", status: "left_early", flags: "no_badge_out", why: "10:30=no_badge_out"},
		{name: "no going, runs began at the own station", taps: "8:25 in, 8:30 s1", runs: "9:00-9:20 11:10-11:50", present: "8:25-11:10", status: "left_early", flags: "no_badge_out"},
		{name: "no coming", taps: "11:32 out", status: "absent", flags: "no_badge_in", why: "9:00=no_badge_in"},
		{name: "no coming, directionless", taps: "11:32", status: "absent", flags: "no_badge_in", why: "9:00=no_badge_in"},
		{name: "no coming, a read at the station", taps: "9:00 s1, 11:32 out", present: "9:00-11:32", status: "late", flags: "no_badge_in", why: "8:45=late"},
		{name: "in twice", taps: "8:25 in, 10:00 in, 11:32 out", present: "8:25-11:32", status: "present", flags: "anti_passback"},
		{name: "read elsewhere", taps: "8:25 in, 10:00 s1, 10:30 w2 in", present: "8:25-10:00", status: "left_early", flags: "elsewhere no_badge_out", why: "11:00=early"},
		{name: "an expired card", taps: "8:25 in expired, 11:32 out expired", status: "absent", flags: "expired_card", why: "9:00=identity_fail"},
		{name: "two lessons in a row", lessons: "8:30-10:00 10:10-11:30", taps: "8:25, 11:32", present: "8:25-11:32", status: "present"},
		{name: "two lessons apart", lessons: "8:30-10:00 13:30-15:00", taps: "8:25, 10:02, 13:20, 15:05", present: "8:25-10:02", status: "present"},
		{name: "a check", taps: "8:25, 9:31, 11:32", checks: "9:30-9:40", present: "8:25-11:32", status: "present", flags: "check_answered"},
		{name: "a check missed", taps: "8:25, 11:32", checks: "9:30-9:40", present: "8:25-11:32", status: "present", flags: "check_missed"},
		{name: "nobody heard the coming", taps: "11:32 out", deaf: "8:20-8:40", pending: "8:20-11:32", status: "pending", flags: "no_badge_in", why: "9:00=reader_not_heard"},
		{name: "nobody heard the going", taps: "8:25 in, 10:00 s1", deaf: "11:20-11:40", present: "8:25-10:00", pending: "10:00-11:40", status: "pending", flags: "no_badge_out"},
		{name: "nobody heard either", deaf: "8:00-12:00", pending: "8:00-12:00", status: "pending"},
		{name: "a short outage says nothing of who was seen", taps: "8:25 in, 11:32 out", deaf: "9:00-9:10", present: "8:25-11:32", status: "present"},
		{name: "in turn no more after an outage", taps: "8:25, 10:04, 11:28", deaf: "9:45-9:55", present: "8:25-9:45", pending: "9:45-11:30", status: "pending"},
		{name: "nobody heard the coming, a read at the station", taps: "9:00 s1, 11:32 out", deaf: "8:20-8:40", present: "9:00-11:32", pending: "8:20-9:00", status: "pending", flags: "no_badge_in", why: "8:45=reader_not_heard"},
		{name: "nobody heard the coming, read again", taps: "8:50 in, 11:32 out", deaf: "8:20-8:40", present: "8:50-11:32", pending: "8:20-8:50", status: "pending", why: "8:10=late 8:45=reader_not_heard"},
		{name: "in twice around an outage", taps: "8:25 in, 10:00 in, 11:32 out", deaf: "9:00-9:10", present: "8:25-9:00 10:00-11:32", pending: "9:00-10:00", status: "pending", why: "9:30=reader_not_heard"},
		{name: "past midnight", lessons: "22:00-25:30", taps: "21:50 in, 25:31 out", present: "21:50-25:31", status: "present"},
		{name: "two doors", taps: "8:25 in r1, 11:32 out r2", present: "8:25-11:32", status: "present"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := &attendance.Input{Taps: taps(t, c.taps), Deaf: map[string]span.Set{"w": spans(t, c.deaf)}}
			in.Running = map[attendance.Place]span.Set{{Workshop: "w", Station: "s1"}: spans(t, c.runs)}
			if c.lessons == "" {
				c.lessons = "8:30-11:30"
			}
			for f := range strings.FieldsSeq(c.lessons) {
				in.Lessons = append(in.Lessons, lesson(t, f, f))
			}
			for f := range strings.FieldsSeq(c.checks) {
				in.Lessons[0].Checks = append(in.Lessons[0].Checks, registry.Check{Session: in.Lessons[0].ID, Span: during(t, f)})
			}
			all := attendance.Derive(in, attendance.DefaultRule())
			a := all[0]
			var flags []string
			for _, f := range a.Flags {
				if f != attendance.FlagNotScheduled {
					flags = append(flags, string(f))
				}
			}
			slices.Sort(flags)
			got := []string{show(a.Present), show(a.Pending), string(a.Status), strings.Join(flags, " ")}
			if diff := cmp.Diff([]string{c.present, c.pending, c.status, c.flags}, got); diff != "" {
				t.Errorf("present, pending, status, flags (-want +got):\n%s", diff)
			}
			for f := range strings.FieldsSeq(c.why) {
				clock, want, _ := strings.Cut(f, "=")
				if got := fmt.Sprint(a.Why(ms(t, clock))); got != want {
					t.Errorf("at %s: reason %s, want %s", clock, got, want)
				}
			}
		})
	}
}

// A teacher of two lessons in a row taps at the ends only, as a trainee does.
func TestTeacherOfTwoLessons(t *testing.T) {
	t.Parallel()
	in := &attendance.Input{Lessons: []attendance.Lesson{lesson(t, "a", "8:30-10:00"), lesson(t, "b", "10:10-11:30")}, Taps: taps(t, "8:25, 11:32")}
	for i := range in.Lessons {
		in.Lessons[i].Teacher = "teacher"
	}
	for i := range in.Taps {
		in.Taps[i].Person = "teacher"
	}
	for i, want := range []string{"8:30-10:00", "10:10-11:30"} {
		a := attendance.Derive(in, attendance.DefaultRule())[i]
		if got := show(a.TeacherPresent); got != want || slices.Contains(a.Flags, attendance.FlagTeacherAway) {
			t.Errorf("%s: teacher there %q, want %q; flags %v", a.Session, got, want, a.Flags)
		}
	}
}

// Whatever is tapped: present and pending do not overlap, every instant of a lesson that is neither has a reason, nobody is
// present before the first read of their card or after the last, and a repeat changes nothing.
func TestWhateverIsTapped(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		in := &attendance.Input{Lessons: []attendance.Lesson{lesson(t, "a", "8:30-10:00"), lesson(t, "b", "10:10-11:30")}}
		at := ms(t, "7:00")
		for range rapid.IntRange(0, 12).Draw(rt, "taps") {
			at += rapid.Int64Range(1000, 2400_000).Draw(rt, "gap")
			in.Taps = append(in.Taps, attendance.Tap{
				AtMs: at, Reader: "door", Card: "c", Person: "p", Expired: rapid.IntRange(0, 9).Draw(rt, "expired") == 0,
				Place:     attendance.Place{Workshop: rapid.SampledFrom([]string{"w", "w", "w", "w2"}).Draw(rt, "room"), Station: rapid.SampledFrom([]string{"", "", "s1"}).Draw(rt, "station")},
				Direction: telemetry.Direction(rapid.IntRange(0, 2).Draw(rt, "direction")),
			})
		}
		var deaf []span.Span
		for range rapid.IntRange(0, 2).Draw(rt, "outages") {
			from := ms(t, "7:00") + rapid.Int64Range(0, 5*3600_000).Draw(rt, "from")
			deaf = append(deaf, span.Span{StartMs: from, EndMs: from + rapid.Int64Range(1, 3600_000).Draw(rt, "for")})
		}
		in.Deaf = map[string]span.Set{"w": span.NewSet(deaf...)}
		for _, a := range attendance.Derive(in, attendance.DefaultRule()) {
			if both := a.Present.Intersect(a.Pending); len(both) > 0 {
				rt.Fatalf("present and pending at %s", show(both))
			}
			if len(a.Present) > 0 {
				first, last := in.Taps[a.Taps[0]].AtMs, in.Taps[len(in.Taps)-1].AtMs
				if a.Present[0].StartMs < first || a.Present[len(a.Present)-1].EndMs > last {
					rt.Fatalf("present at %s, read from %d to %d", show(a.Present), first, last)
				}
			}
			if len(deaf) == 0 && len(a.Pending) > 0 {
				rt.Fatalf("pending at %s without an outage", show(a.Pending))
			}
		}
		again := *in
		again.Taps = slices.Clone(in.Taps)
		if n := len(again.Taps); n > 0 {
			repeat := again.Taps[n-1]
			repeat.AtMs++
			again.Taps = append(again.Taps, repeat)
		}
		before, after := attendance.Derive(in, attendance.DefaultRule()), attendance.Derive(&again, attendance.DefaultRule())
		for i := range before {
			gained := after[i].Present.Subtract(before[i].Present).Ms() + before[i].Present.Subtract(after[i].Present).Ms()
			if gained > 1 {
				rt.Fatalf("a repeat of the last tap changes presence from %s to %s", show(before[i].Present), show(after[i].Present))
			}
		}
	})
}
