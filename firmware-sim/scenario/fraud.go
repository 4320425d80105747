package scenario

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// fraudShape says which fields a kind of fraud takes.
type fraudShape struct {
	kind FraudKind
	// about is whom it is about; person may stand beside a class.
	about subject
	// share is the usual share between bounds that are not part of it; the zero value: the kind has none.
	share, above, below float64
	cards               int  // the usual number of cards; 0: the kind has none
	person              bool // a person of the class may be named
	otherBase           bool // it needs another base
	earlier             bool // it copies an earlier day
}

// subject is whom a fraud is about.
type subject uint8

const (
	aboutClass subject = iota
	aboutPerson
	aboutMachine
	aboutDevice
)

// key is the subject's key in the file, which is also what it is called.
func (s subject) key() string { return [...]string{"class", "person", "machine", "device"}[s] }

// maxCards bounds how many cards one person holds in a hand.
const maxCards = 1000

// fraudShapes is the table of frauds.
func fraudShapes() []fraudShape {
	return []fraudShape{
		{kind: ManyCards, about: aboutClass, person: true, cards: 5},
		{kind: TapAndLeave, about: aboutClass, person: true},
		{kind: IdleRunning, about: aboutMachine},
		{kind: CopiedCurve, about: aboutMachine, earlier: true},
		{kind: EmulatedDevice, about: aboutDevice, earlier: true},
		{kind: TwoBases, about: aboutPerson, otherBase: true},
		{kind: GhostClass, about: aboutClass},
		{kind: ShortClass, about: aboutClass, share: 0.5, above: 0, below: 1},
		{kind: OverClaimed, about: aboutClass, share: 1.5, above: 1, below: 10},
	}
}

func (f *file) readFrauds(o *object) {
	all, _ := o.items("frauds", maxFaults)
	for _, it := range all {
		f.fraud(it)
	}
}

func (f *file) fraud(it item) {
	o, kind := kindOf(f, it, wrong{"舞弊种类，如 ghost_class", "the kind of fraud, such as ghost_class"}, FraudKinds())
	if o == nil {
		return
	}
	shapes := fraudShapes()
	s := &shapes[slices.IndexFunc(shapes, func(s fraudShape) bool { return s.kind == kind })]
	fraud := Fraud{Kind: kind, Line: it.at.line}
	b := f.fraudBase(o, s)
	if b != nil {
		fraud.At = b.Code
		f.fraudSubject(o, s, b, &fraud)
	}
	f.fraudDates(o, s, b, &fraud)
	if s.share > 0 {
		fraud.Share = f.fraudShare(o, s)
	}
	if s.otherBase {
		f.otherBase(o, &fraud)
	}
	if b == nil {
		// What depends on the base is not known, and the base is what is wrong.
		o.asked = append(o.asked, "person", "cards")
	}
	o.doneFor(string(kind))
	f.Frauds = append(f.Frauds, fraud)
}

// fraudBase finds the base whose class, person, machine or device it is about.
func (f *file) fraudBase(o *object, s *fraudShape) *base {
	key := s.about.key()
	within := f.bases
	if b := f.baseRef(o, "at"); b != nil {
		within = []*base{b}
	}
	if _, _, ok := o.require(key, wrong{"编号", "an id"}); !ok {
		return nil
	}
	id, at := o.text(key, "")
	var known []string
	b := f.holder(at, called{key, key}, id, within, func(b *base) bool {
		all := b.ids(s.about)
		known = append(known, all...)
		return slices.Contains(all, id)
	})
	if b == nil {
		f.missing(at, [...]called{aClass, aPerson, aMachine, aDevice}[s.about], id, func() []string { return known })
	}
	return b
}

// ids lists what a base has of a sort.
func (b *base) ids(s subject) []string {
	switch s {
	case aboutClass:
		out := make([]string, len(b.Classes))
		for i := range b.Classes {
			out[i] = b.Classes[i].ID
		}
		return out
	case aboutPerson:
		return b.order
	case aboutMachine:
		return b.machineIDs()
	}
	return b.deviceOf
}

func (f *file) fraudSubject(o *object, s *fraudShape, b *base, fraud *Fraud) {
	id, at := o.text(s.about.key(), "")
	switch s.about {
	case aboutClass:
		fraud.Class = id
	case aboutPerson:
		fraud.Person = id
	case aboutMachine:
		fraud.Machine = id
		if m := b.machine(id); !m.Kind.traits().shows {
			f.bad(at, id, wrong{fmt.Sprintf("%s 的用电看不出是否运行", m.Kind), fmt.Sprintf("the power of a %s does not show whether it runs", m.Kind)})
		}
	case aboutDevice:
		fraud.Device = id
	}
	if s.person {
		f.fraudPerson(o, b, fraud)
	}
	if s.cards > 0 {
		f.fraudCards(o, s, b.class(fraud.Class), fraud)
	}
}

func (b *base) class(id string) *Class {
	return &b.Classes[slices.IndexFunc(b.Classes, func(c Class) bool { return c.ID == id })]
}

// fraudPerson reads who does it: for many_cards somebody of the class, its first trainee when nobody is named; else a
// trainee of the class, or all.
func (f *file) fraudPerson(o *object, b *base, fraud *Fraud) {
	class := b.class(fraud.Class)
	may := class.Trainees
	if fraud.Kind == ManyCards {
		may = append(slices.Clone(may), class.Teacher)
	}
	id, at := o.text("person", "")
	switch {
	case o.given("person") && !slices.Contains(may, id):
		f.missing(at, called{"班内人员", "person of the class"}, id, func() []string { return may })
	case id == "" && fraud.Kind == ManyCards && len(class.Trainees) > 0:
		id = class.Trainees[0]
	}
	fraud.Person = id
}

func (f *file) fraudCards(o *object, s *fraudShape, class *Class, fraud *Fraud) {
	most := 1 // the holder's own
	for _, id := range class.Trainees {
		if id != fraud.Person {
			most++
		}
	}
	fraud.Cards = o.whole("cards", min(s.cards, max(most, 2)), 2, maxCards)
	if _, at, _ := o.get("cards"); fraud.Cards > most {
		f.bad(at, fmt.Sprint(fraud.Cards), wrong{
			fmt.Sprintf("连同本人的卡，该班最多 %d 张", most), fmt.Sprintf("with the holder's own the class has only %d cards", most),
		})
	}
}

// fraudDates reads on which days it happens. A class must be held on them, and what copies an earlier day needs one.
func (f *file) fraudDates(o *object, s *fraudShape, b *base, fraud *Fraud) {
	fraud.DatesMs = f.dates(o, "dates")
	_, at, _ := o.get("dates")
	if s.earlier && !f.timeless && (f.Days < 2 || contains(fraud.DatesMs, f.FromMs)) {
		f.bad(at, f.date(f.FromMs), wrong{"第一天之前没有可抄的一天", "there is no day to copy before the first one"})
	}
	if fraud.Class == "" || b == nil || f.timeless {
		return
	}
	for _, ms := range fraud.DatesMs {
		if class := b.class(fraud.Class); len(f.Sessions(class, ms)) == 0 {
			f.bad(at, f.date(ms), wrong{fmt.Sprintf("班级 %s 当天没有课", class.ID), fmt.Sprintf("class %s is not held on that day", class.ID)})
		}
	}
}

// fraudShare reads a share between the kind's bounds, neither of which is one.
func (f *file) fraudShare(o *object, s *fraudShape) float64 {
	node, at, ok := o.get("share")
	if !ok {
		return s.share
	}
	v, err := strconv.ParseFloat(node.Text, 64)
	if node.Kind != strictyaml.Scalar || node.Quoted || err != nil || !(s.above < v && v < s.below) {
		f.bad(at, node.Text, wrong{
			fmt.Sprintf("应大于 %s、小于 %s", figure(s.above), figure(s.below)), fmt.Sprintf("want more than %s and less than %s", figure(s.above), figure(s.below)),
		})
		return s.share
	}
	return v
}

func (f *file) otherBase(o *object, fraud *Fraud) {
	if _, at, ok := o.require("other_base", wrong{"同时出现的另一个基地", "the other base where the card is at the same time"}); ok {
		b := f.baseRef(o, "other_base")
		switch {
		case b == nil:
		case b.Code == fraud.At:
			f.bad(at, b.Code, wrong{"应为另一个基地", "want another base than the person's own"})
		case len(b.readers) == 0:
			f.bad(at, b.Code, wrong{"该基地没有读卡器", "that base has no reader"})
		default:
			fraud.Base = b.Code
		}
	}
}
