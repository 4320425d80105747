package mapping_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/mapping"
	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

var schemaFile = filepath.Join("..", "..", "..", "docs", "dialects", "mapping.schema.json")

// The schema takes every mapping that the parser takes, and refuses the mistakes that a schema can see, so that an editor
// which knows it says no wrong.
func TestSchemaAgreesWithParser(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{filepath.Join(examples, "*.yaml"), "testdata/mistakes/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files (%v)", err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			root, problems := strictyaml.Parse(text)
			if len(problems) > 0 {
				continue
			}
			_, parsed := mapping.Parse(file, text)
			invalid := schema.Validate(plain(root))
			switch {
			case parsed == nil && invalid != nil:
				t.Errorf("%s is right, and the schema says %v", file, invalid)
			case parsed != nil && invalid == nil && !strings.Contains(file, "topics"):
				t.Errorf("%s is wrong, and the schema takes it", file)
			}
		}
	}
}

// The schema offers the units that the parser knows, and no others.
func TestSchemaHasTheUnits(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range dialect.Quantities() {
		for _, unit := range append(mapping.Units(q.Name), "furlong") {
			text := "version: 1\nvalid: 1m\nrules:\n  - {topic: a, device: d, samples: [{channel: c, values: {" + q.Name + ": {path: $, unit: \"" + unit + "\"}}}]}\n"
			root, _ := strictyaml.Parse([]byte(text))
			_, parsed := mapping.Parse("m", []byte(text))
			if invalid := schema.Validate(plain(root)); (parsed == nil) != (invalid == nil) || (parsed == nil) != (unit != "furlong") {
				t.Errorf("%s in %s: parser %v, schema %v", q.Name, unit, parsed, invalid)
			}
		}
	}
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
