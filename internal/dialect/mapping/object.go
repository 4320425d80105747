package mapping

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

// get returns the field's value and where it stands; ok is false when it is not given.
func (o *object) get(key string) (node strictyaml.Node, at spot, ok bool) {
	if !slices.Contains(o.asked, key) {
		o.asked = append(o.asked, key)
	}
	path := key
	if o.at.path != "" {
		path = o.at.path + "." + key
	}
	for _, f := range o.node.Fields {
		if f.Key != key {
			continue
		}
		if f.Value.Kind == strictyaml.Null {
			o.c.bad(spot{f.Line, f.Column, path}, "", wrong{"没有值，请填写或删去此键", "no value, give one or leave the key out"})
			return f.Value, spot{}, false
		}
		return f.Value, spot{f.Value.Line, f.Value.Column, path}, true
	}
	return node, spot{o.at.line, o.at.column, path}, false
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
		at := spot{f.Line, f.Column, strings.TrimPrefix(o.at.path+"."+f.Key, ".")}
		if near := strictyaml.Nearest(f.Key, o.asked); near != "" {
			o.c.bad(at, "", wrong{fmt.Sprintf("未知的键，是否应为 %s？", near), fmt.Sprintf("unknown key, did you mean %s?", near)})
			continue
		}
		known := strings.Join(o.asked, ", ")
		o.c.bad(at, "", wrong{"未知的键，可用：" + known, "unknown key, known are " + known})
	}
}

// scalar returns a node's text; ok is false, and that has been said, when it is no single value.
func (c *checker) scalar(at spot, node strictyaml.Node) (string, bool) {
	if node.Kind != strictyaml.Scalar {
		c.bad(at, "", wrong{"应为一个值", "want one plain value"})
		return "", false
	}
	return node.Text, true
}

// choice reads one of several words, the first when it is not given.
func (o *object) choice(key string, words ...string) string {
	node, at, ok := o.get(key)
	if !ok {
		return words[0]
	}
	text, ok := o.c.scalar(at, node)
	if ok && !slices.Contains(words, text) {
		list := strings.Join(words, ", ")
		o.c.bad(at, text, wrong{"应为其中之一：" + list, "want one of " + list})
		return words[0]
	}
	return text
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

// number reads a finite decimal number, def when it is not given.
func (o *object) number(key string, def float64) float64 {
	node, at, ok := o.get(key)
	if !ok {
		return def
	}
	return o.c.number(at, node, def)
}

func (c *checker) number(at spot, node strictyaml.Node, def float64) float64 {
	v, err := strconv.ParseFloat(node.Text, 64)
	if node.Kind != strictyaml.Scalar || node.Quoted || err != nil || math.IsNaN(v) || math.IsInf(v, 0) || strings.ContainsAny(node.Text, "xX_pP") {
		c.bad(at, node.Text, wrong{"应为数字，如 0.1", "want a number such as 0.1"})
		return def
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
	if node.Kind != strictyaml.Scalar || err != nil || d < least || d > most {
		o.c.bad(at, node.Text, wrong{
			fmt.Sprintf("应为带单位的时长，%v 至 %v，如 90s、10m", least, most),
			fmt.Sprintf("want a duration with its unit from %v to %v, such as 90s or 10m", least, most),
		})
		return def
	}
	return d
}

// words reads one word or a list of words; nil when it is not given.
func (o *object) words(key string) []string {
	node, at, ok := o.get(key)
	if !ok {
		return nil
	}
	if node.Kind == strictyaml.Scalar {
		return []string{node.Text}
	}
	var out []string
	for i, item := range o.c.items(at, node, maxWords) {
		sub := spot{item.Line, item.Column, fmt.Sprintf("%s[%d]", at.path, i)}
		word, ok := o.c.scalar(sub, item)
		if ok && slices.Contains(out, word) {
			o.c.bad(sub, word, wrong{"重复", "given twice"})
			continue
		}
		out = append(out, word)
	}
	return out
}

// items returns the items of a list of 1 to most, or nil when it is none, which has been said.
func (c *checker) items(at spot, node strictyaml.Node, most int) []strictyaml.Node {
	if node.Kind != strictyaml.List || len(node.Items) == 0 {
		c.bad(at, node.Text, wrong{"应为列表，至少一项，每项以 - 开头", "want a list of at least one item, each starting with -"})
		return nil
	}
	if len(node.Items) > most {
		c.bad(at, "", wrong{fmt.Sprintf("有 %d 项，最多 %d", len(node.Items), most), fmt.Sprintf("has %d items, at most %d", len(node.Items), most)})
		return nil
	}
	return node.Items
}

// list reads a list of mappings; nil when it is not given.
func list[T any](o *object, key string, most int, read func(*object) T) []T {
	node, at, ok := o.get(key)
	if !ok {
		return nil
	}
	var out []T
	for i, item := range o.c.items(at, node, most) {
		if sub := o.c.object(spot{item.Line, item.Column, fmt.Sprintf("%s[%d]", at.path, i)}, item); sub != nil {
			out = append(out, read(sub))
			sub.done()
		}
	}
	return out
}

// part reads a mapping inside the mapping; nil when it is not given or none.
func (o *object) part(key string) *object {
	node, at, ok := o.get(key)
	if !ok {
		return nil
	}
	return o.c.object(at, node)
}
