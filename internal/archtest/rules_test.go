package archtest

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
)

// Each rule must be able to fail: a small bad repository, the rule that sees it, and what it says. A row without a want
// is one that the rule must leave alone.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, row := range badExamples() {
		t.Run(row.rule+"/"+row.name, func(t *testing.T) {
			t.Parallel()
			got := run(t, row.rule, row.files)
			if row.want == "" {
				if len(got) > 0 {
					t.Fatalf("the rule sees a breach where there is none: %q", got)
				}
				return
			}
			if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, row.want) }) {
				t.Fatalf("got %q, want a problem with %q", got, row.want)
			}
		})
	}
}

// A rule without a bad example has never been seen to fail.
func TestEveryRuleHasABadExample(t *testing.T) {
	t.Parallel()
	for _, r := range rules() {
		if !slices.ContainsFunc(badExamples(), func(e example) bool { return e.rule == r.name && e.want != "" }) {
			t.Errorf("no bad example for the rule %q", r.name)
		}
	}
	for _, e := range badExamples() {
		if !slices.ContainsFunc(rules(), func(r rule) bool { return r.name == e.rule }) {
			t.Errorf("the example %q is of no rule: %q", e.name, e.rule)
		}
	}
}

func TestLongFilesAreNamed(t *testing.T) {
	t.Parallel()
	repository := parse(t, "-- internal/span/a.go --\npackage span\n"+strings.Repeat("\n", longFile))
	if got := long(repository); len(got) != 1 {
		t.Fatalf("got %v, want one warning", got)
	}
	if got := checkSizes(repository); len(got) != 0 {
		t.Fatalf("got %v: a long file is a warning, not a breach", got)
	}
}

func TestSourceThatDoesNotParseIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := read(fstest.MapFS{"a.go": {Data: []byte("package")}}); err == nil {
		t.Fatal("a file that does not parse was passed over")
	}
}

// run applies one rule to a repository given as a txtar archive.
func run(t *testing.T, name, files string) []string {
	t.Helper()
	repository := parse(t, files)
	for _, r := range rules() {
		if r.name != name {
			continue
		}
		var out []string
		for _, p := range r.check(repository) {
			out = append(out, p.String())
		}
		return out
	}
	t.Fatalf("there is no rule %q", name)
	return nil
}

func parse(t *testing.T, files string) *tree {
	t.Helper()
	root := fstest.MapFS{}
	for _, f := range txtar.Parse([]byte(files)).Files {
		data := f.Data
		if after, ok := strings.CutPrefix(string(data), "REPEAT "); ok {
			data = []byte(strings.Repeat(strings.TrimSpace(after)+"\n", 100_000))
		}
		root[f.Name] = &fstest.MapFile{Data: data}
	}
	repository, err := read(root)
	if err != nil {
		t.Fatal(err)
	}
	return repository
}
