package scenario

import (
	"fmt"
	"strings"
	"time"
)

// base is a base that is being read, with what its parts are called and where they stand.
type base struct {
	Base
	at spot
	// first is where each id stands, by kind of thing and id.
	first map[[2]string]spot
	// next numbers what has no id of its own, by template.
	next map[string]int
	// stands lists where each device is.
	stands   map[string][]stand
	deviceOf []string // ids of devices in order, each once
	readers  map[string]*Reader
	targets  []target       // see list
	targetOf map[string]int // by id, index into targets
	rooms    map[string]*room
	classAt  []classPlace   // as Classes
	cardAt   []spot         // as People; the zero spot where the file names no card
	people   map[string]int // by id, index into People
	order    []string       // ids of people
}

// room is a workshop with its stations and machines by id.
type room struct {
	*Workshop
	at       spot
	machines map[string]*Machine
	stations map[string]*Station
}

// The words for what has an id, which problems use.
type called struct{ zh, en string }

var (
	aBase     = called{"基地", "base"}
	aWorkshop = called{"车间", "workshop"}
	aStation  = called{"工位", "station"}
	aMachine  = called{"设备", "machine"}
	aDevice   = called{"终端", "device"}
	aPerson   = called{"人员", "person"}
	aClass    = called{"班级", "class"}
)

func (f *file) base(o *object) {
	b := &base{
		at: o.at, first: map[[2]string]spot{}, next: map[string]int{}, stands: map[string][]stand{}, readers: map[string]*Reader{},
		rooms: map[string]*room{}, people: map[string]int{},
	}
	code, at := o.text("code", fmt.Sprintf("base-%d", len(f.bases)+1))
	if f.id(at, code) {
		for _, other := range f.bases {
			if other.Code == code {
				f.bad(at, code, twice(aBase, other.at))
			}
		}
	}
	b.Code, b.at = code, at
	b.Name = o.name(code)
	b.Bridge, at = o.text("bridge", code+"-bridge")
	f.id(at, b.Bridge)
	b.Opening = f.opening(o)
	if !o.each("workshops", maxWorkshops, func(o *object) { f.workshop(b, o) }) {
		f.bad(o.at, "", wrong{"缺少 workshops：至少一个车间", "workshops is missing: at least one workshop is needed"})
	}
	f.people(b, o)
	f.checkDevices(b)
	b.list()
	f.classes(b, o)
	f.bases = append(f.bases, b)
}

func twice(what called, first spot) wrong {
	return wrong{
		fmt.Sprintf("%s编号重复，已用于 %s", what.zh, first), fmt.Sprintf("the id of a %s is used twice, first by %s", what.en, first),
	}
}

// claim notes an id, and reports whether it is well formed and new at the base.
func (f *file) claim(b *base, what called, at spot, id string) bool {
	if !f.id(at, id) {
		return false
	}
	key := [2]string{what.en, id}
	if first, ok := b.first[key]; ok {
		f.bad(at, id, twice(what, first))
		return false
	}
	b.first[key] = at
	return true
}

// number returns the number of the first thing that a template is stamped for: things without an id of their own go on
// counting where the last ones stopped.
func (b *base) number(o *object, template string, count int) int {
	start := b.next[template] + 1
	if o != nil {
		start = o.whole("first", start, 0, MaxPeople)
	}
	b.next[template] = start + count - 1
	return start
}

func (f *file) opening(o *object) Opening {
	opening := Opening{Workday: []Hours{{8 * time.Hour, 21 * time.Hour}}}
	part := o.part("opening")
	if part == nil {
		return opening
	}
	if workday := f.hoursList(part, "workdays"); part.given("workdays") {
		opening.Workday = workday
	}
	opening.Restday = f.hoursList(part, "restdays")
	part.done()
	return opening
}

// hoursList reads hours in order and apart; "closed" is none.
func (f *file) hoursList(o *object, key string) []Hours {
	words, _ := o.words(key, maxBreaks)
	if len(words) == 1 && words[0].text == "closed" {
		return nil
	}
	var out []Hours
	for _, w := range words {
		h, ok := f.hours(w)
		if !ok {
			continue
		}
		if n := len(out); n > 0 && h.From < out[n-1].To {
			f.bad(w.at, w.text, wrong{"时段应按先后排列、不重叠", "want hours in order and without overlap"})
			continue
		}
		if n := len(out); n > 0 && h.To > out[0].From+day {
			f.bad(w.at, w.text, wrong{"与第二天的第一个时段重叠", "overlaps with the first hours of the next day"})
			continue
		}
		out = append(out, h)
	}
	return out
}

func (f *file) hours(w word) (Hours, bool) {
	h, ok := parseHours(w.text)
	if !ok {
		f.bad(w.at, w.text, wrong{`应为时段，如 "08:30-11:30"，跨午夜写 "22:00-02:00"`, `want hours such as "08:30-11:30", past midnight "22:00-02:00"`})
	}
	return h, ok
}

// missing says that a reference leads to nothing. The known ids are asked for only when somebody will read them.
func (f *file) missing(at spot, what called, id string, known func() []string) {
	if f.told[at] || len(f.problems) >= maxProblems {
		return
	}
	const most = 500 // to compare with: enough to find a slip, and bounded
	all := known()
	if len(all) == 0 {
		f.bad(at, id, wrong{"没有任何" + what.zh, "there is no " + what.en + " at all"})
		return
	}
	f.bad(at, id, unknown(what.zh, what.en, id, all[:min(len(all), most)]))
}

// spread replaces ranges such as t001..t012 by what stands between both ends in order.
func (f *file) spread(w word, what called, order []string, index map[string]int) []string {
	first, last, isRange := strings.Cut(w.text, "..")
	if !isRange {
		last = first
	}
	from, okFrom := index[first]
	to, okTo := index[last]
	switch {
	case !okFrom:
		f.missing(w.at, what, first, func() []string { return order })
		return nil
	case !okTo:
		f.missing(w.at, what, last, func() []string { return order })
		return nil
	case to < from:
		f.bad(w.at, w.text, wrong{"范围的终点在起点之前", "the range ends before it starts"})
		return nil
	}
	return order[from : to+1]
}
