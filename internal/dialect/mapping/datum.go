package mapping

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// datum is what stands at a path.
type datum struct {
	kind  datumKind
	text  string // of a text, number or boolean, as it was written
	value *fastjson.Value
}

type datumKind uint8

const (
	// datumNothing: the path leads nowhere, or to null.
	datumNothing datumKind = iota
	datumText
	datumNumber
	datumBoolean
	// datumCompound: an object or an array.
	datumCompound
)

// at returns what stands at a path. Its text is good until the next message.
func (r *reading) at(p *path) datum {
	if r.rule.text {
		return datum{kind: datumText, text: strings.TrimSpace(jsondoc.View(r.m.Payload))}
	}
	v := r.root
	if p.item {
		v = r.item
	}
	return datumOf(p.from(v))
}

func datumOf(v *fastjson.Value) datum {
	if v == nil {
		return datum{}
	}
	switch v.Type() {
	case fastjson.TypeNull:
		return datum{}
	case fastjson.TypeString:
		return datum{kind: datumText, text: jsondoc.Text(v), value: v}
	case fastjson.TypeNumber:
		return datum{kind: datumNumber, text: v.String(), value: v}
	case fastjson.TypeTrue:
		return datum{kind: datumBoolean, text: "true", value: v}
	case fastjson.TypeFalse:
		return datum{kind: datumBoolean, text: "false", value: v}
	}
	return datum{kind: datumCompound, value: v}
}

// word is the datum as one text; false for nothing and for objects and arrays.
func (d datum) word() (string, bool) {
	return d.text, d.kind != datumNothing && d.kind != datumCompound
}

// words are the texts by which a mapping may know the datum: as it was written, and a number also in its shortest form,
// so that 1.0 is found under 1.
func (d datum) words() []string {
	switch d.kind {
	case datumNothing, datumCompound:
		return nil
	case datumNumber:
		if n, reason := jsondoc.Number(d.text); reason == telemetry.ReasonNone {
			if short := strconv.FormatFloat(n, 'f', -1, 64); short != d.text {
				return []string{d.text, short}
			}
		}
	}
	return []string{d.text}
}

// what names the datum's type for an error.
func (d datum) what() string {
	if d.value == nil && d.kind == datumText {
		return "a text"
	}
	return jsondoc.TypeName(d.value)
}

// holds reports whether the conditions on the item, or else those on the whole payload, are met.
func (r *reading) holds(item bool) bool {
	for i := range r.rule.when {
		c := &r.rule.when[i]
		if c.path.item != item {
			continue
		}
		d := r.at(c.path)
		if c.met(d) {
			continue
		}
		if r.notes != nil {
			is := d.what()
			if word, ok := d.word(); ok {
				is = r.show(word)
			}
			r.note("条件不成立："+c.path.text+" 为 "+is, "a condition does not hold: "+c.path.text+" is "+is)
		}
		return false
	}
	return true
}

func (c *condition) met(d datum) bool {
	if c.kind == conditionExists {
		return c.exists == (d.kind != datumNothing)
	}
	listed := slices.ContainsFunc(d.words(), func(word string) bool { return slices.Contains(c.words, word) })
	return listed == (c.kind == conditionIs)
}

// date reads the device's own time. It is false when the time cannot be read, which has been noted.
func (r *reading) date() bool {
	r.dating = dating{}
	m := r.rule.time
	if m == nil {
		return true
	}
	r.dating.clock = m.clock
	d := r.at(m.path)
	word, ok := d.word()
	switch {
	case d.kind == datumNothing:
		r.note(m.path.text+" 不在报文中，以接收时间代替", m.path.text+" is not in the payload: the receive time stands in")
		return true
	case !ok || d.kind == datumBoolean:
		r.fault(telemetry.ReasonMalformed, "%s is %s; a time as %s is right", m.path.text, d.what(), m.format)
		return false
	}
	ms, corrected, ok := m.read(d.text)
	if !ok {
		r.fault(telemetry.ReasonMalformed, "%s is %s; %s is right", m.path.text, r.show(word), m.example())
		return false
	}
	r.dating.ms, r.dating.corrected = dialect.Said(ms), corrected
	return true
}

// doubt notes that the device's own time is not believed.
func (r *reading) doubt(ms int64) {
	if r.notes == nil {
		return
	}
	said, age := time.UnixMilli(ms).UTC().Format(time.RFC3339), time.Duration(r.dating.clock.BehindMs)*time.Millisecond
	r.note(
		fmt.Sprintf("自带时间 %s 不可信（早于 2000 年、超前两分钟以上，或早于接收时间 %v 以上），以接收时间代替", said, age),
		fmt.Sprintf("its own time %s is not believed (before 2000, over two minutes ahead, or over %v behind): the receive time stands in", said, age),
	)
}

// read reads a time in the moment's format.
func (m *moment) read(text string) (ms int64, corrected, ok bool) {
	switch m.format {
	case formatEpochS, formatEpochMs:
		power := ""
		if m.format == formatEpochS && !strings.ContainsAny(text, "eE") {
			power = "e3"
		}
		n, reason := jsondoc.Number(strings.TrimSpace(text) + power)
		if m.format == formatEpochS && power == "" {
			n *= 1000
		}
		const maxExact = 1 << 53
		if reason != telemetry.ReasonNone || n < 0 || n >= maxExact {
			return 0, false, false
		}
		// Cut, never rounded up: an event must not move into the next interval.
		return int64(n), false, true
	}
	at, ok := dialect.ParseInstant(strings.TrimSpace(text))
	switch {
	case !ok || m.format == formatISO && !at.Zoned:
		return 0, false, false
	case at.Zoned:
		return at.Ms, false, true
	}
	return at.Ms - m.zone*60_000, true, true
}

func (m *moment) example() string {
	switch m.format {
	case formatEpochS:
		return "seconds since 1970 such as 1736603810.49"
	case formatEpochMs:
		return "milliseconds since 1970 such as 1736603810490"
	case formatISO:
		return "ISO 8601 with an offset such as 2025-01-11T21:56:50.490+08:00"
	}
	return "local ISO 8601 such as 2025-01-11T21:56:50"
}

// wanted lists the paths that the rule reads for its records.
func (r *reading) wanted() string {
	var out []string
	add := func(p *path) {
		if !slices.Contains(out, p.text) {
			out = append(out, p.text)
		}
	}
	for i := range r.rule.samples {
		s := &r.rule.samples[i]
		for n := range s.values {
			add(s.values[n].path)
		}
		if s.state != nil {
			add(s.state.path)
		}
	}
	if r.rule.link != nil {
		add(r.rule.link.path)
	}
	if r.rule.tap != nil {
		add(r.rule.tap.card)
	}
	return strings.Join(out, ", ")
}

// maxMembers bounds how many members an error lists.
const maxMembers = 12

// members lists the names of the payload's own members, or of the item's. A private message's names are not listed: what
// may hold a card's number anywhere may hold it in a name.
func (r *reading) members() string {
	v := r.root
	if r.item != nil {
		v = r.item
	}
	if r.rule.text || r.private || v == nil || v.Type() != fastjson.TypeObject {
		return datumOf(v).what()
	}
	var names []string
	v.GetObject().Visit(func(key []byte, _ *fastjson.Value) {
		if len(names) < maxMembers {
			names = append(names, dialect.Quote(string(key)))
		}
	})
	if len(names) == 0 {
		return "no members"
	}
	if more := v.GetObject().Len() - len(names); more > 0 {
		return strings.Join(names, ", ") + " and " + strconv.Itoa(more) + " more"
	}
	return strings.Join(names, ", ")
}
