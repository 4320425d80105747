package mapping

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// keyWord stands in a template for the name or the number of the item.
const keyWord = "@key"

// template makes a name: plain text in which {name} is a captured level of the topic, {$.path} or {@.path} a value of the
// payload, and {@key} the item's own name or number.
type template struct {
	text  string
	at    spot // in the file
	parts []templatePart
}

type templatePart struct {
	literal string
	capture int // -1: none
	path    *path
	key     bool
}

// parseTemplate reads a template whose captures are those of the names.
func parseTemplate(text string, names []string) (template, wrong) {
	t := template{text: text}
	if text == "" || len(text) > maxText {
		return t, wrong{fmt.Sprintf("应为 1 至 %d 字节的文字", maxText), fmt.Sprintf("want a text of 1 to %d bytes", maxText)}
	}
	for rest := text; rest != ""; {
		open := strings.IndexAny(rest, "{}")
		if open != 0 {
			if open < 0 {
				open = len(rest)
			}
			t.parts = append(t.parts, templatePart{literal: rest[:open], capture: -1})
			rest = rest[open:]
			continue
		}
		closed := strings.IndexByte(rest, '}')
		if rest[0] == '}' || closed < 0 {
			return t, wrong{"{ } 须成对", "want { and } in pairs"}
		}
		part, w := parsePlaceholder(rest[1:closed], names)
		if w != (wrong{}) {
			return t, w
		}
		t.parts, rest = append(t.parts, part), rest[closed+1:]
	}
	return t, wrong{}
}

func parsePlaceholder(text string, names []string) (templatePart, wrong) {
	if text == keyWord {
		return templatePart{capture: -1, key: true}, wrong{}
	}
	if strings.HasPrefix(text, "$") || strings.HasPrefix(text, "@") {
		p, w := parsePath(text)
		return templatePart{capture: -1, path: &p}, w
	}
	if i := slices.Index(names, text); i >= 0 {
		return templatePart{capture: i}, wrong{}
	}
	known := "{$.path}"
	if len(names) > 0 {
		known = "{" + strings.Join(names, "}, {") + "}, " + known
	}
	return templatePart{}, wrong{"主题中没有此名称，可用：" + known, "the topic captures no such name, want " + known}
}

// ofItem reports whether the text depends on the item of each.
func (t *template) ofItem() bool {
	return slices.ContainsFunc(t.parts, func(p templatePart) bool { return p.key || p.path != nil && p.path.item })
}

// paths yields the payload's paths in the template.
func (t *template) paths(yield func(*path) bool) {
	for i := range t.parts {
		if p := t.parts[i].path; p != nil && !yield(p) {
			return
		}
	}
}

// name renders a template.
func (r *reading) name(t *template, what string) (string, bool) {
	if len(t.parts) == 0 {
		return "", true // a rule that makes nothing needs none
	}
	var text strings.Builder
	for i := range t.parts {
		part := &t.parts[i]
		switch {
		case part.key:
			text.WriteString(r.key)
		case part.capture >= 0:
			text.WriteString(r.caught[part.capture])
		case part.path != nil:
			d := r.at(part.path)
			word, ok := d.word()
			if !ok || word == "" {
				r.fault(telemetry.ReasonMalformed, "%s %s: %s is %s; a text or a number is right", what, t.text, part.path.text, d.what())
				return "", false
			}
			text.WriteString(word)
		default:
			text.WriteString(part.literal)
		}
	}
	if err := dialect.CheckName(what, text.String()); err != nil {
		r.faults.Add(err)
		return "", false
	}
	return r.d.names.Own(text.String()), true
}
