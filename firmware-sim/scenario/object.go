package scenario

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// object reads the fields of one YAML mapping. It notes which keys were asked for, so that done can report the others.
type object struct {
	c     *checker
	at    spot
	node  strictyaml.Node
	asked []string
}

// object returns a reader of a node that must be a mapping of keys to values, or nil when it is none.
func (c *checker) object(at spot, node strictyaml.Node) *object {
	if node.Kind != strictyaml.Map {
		c.bad(at, node.Text, wrong{"应为若干“键: 值”", "want a mapping of keys to values"})
		return nil
	}
	return &object{c: c, at: at, node: node}
}

func (o *object) path(key string) string {
	if o.at.path == "" {
		return key
	}
	return o.at.path + "." + key
}

// get returns the field's value and where it stands; ok is false when it is not given.
func (o *object) get(key string) (node strictyaml.Node, at spot, ok bool) {
	if !slices.Contains(o.asked, key) {
		o.asked = append(o.asked, key)
	}
	for _, f := range o.node.Fields {
		if f.Key != key {
			continue
		}
		if f.Value.Kind == strictyaml.Null {
			o.c.bad(spot{f.Line, f.Column, o.path(key)}, "", wrong{"没有值，请填写或删去此键", "no value, give one or leave the key out"})
			return f.Value, spot{}, false
		}
		return f.Value, spot{f.Value.Line, f.Value.Column, o.path(key)}, true
	}
	return node, spot{o.at.line, o.at.column, o.path(key)}, false
}

// given reports whether the field is there at all, with a value or without.
func (o *object) given(key string) bool {
	return slices.ContainsFunc(o.node.Fields, func(f strictyaml.Field) bool { return f.Key == key })
}

// require is get for a field that must be given.
func (o *object) require(key string, w wrong) (strictyaml.Node, spot, bool) {
	node, at, ok := o.get(key)
	if !ok && !o.given(key) {
		o.c.bad(at, "", wrong{"必填：" + w.zh, "required: " + w.en})
	}
	return node, at, ok
}

// done reports every key that was not asked for.
func (o *object) done() {
	for _, f := range o.node.Fields {
		if slices.Contains(o.asked, f.Key) {
			continue
		}
		at := spot{f.Line, f.Column, o.path(f.Key)}
		o.c.bad(at, "", unknown("键", "key", f.Key, o.asked))
	}
}

// skip takes every key as asked for: the object is not read.
func (o *object) skip() {
	for _, f := range o.node.Fields {
		o.asked = append(o.asked, f.Key)
	}
}

// unknown says that a word is none of those that there are, and which it may have been.
func unknown(zh, en, word string, known []string) wrong {
	if near := strictyaml.Nearest(word, known); near != "" {
		return wrong{fmt.Sprintf("未知的%s，是否应为 %s？", zh, near), fmt.Sprintf("unknown %s, did you mean %s?", en, near)}
	}
	const most = 40
	list := strings.Join(known[:min(len(known), most)], ", ")
	if len(known) > most {
		list += ", …"
	}
	return wrong{fmt.Sprintf("未知的%s，可用：%s", zh, list), fmt.Sprintf("unknown %s, known are %s", en, list)}
}

// scalar returns a node's text; ok is false, and that has been said, when it is no single value.
func (c *checker) scalar(at spot, node strictyaml.Node) (string, bool) {
	if node.Kind != strictyaml.Scalar {
		c.bad(at, "", wrong{"应为一个值", "want one plain value"})
		return "", false
	}
	if len(node.Text) > maxText {
		c.bad(at, node.Text, wrong{fmt.Sprintf("过长，最多 %d 字节", maxText), fmt.Sprintf("too long, at most %d bytes", maxText)})
		return "", false
	}
	return node.Text, true
}

// text reads one value, def when it is not given.
func (o *object) text(key, def string) (string, spot) {
	node, at, ok := o.get(key)
	if !ok {
		return def, at
	}
	text, ok := o.c.scalar(at, node)
	if !ok {
		return def, at
	}
	return text, at
}

// name reads a name for people, def when it is not given.
func (o *object) name(def string) string {
	text, at := o.text("name", def)
	if text == "" && o.given("name") || len(text) > maxName || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		o.c.bad(at, text, wrong{fmt.Sprintf("应为 1 至 %d 字节、不含控制字符的名称", maxName), fmt.Sprintf("want a name of 1 to %d bytes without control characters", maxName)})
		return def
	}
	return text
}

// choice reads one of several words, def when it is not given.
func choice[T ~string](o *object, key string, def T, words []T) T {
	node, at, ok := o.get(key)
	if !ok {
		return def
	}
	text, ok := o.c.scalar(at, node)
	if !ok || slices.Contains(words, T(text)) {
		return T(text)
	}
	o.c.bad(at, text, unknown("值", "value", text, texts(words)))
	return def
}

func texts[T ~string](words []T) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return out
}

// boolean reads true or false, def when it is not given.
func (o *object) boolean(key string, def bool) bool {
	node, at, ok := o.get(key)
	if !ok {
		return def
	}
	if node.Kind != strictyaml.Scalar || node.Quoted || node.Text != "true" && node.Text != "false" {
		o.c.bad(at, node.Text, wrong{"应为 true 或 false", "want true or false"})
		return def
	}
	return node.Text == "true"
}

// number reads a decimal number between bounds, def when it is not given.
func (o *object) number(key string, def, least, most float64) float64 {
	node, at, ok := o.get(key)
	if !ok {
		return def
	}
	return o.c.number(at, node, least, most)
}

func (c *checker) number(at spot, node strictyaml.Node, least, most float64) float64 {
	v, err := strconv.ParseFloat(node.Text, 64)
	if node.Kind != strictyaml.Scalar || node.Quoted || err != nil || math.IsNaN(v) || v < least || v > most || strings.ContainsAny(node.Text, "xX_pP") {
		c.bad(at, node.Text, wrong{
			fmt.Sprintf("应为 %s 至 %s 的数字", figure(least), figure(most)), fmt.Sprintf("want a number from %s to %s", figure(least), figure(most)),
		})
		return least
	}
	return v
}

// share reads a share from 0 to 1, def when it is not given.
func (o *object) share(key string, def float64) float64 {
	node, at, ok := o.get(key)
	if !ok {
		return def
	}
	v, err := strconv.ParseFloat(node.Text, 64)
	if node.Kind != strictyaml.Scalar || node.Quoted || err != nil || !(v >= 0 && v <= 1) || strings.ContainsAny(node.Text, "xX_pP") {
		o.c.bad(at, node.Text, wrong{"应为 0 至 1 的比例，如 0.05", "want a share from 0 to 1, such as 0.05"})
		return def
	}
	return v
}

// whole reads a whole number between bounds, def when it is not given.
func (o *object) whole(key string, def, least, most int) int {
	node, at, ok := o.get(key)
	if !ok {
		return def
	}
	v, err := strconv.Atoi(node.Text)
	if node.Kind != strictyaml.Scalar || node.Quoted || err != nil || v < least || v > most {
		o.c.bad(at, node.Text, wrong{
			fmt.Sprintf("应为 %d 至 %d 的整数", least, most), fmt.Sprintf("want a whole number from %d to %d", least, most),
		})
		return max(def, least)
	}
	return v
}

// duration reads a length of time with its unit between bounds, def when it is not given.
func (o *object) duration(key string, def, least, most time.Duration) time.Duration {
	node, at, ok := o.get(key)
	if !ok {
		return def
	}
	d, err := time.ParseDuration(node.Text)
	if node.Kind != strictyaml.Scalar || err != nil || d < least || d > most || d%time.Millisecond != 0 {
		o.c.bad(at, node.Text, wrong{
			fmt.Sprintf("应为带单位的时长，%s 至 %s，如 90s、10m", length(least), length(most)),
			fmt.Sprintf("want a duration with its unit from %s to %s, such as 90s or 10m", length(least), length(most)),
		})
		return def
	}
	return d
}

// figure writes a number without an exponent.
func figure(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// length writes a duration without the zeros at its end.
func length(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// item is one entry of a list and where it stands.
type item struct {
	node strictyaml.Node
	at   spot
}

// items reads a list; a single entry may stand without one. ok is false when the field is not given.
func (o *object) items(key string, most int) (all []item, ok bool) {
	node, at, ok := o.get(key)
	if !ok {
		return nil, false
	}
	return o.c.entries(at, node, most), true
}

func (c *checker) entries(at spot, node strictyaml.Node, most int) []item {
	if node.Kind != strictyaml.List {
		return []item{{node, at}}
	}
	if len(node.Items) > most {
		c.bad(at, "", wrong{fmt.Sprintf("有 %d 项，最多 %d", len(node.Items), most), fmt.Sprintf("has %d items, at most %d", len(node.Items), most)})
		return nil
	}
	all := make([]item, len(node.Items))
	for i, n := range node.Items {
		all[i] = item{n, spot{n.Line, n.Column, fmt.Sprintf("%s[%d]", at.path, i)}}
	}
	return all
}

// each reads a list of mappings; a single one may stand without a list. It reports whether the field is given.
func (o *object) each(key string, most int, read func(*object)) bool {
	all, ok := o.items(key, most)
	for _, it := range all {
		if sub := o.c.object(it.at, it.node); sub != nil {
			read(sub)
			sub.done()
		}
	}
	return ok
}

// part reads a mapping inside the mapping; nil when it is not given or none.
func (o *object) part(key string) *object {
	node, at, ok := o.get(key)
	if !ok {
		return nil
	}
	return o.c.object(at, node)
}

// word is a text and where it stands.
type word struct {
	text string
	at   spot
}

// words reads one word or a list of words. ok is false when the field is not given.
func (o *object) words(key string, most int) (out []word, ok bool) {
	all, ok := o.items(key, most)
	for _, it := range all {
		if text, good := o.c.scalar(it.at, it.node); good {
			out = append(out, word{text, it.at})
		}
	}
	return out, ok
}

// dictionary reads a mapping of names to single values.
func (o *object) dictionary(key string) []entry {
	sub := o.part(key)
	if sub == nil {
		return nil
	}
	if n := len(sub.node.Fields); n > maxOptions {
		o.c.bad(sub.at, "", wrong{fmt.Sprintf("有 %d 项，最多 %d", n, maxOptions), fmt.Sprintf("has %d entries, at most %d", n, maxOptions)})
		return nil
	}
	var out []entry
	for _, f := range sub.node.Fields {
		node, at, ok := sub.get(f.Key)
		if !ok {
			continue
		}
		if _, ok := o.c.scalar(at, node); ok {
			out = append(out, entry{name: f.Key, nameAt: spot{f.Line, f.Column, at.path}, node: node, at: at})
		}
	}
	return out
}

// entry is one value of a dictionary.
type entry struct {
	name   string
	nameAt spot
	node   strictyaml.Node
	at     spot
}
