package mapping

import (
	"fmt"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// Version is the version of the language that this package reads.
const Version = "1"

// Limits of a mapping file.
const (
	maxRules      = 256
	maxIgnored    = 256
	maxSamples    = 64
	maxConditions = 16
	maxWords      = 256
)

// Bounds of the times in a rule.
const (
	// minValid and maxValid bound for how long a value holds: a week is longer than any healthy device is silent.
	minValid, maxValid = time.Second, 7 * 24 * time.Hour
	// DefaultMaxAge is how old a device's time may be when the rule does not say max_age. A clock that is wrong by a
	// day is more usual than a message that is late by one.
	DefaultMaxAge = time.Hour
	// minMaxAge and maxMaxAge bound it.
	minMaxAge, maxMaxAge = time.Second, 30 * 24 * time.Hour
)

// UntilChanged is the valid of a device that reports changes only.
const UntilChanged = "until_changed"

// Mapping is what one mapping file says. It is read-only and may be used concurrently.
type Mapping struct {
	name   string
	ignore []pattern
	rules  []rule
	// affirmed are the channels that a heartbeat affirms.
	affirmed []string
}

// Name is the name that was given to Parse.
func (m *Mapping) Name() string { return m.name }

// Topics lists the topic patterns of the rules, each once, in order.
func (m *Mapping) Topics() []string {
	var out []string
	seen := make(map[string]bool, len(m.rules))
	for i := range m.rules {
		if t := m.rules[i].topic.text; !seen[t] {
			seen[t] = true
			out = append(out, t)
		}
	}
	return out
}

// Rules is how many rules there are.
func (m *Mapping) Rules() int { return len(m.rules) }

// rule says what the messages of some topics mean.
type rule struct {
	line    int // in the file
	topic   pattern
	text    bool // the payload is text, not JSON
	device  template
	each    *path
	when    []condition
	time    *moment
	validMs int64
	skips   bool // retained messages are left out
	private bool
	samples []sample
	link    *link
	tap     *tap
	// affirms are the channels of which the message says that nothing has changed.
	affirms   []string
	affirmsAt spot
}

// sample is one channel.
type sample struct {
	channel template
	values  []value
	state   *state
}

// Parse reads a mapping file. name is how problems call it, such as its path. The error is Problems, all mistakes of the
// file with their places.
func Parse(name string, text []byte) (*Mapping, error) {
	c := &checker{file: name}
	root, problems := strictyaml.Parse(text)
	for _, p := range problems {
		c.bad(spot{line: p.Line, column: p.Column}, "", wrong{p.Zh, p.En})
	}
	if len(problems) > 0 {
		return nil, c.err()
	}
	root.Line, root.Column = max(root.Line, 1), max(root.Column, 1)
	m := &Mapping{name: name}
	if o := c.object(spot{root.Line, root.Column, ""}, root); o != nil {
		m.parse(o)
		o.done()
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Mapping) parse(o *object) {
	if node, at, ok := o.require("version", wrong{"语言版本，现为 1", "the version of the language, now 1"}); ok && node.Text != Version {
		o.c.bad(at, node.Text, wrong{"应为 1", "want 1"})
	}
	valid := o.valid(-1)
	if node, at, ok := o.get("ignore"); ok {
		m.ignore = parseIgnored(o.c, at, node)
	}
	m.rules = list(o, "rules", maxRules, func(o *object) rule { return parseRule(o, valid) })
	if !o.given("rules") {
		o.c.bad(o.at, "", wrong{"缺少 rules：至少一条规则", "rules is missing: at least one rule is needed"})
	}
	m.keepCardsApart(o.c)
	m.checkAffirms(o.c)
}

func parseIgnored(c *checker, at spot, node strictyaml.Node) []pattern {
	var out []pattern
	for i, item := range c.items(at, node, maxIgnored) {
		sub := spot{item.Line, item.Column, fmt.Sprintf("%s[%d]", at.path, i)}
		text, ok := c.scalar(sub, item)
		if !ok {
			continue
		}
		p, w := parsePattern(text)
		if w != (wrong{}) {
			c.bad(sub, text, w)
		}
		out = append(out, p)
	}
	return out
}

// valid reads for how long a value holds, in milliseconds: 0 until it changes, def when it is not given.
func (o *object) valid(def int64) int64 {
	node, at, ok := o.get("valid")
	if !ok {
		return def
	}
	if node.Kind == strictyaml.Scalar && node.Text == UntilChanged {
		return 0
	}
	d, err := time.ParseDuration(node.Text)
	if node.Kind != strictyaml.Scalar || err != nil || d < minValid || d > maxValid {
		o.c.bad(at, node.Text, validShape)
		return 0
	}
	return d.Milliseconds()
}

var validShape = wrong{
	"应为 1s 至 168h 的时长，取设备正常静默最长时间的 2.2 倍，如 66s；仅在变化时上报的设备写 until_changed",
	"want a duration from 1s to 168h, 2.2 times the longest normal silence, such as 66s; until_changed for a device that reports changes only",
}

// parseRule reads one rule; valid is the file's own, -1 when it has none.
func parseRule(o *object, valid int64) rule {
	r := rule{line: o.at.line, topic: o.topic()}
	r.text = o.choice("payload", "json", "text") == "text"
	r.skips = o.choice("retained", "keep", "ignore") == "ignore"
	r.private = o.boolean("private", false)
	if node, at, ok := o.get("each"); ok {
		r.each = o.c.path(at, node)
		if r.each != nil && r.each.item {
			o.c.bad(at, r.each.text, wrong{"each 的路径以 $ 开头", "the path of each starts with $"})
		}
	}
	r.when = list(o, "when", maxConditions, parseCondition)
	r.time = parseMoment(o)
	if r.validMs = o.valid(valid); r.validMs < 0 && o.given("samples") {
		o.c.bad(o.at, "", wrong{"缺少 valid（规则或文件顶层）：" + validShape.zh, "valid is missing, in the rule or at the top of the file: " + validShape.en})
	}
	r.device = o.device(&r)
	r.samples = list(o, "samples", maxSamples, func(o *object) sample { return parseSample(o, r.topic.names) })
	r.link = parseLink(o)
	r.tap = parseTap(o)
	r.affirms = o.words("affirms")
	_, r.affirmsAt, _ = o.get("affirms")
	r.private = r.private || r.tap != nil
	if !o.makesRecords() && !r.private {
		o.c.bad(o.at, "", wrong{
			"规则没有产出：samples、link、tap、affirms 至少一项；不关心的主题列入 ignore",
			"the rule makes nothing: want samples, link, tap or affirms; topics that say nothing about use go under ignore",
		})
	}
	r.check(o)
	return r
}

// makesRecords reports whether a rule says what its messages become.
func (o *object) makesRecords() bool {
	return o.given("samples") || o.given("link") || o.given("tap") || o.given("affirms")
}

func (o *object) topic() pattern {
	node, at, ok := o.require("topic", wrong{"MQTT 主题，如 plant/{device}/status", "an MQTT topic such as plant/{device}/status"})
	if !ok {
		return pattern{}
	}
	text, ok := o.c.scalar(at, node)
	if !ok {
		return pattern{}
	}
	p, w := parsePattern(text)
	if w != (wrong{}) {
		o.c.bad(at, text, w)
		return pattern{}
	}
	return p
}

// device reads the device's name, which is {device} of the topic unless the rule says otherwise.
func (o *object) device(r *rule) template {
	if node, at, ok := o.get("device"); ok {
		return o.c.template(at, node, r.topic.names)
	}
	t, w := parseTemplate("{device}", r.topic.names)
	if w != (wrong{}) && !o.given("device") && r.topic.text != "" && o.makesRecords() {
		o.c.bad(o.at, "", wrong{"缺少 device：主题中没有 {device}", "device is missing, and the topic captures no {device}"})
	}
	return t
}

func (c *checker) template(at spot, node strictyaml.Node, names []string) template {
	text, ok := c.scalar(at, node)
	if !ok {
		return template{}
	}
	t, w := parseTemplate(text, names)
	if w != (wrong{}) {
		c.bad(at, text, w)
		return template{}
	}
	t.at = at
	for i := range t.parts {
		p := &t.parts[i]
		if p.path != nil {
			p.path.at = at
		}
		if len(p.literal) > 0 && dialect.CheckName("text", p.literal) != nil {
			c.bad(at, text, wrong{"不得含控制字符，最长 128 字节", "want no control characters, and at most 128 bytes"})
		}
	}
	return t
}

// path reads a path, or returns nil, and that has been said.
func (c *checker) path(at spot, node strictyaml.Node) *path {
	text, ok := c.scalar(at, node)
	if !ok {
		return nil
	}
	p, w := parsePath(text)
	if w != (wrong{}) {
		c.bad(at, text, w)
		return nil
	}
	p.at = at
	return &p
}

// requirePath reads the path that a part of a rule cannot do without.
func (o *object) requirePath(key string) *path {
	node, at, ok := o.require(key, wrong{"路径，如 $.state", "a path such as $.state"})
	if !ok {
		return nil
	}
	return o.c.path(at, node)
}

func parseSample(o *object, names []string) sample {
	var s sample
	if node, at, ok := o.require("channel", wrong{"通道名，如 main", "the channel's name, such as main"}); ok {
		s.channel = o.c.template(at, node, names)
	}
	if node, at, ok := o.get("values"); ok {
		s.values = parseValues(o.c, at, node)
	}
	if node, at, ok := o.get("state"); ok {
		s.state = parseState(o.c, at, node)
	}
	if !o.given("values") && !o.given("state") {
		o.c.bad(o.at, "", wrong{"应有 values 或 state", "want values or state"})
	}
	return s
}

// link says which words mean that a device came or went.
type link struct {
	path  *path
	words map[string]linkWord
	known string // all of them, for errors
}

func parseLink(o *object) *link {
	part := o.part("link")
	if part == nil {
		return nil
	}
	l := &link{path: part.requirePath("path"), words: map[string]linkWord{}}
	var known []string
	for _, kind := range linkWords() {
		for _, word := range part.words(kind.key) {
			if _, twice := l.words[word]; twice {
				_, at, _ := part.get(kind.key)
				part.c.bad(at, word, wrong{"同一个词只能有一个含义", "one word cannot have two meanings"})
			}
			l.words[word] = kind
			known = append(known, word)
		}
	}
	if len(known) == 0 {
		part.c.bad(part.at, "", wrong{"应有 online、offline 或 will 的词", "want words for online, offline or will"})
	}
	l.known = strings.Join(known, ", ")
	part.done()
	return l
}

// tap says where the card of a badge reader stands. It never makes anything of the card but its token.
type tap struct {
	card      *path
	notation  card.Notation
	direction *direction
}

func parseTap(o *object) *tap {
	part := o.part("tap")
	if part == nil {
		return nil
	}
	t := &tap{card: part.requirePath("card")}
	node, at, ok := part.require("notation", wrong{"hex、decimal 或 facility", "hex, decimal or facility"})
	if ok {
		switch t.notation = card.Notation(node.Text); t.notation {
		case card.Hex, card.Decimal, card.Facility:
		default:
			part.c.bad(at, node.Text, wrong{"应为 hex（十六进制）、decimal（十进制）或 facility（区域码,卡号）", "want hex, decimal or facility (facility code, card)"})
		}
	}
	if d := part.part("direction"); d != nil {
		t.direction = parseDirection(d)
	}
	part.done()
	return t
}
