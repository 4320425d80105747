package native_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/dialecttest"
)

var schemaFile = filepath.Join("..", "..", "..", "docs", "dialects", "native.schema.json")

// The schema and the decoder say the same of every vector, so that a maker who checks against the schema is read.
func TestSchemaAgreesWithDecoder(t *testing.T) {
	t.Parallel()
	compiler := jsonschema.NewCompiler()
	byKind := make(map[string]*jsonschema.Schema)
	for kind, def := range map[string]string{"sample": "sampleMessage", "tap": "tapMessage", "link": "link"} {
		schema, err := compiler.Compile(schemaFile + "#/$defs/" + def)
		if err != nil {
			t.Fatal(err)
		}
		byKind[kind] = schema
	}
	good, bad := 0, 0
	for _, v := range dialecttest.Load(t, dialecttest.Vectors) {
		for _, s := range v.Steps {
			topic := s.Message.Topic
			schema := byKind[topic[strings.LastIndexByte(topic, '/')+1:]]
			payload, err := jsonschema.UnmarshalJSON(bytes.NewReader(s.Message.Payload))
			if schema == nil || err != nil || beyondSchema(s) {
				continue
			}
			invalid := schema.Validate(payload)
			if (invalid == nil) != (s.Reason == "") {
				t.Errorf("%s %s: decoder says %q, schema says %v", topic, s.Message.Payload, s.Reason, invalid)
			}
			if invalid == nil {
				good++
			} else {
				bad++
			}
		}
	}
	if good < 10 || bad < 10 {
		t.Errorf("only %d good and %d bad payloads compared", good, bad)
	}
}

// beyondSchema reports whether a step's fault is not the payload's, or is one that JSON Schema cannot say.
func beyondSchema(s dialecttest.Step) bool {
	return slices.ContainsFunc(s.Details, func(detail string) bool {
		return strings.Contains(detail, "topic") || strings.Contains(detail, "shape") || strings.Contains(detail, "version") ||
			strings.Contains(detail, "given twice") || strings.Contains(detail, "UTF-8") || detail == "byte 10"
	})
}

// The schema lists exactly the quantities that there are, with their ranges.
func TestSchemaListsTheQuantities(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs struct {
			Values struct {
				Properties map[string]struct{ Minimum, Maximum *float64 }
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	listed := schema.Defs.Values.Properties
	for _, q := range dialect.Quantities() {
		p, ok := listed[q.Name]
		if !ok || p.Minimum == nil || p.Maximum == nil || *p.Minimum != q.Min || *p.Maximum != q.Max {
			t.Errorf("%s: schema says %+v, want %v to %v", q.Name, p, q.Min, q.Max)
		}
		delete(listed, q.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		t.Errorf("%s is in the schema only", name)
	}
}
