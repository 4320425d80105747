package workbook

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// baseKey is the column by which a row names its base.
const baseKey = "base"

// info says what a sheet is called and what is in it.
type info struct {
	Zh, En string
	also   []string // other names that are understood
	noteZh string
	noteEn string
}

// sheet is one of the tables, whatever its rows are.
type sheet interface {
	info() *info
	columns() []column
	// title is how the product calls the column of a key.
	title(key string) string
	read(im *importing, p *page)
	// export returns the rows of one base as cells, without the base's code; nil for what belongs to no base.
	export(d *draft) [][]string
}

// column is what a sheet says about one of its columns.
type column struct {
	key     string // the registry's name of the field
	zh, en  string
	also    []string // other headers that are understood
	must    bool     // for a new row
	inKey   bool     // part of what names the row: the column must be there
	unseen  bool     // understood, but neither in the template nor in an export
	number  bool     // not text
	mask    func(string) string
	choice  choice
	noteZh  string
	example string
}

// field is a column and how it stands in a row T. get renders what set reads.
type field[T any] struct {
	column
	get func(*T) string
	set func(cell, *T)
}

// table is the sheet of rows T.
type table[T any] struct {
	what   info
	fields []field[T]
	global bool // belongs to no base
	self   bool // is the base: its own code names it
	most   int  // rows of one base; 0 is maxRows
	series bool // the last part of the key is when a validity begins: a thing may have maxSeries of them
	named  bool // an id alone can be the key: the row is known even when other parts of its key are wrong
	store  func(*draft) *store[T]
	// key names a row within its base; "" when the cells do not say.
	key func(*T) string
	// fresh prepares a row that is new; nil is the zero T.
	fresh func() T
	// finish says what follows from several cells, and reports what they say wrongly together. before is nil for a new row.
	finish func(r *row, v, before *T)
	// owns is false for rows of the store that belong to another sheet; nil owns all.
	owns func(*T) bool
}

func (t *table[T]) info() *info { return &t.what }

func (t *table[T]) columns() []column {
	var out []column
	if !t.global && !t.self {
		out = append(out, baseColumn())
	}
	for _, f := range t.fields {
		out = append(out, f.column)
	}
	return out
}

func baseColumn() column {
	return column{key: baseKey, zh: "基地编码", en: "base", also: []string{"基地", "基地编号", "base code"}, noteZh: "只有一个基地时可不填", example: exampleBase}
}

func (t *table[T]) title(key string) string {
	for _, c := range t.columns() {
		if c.key == key {
			return c.zh
		}
	}
	return ""
}

func (t *table[T]) read(im *importing, p *page) {
	heads, ok := im.heads(p, t.columns())
	if !ok {
		return
	}
	for _, l := range p.body() {
		r := &row{im: im, page: p, line: l, heads: heads}
		im.orphans(r)
		if d := im.draftOf(r, t); d != nil {
			t.upsert(r, d)
		}
		im.progress(1)
	}
}

// draftOf returns where the row belongs: its base, or for what belongs to none the import's own store.
func (im *importing) draftOf(r *row, s sheet) *draft {
	switch {
	case s == sheet(holidayTable):
		return &draft{}
	case s == sheet(baseTable):
		return im.baseItself(r)
	}
	return im.baseOf(r)
}

// upsert reads a row over the one with its key.
func (t *table[T]) upsert(r *row, d *draft) {
	st := t.storeOf(r, d)
	var probe T
	if t.fresh != nil {
		probe = t.fresh()
	}
	t.set(r, &probe, func(c column) bool { return c.inKey })
	key := t.key(&probe)
	if key == "" || t.keyIsBad(r) && !t.named {
		t.set(r, &probe, func(column) bool { return true })
		t.require(r)
		return
	}
	i, known := st.at[key]
	if known && st.rows[i] != nil {
		t.twice(r, st.rows[i])
		return
	}
	v, before := probe, (*T)(nil)
	if known {
		old := st.list[i]
		v, before = old, &old
	}
	t.set(r, &v, func(column) bool { return true })
	if !known {
		t.require(r)
	} else {
		t.keepRequired(r)
	}
	if t.finish != nil {
		t.finish(r, &v, before)
	}
	t.keep(r, d, before, v)
}

func (t *table[T]) storeOf(r *row, d *draft) *store[T] {
	if t.global {
		return any(r.im.days).(*store[T]) // the holidays are the only rows of this kind
	}
	return t.store(d)
}

func (t *table[T]) set(r *row, v *T, which func(column) bool) {
	for _, f := range t.fields {
		if c := r.cell(f.key); c.present() && which(f.column) {
			f.set(c, v)
		}
	}
}

func (t *table[T]) keyIsBad(r *row) bool {
	return slices.ContainsFunc(t.fields, func(f field[T]) bool { return f.inKey && r.cell(f.key).isBad() })
}

// require reports what a new row must say and does not.
func (t *table[T]) require(r *row) {
	for _, f := range t.fields {
		if c := r.cell(f.key); f.must && !c.filled() {
			if !c.present() {
				r.im.missingHeader(r.page, f.column)
			} else if !c.isBad() {
				c.bad("必填", "required")
			}
		}
	}
}

// keepRequired reports what a row that is known must not lose.
func (t *table[T]) keepRequired(r *row) {
	for _, f := range t.fields {
		if c := r.cell(f.key); f.must && c.present() && !c.filled() && !c.isBad() {
			c.bad("必填", "required")
		}
	}
}

// twice reports a row whose key another row of the files has.
func (t *table[T]) twice(r, first *row) {
	for _, f := range t.fields {
		if c := r.cell(f.key); f.inKey && c.filled() {
			c.bad("重复：与"+first.nameZh(r)+"是同一条", "repeated: the same as "+first.nameEn(r))
			return
		}
	}
}

// keep stores the row and what it changes.
func (t *table[T]) keep(r *row, d *draft, before *T, v T) {
	st, fields := t.storeOf(r, d), t.difference(before, &v)
	switch change := r.im.changeOf(t); {
	case before == nil:
		change.Added = append(change.Added, Entry{Base: d.code, Key: t.label(&v), Fields: fields})
	case len(fields) > 0:
		change.Changed = append(change.Changed, Entry{Base: d.code, Key: t.label(&v), Fields: fields})
	default:
		change.Same++
		v = *before
	}
	d.touched = d.touched || before == nil || len(fields) > 0
	if before == nil {
		t.bound(r, st, t.key(&v))
	}
	st.put(t.key(&v), v, r)
}

// maxSeries is how many validities one thing may have, such as a card that changes hands: they are compared in pairs.
const maxSeries = 1000

// bound reports a row that is one too many: what belongs together is compared with each other, and no base has as much.
func (t *table[T]) bound(r *row, st *store[T], key string) {
	c := r.cell(r.mainKey())
	if len(st.list) >= cmp.Or(t.most, maxRows) {
		c.bad(fmt.Sprintf("过多：一个基地至多 %d 条", cmp.Or(t.most, maxRows)), fmt.Sprintf("too many, a base has at most %d", cmp.Or(t.most, maxRows)))
	}
	if !t.series {
		return
	}
	of := key[:strings.LastIndex(key, keySeparator)]
	if st.series[of]++; st.series[of] > maxSeries {
		c.bad(fmt.Sprintf("过多：同一对象至多 %d 段有效期", maxSeries), fmt.Sprintf("too many validities of one thing, want at most %d", maxSeries))
	}
}

// difference lists the fields that differ, of a new row those that say something.
func (t *table[T]) difference(before, after *T) []FieldChange {
	var out []FieldChange
	for _, f := range t.fields {
		if f.unseen {
			continue
		}
		was, is := "", f.get(after)
		if before != nil {
			was = f.get(before)
		}
		if was == is {
			continue
		}
		if f.mask != nil {
			was, is = f.mask(was), f.mask(is)
		}
		out = append(out, FieldChange{Header: f.zh, HeaderEN: f.en, Old: was, New: is})
	}
	return out
}

// label names a row for people: the fields of its key, masked.
func (t *table[T]) label(v *T) string {
	out := ""
	for _, f := range t.fields {
		text := f.get(v)
		if !f.inKey || f.unseen || text == "" {
			continue
		}
		if f.mask != nil {
			text = f.mask(text)
		}
		if out != "" {
			out += " "
		}
		out += text
	}
	return out
}

func (t *table[T]) export(d *draft) [][]string {
	var out [][]string
	if t.global {
		return nil
	}
	st := t.store(d)
	for i := range st.list {
		if t.owns != nil && !t.owns(&st.list[i]) {
			continue
		}
		var cells []string
		for _, f := range t.fields {
			if f.unseen {
				continue
			}
			text := f.get(&st.list[i])
			if f.mask != nil {
				text = f.mask(text)
			}
			cells = append(cells, text)
		}
		out = append(out, cells)
	}
	return out
}

// store is the rows of one kind, by key, and the rows of the files that said so.
type store[T any] struct {
	of   *info
	list []T
	at   map[string]int
	rows []*row // nil for what no file said
	name func(*T) string
	// series counts the new validities of each thing.
	series map[string]int
}

func newStore[T any](list []T, of *info, key func(*T) string) *store[T] {
	s := &store[T]{of: of, list: list, at: make(map[string]int, len(list)), rows: make([]*row, len(list)), name: key, series: map[string]int{}}
	for i := range list {
		s.at[key(&list[i])] = i
	}
	return s
}

func (s *store[T]) put(key string, v T, r *row) {
	if i, ok := s.at[key]; ok {
		s.list[i], s.rows[i] = v, r
		return
	}
	s.at[key] = len(s.list)
	s.list, s.rows = append(s.list, v), append(s.rows, r)
}

// origin returns the row that said the entry, nil when no file did.
func (s *store[T]) origin(i int) *row { return s.rows[i] }

// label names an entry for people.
func (s *store[T]) label(i int) (zh, en string) {
	name := printableKey(s.name(&s.list[i]))
	return "已登记的“" + s.of.Zh + "”" + name, "the registered " + s.of.En + " " + name
}
