package clue

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Sighting is one person, or one card that nobody at the base holds, at one base: seen by readers, or claimed.
type Sighting struct {
	Base string
	// Person is the base's id, "" for a card that is nobody's there.
	Person string
	// Identity is registry.Person.Identity, "" when it is not known.
	Identity string
	// Card is the token; it tells who it is where Identity does not.
	Card    string
	Teacher bool
	Span    span.Span
	// Claimed says that the base claims it (Session); else readers saw it.
	Claimed  bool
	Session  string
	Evidence []Ref
}

// Point is where a base stands, degrees north and east (WGS 84).
type Point struct{ Lat, Lon float64 }

// Sightings returns everybody's sightings on the input's day, in order of time: the stays that taps prove, the lessons that
// are claimed, the teachers, and cards that nobody at the base holds. A card that was reported lost is nobody's.
func Sightings(in *Input) []Sighting {
	s := look(in)
	var out []Sighting
	told := map[int]bool{}
	for i := range s.today.lessons {
		l := &s.today.lessons[i]
		if !s.today.starts(l) {
			continue
		}
		for k := range l.trainees {
			t := &l.trainees[k]
			for _, x := range t.Taps {
				told[x] = true
			}
			out = append(out, s.sightingsOf(l, t)...)
		}
	}
	var taps []int
	for i := range s.today.Taps {
		if t := &s.today.Taps[i]; !told[i] && !t.Expired && s.today.Date.Span().Contains(t.AtMs) {
			taps = append(taps, i)
		}
	}
	out = append(out, s.loose(taps)...)
	slices.SortStableFunc(out, compareSightings)
	return out
}

func compareSightings(a, b Sighting) int {
	return cmp.Or(
		cmp.Compare(a.Span.StartMs, b.Span.StartMs), cmp.Compare(a.Base, b.Base), cmp.Compare(a.Person, b.Person),
		cmp.Compare(a.Card, b.Card), cmp.Compare(a.Span.EndMs, b.Span.EndMs), cmp.Compare(a.Session, b.Session))
}

func (s *scene) sightingsOf(l *lesson, t *trainee) []Sighting {
	who := Sighting{Base: s.Base, Person: t.Person}
	if p, ok := s.Roster.Person(t.Person); ok {
		who.Identity, who.Teacher = p.Identity, p.Teacher
	}
	for _, i := range t.Taps {
		if x := &s.today.Taps[i]; !x.Expired {
			who.Card = x.Card
			break
		}
	}
	var out []Sighting
	for _, stay := range t.Stays {
		seen := who
		seen.Span, seen.Evidence = stay.Span, s.today.taps(t)
		seen.Span.EndMs = max(seen.Span.EndMs, seen.Span.StartMs+1)
		out = append(out, seen)
	}
	if t.claimed && t.claimedMs > 0 {
		claim := who
		claim.Claimed, claim.Session, claim.Span = true, l.ID, l.Span
		out = append(out, claim)
	}
	return out
}

// loose makes sightings of taps that belong to no trainee's lesson: from coming to going by card and room, or an instant.
func (s *scene) loose(taps []int) []Sighting {
	var out []Sighting
	open := map[[2]string]int{} // by room and card: index into out
	for _, i := range taps {
		t := &s.today.Taps[i]
		key := [2]string{t.Workshop, t.Card}
		at, inside := open[key]
		if inside && t.Direction != telemetry.DirectionIn {
			out[at].Span.EndMs = t.AtMs + 1
			out[at].Evidence = append(out[at].Evidence, tapRef(t))
			delete(open, key)
			continue
		}
		seen := Sighting{Base: s.Base, Person: t.Person, Card: t.Card, Span: spanAt(t.AtMs), Evidence: []Ref{tapRef(t)}}
		if p, ok := s.Roster.Person(t.Person); ok {
			seen.Identity, seen.Teacher = p.Identity, p.Teacher
		}
		if t.Direction != telemetry.DirectionOut {
			open[key] = len(out)
		}
		out = append(out, seen)
	}
	return out
}

// FindCity returns the clues about people who were, or are claimed to have been, in two bases at once or too soon one after
// the other on a day: F6 for trainees and F11 for teachers. places may be nil; then only what overlaps is found. A clue's
// Base is the first of the two by code, and both are among its subjects.
func FindCity(day calendar.Date, sightings []Sighting, places map[string]Point, p *F6Params) []Clue {
	by := map[string][]Sighting{}
	names := nameSightings(sightings)
	for i, s := range sightings {
		by[names[i]] = append(by[names[i]], s)
	}
	var out []Clue
	for _, who := range slices.Sorted(maps.Keys(by)) {
		list := by[who]
		slices.SortStableFunc(list, compareSightings)
		found := map[[2]string]*Clue{}
		for i := range list {
			for j := i + 1; j < len(list); j++ {
				conflict(&list[i], &list[j], places, p, found)
			}
		}
		for _, bases := range slices.SortedFunc(maps.Keys(found), func(a, b [2]string) int {
			return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
		}) {
			out = append(out, cityClue(*found[bases], bases, day, p))
		}
	}
	return sorted(out)
}

// nameSightings says who each sighting is: the identity, or the card's, or the card.
func nameSightings(list []Sighting) []string {
	owner := map[string]string{}
	for _, s := range list {
		if s.Identity == "" || s.Card == "" {
			continue
		}
		if was, ok := owner[s.Card]; ok && was != s.Identity {
			owner[s.Card] = "" // two people's: it tells nothing
			continue
		}
		owner[s.Card] = s.Identity
	}
	out := make([]string, len(list))
	for i, s := range list {
		switch {
		case s.Identity != "":
			out[i] = "identity " + s.Identity
		case s.Card != "" && owner[s.Card] != "":
			out[i] = "identity " + owner[s.Card]
		case s.Card != "":
			out[i] = "card " + s.Card
		default:
			out[i] = "person " + s.Base + "/" + s.Person
		}
	}
	return out
}

// conflict notes that two sightings of one person cannot both be true.
func conflict(a, b *Sighting, places map[string]Point, p *F6Params, found map[[2]string]*Clue) {
	if a.Base == b.Base {
		return
	}
	both := a.Span.Intersect(b.Span)
	over, speed := overlap(a.Span, b.Span), 0.0
	if !a.Claimed && !b.Claimed {
		speed = travel(a, b, places)
	}
	if over < p.Overlap.Milliseconds() && speed <= p.SpeedKMH {
		return
	}
	key := [2]string{min(a.Base, b.Base), max(a.Base, b.Base)}
	c := found[key]
	if c == nil {
		c = &Clue{Rule: F6, Severity: High}
		found[key] = c
	}
	if both.Empty() {
		both = span.Span{StartMs: a.Span.EndMs, EndMs: max(b.Span.StartMs, a.Span.EndMs+1)}
	}
	c.Span = hull(span.NewSet(c.Span, both))
	for _, s := range []*Sighting{a, b} {
		if s.Teacher {
			c.Rule = F11
		}
		c.Evidence = append(c.Evidence, s.Evidence...)
		if s.Person != "" {
			c.Subjects.Persons = append(c.Subjects.Persons, s.Base+"/"+s.Person)
		}
		if s.Card != "" {
			c.Subjects.Cards = append(c.Subjects.Cards, s.Card)
		}
		if s.Session != "" {
			c.Subjects.Sessions = append(c.Subjects.Sessions, s.Base+"/"+s.Session)
		}
	}
	c.worst("overlap", Measure{"overlap", "ms", float64(over), float64(p.Overlap.Milliseconds())})
	c.worst("travel", Measure{"speed", "km/h", speed, p.SpeedKMH})
}

// worst keeps a test's largest figure, if it is over the limit.
func (c *Clue) worst(test string, m Measure) {
	if m.Value < m.Limit || m.Value == m.Limit && m.Name == "speed" {
		return
	}
	if i := slices.Index(c.Tests, test); i >= 0 {
		c.Measures[i].Value = max(c.Measures[i].Value, m.Value)
		return
	}
	c.Tests, c.Measures = append(c.Tests, test), append(c.Measures, m)
}

func cityClue(c Clue, bases [2]string, day calendar.Date, p *F6Params) Clue {
	rule := twoPlaces(p)
	if c.Rule == F11 {
		rule = twoRooms(&DefaultParams().F11)
	}
	c.Version, c.Innocent = rule.Version, rule.Innocent
	c.Base, c.Day, c.Subjects.Bases = bases[0], day, bases[:]
	c.Explain = Text{fmt.Sprintf("同一人出现在 %s 与 %s", bases[0], bases[1]), fmt.Sprintf("one person at %s and at %s", bases[0], bases[1])}
	for i, test := range c.Tests {
		v := c.Measures[i].Value
		switch test {
		case "overlap":
			c.Explain.Zh += fmt.Sprintf("；同时 %s", minutesZh(int64(v)))
			c.Explain.En += fmt.Sprintf("; at once for %s", minutesEn(int64(v)))
		case "travel":
			c.Explain.Zh += fmt.Sprintf("；其间须以 %.0f km/h 直线赶路", v)
			c.Explain.En += fmt.Sprintf("; who went from one to the other went %.0f km/h in a straight line", v)
		}
	}
	return complete(c)
}

// overlap is for how long two spans hold at once; of one that lies inside the other, also how deep inside, so that a single
// tap in the middle of a stay counts.
func overlap(a, b span.Span) int64 {
	both := a.Intersect(b)
	if both.Empty() {
		return 0
	}
	depth := min(max(a.StartMs, b.StartMs)-min(a.StartMs, b.StartMs), max(a.EndMs, b.EndMs)-min(a.EndMs, b.EndMs))
	if inside := both == a || both == b; inside {
		return max(both.Ms(), depth)
	}
	return both.Ms()
}

// travel is how fast, in km/h, somebody went from the end of the earlier sighting to the beginning of the later; 0 where
// that is not known. A minute is forgiven, as clocks differ, and bases less than a kilometre apart are neighbours.
func travel(a, b *Sighting, places map[string]Point) float64 {
	if b.Span.StartMs < a.Span.StartMs {
		a, b = b, a
	}
	from, ok1 := places[a.Base]
	to, ok2 := places[b.Base]
	gap := b.Span.StartMs - a.Span.EndMs
	if !ok1 || !ok2 || gap < 0 {
		return 0
	}
	km := distanceKM(from, to)
	if km < 1 {
		return 0
	}
	return km / (float64(gap+minuteMs) / msPerHour)
}

// distanceKM is the great-circle distance by the haversine formula on a sphere of 6371 km.
func distanceKM(a, b Point) float64 {
	const rad = math.Pi / 180
	sinLat, sinLon := math.Sin((b.Lat-a.Lat)*rad/2), math.Sin((b.Lon-a.Lon)*rad/2)
	h := sinLat*sinLat + math.Cos(a.Lat*rad)*math.Cos(b.Lat*rad)*sinLon*sinLon
	return 2 * 6371 * math.Asin(math.Sqrt(min(h, 1)))
}

// Participation is one person in one subsidised class.
type Participation struct {
	Base, Class, Person string
	// Identity is registry.Person.Identity; without it nobody is recognised at another base.
	Identity string
	// BeginsMs is when the class's first lesson begins: the class belongs to that year.
	BeginsMs int64
}

// FindYear returns the clues about people who have more subsidised classes in one calendar year than they may: F6. A
// clue's day is that on which the first class too many began.
func FindYear(list []Participation, p *F6Params) []Clue {
	type key struct {
		who  string
		year int
	}
	by := map[key]map[[2]string]Participation{}
	for _, x := range list {
		who := "identity " + x.Identity
		if x.Identity == "" {
			who = "person " + x.Base + "/" + x.Person
		}
		k := key{who, calendar.DateOf(spanAt(x.BeginsMs).Start()).Year}
		if by[k] == nil {
			by[k] = map[[2]string]Participation{}
		}
		by[k][[2]string{x.Base, x.Class}] = x
	}
	var out []Clue
	for _, classes := range by {
		if len(classes) > p.PerYear {
			out = append(out, yearClue(slices.Collect(maps.Values(classes)), p))
		}
	}
	return sorted(out)
}

func yearClue(list []Participation, p *F6Params) Clue {
	slices.SortFunc(list, func(a, b Participation) int {
		return cmp.Or(cmp.Compare(a.BeginsMs, b.BeginsMs), cmp.Compare(a.Base, b.Base), cmp.Compare(a.Class, b.Class))
	})
	over := list[p.PerYear]
	rule := twoPlaces(p)
	c := Clue{
		Rule: F6, Version: rule.Version, Innocent: rule.Innocent, Severity: Medium, Base: over.Base,
		Day: calendar.DateOf(spanAt(over.BeginsMs).Start()), Span: spanAt(over.BeginsMs), Explain: Text{"同一人", "one person"},
	}
	for _, x := range list {
		c.Subjects.Persons = append(c.Subjects.Persons, x.Base+"/"+x.Person)
		c.Subjects.Classes = append(c.Subjects.Classes, x.Base+"/"+x.Class)
		c.Subjects.Bases = append(c.Subjects.Bases, x.Base)
	}
	c.fail("classes_a_year", Measure{"subsidised_classes", "count", float64(len(list)), float64(p.PerYear)},
		fmt.Sprintf("一年内参加 %d 个补贴班次，限 %d 个", len(list), p.PerYear),
		fmt.Sprintf("%d subsidised classes in a year, where %d is the limit", len(list), p.PerYear))
	return complete(c)
}
