package registry

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// The bounds of a timetable.
const (
	maxSessionMs  = 16 * 3600 * 1000
	maxPerStation = 100
	maxClaimMs    = 24 * 3600 * 1000
)

// identityPattern is an HMAC-SHA-256, hex.
var identityPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// people checks who learns at a base. Paths are persons[i], cards[i], classes[i], enrolments[i], sessions[i], claims[i] and
// checks[i], with the field behind them.
func (c *checker) people(b *Base, p *People) {
	k := &peopleChecker{checker: c, base: b, people: p, at: c.root()}
	if p.Base != b.Code {
		k.at.field("base").bad(p.Base, "应为 "+b.Code, "want "+b.Code)
	}
	k.persons()
	k.cards()
	k.classes()
	k.enrolments()
	k.sessions()
	k.claims()
	k.checks()
}

// peopleChecker knows what has been read so far: later lists refer to earlier ones.
type peopleChecker struct {
	*checker
	base      *Base
	people    *People
	at        place
	byID      map[string]*Person
	byClass   map[string]*Class
	bySession map[string]*Session
}

func (k *peopleChecker) persons() {
	k.byID = map[string]*Person{}
	for i := range k.people.Persons {
		p, at := &k.people.Persons[i], k.at.item("persons", i)
		at.field("id").id(p.ID)
		at.field("id").unique("person", p.ID, "人员编号", "person id")
		at.field("category").name(p.Category, false)
		if p.Identity != "" {
			if !identityPattern.MatchString(p.Identity) {
				at.field("identity").bad("", "应为 64 位十六进制散列", "want a hash of 64 hexadecimal digits")
			}
			at.field("identity").unique("identity", p.Identity, "身份证号", "ID number")
		}
		k.byID[p.ID] = p
	}
}

func (k *peopleChecker) cards() {
	byToken := map[string][]placed{}
	for i := range k.people.Cards {
		card, at := &k.people.Cards[i], k.at.item("cards", i)
		at.field("token").token(card.Token, true)
		k.person(at, card.Person)
		byToken[card.Token] = append(byToken[card.Token], placed{at, at.valid(card.Valid)})
	}
	for _, list := range byToken {
		disjoint(list, "卡", "a card")
	}
}

// person checks a reference to a person and returns it, nil when there is none.
func (k *peopleChecker) person(at place, id string) *Person {
	p := k.byID[id]
	switch {
	case id == "":
		at.field("person").bad("", "必填：人员编号", "required: a person's id")
	case p == nil:
		at.field("person").bad(id, "没有此人员编号", "there is no person with this id")
	}
	return p
}

func (k *peopleChecker) classes() {
	k.byClass = map[string]*Class{}
	for i := range k.people.Classes {
		class, at := &k.people.Classes[i], k.at.item("classes", i)
		at.field("id").id(class.ID)
		at.field("id").unique("class", class.ID, "班次编号", "class id")
		at.field("name").name(class.Name, true)
		at.field("use").oneOf(string(class.Use), texts(UseCategories())...)
		at.field("profile").oneOf(string(class.Profile), texts(Profiles())...)
		k.place(at, class.Workshop, class.Stations, true)
		k.teacher(at, class.Teacher)
		if class.MaxPerStation < 0 || class.MaxPerStation > maxPerStation {
			at.field("max_per_station").bad(strconv.Itoa(class.MaxPerStation), fmt.Sprintf("应为 0 至 %d", maxPerStation), fmt.Sprintf("want 0 to %d", maxPerStation))
		}
		k.byClass[class.ID] = class
	}
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// place checks a workshop and stations in it.
func (k *peopleChecker) place(at place, workshop string, stations []string, required bool) {
	if workshop == "" {
		if required {
			at.field("workshop").bad("", "必填：车间编号", "required: a workshop's id")
		}
		return
	}
	i := slices.IndexFunc(k.base.Workshops, func(w Workshop) bool { return w.ID == workshop })
	if i < 0 {
		at.field("workshop").unknownRef(workshop, ids(k.base.Workshops, func(w Workshop) string { return w.ID }))
		return
	}
	known := ids(k.base.Workshops[i].Stations, func(s Station) string { return s.ID })
	for j, id := range stations {
		if !slices.Contains(known, id) {
			at.item("stations", j).unknownRef(id, slices.Clone(known))
		} else if slices.Contains(stations[:j], id) {
			at.item("stations", j).bad(id, "工位重复", "the station is named twice")
		}
	}
}

func (k *peopleChecker) teacher(at place, id string) {
	if id == "" {
		return
	}
	switch p := k.byID[id]; {
	case p == nil:
		at.field("teacher").bad(id, "没有此教师编号", "there is no teacher with this id")
	case !p.Teacher:
		at.field("teacher").bad(id, "是学员，不是教师", "is a trainee and no teacher")
	}
}

func (k *peopleChecker) enrolments() {
	byPair := map[[2]string][]placed{}
	for i := range k.people.Enrolments {
		e, at := &k.people.Enrolments[i], k.at.item("enrolments", i)
		if p := k.person(at, e.Person); p != nil && p.Teacher {
			at.field("person").bad(e.Person, "是教师，不能作为学员报名", "is a teacher and cannot be enrolled")
		}
		class := k.class(at, e.Class)
		if class != nil && e.Station != "" && !slices.Contains(class.Stations, e.Station) {
			at.field("station").unknownRef(e.Station, slices.Clone(class.Stations))
		}
		pair := [2]string{e.Class, e.Person}
		byPair[pair] = append(byPair[pair], placed{at, at.valid(e.Valid)})
	}
	for _, list := range byPair {
		disjoint(list, "报名", "an enrolment")
	}
}

func (k *peopleChecker) class(at place, id string) *Class {
	class := k.byClass[id]
	switch {
	case id == "":
		at.field("class").bad("", "必填：班次编号", "required: a class's id")
	case class == nil:
		at.field("class").bad(id, "没有此班次编号", "there is no class with this id")
	}
	return class
}

func (k *peopleChecker) sessions() {
	k.bySession = map[string]*Session{}
	byClass := map[string][]placed{}
	for i := range k.people.Sessions {
		s, at := &k.people.Sessions[i], k.at.item("sessions", i)
		at.field("id").id(s.ID)
		at.field("id").unique("session", s.ID, "课次编号", "session id")
		k.bySession[s.ID] = s
		class := k.class(at, s.Class)
		k.place(at, s.Workshop, s.Stations, false)
		if s.Workshop == "" && class != nil {
			k.place(at, class.Workshop, s.Stations, false)
		}
		k.teacher(at, s.Teacher)
		valid := at.valid(s.Span)
		if s.Span.Ms() > maxSessionMs {
			at.field("to").bad(formatInstant(s.Span.EndMs), "一次课最长 16 小时", "a session lasts at most 16 hours")
		}
		k.breaks(at, s)
		byClass[s.Class] = append(byClass[s.Class], placed{at, valid})
	}
	for _, list := range byClass {
		slices.SortStableFunc(list, func(a, b placed) int { return int(a.span.StartMs - b.span.StartMs) })
		for i := 1; i < len(list); i++ { // in order, each need only be held to the one before
			disjoint(list[i-1:i+1], "同一班次的课次", "sessions of one class")
		}
	}
}

func (k *peopleChecker) breaks(at place, s *Session) {
	lastMs := s.Span.StartMs
	for j, b := range s.Breaks {
		if b.Empty() || b.StartMs < lastMs || b.EndMs > s.Span.EndMs {
			at.item("breaks", j).bad(formatInstant(b.StartMs)+" .. "+formatInstant(b.EndMs),
				"课间应在课次之内，按先后、不重叠", "want breaks within the session, in order and without overlap")
			return
		}
		lastMs = b.EndMs
	}
}

func (k *peopleChecker) claims() {
	for i := range k.people.Claims {
		claim, at := &k.people.Claims[i], k.at.item("claims", i)
		k.person(at, claim.Person)
		k.session(at, claim.Session)
		if claim.Ms < 0 || claim.Ms > maxClaimMs {
			at.field("ms").bad(strconv.FormatInt(claim.Ms, 10), "应为 0 至 24 小时", "want 0 to 24 hours")
		}
		at.field("person").unique("claim\x00"+claim.Session, claim.Person, "同一课次的申报", "claim of one session")
	}
}

func (k *peopleChecker) session(at place, id string) *Session {
	s := k.bySession[id]
	switch {
	case id == "":
		at.field("session").bad("", "必填：课次编号", "required: a session's id")
	case s == nil:
		at.field("session").bad(id, "没有此课次编号", "there is no session with this id")
	}
	return s
}

func (k *peopleChecker) checks() {
	for i := range k.people.Checks {
		check, at := &k.people.Checks[i], k.at.item("checks", i)
		if check.Person != "" {
			k.person(at, check.Person)
		}
		if s := k.session(at, check.Session); s != nil && (check.Span.Empty() || check.Span.Intersect(s.Span) != check.Span) {
			at.bad(formatSpan(check.Span), "抽查时段应在课次之内", "want a span within the session")
		}
	}
}

func formatSpan(s span.Span) string {
	return formatInstant(s.StartMs) + " .. " + formatInstant(s.EndMs)
}
