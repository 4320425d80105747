package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// classPlace is where the parts of a class stand in the file.
type classPlace struct {
	at    spot
	slots []spot
}

func (f *file) classes(b *base, o *object) {
	read := func(o *object) { f.class(b, o) }
	if o.each("classes", MaxClasses, read) {
		return
	}
	if len(b.Workshops) > 1 {
		f.bad(o.at, "", wrong{"缺少 classes：有多个车间时须写明；没有则写 []", "classes is missing: needed where there are several workshops; write [] for none"})
		return
	}
	read(&object{c: &f.checker, at: o.at, node: strictyaml.Node{Kind: strictyaml.Map, Line: o.at.line, Column: o.at.column}})
}

func (f *file) class(b *base, o *object) {
	if f.over {
		o.skip()
		return
	}
	c := Class{Claimed: 1}
	place := classPlace{at: o.at}
	var at spot
	c.ID, at = o.text("id", fmt.Sprintf("class-%d", len(b.Classes)+1))
	ok := f.claim(b, aClass, at, c.ID)
	c.Name = o.name(c.ID)
	r := f.room(b, o, &c)
	c.Stations = f.stationsOf(o, r)
	c.Profile = choice(o, "profile", c.usualProfile(r), profiles())
	c.Teacher = f.teacher(b, o)
	c.Trainees = f.trainees(b, o)
	c.Slots, place.slots = f.slots(o)
	c.Claimed = o.number("claimed", 1, 0.01, 10)
	if !ok || !f.count(o.at, called{"班级", "classes"}, 1, MaxClasses) || !f.count(o.at, called{"课次", "sessions"}, len(c.Slots)*f.Days, maxSessions) ||
		!f.count(o.at, called{"班级名额", "memberships"}, len(c.Trainees)+len(c.Stations), maxMemberships) {
		return
	}
	b.Classes = append(b.Classes, c)
	b.classAt = append(b.classAt, place)
}

// room reads the class's workshop, which is the only one where nothing is said.
func (f *file) room(b *base, o *object, c *Class) *room {
	def := ""
	if len(b.Workshops) == 1 {
		def = b.Workshops[0].ID
	}
	text, at := o.text("workshop", def)
	r, ok := b.rooms[text]
	switch {
	case text == "" && len(b.Workshops) > 1:
		f.bad(at, "", wrong{"必填：有多个车间，须写明哪一个", "required: the base has several workshops, say which"})
	case !ok && text != "":
		f.missing(at, aWorkshop, text, func() []string {
			var known []string
			for _, w := range b.Workshops {
				known = append(known, w.ID)
			}
			return known
		})
	}
	c.Workshop = text
	return r
}

// stationsOf reads the stations where a class works, all of its workshop where nothing is said.
func (f *file) stationsOf(o *object, r *room) []string {
	words, ok := o.words("stations", maxItems)
	if r == nil {
		return nil
	}
	order := make([]string, len(r.Stations))
	index := make(map[string]int, len(r.Stations))
	for i := range r.Stations {
		order[i], index[r.Stations[i].ID] = r.Stations[i].ID, i
	}
	if !ok {
		return order
	}
	return f.gather(words, aStation, order, index)
}

// gather reads ids and ranges of them, each once.
func (f *file) gather(words []word, what called, order []string, index map[string]int) []string {
	var out []string
	seen := map[string]bool{}
	for _, w := range words {
		for _, id := range f.spread(w, what, order, index) {
			if seen[id] {
				f.bad(w.at, w.text, wrong{id + " 列了两次", id + " is listed twice"})
				return out
			}
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// usualProfile is that of the first machine at the class's stations.
func (c *Class) usualProfile(r *room) string {
	if r == nil {
		return "machine"
	}
	for _, id := range c.Stations {
		for _, m := range r.stations[id].Machines {
			return r.machines[m].Kind.traits().profile
		}
	}
	return "bench"
}

// teacher reads who teaches. Classes that name nobody take the teachers of the base in turn.
func (f *file) teacher(b *base, o *object) string {
	var all []string
	for _, p := range b.People {
		if p.Teacher {
			all = append(all, p.ID)
		}
	}
	def := ""
	if len(all) > 0 {
		def = all[len(b.Classes)%len(all)]
	}
	text, at := o.text("teacher", def)
	i, ok := b.people[text]
	switch {
	case text == "":
	case !ok:
		f.missing(at, called{"教师", "teacher"}, text, func() []string { return all })
	case !b.People[i].Teacher:
		f.bad(at, text, wrong{"是学员，不是教师，应列在 teachers", "is a trainee and no teacher, list teachers under teachers"})
	}
	return text
}

// trainees reads who attends, all trainees of the base where nothing is said.
func (f *file) trainees(b *base, o *object) []string {
	words, ok := o.words("trainees", maxItems)
	_, at, _ := o.get("trainees")
	if ok && !(len(words) == 1 && words[0].text == "all") {
		out := f.gather(words, aPerson, b.order, b.people)
		for _, id := range out {
			if b.People[b.people[id]].Teacher {
				f.bad(at, id, wrong{"是教师，不能同时是学员", "is a teacher and no trainee"})
			}
		}
		return out
	}
	var all []string
	for _, p := range b.People {
		if !p.Teacher {
			all = append(all, p.ID)
		}
	}
	return all
}

// usualSlots are those of a class that names none.
func usualSlots() []string { return []string{"08:30-11:30", "13:30-17:00"} }

// slots reads when a class is held: hours, or mappings with more to say.
func (f *file) slots(o *object) (out []Slot, places []spot) {
	all, ok := o.items("slots", maxSlots)
	if !ok {
		for _, text := range usualSlots() {
			h, _ := parseHours(text)
			out, places = append(out, Slot{Workdays: true, Hours: h, Practice: true}), append(places, o.at)
		}
		return out, places
	}
	for _, it := range all {
		if slot, at, ok := f.slot(it); ok {
			out, places = append(out, slot), append(places, at)
		}
	}
	return out, places
}

func (f *file) slot(it item) (Slot, spot, bool) {
	slot := Slot{Workdays: true, Practice: true}
	if it.node.Kind == strictyaml.Scalar {
		h, ok := f.lesson(word{it.node.Text, it.at})
		slot.Hours = h
		return slot, it.at, ok
	}
	o := f.object(it.at, it.node)
	if o == nil {
		return slot, it.at, false
	}
	node, at, ok := o.require("time", wrong{`时段，如 "08:30-11:30"`, `hours such as "08:30-11:30"`})
	if ok {
		slot.Hours, ok = f.lesson(word{node.Text, at})
	}
	slot.Practice = o.boolean("practice", true)
	f.days(o, &slot)
	breaks, _ := o.words("breaks", maxBreaks)
	if ok {
		slot.Breaks = f.breaks(breaks, slot.Hours)
	}
	o.done()
	return slot, at, ok
}

// lesson reads the hours of a class. Nobody teaches for more than twelve hours: what looks like it ends before it starts.
func (f *file) lesson(w word) (Hours, bool) {
	h, ok := f.hours(w)
	if ok && h.To-h.From > maxLesson {
		f.bad(w.at, w.text, wrong{
			fmt.Sprintf("结束早于开始；若跨午夜则长达 %s，一节课最长 %s", length(h.To-h.From), length(maxLesson)),
			fmt.Sprintf("ends before it starts; past midnight it would last %s, and a class lasts at most %s", length(h.To-h.From), length(maxLesson)),
		})
		return h, false
	}
	return h, ok
}

// breaks reads breaks within the hours of a class, in order; after midnight they are on the next day.
func (f *file) breaks(words []word, within Hours) []Hours {
	var out []Hours
	last := within.From
	for _, w := range words {
		h, ok := f.hours(w)
		if !ok {
			continue
		}
		if h.From < within.From {
			h.From, h.To = h.From+day, h.To+day
		}
		switch {
		case h.From < within.From || h.To > within.To:
			f.bad(w.at, w.text, wrong{
				fmt.Sprintf("课间应在 %s-%s 之内", clock(within.From), clock(within.To)),
				fmt.Sprintf("want a break within %s-%s", clock(within.From), clock(within.To)),
			})
		case h.From < last:
			f.bad(w.at, w.text, wrong{"课间应按先后排列、不重叠", "want breaks in order and without overlap"})
		default:
			out = append(out, h)
			last = h.To
		}
	}
	return out
}

// days reads on which days a slot is held: workdays, days of the week, or dates.
func (f *file) days(o *object, slot *Slot) {
	words, ok := o.words("days", maxItems)
	if !ok || len(words) == 1 && words[0].text == "workdays" {
		return
	}
	slot.Workdays = false
	if len(words) > 0 && strings.ContainsAny(words[0].text[:min(1, len(words[0].text))], "0123456789") {
		slot.DatesMs = f.dates(o, "days")
		return
	}
	_, at, _ := o.get("days")
	for _, w := range words {
		days, ok := parseWeekdays(w.text)
		if !ok {
			f.bad(w.at, w.text, wrong{
				"应为 workdays、mon 至 sun（可写 mon..fri）或日期，三者只用一种",
				"want workdays, days from mon to sun such as mon..fri, or dates, one of the three",
			})
			continue
		}
		slot.Weekdays = append(slot.Weekdays, days...)
	}
	slices.SortFunc(slot.Weekdays, func(a, b time.Weekday) int { return int(a) - int(b) })
	slot.Weekdays = slices.Compact(slot.Weekdays)
	if len(words) == 0 {
		f.bad(at, "", wrong{"至少一天", "want at least one day"})
	}
}
