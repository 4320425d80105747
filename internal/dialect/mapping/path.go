package mapping

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"
)

// maxSteps is how many steps a path may have: as deep as a payload may nest.
const maxSteps = 32

// path leads to one value of the payload: $.a.b[0]["c d"] from the payload itself, @.x from the item of each.
type path struct {
	text  string
	at    spot // in the file
	item  bool // it starts at the item
	steps []step
}

// step is one member or one element.
type step struct {
	key   string
	index int // -1: key counts
}

var pathShape = wrong{
	`应为路径，如 $.power、$.meter["a b"].kwh、$.list[0]；在 each 中以 @ 开头，如 @.value`,
	`want a path such as $.power, $.meter["a b"].kwh or $.list[0]; below each, one that starts with @, such as @.value`,
}

func parsePath(text string) (path, wrong) {
	p := path{text: text}
	if text == "" || len(text) > maxText || text[0] != '$' && text[0] != '@' {
		return p, pathShape
	}
	p.item = text[0] == '@'
	for rest := text[1:]; rest != ""; {
		s, after, ok := parseStep(rest)
		if !ok {
			return p, pathShape
		}
		if len(p.steps) == maxSteps {
			return p, wrong{fmt.Sprintf("路径最多 %d 级", maxSteps), fmt.Sprintf("want a path of at most %d steps", maxSteps)}
		}
		p.steps, rest = append(p.steps, s), after
	}
	return p, wrong{}
}

// parseStep reads .name, [3] or ["any name"].
func parseStep(text string) (s step, rest string, ok bool) {
	if name, dotted := strings.CutPrefix(text, "."); dotted {
		end := strings.IndexAny(name, `.[]"'{} `)
		if end < 0 {
			end = len(name)
		}
		return step{key: name[:end], index: -1}, name[end:], end > 0
	}
	if quoted, ok := strings.CutPrefix(text, `["`); ok {
		name, rest, ok := strings.Cut(quoted, `"]`)
		return step{key: name, index: -1}, rest, ok && name != "" && !strings.Contains(name, `"`)
	}
	digits, ok := strings.CutPrefix(text, "[")
	if !ok {
		return s, "", false
	}
	digits, rest, ok = strings.Cut(digits, "]")
	n, err := strconv.ParseUint(digits, 10, 16)
	return step{index: int(n)}, rest, ok && err == nil
}

// from follows the path from a value, and returns nil when there is nothing.
func (p *path) from(v *fastjson.Value) *fastjson.Value {
	for i := range p.steps {
		if v = p.steps[i].from(v); v == nil {
			return nil
		}
	}
	return v
}

func (s *step) from(v *fastjson.Value) *fastjson.Value {
	switch v.Type() {
	case fastjson.TypeObject:
		if s.index < 0 {
			return v.GetObject().Get(s.key)
		}
	case fastjson.TypeArray:
		if a := v.GetArray(); s.index >= 0 && s.index < len(a) {
			return a[s.index]
		}
	}
	return nil
}

// meets reports whether one of two paths leads to the other's value or to what is around it. Below each, an item is
// every element and every member.
func (p *path) meets(each *path, q *path, qEach *path) bool {
	a, b := p.whole(each), q.whole(qEach)
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] && a[i] != anyStep && b[i] != anyStep {
			return false
		}
	}
	return true
}

var anyStep = step{key: "*", index: -2}

// whole is the path from the payload.
func (p *path) whole(each *path) []step {
	if !p.item || each == nil {
		return p.steps
	}
	all := append(append([]step{}, each.steps...), anyStep)
	return append(all, p.steps...)
}
