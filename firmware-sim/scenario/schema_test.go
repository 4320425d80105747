package scenario_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// The schema takes every scenario that the reader takes, and sees the mistakes that a schema can see at the same places:
// an editor that knows it says no wrong. What it cannot see are the files whose names begin with "meaning".
func TestSchemaAgreesWithRead(t *testing.T) {
	t.Parallel()
	schema := compile(t)
	for _, file := range slices.Concat(examples(t), mistakes(t)) {
		text := read(t, file)
		root, broken := strictyaml.Parse(text)
		if len(broken) > 0 {
			continue
		}
		_, err := scenario.Read(file, text)
		problems, _ := errors.AsType[scenario.Problems](err)
		invalid := schema.Validate(plain(root))
		visible := err != nil && !strings.HasPrefix(filepath.Base(file), "meaning")
		switch {
		case !visible && invalid != nil:
			t.Errorf("%s: the schema sees what is no mistake of form: %v", file, invalid)
		case visible && invalid == nil:
			t.Errorf("%s: the schema takes it", file)
		case visible:
			places := placesOf(invalid)
			for _, p := range problems {
				if at := pointer(p.Path); !places[at] && !places[at[:max(0, strings.LastIndexByte(at, '/'))]] {
					t.Errorf("%s: the schema says nothing about %v", file, p)
				}
			}
		}
	}
}

// What the language knows by a word the schema knows too.
func TestSchemaHasTheWords(t *testing.T) {
	t.Parallel()
	schema := compile(t)
	try := func(machine, fault, fraud string, right bool) {
		t.Helper()
		text := "from: 2026-03-02\nbases: {workshops: {machines: [" + machine + "]}}\nfaults: [" + fault + "]\nfrauds: [" + fraud + "]\n"
		root, problems := strictyaml.Parse([]byte(text))
		if problems != nil {
			t.Fatal(problems)
		}
		if err := schema.Validate(plain(root)); (err == nil) != right {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, word := range append(scenario.Kinds(), "loom") {
		try("{kind: "+string(word)+"}", "", "", word != "loom")
	}
	for _, dialect := range append(scenario.Dialects(), "morse") {
		try("{kind: lathe, devices: {dialect: "+string(dialect)+"}}", "", "", dialect != "morse")
	}
	for _, word := range append(scenario.FaultKinds(), "moth") {
		try("", string(word), "", word != "moth" && word != scenario.Swap)
	}
	for _, word := range append(scenario.FraudKinds(), "magic") {
		try("", "", "{kind: "+string(word)+", class: c, machine: m, device: d, person: p, other_base: b}", false)
		try("", "", string(word), false)
	}
}

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "docs", "scenario.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// placesOf lists where a validation found something, as pointers.
func placesOf(err error) map[string]bool {
	out := map[string]bool{}
	var walk func(e *jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		if len(e.Causes) == 0 {
			out[pointer(strings.Join(e.InstanceLocation, "."))] = true
		}
		for _, cause := range e.Causes {
			walk(cause)
		}
	}
	if e, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		walk(e)
	}
	return out
}

// pointer writes a path as a pointer: bases[0].code is /bases/0/code.
func pointer(path string) string {
	if path == "" {
		return ""
	}
	return "/" + strings.NewReplacer("[", "/", "]", "", ".", "/").Replace(path)
}

// plain is a document as JSON would hold it.
func plain(n strictyaml.Node) any {
	switch n.Kind {
	case strictyaml.Map:
		out := map[string]any{}
		for _, f := range n.Fields {
			out[f.Key] = plain(f.Value)
		}
		return out
	case strictyaml.List:
		out := []any{}
		for _, item := range n.Items {
			out = append(out, plain(item))
		}
		return out
	case strictyaml.Null:
		return nil
	}
	if n.Quoted {
		return n.Text
	}
	if b, err := strconv.ParseBool(n.Text); err == nil && len(n.Text) > 1 {
		return b
	}
	if v, err := strconv.ParseFloat(n.Text, 64); err == nil {
		return v
	}
	return n.Text
}
