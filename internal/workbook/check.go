package workbook

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/registry"
)

// checkTouched asks the registry about every base that the files changed, and finds the cell of each problem.
func (im *importing) checkTouched() {
	for _, code := range im.order {
		d := im.drafts[code]
		if !d.touched || len(im.mistakes) >= maxMistakes {
			continue
		}
		base, people := d.assemble()
		_, err := registry.New(base)
		im.problems(d, err)
		_, err = registry.NewRoster(base, people)
		im.problems(d, err)
	}
}

func (im *importing) problems(d *draft, err error) {
	var list registry.Problems
	if !errors.As(err, &list) {
		return
	}
	for _, p := range list {
		im.problem(d, p)
	}
}

// baseField is what the registry puts before the fields of the only base it was given.
const baseField = "bases[0]."

// problem reports a problem of the registry where its row is, in the words of the sheet.
func (im *importing) problem(d *draft, p registry.Problem) {
	at, rest, ok := d.find(strings.TrimPrefix(p.Path, baseField))
	if !ok {
		im.add(spot{page: 0, key: d.code + p.Path}, -1, Mistake{Sheet: baseTable.info().Zh, Header: p.Path, Value: p.Value, Zh: p.Zh, En: p.En})
		return
	}
	r := at.store.origin(at.i)
	if r == nil {
		if r = d.mentioned(p.Zh); r != nil {
			rest = "" // a row of the file makes a registered entry wrong: the row is what can be changed
		}
	}
	if r == nil {
		name, nameEN := at.store.label(at.i)
		im.add(spot{page: 0, key: d.code + p.Path}, -1, Mistake{Value: name, Zh: "导入后不再成立：" + d.words(p.Zh, nil, true), En: nameEN + " would no longer hold: " + d.words(p.En, nil, false)})
		return
	}
	key := r.keyOf(rest)
	c := r.cell(key)
	if r.excused(key) || im.told[missingSpot(r.page, key)] {
		return
	}
	zh, en := d.words(p.Zh, r, true), d.words(p.En, r, false)
	if c.head == nil && p.Value != "" {
		zh, en = zh+"（"+p.Value+"）", en+" ("+p.Value+")"
	}
	c.bad(zh, en)
}

// find returns the entry that a path of the registry lies in, and the rest of the path.
func (d *draft) find(path string) (at listed, rest string, ok bool) {
	for prefix := path; ; {
		if at, ok = d.spots[prefix]; ok {
			return at, strings.Trim(path[len(prefix):], "."), true
		}
		if prefix == "" {
			return listed{}, path, false
		}
		prefix = prefix[:max(0, strings.LastIndexAny(prefix, ".["))]
	}
}

// registryPath is how the registry names another entry in a message.
var registryPath = regexp.MustCompile(`(bases\[0\]\.)?\b(?:workshops|stations|equipment|devices|bindings|hours|exceptions|persons|cards|classes|enrolments|sessions|claims|checks)\[\d+\](\.[a-z_]+(\[\d+\])?)*`)

// mentioned returns the row of a file that a message names, nil when there is none.
func (d *draft) mentioned(message string) *row {
	for _, path := range registryPath.FindAllString(message, -1) {
		if at, _, ok := d.find(strings.TrimPrefix(path, baseField)); ok && at.store.origin(at.i) != nil {
			return at.store.origin(at.i)
		}
	}
	return nil
}

// words brings a message of the registry to the words of a workbook: rows in place of paths, headers in place of fields.
func (d *draft) words(message string, from *row, zh bool) string {
	message = registryPath.ReplaceAllStringFunc(message, func(path string) string {
		at, _, ok := d.find(strings.TrimPrefix(path, baseField))
		if !ok {
			return path
		}
		r := at.store.origin(at.i)
		switch {
		case r != nil && from != nil && zh:
			return r.nameZh(from)
		case r != nil && from != nil:
			return r.nameEn(from)
		}
		nameZh, nameEn := at.store.label(at.i)
		if zh {
			return nameZh
		}
		return nameEn
	})
	if zh {
		return zhFields.Replace(message)
	}
	return enFields.Replace(message)
}

var zhFields = strings.NewReplacer(
	"to 应晚于 from（有效期不含 to）", "截止应不早于起始",
	"未写 signal.kind，应为 controller 或 power", "的状态来源是“无”，应为功率或控制器",
	"只用于 kind: power", "只用于状态来源为功率的设备",
	"run_w × (1 − hysteresis)", "运行阈值×(1−回差)", "应不小于 off_w（", "应不小于关机阈值（", "应大于 off_w", "应大于关机阈值",
)

var enFields = strings.NewReplacer(
	"want to after from (to itself is outside)", "want an end that is not before the beginning",
	"want at least off_w", "want at least 关机阈值", "above off_w", "above 关机阈值", "run_w × (1 − hysteresis)", "运行阈值 × (1 − hysteresis)",
	"only for kind: power", "only for equipment whose 状态来源 is 功率 (power)",
	"has no signal.kind, want controller or power there", "leaves no trace by its 状态来源, want 功率 (power) or 控制器 (controller) there",
)

// keyOf is the column of a field of the registry, "" when there is none.
func (r *row) keyOf(path string) string {
	path = regexpIndex.ReplaceAllString(path, "")
	if key, ok := fieldColumns[path]; ok {
		if path == "token" && !r.cell("token").filled() {
			return "number"
		}
		return key
	}
	if path == "to" && r.page.sheet.title("end") != "" {
		return "end"
	}
	for _, part := range slices.Backward(strings.Split(path, ".")) {
		if r.page.sheet.title(part) != "" {
			return part
		}
	}
	return r.mainKey()
}

var regexpIndex = regexp.MustCompile(`\[\d+\]`)

// fieldColumns are the fields of the registry whose columns have other names.
var fieldColumns = map[string]string{
	"districts": "district", "districts.code": "district", "districts.to": "district_from",
	"identity": "id_number", "ms": "minutes", "token": "token", "signal.power": "run_w", "signal.states": "kind", "value_yuan": "value_yuan",
}

// mainKey is the column for a problem of the whole row: where its validity begins, or what names it.
func (r *row) mainKey() string {
	for _, key := range []string{"start", "from", "id", "code"} {
		if r.page.sheet.title(key) != "" {
			return key
		}
	}
	return ""
}

// excused reports whether a problem of a column follows from a mistake that was reported already.
func (r *row) excused(key string) bool {
	times := []string{"date", "start", "end", "from", "to", "breaks"}
	if slices.Contains(times, key) {
		return slices.ContainsFunc(times, func(k string) bool { return r.cell(k).isBad() })
	}
	return r.cell(key).isBad()
}
