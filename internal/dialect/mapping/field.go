package mapping

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/strictyaml"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// value is one number of a sample.
type value struct {
	quantity string
	path     *path
	linear   linear
	power    string             // linear.scale as an exponent of ten, or ""
	words    map[string]float64 // nil: the payload has a number
	known    string             // the words, for errors
	absent   []string           // words that mean that there is none
}

func parseValues(c *checker, at spot, node strictyaml.Node) []value {
	o := c.object(at, node)
	if o == nil {
		return nil
	}
	var names []string
	for _, q := range dialect.Quantities() {
		names = append(names, q.Name)
	}
	var out []value
	for _, f := range node.Fields {
		if !slices.Contains(names, f.Key) {
			continue
		}
		if n, at, ok := o.get(f.Key); ok {
			out = append(out, parseValue(c, at, n, f.Key))
		}
	}
	for _, name := range names {
		o.get(name) // so that done can suggest it
	}
	if len(node.Fields) == 0 {
		c.bad(at, "", wrong{"应有至少一个量，如 power_w", "want at least one quantity, such as power_w"})
	}
	o.done()
	return out
}

// parseValue reads a path, or a mapping with a path and how the number is converted.
func parseValue(c *checker, at spot, node strictyaml.Node, quantity string) value {
	v := value{quantity: quantity, linear: linear{scale: 1}}
	if node.Kind == strictyaml.Scalar {
		v.path = c.path(at, node)
		return v
	}
	o := c.object(at, node)
	if o == nil {
		return v
	}
	v.path = o.requirePath("path")
	v.linear = parseLinear(o, quantity)
	v.power = v.linear.power()
	if v.linear.offset != 0 {
		v.power = ""
	}
	if words := o.part("map"); words != nil {
		v.words = make(map[string]float64, len(words.node.Fields))
		for _, key := range words.keys() {
			n, at, ok := words.get(key)
			if ok {
				v.words[key] = c.number(at, n, 0)
				c.checkNumber(at, quantity, v.words[key])
			}
		}
		v.known = strings.Join(words.keys(), ", ")
		if o.given("unit") || o.given("scale") || o.given("offset") {
			c.bad(o.at, "", wrong{"map 已给出数值，不能再用 unit、scale、offset", "map gives the numbers itself: unit, scale and offset cannot stand beside it"})
		}
	}
	v.absent = o.words("absent")
	o.done()
	return v
}

// keys returns the mapping's keys, at most maxWords.
func (o *object) keys() []string {
	if n := len(o.node.Fields); n == 0 || n > maxWords {
		o.c.bad(o.at, "", wrong{fmt.Sprintf("应有 1 至 %d 项", maxWords), fmt.Sprintf("want 1 to %d entries", maxWords)})
		return nil
	}
	out := make([]string, 0, len(o.node.Fields))
	for _, f := range o.node.Fields {
		out = append(out, f.Key)
	}
	return out
}

func (c *checker) checkNumber(at spot, quantity string, n float64) {
	if dialect.CheckNumber(quantity, n, "") != nil {
		q, _ := dialect.QuantityOf(quantity)
		c.bad(at, strconv.FormatFloat(n, 'g', -1, 64), wrong{
			fmt.Sprintf("%s 应在 %v 与 %v 之间", quantity, q.Min, q.Max), fmt.Sprintf("%s lies between %v and %v", quantity, q.Min, q.Max),
		})
	}
}

// parseLinear reads a unit, or a scale and an offset.
func parseLinear(o *object, quantity string) linear {
	l := linear{scale: o.number("scale", 1), offset: o.number("offset", 0)}
	if l.scale == 0 {
		_, at, _ := o.get("scale")
		o.c.bad(at, "0", wrong{"不能为 0", "must not be 0"})
	}
	node, at, ok := o.get("unit")
	if !ok {
		return l
	}
	if o.given("scale") || o.given("offset") {
		o.c.bad(at, node.Text, wrong{"unit 与 scale、offset 只能用一种", "want either unit, or scale and offset"})
	}
	u, ok := units[quantity][node.Text]
	if !ok {
		known := strings.Join(Units(quantity), ", ")
		o.c.bad(at, node.Text, wrong{"该量的单位可为：" + known + "；其他单位用 scale、offset", "want a unit of this quantity: " + known + "; for others use scale and offset"})
		return l
	}
	return u
}

// state is a sample's word.
type state struct {
	path  *path
	words map[string]string // nil: the device's own word
	known string
	other other
	// missing is the state when the payload has none; "" when that says nothing.
	missing string
}

// other is what becomes of a word that the map does not have.
type other string

const (
	otherError  other = "error"
	otherKeep   other = "keep"
	otherIgnore other = "ignore"
)

func parseState(c *checker, at spot, node strictyaml.Node) *state {
	if node.Kind == strictyaml.Scalar {
		return &state{path: c.path(at, node)}
	}
	o := c.object(at, node)
	if o == nil {
		return nil
	}
	s := &state{path: o.requirePath("path")}
	s.other = other(o.choice("other", string(otherError), string(otherKeep), string(otherIgnore)))
	if node, at, ok := o.get("missing"); ok {
		s.missing = c.word(at, node)
	}
	words := o.part("map")
	if words == nil {
		if o.given("other") && !o.given("map") {
			o.c.bad(o.at, "", wrong{"other 须与 map 同用", "other stands beside map only"})
		}
		o.done()
		return s
	}
	s.words = make(map[string]string, len(words.node.Fields))
	for _, key := range words.keys() {
		n, at, ok := words.get(key)
		if !ok {
			continue
		}
		s.words[key] = c.word(at, n)
	}
	s.known = strings.Join(words.keys(), ", ")
	o.done()
	return s
}

// word reads a state.
func (c *checker) word(at spot, node strictyaml.Node) string {
	word, ok := c.scalar(at, node)
	if ok && (word == "" || dialect.CheckState("state", word) != nil) {
		c.bad(at, word, wrong{
			fmt.Sprintf("应为 1 至 %d 字节、不含控制字符的状态词", telemetry.MaxState),
			fmt.Sprintf("want a state of 1 to %d bytes without control characters", telemetry.MaxState),
		})
	}
	return word
}

// condition decides whether a rule applies.
type condition struct {
	path   *path
	kind   conditionKind
	words  []string
	exists bool
}

type conditionKind uint8

const (
	conditionIs conditionKind = iota
	conditionNot
	conditionExists
)

func parseCondition(o *object) condition {
	c := condition{path: o.requirePath("path")}
	is, not := o.words("is"), o.words("not")
	c.exists = o.boolean("exists", true)
	n := 0
	for i, key := range []string{"is", "not", "exists"} {
		if o.given(key) {
			c.kind = conditionKind(i)
			n++
		}
	}
	if n != 1 {
		o.c.bad(o.at, "", wrong{"应恰有 is、not、exists 之一", "want exactly one of is, not and exists"})
	}
	c.words = is
	if c.kind == conditionNot {
		c.words = not
	}
	return c
}

// moment says where a device's own time stands.
type moment struct {
	path   *path
	format string
	zone   int64 // minutes ahead of UTC, of iso_local
	clock  dialect.Clock
}

// The formats of times.
const (
	formatEpochS  = "epoch_s"
	formatEpochMs = "epoch_ms"
	formatISO     = "iso"
	formatLocal   = "iso_local"
)

func parseMoment(rule *object) *moment {
	o := rule.part("time")
	if o == nil {
		return nil
	}
	m := &moment{path: o.requirePath("path")}
	o.require("format", wrong{"epoch_s、epoch_ms、iso 或 iso_local", "epoch_s, epoch_ms, iso or iso_local"})
	m.format = o.choice("format", formatISO, formatLocal, formatEpochS, formatEpochMs)
	m.clock.BehindMs = o.duration("max_age", DefaultMaxAge, minMaxAge, maxMaxAge).Milliseconds()
	node, at, ok := o.get("zone")
	switch {
	case ok && m.format != formatLocal:
		o.c.bad(at, node.Text, wrong{"zone 只用于 iso_local：其他格式本身已带时区", "zone belongs to iso_local: the other formats say it themselves"})
	case ok:
		zone, good := parseZone(node.Text)
		if !good {
			o.c.bad(at, node.Text, wrong{`应为固定偏移，如 "+08:00"，或 UTC、Asia/Shanghai`, `want a fixed offset such as "+08:00", or UTC or Asia/Shanghai`})
		}
		m.zone = zone
	default:
		m.zone = shanghaiMinutes
	}
	o.done()
	return m
}

// shanghaiMinutes is how far Asia/Shanghai has been ahead of UTC all year since 1992.
const shanghaiMinutes = 8 * 60

func parseZone(text string) (minutes int64, ok bool) {
	switch text {
	case "Asia/Shanghai":
		return shanghaiMinutes, true
	case "UTC", "Z":
		return 0, true
	}
	const epoch = "1970-01-01T00:00:00"
	at, ok := dialect.ParseInstant(epoch + text)
	return -at.Ms / 60_000, ok && at.Zoned && len(text) == len("+08:00")
}

// direction says which words mean that a card's holder came in or went out.
type direction struct {
	path  *path
	words map[string]telemetry.Direction
	known string
}

func parseDirection(o *object) *direction {
	d := &direction{path: o.requirePath("path"), words: map[string]telemetry.Direction{}}
	var known []string
	for _, way := range []struct {
		key string
		is  telemetry.Direction
	}{{"in", telemetry.DirectionIn}, {"out", telemetry.DirectionOut}} {
		for _, word := range o.words(way.key) {
			if _, twice := d.words[word]; twice {
				_, at, _ := o.get(way.key)
				o.c.bad(at, word, wrong{"同一个词只能有一个含义", "one word cannot have two meanings"})
			}
			d.words[word] = way.is
			known = append(known, word)
		}
	}
	if len(known) == 0 {
		o.c.bad(o.at, "", wrong{"应有 in 或 out 的词", "want words for in or out"})
	}
	d.known = strings.Join(known, ", ")
	o.done()
	return d
}

// linkWord is one meaning of a link's words.
type linkWord struct {
	key   string
	event telemetry.LinkEvent
}

func linkWords() []linkWord {
	return []linkWord{{"online", telemetry.LinkOnline}, {"offline", telemetry.LinkOffline}, {"will", telemetry.LinkWill}}
}
