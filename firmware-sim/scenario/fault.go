package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// readFaults reads the file's faults, and those that take their place.
func (f *file) readFaults(o *object) {
	all, _ := o.items("faults", maxFaults)
	for _, it := range all {
		f.fault(it)
	}
	if f.overrides.Faults == nil {
		return
	}
	name, own := f.file, f.Faults
	defer func() { f.file = name }()
	f.Faults = nil
	for i, text := range f.overrides.Faults[:min(len(f.overrides.Faults), maxFaults)] {
		if same := ofKind(own, FaultKind(text)); len(same) > 0 {
			f.Faults = append(f.Faults, same...)
			continue
		}
		// What stands in no file is called by its place among the overrides.
		f.file = fmt.Sprintf("fault %d", i+1)
		node, problems := strictyaml.Parse([]byte(text))
		at := spot{line: 1, column: 1, path: fmt.Sprintf("faults[%d]", i)}
		for _, p := range problems {
			f.bad(at, text, wrong{p.Zh, p.En})
		}
		if len(problems) == 0 {
			f.fault(item{node, at})
		}
	}
}

func ofKind(faults []Fault, kind FaultKind) []Fault {
	return slices.DeleteFunc(slices.Clone(faults), func(f Fault) bool { return f.Kind != kind })
}

// fault reads one fault: its kind alone, or a mapping with more to say.
func (f *file) fault(it item) {
	o, kind := kindOf(f, it, wrong{"故障种类，如 drop", "the kind of fault, such as drop"}, FaultKinds())
	if o == nil {
		return
	}
	s := shapeOf(kind)
	fault := Fault{Kind: kind, Line: it.at.line}
	f.faultFigures(o, s, &fault)
	f.faultPlace(o, s, &fault)
	o.doneFor(string(kind))
	f.Faults = append(f.Faults, fault)
}

// kindOf reads the kind of a fault or fraud, which may stand alone; the object is nil when there is none to go on with.
func kindOf[T ~string](f *file, it item, w wrong, kinds []T) (*object, T) {
	node := it.node
	if node.Kind == strictyaml.Scalar {
		field := strictyaml.Field{Key: "kind", Line: node.Line, Column: node.Column, Value: node}
		node = strictyaml.Node{Kind: strictyaml.Map, Line: node.Line, Column: node.Column, Fields: []strictyaml.Field{field}}
	}
	o := f.object(it.at, node)
	if o == nil {
		return nil, ""
	}
	if _, _, ok := o.require("kind", w); !ok {
		return nil, ""
	}
	kind := choice(o, "kind", "", kinds)
	if !slices.Contains(kinds, kind) {
		return nil, ""
	}
	return o, kind
}

// doneFor reports every key that is not for this kind of thing.
func (o *object) doneFor(kind string) {
	for _, field := range o.node.Fields {
		if slices.Contains(o.asked, field.Key) {
			continue
		}
		known := strings.Join(o.asked, ", ")
		o.c.bad(spot{field.Line, field.Column, o.path(field.Key)}, "", wrong{
			fmt.Sprintf("%s 没有此键，可用：%s", kind, known), fmt.Sprintf("%s has no such key, known are %s", kind, known),
		})
	}
}

// faultFigures reads how often, how long and how much.
func (f *file) faultFigures(o *object, s *faultShape, fault *Fault) {
	switch s.unit {
	case share:
		fault.Rate = o.share("rate", s.rate)
	case perDay:
		fault.Rate = o.number("rate", s.rate, 0, maxPerDay)
	}
	if s.lasts > 0 {
		fault.For = o.duration("for", s.lasts, time.Second, day)
	}
	if s.unit == perDay && fault.Rate*fault.For.Hours() > 24 {
		f.bad(o.at, "", wrong{
			fmt.Sprintf("每天 %v 次、每次 %s，超过一天", fault.Rate, length(fault.For)),
			fmt.Sprintf("%v times a day for %s each is more than a day", fault.Rate, length(fault.For)),
		})
	}
	if s.by == (amount{}) {
		return
	}
	fault.By = o.number("by", s.by.usual, s.by.least, s.by.most)
	if node, at, _ := o.get("by"); fault.By == 0 {
		f.bad(at, node.Text, wrong{"不能为 0：" + s.by.zh, "must not be 0: " + s.by.en})
	}
}

// faultPlace reads where and when.
func (f *file) faultPlace(o *object, s *faultShape, fault *Fault) {
	within := f.bases
	if b := f.baseRef(o, "at"); b != nil {
		fault.At, within = b.Code, []*base{b}
	}
	if s.kind == Swap {
		f.swap(o, s, fault, within)
		return
	}
	fault.FromMs, fault.ToMs = f.bounds(o)
	if s.hits != wholeBase {
		fault.Devices = f.faultDevices(o, s, within)
	}
}

// baseRef reads the code of a base; nil when none is given or there is none of that name.
func (f *file) baseRef(o *object, key string) *base {
	code, at := o.text(key, "")
	if !o.given(key) {
		return nil
	}
	for _, b := range f.bases {
		if b.Code == code {
			return b
		}
	}
	f.missing(at, aBase, code, func() []string {
		var known []string
		for _, b := range f.bases {
			known = append(known, b.Code)
		}
		return known
	})
	return nil
}

// faultDevices reads whom a fault hits. Without any it hits all that it can, and there must be one.
func (f *file) faultDevices(o *object, s *faultShape, within []*base) []string {
	words, given := o.words("devices", maxItems)
	hits := func(b *base) bool { return slices.ContainsFunc(b.targets, s.hit) }
	only := s.words()
	if !given && !slices.ContainsFunc(within, hits) {
		f.bad(o.at, string(s.kind), wrong{"情景中没有它能影响的对象：" + only.zh, "there is nothing in the scenario that it could hit: " + only.en})
	}
	var out []string
	for _, w := range words {
		there, able := false, false
		for _, b := range within {
			if i, ok := b.targetOf[w.text]; ok {
				there, able = true, able || s.hit(b.targets[i])
			}
		}
		switch {
		case !there:
			f.missing(w.at, aDevice, w.text, func() []string { return targetIDs(within) })
		case !able:
			f.bad(w.at, w.text, wrong{fmt.Sprintf("%s 只影响 %s", s.kind, only.zh), fmt.Sprintf("%s hits %s only", s.kind, only.en)})
		default:
			out = append(out, w.text)
		}
	}
	return out
}

func targetIDs(bases []*base) []string {
	var out []string
	for _, b := range bases {
		for i := range b.targets {
			out = append(out, b.targets[i].id)
		}
	}
	return out
}

// swap reads which meter goes to which machine, and when.
func (f *file) swap(o *object, s *faultShape, fault *Fault, within []*base) {
	if _, _, ok := o.require("from", wrong{`换装时刻，如 "2026-03-02 10:30"`, `when it happens, such as "2026-03-02 10:30"`}); ok {
		fault.FromMs = f.instant(o, "from")
	}
	_, at, ok := o.require("devices", wrong{"被换走的一只电表", "the one meter that goes to another machine"})
	_, withAt, okWith := o.require("with", wrong{"另一台设备的编号", "the id of the other machine"})
	if !ok || !okWith {
		return
	}
	fault.Devices = f.faultDevices(o, s, within)
	if len(fault.Devices) != 1 {
		f.bad(at, "", wrong{"应恰为一只电表", "want exactly one meter"})
		return
	}
	b := f.holder(at, aDevice, fault.Devices[0], within, func(b *base) bool { return len(b.stands[fault.Devices[0]]) > 0 })
	if b == nil {
		return
	}
	fault.At = b.Code
	stands := b.stands[fault.Devices[0]]
	if len(stands) > 1 {
		f.bad(at, fault.Devices[0], wrong{"该电表已用 from、to 换装，不能再用 swap", "the meter moves by from and to already, and cannot be swapped too"})
	}
	fault.With, _ = o.text("with", "")
	m := b.machine(fault.With)
	switch {
	case m == nil:
		f.missing(withAt, aMachine, fault.With, b.machineIDs)
	case fault.With == stands[0].machine:
		f.bad(withAt, fault.With, wrong{"电表本来就在这台设备上", "the meter stands there already"})
	case !m.Kind.HasPower():
		f.bad(withAt, fault.With, wrong{fmt.Sprintf("%s 不用电", m.Kind), fmt.Sprintf("a %s draws no power", m.Kind)})
	}
}

// holder returns the only base that has something; nil, and that has been said, when none or several do.
func (f *file) holder(at spot, what called, id string, within []*base, has func(*base) bool) *base {
	var found *base
	for _, b := range within {
		if !has(b) {
			continue
		}
		if found != nil {
			f.bad(at, id, wrong{
				fmt.Sprintf("基地 %s 与 %s 都有，须用 at 写明哪一个", found.Code, b.Code),
				fmt.Sprintf("bases %s and %s both have a %s of that id, say which with at", found.Code, b.Code, what.en),
			})
			return nil
		}
		found = b
	}
	return found
}

func (b *base) machine(id string) *Machine {
	for _, r := range b.rooms {
		if m := r.machines[id]; m != nil {
			return m
		}
	}
	return nil
}

func (b *base) machineIDs() []string {
	var out []string
	for _, w := range b.Workshops {
		out = append(out, ids(w.Machines)...)
	}
	return out
}
