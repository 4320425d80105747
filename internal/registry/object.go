package registry

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// object reads the fields of one YAML mapping. Each reader notes the key, so that done can report the keys that nobody
// asked for, and where the field stands, so that the checker can point to it.
type object struct {
	place
	fields map[string]strictyaml.Field
	order  []string
	asked  map[string]bool
	keys   []string // asked, in order, for suggestions
	broken bool     // it was no mapping, and that has been said
}

func newObject(at place, node strictyaml.Node) object {
	o := object{place: at, fields: map[string]strictyaml.Field{}, asked: map[string]bool{}}
	at.mark(node.Line, node.Column)
	if node.Kind != strictyaml.Map {
		at.bad(node.Text, "应为若干“键: 值”", "want a mapping of keys to values")
		at.c.broken[at.key()] = true
		o.broken = true
		return o
	}
	for _, f := range node.Fields {
		o.fields[f.Key] = f
		o.order = append(o.order, f.Key)
		o.field(f.Key).mark(f.Value.Line, f.Value.Column)
	}
	return o
}

// get returns the field's value, and whether it is there and not null.
func (o *object) get(key string) (strictyaml.Node, bool) {
	if !o.asked[key] {
		o.asked[key] = true
		o.keys = append(o.keys, key)
	}
	f, ok := o.fields[key]
	return f.Value, ok && f.Value.Kind != strictyaml.Null
}

// has reports whether the field is there and not null.
func (o *object) has(key string) bool {
	_, ok := o.get(key)
	return ok
}

// done reports every key that was not asked for.
func (o *object) done() {
	for _, key := range o.order {
		if o.asked[key] {
			continue
		}
		f := o.fields[key]
		at := o.field(key)
		at.mark(f.Line, f.Column)
		if near := strictyaml.Nearest(key, o.keys); near != "" {
			at.bad("", fmt.Sprintf("未知的键，是否应为 %s？", near), fmt.Sprintf("unknown key, did you mean %s?", near))
			continue
		}
		known := strings.Join(o.keys, ", ")
		at.bad("", "未知的键，可用："+known, "unknown key, known are "+known)
	}
}

func (o *object) text(key string) string {
	node, ok := o.get(key)
	if ok && node.Kind != strictyaml.Scalar {
		o.field(key).bad("", "应为一个文字值", "want one plain value")
	}
	return node.Text
}

// number reads a decimal number, def when it is not given.
func (o *object) number(key string, def float64) float64 {
	node, ok := o.get(key)
	if !ok {
		return def
	}
	v, err := strconv.ParseFloat(node.Text, 64)
	if node.Kind != strictyaml.Scalar || node.Quoted || err != nil || math.IsNaN(v) || math.IsInf(v, 0) || strings.ContainsAny(node.Text, "xX_pP") {
		o.field(key).bad(node.Text, "应为数字，如 12.5", "want a number such as 12.5")
		return def
	}
	return v
}

// duration reads a Go duration with its unit, def when it is not given.
func (o *object) duration(key string, def time.Duration) time.Duration {
	node, ok := o.get(key)
	if !ok {
		return def
	}
	d, err := time.ParseDuration(node.Text)
	if err != nil {
		o.field(key).bad(node.Text, "应为带单位的时长，如 5s、90s、10m", "want a duration with its unit, such as 5s, 90s or 10m")
		return def
	}
	return d
}

// instant reads a date, 00:00 in Asia/Shanghai, or a time with its offset.
func (o *object) instant(key string, def int64) int64 {
	node, ok := o.get(key)
	if !ok {
		return def
	}
	ms, err := parseInstant(node.Text)
	if err != nil {
		o.field(key).bad(node.Text, "应为日期 2026-03-01，或带时区的时刻 2026-03-01T13:30:00+08:00，在 2000 至 2999 年内",
			"want a date such as 2026-03-01 or a time with its offset such as 2026-03-01T13:30:00+08:00, from 2000 to 2999")
		return def
	}
	return ms
}

func parseInstant(s string) (int64, error) {
	t, err := time.Parse(time.RFC3339, s)
	ms := t.UnixMilli()
	if err != nil {
		if t, err = time.Parse(time.DateOnly, s); err != nil {
			return 0, err
		}
		ms = t.UnixMilli() - shanghaiMs
	}
	if ms < BeginMs || ms > ForeverMs || t.Nanosecond()%1e6 != 0 {
		return 0, fmt.Errorf("%q is out of range", s)
	}
	return ms, nil
}

// formatInstant writes an instant as parseInstant reads it: as a date when it is a midnight.
func formatInstant(ms int64) string {
	t := time.UnixMilli(ms + shanghaiMs).UTC()
	if ms := t.UnixMilli(); ms%dayMs == 0 {
		return t.Format(time.DateOnly)
	}
	return t.Format("2006-01-02T15:04:05.999") + "+08:00"
}

// valid reads a half-open validity from the fields from and to.
func (o *object) valid() span.Span {
	return span.Span{StartMs: o.instant("from", BeginMs), EndMs: o.instant("to", ForeverMs)}
}

// times reads open times. The second result is false when they are not given.
func (o *object) times(key string) (Times, bool) {
	node, ok := o.get(key)
	if !ok {
		return nil, false
	}
	t, err := ParseTimes(node.Text)
	if err != nil {
		o.field(key).bad(node.Text, "应为开放时段，如 08:30-11:30,13:30-17:00，按先后、不重叠，或 closed",
			"want open times such as 08:30-11:30,13:30-17:00, in order and without overlap, or closed")
	}
	return t, true
}

// noZero reports an explicit zero in a field whose zero means that it is not given.
func (o *object) noZero(key string, isZero bool, zh, en string) {
	if node, ok := o.get(key); ok && isZero {
		o.field(key).bad(node.Text, zh, en)
	}
}

// words reads a mapping of texts to texts.
func (o *object) words(key string) map[string]string {
	node, ok := o.get(key)
	if !ok {
		return nil
	}
	sub := newObject(o.field(key), node)
	out := map[string]string{}
	for _, word := range sub.order {
		out[word] = sub.text(word)
	}
	return out
}

// list reads a list of mappings.
func list[T any](o *object, key string, read func(*object) T) []T {
	node, ok := o.get(key)
	if !ok {
		return nil
	}
	if node.Kind != strictyaml.List {
		o.field(key).bad(node.Text, "应为列表，每项以 - 开头", "want a list, each item starting with -")
		return nil
	}
	out := make([]T, len(node.Items))
	for i, item := range node.Items {
		sub := newObject(o.item(key, i), item)
		if !sub.broken {
			out[i] = read(&sub)
			sub.done()
		}
	}
	return out
}

// part reads a mapping inside the mapping; nil when it is not given.
func part(o *object, key string) *object {
	node, ok := o.get(key)
	if !ok {
		return nil
	}
	sub := newObject(o.field(key), node)
	return &sub
}
