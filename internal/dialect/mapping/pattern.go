package mapping

import (
	"fmt"
	"slices"
	"strings"
)

const (
	// maxLevels is how many levels a topic pattern may have.
	maxLevels = 32
	// maxCaptures is how many of them may be captured.
	maxCaptures = 8
	// maxText bounds the texts of a mapping: patterns, paths, templates, words.
	maxText = 256
)

// pattern is an MQTT topic filter whose levels may be captured: plant/{device}/status, +/x, a/#, line-{n}/state.
type pattern struct {
	text   string
	levels []level
	rest   bool     // it ends in #
	names  []string // of the captures, in order
}

// level is one level of a pattern.
type level struct {
	wild    bool // + or a capture
	capture int  // its place in names, or -1
	// text is a literal level; head and tail stand around a capture.
	text, head, tail string
}

// captures are the texts of a topic that a pattern captured, in the order of its names. They are parts of the topic.
type captures [maxCaptures]string

func parsePattern(text string) (pattern, wrong) {
	p := pattern{text: text}
	if text == "" || len(text) > maxText {
		return p, wrong{fmt.Sprintf("应为 1 至 %d 字节的主题", maxText), fmt.Sprintf("want a topic of 1 to %d bytes", maxText)}
	}
	parts := strings.Split(text, "/")
	if parts[len(parts)-1] == "#" {
		p.rest, parts = true, parts[:len(parts)-1]
	}
	if len(parts) > maxLevels {
		return p, wrong{fmt.Sprintf("主题最多 %d 层", maxLevels), fmt.Sprintf("want a topic of at most %d levels", maxLevels)}
	}
	literal := false
	for _, part := range parts {
		l, w := p.level(part)
		if w != (wrong{}) {
			return p, w
		}
		literal = literal || l.text+l.head+l.tail != ""
		p.levels = append(p.levels, l)
	}
	if !literal {
		return p, wrong{"至少一层须为固定文字，否则会匹配所有主题", "want at least one level of plain text, or every topic would fit"}
	}
	return p, wrong{}
}

// level reads one level and notes the name of its capture.
func (p *pattern) level(part string) (level, wrong) {
	l := level{capture: -1}
	if part == "+" {
		l.wild = true
		return l, wrong{}
	}
	open, closed := strings.IndexByte(part, '{'), strings.IndexByte(part, '}')
	if open < 0 && closed < 0 {
		if strings.ContainsAny(part, "+#") {
			return l, wrong{"+ 须独占一层，# 须独占最后一层", "+ stands alone in its level, # alone in the last"}
		}
		l.text = part
		return l, wrong{}
	}
	if open < 0 || closed < open || strings.ContainsAny(part[closed+1:], "{}+#") || strings.ContainsAny(part[:open]+part[open+1:closed], "{}+#") {
		return l, wrong{"每层最多一个 {名称}，如 plant/{device}/status", "want at most one {name} in a level, such as plant/{device}/status"}
	}
	name := part[open+1 : closed]
	switch {
	case !isName(name):
		return l, wrong{"{名称} 应为字母开头的字母、数字、下划线", "want a {name} of letters, digits and underscores, starting with a letter"}
	case slices.Contains(p.names, name):
		return l, wrong{"{" + name + "} 重复", "{" + name + "} is captured twice"}
	case len(p.names) == maxCaptures:
		return l, wrong{fmt.Sprintf("最多 %d 个 {名称}", maxCaptures), fmt.Sprintf("want at most %d captures", maxCaptures)}
	}
	l.wild, l.capture, l.head, l.tail = true, len(p.names), part[:open], part[closed+1:]
	p.names = append(p.names, name)
	return l, wrong{}
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}

// match reports whether the topic fits, and fills in what is captured. A capture is never empty.
func (p *pattern) match(topic string, caught *captures) bool {
	// MQTT 3.1.1, 4.7.2: a filter that starts with a wildcard does not fit topics that start with $.
	if strings.HasPrefix(topic, "$") && (len(p.levels) == 0 || p.levels[0].wild) {
		return false
	}
	more := true
	for i := range p.levels {
		if !more {
			return false
		}
		var part string
		part, topic, more = strings.Cut(topic, "/")
		if !p.levels[i].fits(part, caught) {
			return false
		}
	}
	return !more || p.rest
}

func (l *level) fits(part string, caught *captures) bool {
	switch {
	case !l.wild:
		return part == l.text
	case l.capture < 0:
		return true
	case len(part) <= len(l.head)+len(l.tail) || !strings.HasPrefix(part, l.head) || !strings.HasSuffix(part, l.tail):
		return false
	}
	if caught != nil {
		caught[l.capture] = part[len(l.head) : len(part)-len(l.tail)]
	}
	return true
}

// overlaps reports whether a topic may fit both patterns. It may say yes of two that differ only around captures.
func (p *pattern) overlaps(q *pattern) bool {
	for i := range max(len(p.levels), len(q.levels)) {
		if i >= len(p.levels) {
			return p.rest
		}
		if i >= len(q.levels) {
			return q.rest
		}
		a, b := &p.levels[i], &q.levels[i]
		switch {
		case !a.wild && !b.fits(a.text, nil), !b.wild && !a.fits(b.text, nil):
			return false
		}
	}
	return true
}
