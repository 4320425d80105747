package spool_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every clause of docs/log.md is cited where it is implemented or tested, and every clause that is cited is there.
func TestClausesAreCited(t *testing.T) {
	t.Parallel()
	id := regexp.MustCompile(`\[L-\d+\.\d+\]`)
	doc, err := os.ReadFile("../../docs/log.md")
	if err != nil {
		t.Fatal(err)
	}
	defined := map[string]bool{}
	for line := range strings.Lines(string(doc)) {
		// A clause begins its paragraph; elsewhere an id is a reference.
		if text, ok := strings.CutPrefix(line, "- [L-"); ok {
			clause := id.FindString("[L-" + text)
			if defined[clause] {
				t.Errorf("%s is there twice", clause)
			}
			defined[clause] = true
		}
	}
	if len(defined) < 30 {
		t.Fatalf("only %d clauses found: the form of docs/log.md has changed", len(defined))
	}
	for _, clause := range id.FindAllString(string(doc), -1) {
		if !defined[clause] {
			t.Errorf("docs/log.md refers to %s, which is not there", clause)
		}
	}
	cited := map[string]bool{}
	for _, dir := range []string{".", "../atomicfile"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, clause := range id.FindAllString(string(source), -1) {
				cited[clause] = true
				if !defined[clause] {
					t.Errorf("%s cites %s, which docs/log.md does not have", name, clause)
				}
			}
		}
	}
	for clause := range defined {
		if !cited[clause] {
			t.Errorf("%s is cited nowhere", clause)
		}
	}
}
