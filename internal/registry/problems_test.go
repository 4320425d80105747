package registry_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/registry"
)

var update = flag.Bool("update", false, "write the expected problems anew")

// Every mistake of a file is reported at once, with its place, its value and what would be right. The expected texts are
// read by people: look at the diff before taking an update.
func TestProblems(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			_, err := registry.Open(file)
			var problems registry.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("error %v, want Problems", err)
			}
			got := problems.Error() + "\n"
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
			for _, p := range problems {
				if p.File == "" || p.Line < 1 || p.Column < 1 || p.Zh == "" || p.En == "" {
					t.Errorf("problem without a place or a text: %+v", p)
				}
			}
		})
	}
}

// A mistake in one file does not hide those of another, and a base belongs to one file.
func TestProblemsOfSeveralFiles(t *testing.T) {
	t.Parallel()
	_, err := registry.Load(fstest.MapFS{
		"a.yaml": {Data: []byte(minimal)},
		"b.yaml": {Data: []byte(minimal)},
		"c.yml":  {Data: []byte(strings.Replace(minimal, "tier: N", "tier: X", 1))},
		"d.txt":  {Data: []byte("not read")},
	})
	want := `b.yaml:2:11: bases[0].code = "b": 基地编码重复，已用于 bases[0].code (a.yaml:2:11) / base code is used twice, first by bases[0].code (a.yaml:2:11)
c.yml:2:11: bases[0].code = "b": 基地编码重复，已用于 bases[0].code (a.yaml:2:11) / base code is used twice, first by bases[0].code (a.yaml:2:11)
c.yml:4:11: bases[0].tier = "X": 可用：1、5、N / want one of 1, 5, N`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestLoadWithoutFiles(t *testing.T) {
	t.Parallel()
	if _, err := registry.Load(fstest.MapFS{"readme.txt": {}}); err == nil {
		t.Error("a directory without YAML files loads")
	}
	if _, err := registry.Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestProblemsAreBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(minimal + "    equipment:\n")
	for range 2000 {
		b.WriteString("      - {}\n")
	}
	_, err := registry.Load(fstest.MapFS{"a.yaml": {Data: []byte(b.String())}})
	var problems registry.Problems
	if !errors.As(err, &problems) || len(problems) != 1000 || !strings.Contains(err.Error(), "1000") {
		t.Errorf("%d problems, want the first 1000", len(problems))
	}
}

func ExampleOpen() {
	_, err := registry.Open("testdata/bad/overlap.yaml")
	if problems, ok := errors.AsType[registry.Problems](err); ok {
		fmt.Println(problems[3].Line, problems[3].En)
	}
	// Output: 21 validity of bindings of device m1 channel "" overlaps bases[0].bindings[0] (overlap.yaml:20:9)
}
