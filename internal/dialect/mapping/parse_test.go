package mapping_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/mapping"
)

// Every mistake of a file is told at once, with its place and what would be right.
func TestParseTellsEveryMistake(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/mistakes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files (%v)", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = mapping.Parse(filepath.Base(file), text)
			problems, ok := errors.AsType[mapping.Problems](err)
			if !ok {
				t.Fatalf("error %v, want Problems", err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(file, ".yaml") + ".txt")
			if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(string(want), problems.Error()+"\n"); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			for _, p := range problems {
				if p.Zh == "" || p.En == "" || p.Line < 1 || p.Column < 1 {
					t.Errorf("problem without text or place: %+v", p)
				}
			}
		})
	}
}

// The units of the language are those of quantities that there are.
func TestEveryQuantityHasUnits(t *testing.T) {
	t.Parallel()
	for _, q := range dialect.Quantities() {
		if len(mapping.Units(q.Name)) == 0 {
			t.Errorf("%s has no unit", q.Name)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/mistakes/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, filepath.Join(examples, "example.yaml"), filepath.Join(examples, "fischertechnik.yaml")) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, "plant/press-1/status", []byte(`{"ts":1767225600000,"power":1.5,"mode":"RUN"}`))
	}
	f.Fuzz(func(t *testing.T, text []byte, topic string, payload []byte) {
		m, err := mapping.Parse("f.yaml", text)
		if (m == nil) != (err != nil) {
			t.Fatalf("mapping %v, error %v", m, err)
		}
		if err != nil {
			problems, ok := errors.AsType[mapping.Problems](err)
			if !ok || len(problems) == 0 {
				t.Fatalf("error %v", err)
			}
			for _, p := range problems {
				if p.Zh == "" || p.En == "" || p.Line < 1 || p.Column < 1 {
					t.Fatalf("problem without text or place: %+v", p)
				}
			}
			return
		}
		checkMessage(t, m, topic, payload)
	})
}
