package scenario_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

var update = flag.Bool("update", false, "write the golden files")

// Every mistake of a file is told at once, with its place and what would be right.
func TestReadTellsEveryMistake(t *testing.T) {
	t.Parallel()
	for _, file := range mistakes(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			s, err := scenario.Read(filepath.Base(file), read(t, file))
			problems, ok := errors.AsType[scenario.Problems](err)
			if !ok || s != nil {
				t.Fatalf("scenario %v, error %v, want Problems", s, err)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(problems.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(read(t, golden)), problems.Error()+"\n"); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			checkProblems(t, problems)
		})
	}
}

func checkProblems(t *testing.T, problems scenario.Problems) {
	t.Helper()
	if len(problems) == 0 {
		t.Fatal("an error without a problem")
	}
	for _, p := range problems {
		if p.Zh == "" || p.En == "" || p.Line < 1 || p.Column < 1 {
			t.Fatalf("problem without text or place: %+v", p)
		}
	}
}

func mistakes(t testing.TB) []string { return glob(t, "testdata/mistakes/*.yaml") }

func examples(t testing.TB) []string { return glob(t, "../scenarios/*.yaml") }

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s (%v)", pattern, err)
	}
	return files
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
