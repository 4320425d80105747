package scenario

import (
	"cmp"
	"fmt"
	"slices"
)

// maxCompared bounds the sessions that are laid out to look for people in two places.
const maxCompared = 3_000_000

// checkTimetable looks for people and stations that are in two classes at once.
func (f *file) checkTimetable() {
	if f.timeless {
		return
	}
	t := timetable{file: f, midnights: slices.Collect(f.Midnights())}
	for _, b := range f.bases {
		t.base, t.done = b, map[string]bool{}
		t.excuse()
		t.itself()
		t.people()
		t.stations()
	}
}

// timetable compares the classes of one base.
type timetable struct {
	*file
	base      *base
	midnights []int64
	// excused are frauds by which somebody is not where the timetable says, by class and person; "" is everybody.
	excused  map[[2]string][]*Fraud
	compared int
	// done are the sets of classes that were compared already, by what they share.
	done map[string]bool
}

// excuse notes for whom a fraud says that they need not be where the timetable says.
func (t *timetable) excuse() {
	t.excused = map[[2]string][]*Fraud{}
	add := func(fraud *Fraud, person string) {
		key := [2]string{fraud.Class, person}
		t.excused[key] = append(t.excused[key], fraud)
	}
	for i := range t.Frauds {
		fraud := &t.Frauds[i]
		switch {
		case fraud.At != t.base.Code:
		case fraud.Kind == GhostClass:
			add(fraud, "")
		case fraud.Kind == TapAndLeave && fraud.Person != "":
			add(fraud, fraud.Person)
		case fraud.Kind == TapAndLeave:
			for _, person := range t.base.class(fraud.Class).Trainees {
				add(fraud, person)
			}
		}
	}
}

func (t *timetable) isExcused(class, person string, midnight int64) bool {
	for _, who := range []string{"", person} {
		for _, fraud := range t.excused[[2]string{class, who}] {
			if len(fraud.DatesMs) == 0 || contains(fraud.DatesMs, midnight) {
				return true
			}
		}
	}
	return false
}

// held is a session with its place in the file.
type held struct {
	Session
	class int
	at    spot
}

// itself looks for classes of which two slots overlap.
func (t *timetable) itself() {
	for i := range t.base.Classes {
		all := t.layOut([]int{i}, "", func(*Slot) bool { return true })
		overlaps(all, func(first, second *held) {
			t.bad(second.at, "", wrong{
				fmt.Sprintf("与同一班级的另一时段重叠，见 %s（%s）", first.at, t.when(first)),
				fmt.Sprintf("overlaps with another slot of the same class, see %s (%s)", first.at, t.when(first)),
			})
		})
	}
}

// people looks for people in two classes at once.
func (t *timetable) people() {
	who := func(c *Class) []string { return append(slices.Clone(c.Trainees), c.Teacher) }
	t.shared(who, func(person string, classes []int) {
		if !t.first("person", person, classes) {
			return
		}
		overlaps(t.layOut(classes, person, func(*Slot) bool { return true }), func(first, second *held) {
			if first.class == second.class {
				return
			}
			a, b := first.Class.ID, second.Class.ID
			t.bad(second.at, "", wrong{
				fmt.Sprintf("%s 同一时间在两处：班级 %s 与 %s，%s", person, a, b, t.when(first)),
				fmt.Sprintf("%s is in two places at once, classes %s and %s, on %s", person, a, b, t.when(first)),
			})
		})
	})
}

// stations looks for stations where two classes practise at once.
func (t *timetable) stations() {
	t.shared(func(c *Class) []string { return c.Stations }, func(station string, classes []int) {
		if !t.first("station", "", classes) {
			return
		}
		overlaps(t.layOut(classes, "", func(s *Slot) bool { return s.Practice }), func(first, second *held) {
			if first.class == second.class {
				return
			}
			a, b := first.Class.ID, second.Class.ID
			t.bad(second.at, "", wrong{
				fmt.Sprintf("工位 %s 同一时间有两个班：%s 与 %s，%s；请用 stations 分开", station, a, b, t.when(first)),
				fmt.Sprintf("station %s has two classes at once, %s and %s, on %s; give each its stations", station, a, b, t.when(first)),
			})
		})
	})
}

// shared calls for everything that several classes have, in order, with those classes.
func (t *timetable) shared(of func(*Class) []string, check func(id string, classes []int)) {
	var order []string
	classes := map[string][]int{}
	for i := range t.base.Classes {
		for _, id := range of(&t.base.Classes[i]) {
			if classes[id] == nil {
				order = append(order, id)
			}
			classes[id] = append(classes[id], i)
		}
	}
	for _, id := range order {
		if id != "" && len(classes[id]) > 1 {
			check(id, classes[id])
		}
	}
}

// first reports whether a set of classes is to be compared: for the first time, while there is room to tell. Whoever an excuse names is compared apart.
func (t *timetable) first(what, person string, classes []int) bool {
	if len(t.problems) >= maxProblems {
		return false
	}
	key := fmt.Sprint(what, classes)
	excused := func(c int) bool { return t.excused[[2]string{t.base.Classes[c].ID, person}] != nil }
	if person != "" && slices.ContainsFunc(classes, excused) {
		key += person
	}
	if t.done[key] {
		return false
	}
	t.done[key] = true
	return true
}

// when writes a session's day and hours.
func (t *timetable) when(h *held) string {
	return t.date(h.StartMs) + " " + clock(h.Slot.From) + "-" + clock(h.Slot.To)
}

// layOut lists the sessions of some classes at which a person has to be, by start.
func (t *timetable) layOut(classes []int, person string, counts func(*Slot) bool) []held {
	for _, c := range classes {
		t.compared += len(t.base.Classes[c].Slots) * t.Days
	}
	if t.compared > maxCompared {
		t.compared = maxCompared
		t.bad(t.base.at, "", wrong{
			"班级、人员交叉过多，无法核对时间冲突，请拆分情景", "too many classes with people in common to look for conflicts, split the scenario",
		})
		return nil
	}
	var all []held
	for _, c := range classes {
		class := &t.base.Classes[c]
		for _, midnight := range t.midnights {
			if t.isExcused(class.ID, person, midnight) {
				continue
			}
			for _, s := range t.Sessions(class, midnight) {
				if counts(s.Slot) {
					all = append(all, held{s, c, t.base.slotAt(c, s.Slot)})
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b held) int {
		return cmp.Or(cmp.Compare(a.StartMs, b.StartMs), cmp.Compare(a.class, b.class))
	})
	return all
}

// overlaps calls for neighbours that overlap. Where any two sessions overlap, two neighbours do.
func overlaps(all []held, tell func(first, second *held)) {
	for i := 1; i < len(all); i++ {
		if all[i].StartMs < all[i-1].EndMs {
			tell(&all[i-1], &all[i])
		}
	}
}

// slotAt is where a slot of a class stands in the file.
func (b *base) slotAt(class int, slot *Slot) spot {
	for i := range b.Classes[class].Slots {
		if &b.Classes[class].Slots[i] == slot {
			return b.classAt[class].slots[i]
		}
	}
	return b.classAt[class].at
}
