package workbook

import "github.com/jishi-telemetry/jishi/internal/span"

// The kinds of field that several sheets have. key is the registry's name of the field, zh and en are its headers.

// codeField is an id, a code or a reference to one.
func codeField[T any](key, zh, en string, at func(*T) *string) field[T] {
	return field[T]{
		column: column{key: key, zh: zh, en: en},
		get:    func(v *T) string { return *at(v) },
		set:    func(c cell, v *T) { *at(v) = c.code() },
	}
}

// nameField is a text for people.
func nameField[T any](key, zh, en string, at func(*T) *string) field[T] {
	return field[T]{
		column: column{key: key, zh: zh, en: en},
		get:    func(v *T) string { return *at(v) },
		set:    func(c cell, v *T) { *at(v) = c.name() },
	}
}

// choiceField is one of a closed list.
func choiceField[T any, S ~string](key, zh, en string, list choice, at func(*T) *S) field[T] {
	return field[T]{
		column: column{key: key, zh: zh, en: en, choice: list},
		get:    func(v *T) string { return list.show(string(*at(v))) },
		set:    func(c cell, v *T) { *at(v) = S(list.read(c)) },
	}
}

// listField is several ids in one cell.
func listField[T any](key, zh, en string, at func(*T) *[]string) field[T] {
	return field[T]{
		column: column{key: key, zh: zh, en: en, noteZh: "多个用顿号或逗号分隔"},
		get:    func(v *T) string { return joinZh(*at(v)) },
		set:    func(c cell, v *T) { *at(v) = c.list() },
	}
}

// yesField is 是 or 否.
func yesField[T any](key, zh, en string, at func(*T) *bool) field[T] {
	return field[T]{
		column: column{key: key, zh: zh, en: en, choice: choice{{"是"}, {"否"}}},
		get:    func(v *T) string { return showBool(*at(v)) },
		set:    func(c cell, v *T) { *at(v) = c.yes() },
	}
}

// fromField and toField are the ends of a validity.
func fromField[T any](zh, en string, at func(*T) *span.Span) field[T] {
	return field[T]{
		column: column{key: "from", zh: zh, en: en, noteZh: "空为一直有效"},
		get:    func(v *T) string { return showFrom(at(v).StartMs) },
		set:    func(c cell, v *T) { at(v).StartMs = c.from() },
	}
}

func toField[T any](zh, en string, at func(*T) *span.Span) field[T] {
	return field[T]{
		column: column{key: "to", zh: zh, en: en, noteZh: "含当日；空为一直有效"},
		get:    func(v *T) string { return showTo(at(v).EndMs) },
		set:    func(c cell, v *T) { at(v).EndMs = c.to() },
	}
}

func (f field[T]) required() field[T] { f.must = true; return f }
func (f field[T]) keyed() field[T]    { f.inKey = true; return f }
func (f field[T]) hidden() field[T]   { f.unseen = true; return f }

func (f field[T]) masked(mask func(string) string) field[T] { f.mask = mask; return f }

// like sets the example of the template.
func (f field[T]) like(example string) field[T] { f.example = example; return f }

func (f field[T]) note(zh string) field[T] { f.noteZh = zh; return f }

// or adds headers that are understood too.
func (f field[T]) or(also ...string) field[T] { f.also = append(f.also, also...); return f }
