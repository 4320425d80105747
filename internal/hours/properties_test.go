package hours_test

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Whatever happened and was decided: every scheduled millisecond has one verdict, what counts was proved or granted, nobody
// is credited twice at once or beyond the day's limit, and no station proves for more than its seats.
func TestWhateverHappened(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.drawDecisions(t)
		attended := w.attended()
		verdicts := w.verify(attended)
		for i := range verdicts {
			w.checkPieces(t, &verdicts[i])
			w.checkProved(t, &verdicts[i], &attended[i])
		}
		w.checkPersons(t, verdicts)
		w.checkSeats(t, verdicts, attended)
		if diff := gocmp.Diff(verdicts, w.verify(attended)); diff != "" {
			t.Fatalf("the same input twice (-first +second):\n%s", diff)
		}
	})
}

// checkPieces holds the pieces to the scheduled time, which they partition, and the totals to the pieces.
func (w *world) checkPieces(t *rapid.T, v *hours.Verdict) {
	var all []span.Span
	var verified, pending, refused int64
	for i, p := range v.Pieces {
		if p.Empty() {
			t.Fatalf("%s in %s: an empty piece %v", v.Person, v.Session, p)
		}
		if i > 0 && (v.Pieces[i-1].EndMs > p.StartMs || v.Pieces[i-1].EndMs == p.StartMs && v.Pieces[i-1].Reason == p.Reason) {
			t.Fatalf("%s in %s: pieces overlap or could be one: %v %v", v.Person, v.Session, v.Pieces[i-1], p)
		}
		all = append(all, p.Span)
		switch {
		case p.Reason == hours.Verified:
			verified += p.Ms()
		case p.Pending():
			pending += p.Ms()
		default:
			refused += p.Ms()
		}
	}
	if diff := gocmp.Diff(w.planned(w.lesson(v.Session)), span.NewSet(all...)); diff != "" {
		t.Fatalf("%s in %s: pieces are not the scheduled time (-want +got):\n%s", v.Person, v.Session, diff)
	}
	if verified != v.VerifiedMs || pending != v.PendingMs || verified+pending+refused != v.PlannedMs || v.GrantedMs > v.VerifiedMs {
		t.Fatalf("%s in %s: totals %+v are not those of the pieces: %d, %d, %d", v.Person, v.Session, v, verified, pending, refused)
	}
}

// checkProved holds what counts to the evidence, minute by minute.
func (w *world) checkProved(t *rapid.T, v *hours.Verdict, a *attendance.Attendance) {
	l := w.lesson(v.Session)
	proved := v.Of(hours.Verified).Subtract(w.granted(v.Session, v.Person))
	if ghost := proved.Subtract(a.Present); len(ghost) > 0 {
		t.Fatalf("%s in %s: verified and not present at %v", v.Person, v.Session, ghost)
	}
	if ghost := v.Of(hours.DataGap).Subtract(a.Present).Subtract(a.Pending); len(ghost) > 0 {
		t.Fatalf("%s in %s: pending and certainly not present at %v", v.Person, v.Session, ghost)
	}
	if !l.Practice {
		return
	}
	for _, s := range proved.Union(v.Of(hours.DataGap)) {
		for at := s.StartMs; at < s.EndMs; at += minuteMs {
			if !w.active(l, at) {
				t.Fatalf("%s in %s: verified or pending at minute %d, and no station was active", v.Person, v.Session, (at-w.day.StartMs)/minuteMs)
			}
		}
	}
}

// checkPersons holds each person's day together.
func (w *world) checkPersons(t *rapid.T, verdicts []hours.Verdict) {
	type total struct {
		once, beyond, timetable span.Set
		ms, open                int64
	}
	of := map[string]*total{}
	for _, l := range w.in.Lessons {
		for _, e := range l.Trainees {
			if of[e.Person] == nil {
				of[e.Person] = &total{}
			}
			of[e.Person].timetable = of[e.Person].timetable.Union(span.NewSet(l.Span))
		}
	}
	for i := range verdicts {
		v, d := &verdicts[i], of[verdicts[i].Person]
		counts := v.Of(hours.Verified).Union(v.Of(hours.DataGap))
		if twice := counts.Intersect(d.once); len(twice) > 0 {
			t.Fatalf("%s has %v in two lessons", v.Person, twice)
		}
		d.once, d.ms, d.open = d.once.Union(counts), d.ms+v.VerifiedMs, d.open+v.PendingMs
		for _, p := range v.Beyond {
			told := span.NewSet(p.Span)
			if len(told.Intersect(d.beyond.Union(d.timetable))) > 0 || p.Reason != hours.OutOfSchedule || len(told.Clip(w.day)) != 1 {
				t.Fatalf("%s: %v is in the timetable, told twice, or of another day", v.Person, p)
			}
			d.beyond = d.beyond.Union(told)
		}
	}
	limit := int64(w.rule.DailyCapUnits) * w.rule.Unit.Milliseconds()
	for who, d := range of {
		if limit > 0 && d.ms+d.open > limit {
			t.Fatalf("%s has %d ms verified and %d pending, the day's limit is %d", who, d.ms, d.open, limit)
		}
	}
}

// checkSeats counts at each minute who counts at practices: at each station by name, and in all.
func (w *world) checkSeats(t *rapid.T, verdicts []hours.Verdict, attended []attendance.Attendance) {
	for m := range int64(24 * 60) {
		at := w.minute(m)
		named := map[string]int{}
		all, used := 0, map[string]bool{}
		seats := 0
		for i := range verdicts {
			v := &verdicts[i]
			l := w.lesson(v.Session)
			if !l.Practice || len(l.Stations) == 0 || !v.Of(hours.Verified).Contains(at) || w.granted(v.Session, v.Person).Contains(at) {
				continue
			}
			seats = cmp.Or(l.MaxPerStation, w.rule.PerStation)
			for _, id := range l.Stations {
				used[id] = true
			}
			all++
			if own := attended[i].Station; slices.Contains(l.Stations, own) {
				if named[own]++; named[own] > seats && len(w.deciding) == 0 {
					t.Fatalf("minute %d: %d trainees count at %s, which has %d seats", m, named[own], own, seats)
				}
			}
		}
		if len(w.deciding) == 0 && all > seats*len(used) {
			t.Fatalf("minute %d: %d trainees count at %d stations of %d seats", m, all, len(used), seats)
		}
	}
}

// One lesson whose machines and readers were always heard of, with seats for everybody: what counts is P ∩ B ∩ A to the
// minute, and nothing is pending.
func TestFormula(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.in.Lessons, w.in.Deaf, w.rule.DailyCapUnits = w.in.Lessons[:1], nil, 0
		l := &w.in.Lessons[0]
		l.MaxPerStation = 9
		for i := range l.Trainees {
			l.Trainees[i].Station = ""
		}
		w.in.Taps = slices.DeleteFunc(w.in.Taps, func(tap attendance.Tap) bool { return tap.Station != "" })
		for i := range w.stations {
			s := &w.stations[i]
			s.Running, s.Unknown, s.Bare, s.Registers = s.Running.Union(s.Unknown), nil, false, false
		}
		if len(l.Stations) == 0 {
			l.Stations = []string{"s2"}
		}
		attended := w.attended()
		for i, v := range w.verify(attended) {
			var want []span.Span
			for _, s := range w.planned(l).Intersect(attended[i].Present) {
				for at := s.StartMs; at < s.EndMs; at += minuteMs {
					if !l.Practice || w.active(l, at) {
						want = append(want, span.Span{StartMs: at, EndMs: at + minuteMs})
					}
				}
			}
			if diff := gocmp.Diff(span.NewSet(want...), v.Of(hours.Verified)); diff != "" || v.PendingMs > 0 {
				t.Fatalf("%s: P ∩ B ∩ A (-want +got), pending %d ms:\n%s", v.Person, v.PendingMs, diff)
			}
		}
	})
}

// verifiedOf adds up a person's day.
func verifiedOf(verdicts []hours.Verdict) (verified, pending map[string]int64) {
	verified, pending = map[string]int64{}, map[string]int64{}
	for _, v := range verdicts {
		verified[v.Person] += v.VerifiedMs
		pending[v.Person] += v.PendingMs
	}
	return verified, pending
}

// When it becomes known that a machine worked while it was not heard of, nobody loses, and nobody gains more than was pending.
func TestUnknownTurnsOutToBeWork(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		attended := w.attended()
		before, open := verifiedOf(w.verify(attended))
		s := &w.stations[rapid.IntRange(0, 2).Draw(t, "station")]
		s.Running, s.Unknown = s.Running.Union(s.Unknown), nil
		after, _ := verifiedOf(w.verify(attended))
		for who := range before {
			if after[who] < before[who] || after[who] > before[who]+open[who] {
				t.Fatalf("%s had %d ms and %d pending, then %d", who, before[who], open[who], after[who])
			}
		}
	})
}

// A going that is read while the person is there never earns anything.
func TestGoingEarlier(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		// Readers that know no direction are read in turn: one tap more turns comings into goings.
		w.in.Taps = slices.DeleteFunc(w.in.Taps, func(tap attendance.Tap) bool { return tap.Direction == telemetry.DirectionNone && tap.Station == "" })
		attended := w.attended()
		i := slices.IndexFunc(attended, func(a attendance.Attendance) bool { return len(a.Present) > 0 })
		if i < 0 {
			return
		}
		who, there := attended[i].Person, rapid.SampledFrom(attended[i].Present).Draw(t, "stay")
		before, _ := verifiedOf(w.verify(attended))
		w.in.Taps = append(w.in.Taps, attendance.Tap{
			AtMs: rapid.Int64Range(there.StartMs, there.EndMs-1).Draw(t, "going"), Reader: "door", Card: who, Person: who,
			Place: attendance.Place{Workshop: "w"}, Direction: telemetry.DirectionOut,
		})
		w.sortTaps()
		after, _ := verifiedOf(w.verify(w.attended()))
		if after[who] > before[who] {
			t.Fatalf("%s had %d ms, and %d after going earlier", who, before[who], after[who])
		}
	})
}

// The taps of somebody who had none give nobody else anything, whether that is a stranger or a trainee who was thought absent.
// Only what shows that a trainee works at another station than the enrolment says may free a station for others.
func TestSomebodyElseComes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		before, _ := verifiedOf(w.verify(w.attended()))
		who := rapid.SampledFrom([]string{person(4), "stranger"}).Draw(t, "who")
		w.drawTaps(t, who)
		for i := range w.in.Taps {
			if tap := &w.in.Taps[i]; tap.Person == who && who != "stranger" {
				tap.Station = ""
			}
		}
		after, _ := verifiedOf(w.verify(w.attended()))
		for p := range before {
			if p != who && after[p] > before[p] {
				t.Fatalf("%s had %d ms, and %d after %s came", p, before[p], after[p], who)
			}
		}
	})
}

// The order in which lessons, stations and trainees stand in lists changes nobody's verdict.
func TestOrderOfLists(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.drawDecisions(t)
		attended := w.attended()
		key := func(all []hours.Verdict) map[[2]string]hours.Verdict {
			out := map[[2]string]hours.Verdict{}
			for _, v := range all {
				out[[2]string{v.Session, v.Person}] = v
			}
			return out
		}
		want := key(w.verify(attended))
		w.in.Lessons = rapid.Permutation(w.in.Lessons).Draw(t, "lessons")
		for i := range w.in.Lessons {
			w.in.Lessons[i].Stations = rapid.Permutation(w.in.Lessons[i].Stations).Draw(t, "places")
		}
		w.stations = rapid.Permutation(w.stations).Draw(t, "stations")
		got := key(w.verify(rapid.Permutation(attended).Draw(t, "attendance")))
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("in another order (-want +got):\n%s", diff)
		}
	})
}

// A lesson has the same verdicts alone as among lessons with which it is neither together nor shares a trainee.
func TestLessonsApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		attended := w.attended()
		all := w.verify(attended)
		first := w.in.Lessons[0]
		for i := range w.in.Lessons[1:] {
			other := &w.in.Lessons[i+1]
			if hours.Together(&first, other) != hours.Together(other, &first) {
				t.Fatalf("%s and %s are together one way only", first.ID, other.ID)
			}
			if hours.Together(&first, other) || slices.ContainsFunc(first.Trainees, func(e registry.Enrolment) bool {
				return slices.ContainsFunc(other.Trainees, func(o registry.Enrolment) bool { return o.Person == e.Person })
			}) {
				return
			}
		}
		w.in.Lessons = w.in.Lessons[:1]
		of := func(id string) bool { return id == first.ID }
		alone := w.verify(slices.DeleteFunc(slices.Clone(attended), func(a attendance.Attendance) bool { return !of(a.Session) }))
		want := slices.DeleteFunc(all, func(v hours.Verdict) bool { return !of(v.Session) })
		if diff := gocmp.Diff(want, alone); diff != "" {
			t.Fatalf("%s among others and alone (-want +got):\n%s", first.ID, diff)
		}
	})
}

// Two days on their own have what both have together, when no day has a limit.
func TestMidnightChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.drawDecisions(t)
		w.rule.DailyCapUnits = 0
		attended := w.attended()
		day := w.day
		first := w.verify(attended)
		w.day = span.Span{StartMs: day.EndMs, EndMs: day.EndMs + day.Ms()}
		second := w.verify(attended)
		w.day.StartMs = day.StartMs
		for i, v := range w.verify(attended) {
			for _, r := range append(hours.Reasons(), hours.Verified) {
				if got := first[i].Ms(r) + second[i].Ms(r); got != v.Ms(r) {
					t.Fatalf("%s in %s: %q has %d ms in two days, %d in both together", v.Person, v.Session, r, got, v.Ms(r))
				}
			}
			if v.PlannedMs != w.planned(w.lesson(v.Session)).Ms() {
				t.Fatalf("%s in %s: planned %d ms", v.Person, v.Session, v.PlannedMs)
			}
		}
	})
}

// What machines did farther from a lesson than the rule reaches changes nothing.
func TestReach(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.in.Lessons = w.in.Lessons[:1]
		attended := w.attended()
		want := w.verify(attended)
		near := w.in.Lessons[0].Span
		near.StartMs, near.EndMs = near.StartMs-w.rule.Reach(), near.EndMs+w.rule.Reach()
		for i := range w.stations {
			s := &w.stations[i]
			s.Running, s.Ready, s.Unknown = s.Running.Clip(near), s.Ready.Clip(near), s.Unknown.Clip(near)
		}
		if diff := gocmp.Diff(want, w.verify(attended)); diff != "" {
			t.Fatalf("with all states, and with those within reach (-want +got):\n%s", diff)
		}
	})
}
