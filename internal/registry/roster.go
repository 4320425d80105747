package registry

import (
	"cmp"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// People is who learns and teaches at one base, and when: what a RosterOf is made of. It holds no identity: a person is an
// id that the base gave out and, where the same human being must be recognised at another base, a keyed hash.
type People struct {
	Base       string // code
	Persons    []Person
	Cards      []Card
	Classes    []Class
	Enrolments []Enrolment
	Sessions   []Session
	Claims     []Claim
	Checks     []Check
}

// Person is a trainee or a teacher (学员, 教师).
type Person struct {
	ID       string
	Teacher  bool
	Category string // 人员类别, such as 退役军人; "" when it is not known
	// Identity is an HMAC of the ID number with the city's key, hex: equal at every base for one human being. "" when the
	// ID number is not known.
	Identity string
}

// Card says whose a card is during its validity. A card that was replaced ends, and the new one begins.
type Card struct {
	Token  string // what readers' records carry, never the card's number
	Person string
	Valid  span.Span
}

// UseCategory is what a class is for: the six functions of the city's notice, 四.
type UseCategory string

// The use categories.
const (
	UseSocial      UseCategory = "social"      // 社会培训 (技能实训)
	UseSchool      UseCategory = "school"      // 院校教学
	UseAssessment  UseCategory = "assessment"  // 技能评价 (考核评价)
	UseCompetition UseCategory = "competition" // 技能竞赛
	UseTeachers    UseCategory = "teachers"    // 师资培训
	UseEnterprise  UseCategory = "enterprise"  // 企业职工
	UseOther       UseCategory = "other"       // 其他
)

// UseCategories lists every use category.
func UseCategories() []UseCategory {
	return []UseCategory{UseSocial, UseSchool, UseAssessment, UseCompetition, UseTeachers, UseEnterprise, UseOther}
}

// Profiles lists every evidence profile.
func Profiles() []Profile { return []Profile{Machine, Burst, Thermal, Computer, Bench, Kitchen} }

// Class is a course held for some trainees (班次).
type Class struct {
	ID   string
	Name string
	Use  UseCategory
	// Profile says what proves practice; see Profiles.
	Profile  Profile
	Workshop string   // id, where its sessions are held unless they say otherwise
	Stations []string // ids in the workshop; none for theory, or where nobody has a station
	Teacher  string   // a person's id, "" for nobody in particular
	// MaxPerStation is how many trainees one station proves at once; 0 is the rule's default.
	MaxPerStation int
	// LongCycle says that the machines of this course run for long without anybody: it is no clue.
	LongCycle bool
	// Subsidised classes count once a year for each person.
	Subsidised bool
}

// Enrolment says that a person takes part in a class.
type Enrolment struct {
	Class   string
	Person  string
	Station string // the trainee's own, "" where nobody says who works at which
	Valid   span.Span
}

// Session is one lesson of the timetable (课次).
type Session struct {
	ID       string // unique at the base
	Class    string
	Span     span.Span // one that passes midnight belongs to the day on which it begins
	Breaks   span.Set  // inside Span
	Practice bool      // else theory
	// Workshop, Stations and Teacher are the class's where they are empty.
	Workshop string
	Stations []string
	Teacher  string
}

// Claim is what the base says that a trainee did (申报学时).
type Claim struct {
	Session string
	Person  string
	Ms      int64
}

// Check is a request to tap again in mid-session (随机抽查): a tap that answers it shows that the person is there, and is
// neither a coming nor a going.
type Check struct {
	Session string
	Person  string // "" for everybody in the session
	Span    span.Span
}

// Roster is a checked set of people, classes and timetable of one base. It never changes after NewRoster, so it may be
// used by many goroutines; what its methods return is read-only.
type Roster struct {
	people   People
	digest   string
	persons  map[string]*Person
	classes  map[string]*Class
	sessions map[string]*Session
	enrolled map[string][]Enrolment // by class
	cards    map[string][]Card      // by token, in order of validity
	claims   map[[2]string]int64    // by session and person
	checks   map[string][]Check     // by session
}

// NewRoster returns the roster of one base, or Problems. b is the base as the registry has it: workshops, stations and
// who reads cards there.
func NewRoster(b Base, people People) (*Roster, error) {
	c := newChecker()
	c.people(&b, &people)
	if len(c.problems) > 0 {
		return nil, c.sorted()
	}
	return indexRoster(people), nil
}

// EmptyRoster is the roster of a base at which nobody is known.
func EmptyRoster(base string) *Roster { return indexRoster(People{Base: base}) }

func indexRoster(people People) *Roster {
	people = normalPeople(people)
	r := &Roster{
		people: people, digest: digestOf("jishi roster v1", people),
		persons: map[string]*Person{}, classes: map[string]*Class{}, sessions: map[string]*Session{},
		enrolled: map[string][]Enrolment{}, cards: map[string][]Card{}, claims: map[[2]string]int64{}, checks: map[string][]Check{},
	}
	for i := range people.Persons {
		r.persons[people.Persons[i].ID] = &r.people.Persons[i]
	}
	for i := range people.Classes {
		r.classes[people.Classes[i].ID] = &r.people.Classes[i]
	}
	for i := range people.Sessions {
		s := &r.people.Sessions[i]
		s.inherit(r.classes[s.Class])
		r.sessions[s.ID] = s
	}
	for _, e := range people.Enrolments {
		r.enrolled[e.Class] = append(r.enrolled[e.Class], e)
	}
	for _, card := range people.Cards {
		r.cards[card.Token] = append(r.cards[card.Token], card)
	}
	for _, claim := range people.Claims {
		r.claims[[2]string{claim.Session, claim.Person}] += claim.Ms
	}
	for _, check := range people.Checks {
		r.checks[check.Session] = append(r.checks[check.Session], check)
	}
	return r
}

// inherit fills in what a session takes from its class.
func (s *Session) inherit(c *Class) {
	if s.Workshop == "" {
		s.Workshop = c.Workshop
	}
	if s.Teacher == "" {
		s.Teacher = c.Teacher
	}
	if len(s.Stations) == 0 && s.Workshop == c.Workshop {
		s.Stations = c.Stations
	}
}

// normalPeople returns a copy in an order that does not depend on where the people came from.
func normalPeople(p People) People {
	p.Persons = sortedBy(p.Persons, func(x Person) string { return x.ID })
	p.Cards = slices.Clone(p.Cards)
	slices.SortFunc(p.Cards, func(a, b Card) int {
		return cmp.Or(cmp.Compare(a.Token, b.Token), cmp.Compare(a.Valid.StartMs, b.Valid.StartMs))
	})
	p.Classes = sortedBy(p.Classes, func(x Class) string { return x.ID })
	p.Enrolments = slices.Clone(p.Enrolments)
	slices.SortFunc(p.Enrolments, func(a, b Enrolment) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.Person, b.Person), cmp.Compare(a.Valid.StartMs, b.Valid.StartMs))
	})
	p.Sessions = slices.Clone(p.Sessions)
	slices.SortFunc(p.Sessions, func(a, b Session) int {
		return cmp.Or(cmp.Compare(a.Span.StartMs, b.Span.StartMs), cmp.Compare(a.ID, b.ID))
	})
	p.Claims = slices.Clone(p.Claims)
	slices.SortStableFunc(p.Claims, func(a, b Claim) int {
		return cmp.Or(cmp.Compare(a.Session, b.Session), cmp.Compare(a.Person, b.Person), cmp.Compare(a.Ms, b.Ms))
	})
	p.Checks = slices.Clone(p.Checks)
	slices.SortStableFunc(p.Checks, func(a, b Check) int {
		return cmp.Or(cmp.Compare(a.Session, b.Session), cmp.Compare(a.Span.StartMs, b.Span.StartMs), cmp.Compare(a.Person, b.Person))
	})
	return p
}

// Base is the code of the base.
func (r *Roster) Base() string { return r.people.Base }

// Digest names the content: equal for equal content whatever the order.
func (r *Roster) Digest() string { return r.digest }

// People returns all that the roster was made of, in its own order, with what sessions take from their classes filled in.
func (r *Roster) People() People { return r.people }

// Person returns one person.
func (r *Roster) Person(id string) (Person, bool) {
	if p := r.persons[id]; p != nil {
		return *p, true
	}
	return Person{}, false
}

// Class returns one class.
func (r *Roster) Class(id string) (Class, bool) {
	if c := r.classes[id]; c != nil {
		return *c, true
	}
	return Class{}, false
}

// Session returns one session.
func (r *Roster) Session(id string) (Session, bool) {
	if s := r.sessions[id]; s != nil {
		return *s, true
	}
	return Session{}, false
}

// SessionsIn returns the sessions that touch the window, in order of their beginning, then id.
func (r *Roster) SessionsIn(window span.Span) []Session {
	var out []Session
	for _, s := range r.people.Sessions {
		if !s.Span.Intersect(window).Empty() {
			out = append(out, s)
		}
	}
	return out
}

// EnrolledIn returns who is enrolled when the session begins, in order of person.
func (r *Roster) EnrolledIn(s *Session) []Enrolment {
	var out []Enrolment
	for _, e := range r.enrolled[s.Class] {
		if e.Valid.Contains(s.Span.StartMs) {
			out = append(out, e)
		}
	}
	return out
}

// Holder returns whose card it was at the instant. expired says that the card was somebody's at another time, and whose
// last: a card that was reported lost, or one that is not given out yet.
func (r *Roster) Holder(token string, atMs int64) (person string, expired bool) {
	list := r.cards[token]
	for _, c := range list {
		if c.Valid.Contains(atMs) {
			return c.Person, false
		}
	}
	if len(list) == 0 {
		return "", false
	}
	return list[len(list)-1].Person, true
}

// ClaimedMs returns what the base claims for a person in a session, and whether it claims anything.
func (r *Roster) ClaimedMs(session, person string) (int64, bool) {
	ms, ok := r.claims[[2]string{session, person}]
	return ms, ok
}

// ChecksOf returns the requests to tap again in a session that are meant for the person.
func (r *Roster) ChecksOf(session, person string) []Check {
	var out []Check
	for _, c := range r.checks[session] {
		if c.Person == "" || c.Person == person {
			out = append(out, c)
		}
	}
	return out
}

// Readers returns the base's bindings of readers that hold in the window, each with its validity cut to it, in the order
// of the registry.
func (r *Registry) Readers(base string, window span.Span) []Binding {
	x := r.byCode[base]
	if x == nil {
		return nil
	}
	var out []Binding
	for _, b := range x.base.Bindings {
		if b.Valid = b.Valid.Intersect(window); b.Use == UsePresence && !b.Valid.Empty() {
			out = append(out, b)
		}
	}
	return out
}
