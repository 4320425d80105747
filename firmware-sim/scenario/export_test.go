package scenario

import (
	"fmt"
	"strings"
)

// Tables are those of docs/simulator.md, by name, as the code has them.
func Tables() map[string]string {
	return map[string]string{"kinds": kindTable(), "dialects": dialectTable(), "habits": habitTable(), "faults": faultTable(), "frauds": fraudTable()}
}

func row(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

func code[T ~string](words ...T) string {
	if len(words) == 0 {
		return ""
	}
	return "`" + strings.Join(texts(words), "` `") + "`"
}

func kindTable() string {
	out := row("`kind`", "device without `devices`", "controller", "station for", "`profile`") + row("---", "---", "---", "---", "---")
	for _, t := range kinds() {
		device, controller, people := "none", "", "nobody"
		for _, s := range t.devices {
			device = string(s.role) + ", " + code(s.dialect)
		}
		if t.controlled {
			controller = "yes"
		}
		if t.capacity > 0 {
			people = fmt.Sprint(t.capacity)
		}
		out += row(code(t.kind), device, controller, people, code(t.profile))
	}
	return out
}

func dialectTable() string {
	out := row("`dialect`", "meter", "controller", "reader, with its `type`", "says the time") + row("---", "---", "---", "---", "---")
	yes := func(is bool) string {
		if is {
			return "yes"
		}
		return ""
	}
	for _, d := range Dialects() {
		reader := ""
		for _, r := range readerDialects() {
			if r == d {
				reader = "yes"
				if types := readerTypes(d); len(types) > 0 {
					reader = code(types...)
				}
			}
		}
		says := ""
		switch tells, utc := d.tellsTime(); {
		case utc:
			says = "UTC"
		case tells:
			says = "local"
		}
		out += row(code(d), yes(d.speaks(Meter)), yes(d.speaks(Controller)), reader, says)
	}
	return out
}

func habitTable() string {
	out := row("", "`late`", "`leaves_early`", "`forgets_tap_out`", "`forgets_tap_in`", "`absent`", "`taps_twice`") + row("---", "---", "---", "---", "---", "---", "---")
	for _, p := range Presets() {
		h := p.Habits()
		cells := []string{code(p)}
		for _, v := range []float64{h.Late, h.LeavesEarly, h.ForgetsTapOut, h.ForgetsTapIn, h.Absent, h.TapsTwice} {
			cells = append(cells, figure(v))
		}
		out += row(cells...)
	}
	return out
}

func faultTable() string {
	out := row("`kind`", "`rate`", "`for`", "`by`", "hits") + row("---", "---", "---", "---", "---")
	for _, s := range faultShapes() {
		rate, lasts, by, hits := "", "", "", s.words().en
		switch s.unit {
		case share:
			rate = figure(s.rate) + " of all"
		case perDay:
			rate = figure(s.rate) + " a day"
		}
		if s.lasts > 0 {
			lasts = length(s.lasts)
		}
		if s.by != (amount{}) {
			by = figure(s.by.usual) + " " + s.by.en
		}
		if s.hits == wholeBase {
			hits = "the whole base"
		}
		out += row(code(s.kind), rate, lasts, by, hits)
	}
	return out
}

func fraudTable() string {
	out := row("`kind`", "about", "may have") + row("---", "---", "---")
	for _, s := range fraudShapes() {
		about := []string{s.about.key()}
		if s.otherBase {
			about = append(about, "other_base")
		}
		var may []string
		if s.person {
			may = append(may, "`person`")
		}
		if s.cards > 0 {
			may = append(may, fmt.Sprintf("`cards` (%d)", s.cards))
		}
		if s.share > 0 {
			may = append(may, fmt.Sprintf("`share` (%s)", figure(s.share)))
		}
		if s.earlier {
			may = append(may, "not on the first day")
		}
		out += row(code(s.kind), code(about...), strings.Join(may, ", "))
	}
	return out
}
