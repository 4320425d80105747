package mapping

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// reading is one message on its way to records.
type reading struct {
	d       *Dialect
	m       dialect.Message
	by      *Mapping
	rules   []*rule // those whose topic fits
	private bool
	root    *fastjson.Value // nil when no rule reads JSON, or the payload is none
	notes   *notes
	records []telemetry.Record
	faults  dialect.Faults

	// The rest is the rule and the item that are being read.
	rule   *rule
	caught captures
	item   *fastjson.Value
	key    string // of the item: its name or its number
	dating dating
	found  int // parts of the rule that the payload has
}

// dating is what a record's event time comes from.
type dating struct {
	ms        int64
	corrected bool
	clock     dialect.Clock
}

// choose finds the rules whose topic fits.
func (r *reading) choose() {
	for i := range r.by.rules {
		if rule := &r.by.rules[i]; rule.topic.match(r.m.Topic, nil) {
			r.rules = append(r.rules, rule)
			r.private = r.private || rule.private
		}
	}
}

// read applies the rules to the payload.
func (r *reading) read() error {
	if err := dialect.CheckPayload(r.m.Payload); err != nil {
		return err
	}
	if !utf8.Valid(r.m.Payload) {
		return dialect.Errorf(telemetry.ReasonNotUTF8, "payload is not UTF-8")
	}
	if slices.ContainsFunc(r.rules, func(rule *rule) bool { return !rule.text }) {
		v, err := r.d.doc.Read(r.m.Payload)
		if err != nil {
			r.faults.Add(r.discreet(err))
		}
		r.root = v
	}
	for _, rule := range r.rules {
		if rule.text || r.root != nil {
			r.apply(rule)
		}
	}
	return r.faults.Err()
}

// discreet takes the message's own text out of an error when the message may hold a card's number.
func (r *reading) discreet(err *dialect.Error) *dialect.Error {
	if !r.private || err.Reason == telemetry.ReasonOversized || err.Reason == telemetry.ReasonNotUTF8 {
		return err
	}
	return dialect.Errorf(err.Reason, "payload is not JSON; it may hold a card's number and is not repeated")
}

// show quotes the message's own text for an error, unless the message may hold a card's number.
func (r *reading) show(text string) string {
	if r.private {
		return "something that is not repeated here"
	}
	return dialect.Quote(text)
}

func (r *reading) note(zh, en string) { r.notes.add(r.by.name, r.rule.line, zh, en) }

// fault notes what is wrong with a part of the message.
func (r *reading) fault(reason telemetry.Reason, format string, args ...any) {
	r.faults.Add(dialect.Errorf(reason, "%s:%d: %s", r.by.name, r.rule.line, fmt.Sprintf(format, args...)))
}

func (r *reading) apply(rule *rule) {
	r.rule, r.item, r.key = rule, nil, ""
	rule.topic.match(r.m.Topic, &r.caught)
	if r.m.Retained && rule.skips {
		r.note("保留消息，规则写明 retained: ignore", "retained, and the rule says retained: ignore")
		return
	}
	if !r.holds(false) {
		return
	}
	if rule.each == nil {
		r.one()
		return
	}
	r.every()
}

// every reads each item of an array, or each member of an object.
func (r *reading) every() {
	list := r.rule.each.from(r.root)
	if list == nil || list.Type() != fastjson.TypeArray && list.Type() != fastjson.TypeObject {
		r.fault(telemetry.ReasonMalformed, "%s is %s; an array or an object is right", r.rule.each.text, jsondoc.TypeName(list))
		return
	}
	size := len(list.GetArray())
	if list.Type() == fastjson.TypeObject {
		size = list.GetObject().Len()
	}
	if most := telemetry.MaxRecords / max(1, r.rule.records()); size > most {
		r.fault(telemetry.ReasonOversized, "%s has %d items; at most %d are read", r.rule.each.text, size, most)
		return
	}
	if size == 0 {
		r.note(r.rule.each.text+" 为空", r.rule.each.text+" is empty")
	}
	if list.Type() == fastjson.TypeArray {
		for i, v := range list.GetArray() {
			r.item, r.key = v, strconv.Itoa(i)
			if r.holds(true) {
				r.one()
			}
		}
		return
	}
	list.GetObject().Visit(func(key []byte, v *fastjson.Value) {
		r.item, r.key = v, jsondoc.View(key)
		if r.holds(true) {
			r.one()
		}
	})
}

// one reads what the rule makes of the payload, or of one item.
func (r *reading) one() {
	device, ok := r.name(&r.rule.device, "device")
	if !ok || !r.date() {
		return
	}
	r.found = 0
	for i := range r.rule.samples {
		r.sample(device, &r.rule.samples[i])
	}
	up := true
	if r.rule.link != nil {
		up = r.link(device, r.rule.link)
	}
	if up && len(r.rule.affirms) > 0 {
		r.affirm(device)
	}
	if r.rule.tap != nil {
		r.tap(device, r.rule.tap)
	}
	if r.found == 0 && r.rule.records() > len(r.rule.affirms) {
		r.fault(telemetry.ReasonMalformed, "the payload has none of %s; it has %s", r.wanted(), r.members())
	}
}

// records is how many records the rule makes of a payload or of an item, at most.
func (r *rule) records() int {
	n := len(r.samples)
	if r.link != nil {
		n++
	}
	if r.tap != nil {
		n++
	}
	return n + len(r.affirms)
}

func (r *reading) sample(device string, s *sample) {
	rec := telemetry.Record{Kind: telemetry.KindSample, Device: device, ValidMs: r.rule.validMs}
	for i := range s.values {
		v := &s.values[i]
		n, ok := r.number(v)
		if ok {
			rec.Values = append(rec.Values, telemetry.Value{Quantity: v.quantity, Number: n})
		}
	}
	if s.state != nil {
		rec.State = r.state(s.state)
	}
	if len(rec.Values) == 0 && rec.State == "" {
		return
	}
	var ok bool
	if rec.Channel, ok = r.name(&s.channel, "channel"); ok {
		r.emit(rec)
	}
}

// number reads one value; false when there is none, or it is wrong, which has been noted.
func (r *reading) number(v *value) (float64, bool) {
	d := r.at(v.path)
	word, isWord := d.word()
	switch {
	case d.kind == datumNothing:
		r.note(v.path.text+" 不在报文中，没有 "+v.quantity, v.path.text+" is not in the payload: no "+v.quantity)
		return 0, false
	case !isWord:
		r.found++
		r.fault(telemetry.ReasonMalformed, "%s is %s; a number is right", v.path.text, d.what())
		return 0, false
	}
	r.found++
	if slices.Contains(v.absent, word) {
		r.note(v.path.text+" 表示没有数值", v.path.text+" says that there is no number")
		return 0, false
	}
	n, reason := v.convert(d)
	if reason != telemetry.ReasonNone {
		right := "a number is right"
		if v.words != nil {
			right = "one of " + v.known + " is right"
		}
		r.fault(reason, "%s is %s; %s", v.path.text, r.show(word), right)
		return 0, false
	}
	if err := dialect.CheckNumber(v.quantity, n, v.path.text+" as "+v.quantity); err != nil {
		if r.private {
			err = dialect.Errorf(err.Reason, "%s is outside the range of %s", v.path.text, v.quantity)
		}
		r.faults.Add(err)
		return 0, false
	}
	return n, true
}

// convert makes the quantity's number of what the payload says.
func (v *value) convert(d datum) (float64, telemetry.Reason) {
	if v.words != nil {
		for _, word := range d.words() {
			if n, ok := v.words[word]; ok {
				return n, telemetry.ReasonNone
			}
		}
		return 0, telemetry.ReasonMalformed
	}
	if d.kind == datumBoolean {
		return 0, telemetry.ReasonMalformed
	}
	n, reason := jsondoc.Number(d.text)
	switch {
	case reason != telemetry.ReasonNone || v.linear == linear{scale: 1}:
		return n, reason
	case v.power != "" && !strings.ContainsAny(d.text, "eE"):
		return jsondoc.Number(strings.TrimSpace(d.text) + v.power)
	}
	n = n*v.linear.scale + v.linear.offset
	if math.IsInf(n, 0) {
		return 0, telemetry.ReasonOutOfRange
	}
	return n, telemetry.ReasonNone
}

// state reads the sample's word, or returns "" when there is none, or it is wrong, which has been noted.
func (r *reading) state(s *state) string {
	d := r.at(s.path)
	word, ok := d.word()
	switch {
	case d.kind == datumNothing && s.missing != "":
		r.found++
		return s.missing
	case d.kind == datumNothing:
		r.note(s.path.text+" 不在报文中，没有状态", s.path.text+" is not in the payload: no state")
		return ""
	case !ok:
		r.found++
		r.fault(telemetry.ReasonMalformed, "%s is %s; a text, a number or a boolean is right", s.path.text, d.what())
		return ""
	}
	r.found++
	for _, w := range d.words() {
		if mapped, ok := s.words[w]; ok {
			return mapped
		}
	}
	switch {
	case s.words != nil && s.other == otherIgnore:
		r.note(fmt.Sprintf("%s 为 %s，map 中没有，忽略", s.path.text, r.show(word)), fmt.Sprintf("%s is %s, which the map does not have: ignored", s.path.text, r.show(word)))
		return ""
	case s.words != nil && s.other == otherError:
		r.fault(telemetry.ReasonMalformed, "%s is %s; one of %s is right", s.path.text, r.show(word), s.known)
		return ""
	}
	if err := dialect.CheckState(s.path.text, word); err != nil {
		r.faults.Add(err)
		return ""
	}
	return r.d.names.Own(word)
}

// link reads whether the device came or went, and reports whether it is there.
func (r *reading) link(device string, l *link) bool {
	d := r.at(l.path)
	if d.kind == datumNothing {
		r.note(l.path.text+" 不在报文中，没有上下线", l.path.text+" is not in the payload: no link")
		return false
	}
	r.found++
	for _, word := range d.words() {
		if is, ok := l.words[word]; ok {
			if is.event.Down() {
				r.forget(device)
			}
			r.emit(telemetry.Record{Kind: telemetry.KindLink, Device: device, Link: is.event})
			return !is.event.Down()
		}
	}
	is := d.what()
	if word, ok := d.word(); ok {
		is = r.show(word)
	}
	r.fault(telemetry.ReasonMalformed, "%s is %s; one of %s is right", l.path.text, is, l.known)
	return false
}

func (r *reading) tap(device string, t *tap) {
	d := r.at(t.card)
	text, ok := d.word()
	switch {
	case d.kind == datumNothing || ok && text == "":
		r.note(t.card.text+" 不在报文中，没有刷卡", t.card.text+" is not in the payload: no tap")
		return
	case d.kind != datumText && (d.kind != datumNumber || t.notation != card.Decimal):
		r.found++
		r.fault(telemetry.ReasonMalformed, "%s is %s; a card's number in %s notation is right", t.card.text, d.what(), t.notation)
		return
	}
	r.found++
	token, err := r.d.cards.Token(device, t.notation, text)
	if err != nil {
		r.faults.Add(err)
		return
	}
	rec := telemetry.Record{Kind: telemetry.KindTap, Device: device, Card: token}
	if t.direction != nil && !r.direction(t.direction, &rec) {
		return
	}
	r.emit(rec)
}

// direction reads which way the card went; a reader that does not say it in this message leaves it open.
func (r *reading) direction(way *direction, rec *telemetry.Record) bool {
	d := r.at(way.path)
	if d.kind == datumNothing {
		return true
	}
	for _, word := range d.words() {
		if is, ok := way.words[word]; ok {
			rec.Direction = is
			return true
		}
	}
	r.fault(telemetry.ReasonMalformed, "%s is none of %s", way.path.text, way.known)
	return false
}

// emit dates the record and adds it, unless it replays a value of unknown age.
func (r *reading) emit(rec telemetry.Record) {
	rec.Retained = r.m.Retained
	r.dating.clock.Date(&rec, r.dating.ms, r.m.ReceivedMs, r.dating.corrected)
	if rec.Clock == telemetry.ClockSuspect {
		r.doubt(rec.DeviceMs)
	}
	if dialect.Dateless(&rec) {
		r.note("保留消息，且没有可信的自带时间，发生时刻未知，不采用", "retained and without a believable time of its own: when it happened is not known, so it is left out")
		return
	}
	if len(r.records) == telemetry.MaxRecords {
		r.fault(telemetry.ReasonOversized, "the message makes more than %d records", telemetry.MaxRecords)
		return
	}
	r.records = append(r.records, rec)
	if rec.Kind == telemetry.KindSample {
		r.remember(&rec)
	}
}
