package clue_test

import (
	"testing"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

func TestShortened(t *testing.T) {
	t.Parallel()
	play(t, []story{
		{name: "everybody gone at six tenths", past: 3, want: []string{"F7 ended_early+ratio"}, tell: func(w *world) {
			d := w.day()
			d.lesson("turning", "8:30-11:30")
			d.come("10:18", w.trainees()...)
			d.works("8:35-10:16")
		}},
		{name: "nobody taps out, and the machines tell", past: 3, want: []string{"F7 ended_early"}, tell: func(w *world) {
			d := w.day()
			d.lesson("turning", "8:30-11:30")
			d.works("8:35-10:16")
			for i, p := range w.trainees() {
				d.at("door", d.ms("8:10")+int64(i)*120_000, p, in)
			}
		}},
		{name: "theory that ends early", want: []string{"F7 ended_early+ratio"}, tell: func(w *world) {
			d := w.day()
			d.lesson("theory", "8:30-11:30")
			for i, p := range w.trainees() {
				d.at("lab-door", d.ms("8:12")+int64(i)*90_000, p, in)
				d.at("lab-door", d.ms("10:01")+int64((i*5)%6)*20_000, p, out)
			}
		}},
		{name: "claimed once and a half", past: 3, want: []string{"F7 over_claimed"}, tell: func(w *world) {
			d := honest(w)
			d.claim(d.sessions[0], "", 270*minute)
		}},
		{name: "claimed a tenth more", past: 3, want: []string{"F7 over_claimed"}, tell: func(w *world) {
			d := honest(w)
			d.claim(d.sessions[0], "t02", 198*minute)
		}},
		{name: "claimed, and nobody came", past: 3, want: []string{"F1 no_work", "F7 dark+ratio"}, tell: func(w *world) {
			w.day().lesson("turning", "8:30-11:30")
		}},
		{name: "one goes early", past: 3, tell: func(w *world) {
			d := w.day()
			d.lesson("turning", "8:30-11:30")
			d.come("11:30", w.trainees()[1:]...)
			d.in("8:20", "t01")
			d.out("9:30", "t01")
			d.works("8:35-11:28")
		}},
		{name: "two of six go early and nobody else taps out of a theory lesson", tell: func(w *world) {
			d := w.day()
			d.lesson("theory", "8:30-11:30")
			for i, p := range w.trainees() {
				d.at("lab-door", d.ms("8:12")+int64(i)*90_000, p, in)
			}
			d.at("lab-door", d.ms("10:40"), "t02", out)
			d.at("lab-door", d.ms("10:41"), "t05", out)
		}},
		{name: "ended early and claimed as held", past: 3, tell: func(w *world) {
			d := w.day()
			id := d.lesson("turning", "8:30-11:30")
			d.claim(id, "", 0)
			d.come("10:18", w.trainees()...)
			d.works("8:35-10:16")
		}},
		{name: "ended early and claimed so", past: 3, tell: func(w *world) {
			d := w.day()
			id := d.lesson("turning", "8:30-11:30")
			d.claim(id, "", 105*minute)
			d.come("10:18", w.trainees()...)
			d.works("8:35-10:16")
		}},
		{name: "the class went to another room without a record", past: 3, tell: func(w *world) {
			d := w.day()
			d.lesson("turning", "8:30-11:30")
			for i, p := range w.trainees() {
				d.at("lab-door", d.ms("8:22")+int64(i)*90_000, p, in)
				d.at("lab-door", d.ms("11:31")+int64((i*5)%6)*20_000, p, out)
			}
			for _, m := range d.machines {
				m.silent = span.NewSet(d.date.Span())
			}
		}},
		{name: "the reader was away for the end", past: 3, tell: func(w *world) {
			d := w.day()
			d.lesson("theory", "8:30-11:30")
			for i, p := range w.trainees() {
				d.at("lab-door", d.ms("8:12")+int64(i)*90_000, p, in)
				d.at("lab-door", d.ms("10:01")+int64((i*5)%6)*20_000, p, out)
			}
			d.deaf[lab] = span.NewSet(d.during("10:03-12:00"))
			d.claim(d.sessions[0], "", 95*minute)
		}},
	})
}

func TestTwoPlaces(t *testing.T) {
	t.Parallel()
	second := func(w *world, room string) {
		w.people.Classes = append(w.people.Classes, registry.Class{
			ID: "paper", Name: "纸面班", Use: registry.UseSocial, Profile: registry.Bench, Workshop: room, Teacher: "x1",
		})
		for _, p := range w.trainees()[:3] {
			w.people.Enrolments = append(w.people.Enrolments, registry.Enrolment{Class: "paper", Person: p, Valid: registry.Always()})
		}
	}
	play(t, []story{
		{name: "claimed in two lessons at once", past: 1, want: []string{"F6 claimed_twice"}, tell: func(w *world) {
			second(w, hall)
			d := honest(w)
			d.lesson("paper", "8:45-11:45")
			d.claim(d.sessions[0], "t01", 90*minute)
		}},
		{name: "half of the one, then half of the other", past: 1, tell: func(w *world) {
			second(w, hall)
			d := honest(w)
			id := d.lesson("paper", "8:30-11:30")
			d.claim(d.sessions[0], "", 90*minute)
			d.claim(id, "", 0)
			for _, p := range w.trainees()[:3] {
				d.claim(id, p, 90*minute)
			}
		}},
		{name: "a teacher in two rooms", past: 1, want: []string{"F11 two_rooms"}, tell: func(w *world) {
			second(w, lab)
			d := honest(w)
			id := d.lesson("paper", "9:00-11:30")
			d.claim(id, "", 0)
			d.at("lab-door", d.ms("8:50"), "x1", in)
			for i, p := range []string{"t01", "t02", "t03"} {
				d.at("lab-door", d.ms("8:51")+int64(i)*60_000, p, in)
			}
		}},
		{name: "a handover", past: 1, tell: func(w *world) {
			second(w, lab)
			d := honest(w)
			id := d.lesson("paper", "11:20-12:20")
			d.claim(id, "", 0)
			d.at("lab-door", d.ms("11:29"), "t01", in)
		}},
	})
}
