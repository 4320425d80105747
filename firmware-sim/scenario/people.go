package scenario

import (
	"encoding/hex"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// Preset names habits that the language knows by a word.
type Preset string

// The presets.
const (
	// Punctual people are on time and hold their card to the reader once on coming and once on going.
	Punctual Preset = "punctual"
	// Average people are as the 560 punches of 18 persons over five weeks at a real terminal show them: 73 % of the days
	// with one tap only, one tap in nine repeated within ten seconds, one arrival in twenty after the hour. Absences and
	// early leaving do not show in such a log, they are assumed.
	Average Preset = "average"
	// Careless people make a teacher's life hard.
	Careless Preset = "careless"
)

// Presets lists every preset.
func Presets() []Preset { return []Preset{Punctual, Average, Careless} }

// Habits returns what the preset stands for; the zero value, which is Punctual's, for a word that is none.
func (p Preset) Habits() Habits {
	switch p {
	case Average:
		return Habits{Late: 0.05, LeavesEarly: 0.05, ForgetsTapOut: 0.73, ForgetsTapIn: 0.01, Absent: 0.03, TapsTwice: 0.11}
	case Careless:
		return Habits{Late: 0.4, LeavesEarly: 0.3, ForgetsTapOut: 0.9, ForgetsTapIn: 0.1, Absent: 0.15, TapsTwice: 0.3}
	}
	return Habits{}
}

// The people of a base that names none.
const (
	defaultTrainees = 6
	defaultTeachers = 1
)

func (f *file) people(b *base, o *object) {
	f.group(b, o, group{"trainees", "t{nnn}", false, Average, defaultTrainees})
	f.group(b, o, group{"teachers", "teacher-{n}", true, Punctual, defaultTeachers})
}

// group is how people of one sort are written.
type group struct {
	key, pattern string
	teacher      bool
	preset       Preset
	count        int
}

// group reads a number of people, or a list of people and templates.
func (f *file) group(b *base, o *object, g group) {
	node, at, ok := o.get(g.key)
	if !ok {
		f.stampPeople(b, g.count, 1, g.pattern, personItem{Person: Person{Teacher: g.teacher, Habits: g.preset.Habits()}, at: o.at})
		return
	}
	if node.Kind == strictyaml.Scalar {
		count := o.whole(g.key, 0, 0, MaxPeople)
		f.stampPeople(b, count, 1, g.pattern, personItem{Person: Person{Teacher: g.teacher, Habits: g.preset.Habits()}, at: at})
		return
	}
	o.each(g.key, maxItems, func(o *object) { f.person(b, o, g) })
}

// personItem is a person of a template and where it stands in the file.
type personItem struct {
	Person
	at, cardAt spot
}

func (f *file) person(b *base, o *object, g group) {
	count := o.whole("count", 1, 1, MaxPeople)
	pattern, at := f.pattern(o, g.pattern, count)
	first := b.number(o, pattern, count)
	p := personItem{Person: Person{Teacher: g.teacher, Habits: f.habits(o, g.preset)}, at: at}
	p.Card, p.cardAt = f.card(o)
	if p.Card != "" && count > 1 {
		f.bad(p.cardAt, p.Card, wrong{"多个人不能同用一张卡", "several people cannot have one card"})
	}
	f.stampPeople(b, count, first, pattern, p)
}

func (f *file) stampPeople(b *base, count, first int, pattern string, item personItem) {
	if !f.count(item.at, called{"人员", "people"}, count, MaxPeople) {
		return
	}
	for n := first; n < first+count; n++ {
		p := item.Person
		p.ID = stamp(pattern, n)
		if !f.claim(b, aPerson, item.at, p.ID) {
			return
		}
		b.people[p.ID] = len(b.People)
		b.order = append(b.order, p.ID)
		b.People = append(b.People, p)
		b.cardAt = append(b.cardAt, item.cardAt)
	}
}

// habits reads a preset by its word, or shares that differ from one.
func (f *file) habits(o *object, def Preset) Habits {
	node, _, ok := o.get("habits")
	if !ok {
		return def.Habits()
	}
	if node.Kind == strictyaml.Scalar {
		return choice(o, "habits", def, Presets()).Habits()
	}
	part := o.part("habits")
	if part == nil {
		return def.Habits()
	}
	h := choice(part, "like", def, Presets()).Habits()
	h.Late = part.share("late", h.Late)
	h.LeavesEarly = part.share("leaves_early", h.LeavesEarly)
	h.ForgetsTapOut = part.share("forgets_tap_out", h.ForgetsTapOut)
	h.ForgetsTapIn = part.share("forgets_tap_in", h.ForgetsTapIn)
	h.Absent = part.share("absent", h.Absent)
	h.TapsTwice = part.share("taps_twice", h.TapsTwice)
	part.done()
	return h
}

// Bounds of a card's number, in bytes.
const minCard, maxCard = 3, 10

// card reads a card's number, with or without ":" between the bytes, and returns it in small letters.
func (f *file) card(o *object) (string, spot) {
	node, at, ok := o.get("card")
	if !ok {
		return "", spot{}
	}
	b, err := hex.DecodeString(strings.ReplaceAll(node.Text, ":", ""))
	if node.Kind != strictyaml.Scalar || err != nil || len(b) < minCard || len(b) > maxCard || strings.Trim(node.Text, "0:") == "" {
		f.bad(at, node.Text, wrong{
			`应为 3 至 10 字节的十六进制卡号，如 "BA839D07"`, `want a card's number of 3 to 10 bytes in hexadecimal, such as "BA839D07"`,
		})
		return "", at
	}
	return hex.EncodeToString(b), at
}

// checkCards looks for cards that two people have.
func (f *file) checkCards() {
	taken := map[string]spot{}
	for _, b := range f.bases {
		for i, p := range b.People {
			if p.Card == "" {
				continue
			}
			if first, ok := taken[p.Card]; ok && b.cardAt[i] != first {
				f.bad(b.cardAt[i], p.Card, wrong{"卡号重复，已用于 " + first.String(), "the card is used twice, first by " + first.String()})
				continue
			}
			taken[p.Card] = b.cardAt[i]
		}
	}
}
