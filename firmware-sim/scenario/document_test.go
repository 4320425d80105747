package scenario_test

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

const page = "../../docs/simulator.md"

// The tables of the page are those of the code; -update writes them.
func TestPageHasTheTables(t *testing.T) {
	t.Parallel()
	text := string(read(t, page))
	want := text
	for name, table := range scenario.Tables() {
		part := regexp.MustCompile(`(?s)(<!-- ` + name + ` -->\n).*?(<!-- /` + name + ` -->)`)
		if !part.MatchString(want) {
			t.Errorf("the page has no table %s", name)
		}
		want = part.ReplaceAllString(want, "${1}"+table+"${2}")
	}
	if want == text {
		return
	}
	if !*update {
		t.Error("a table of the page differs from the code: go test ./firmware-sim/scenario -run PageHas -update")
		return
	}
	if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Every whole scenario on the page can be played, and what is shown as a mistake is one.
func TestPageExamplesAreRight(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(read(t, page)), -1)
	whole := 0
	for _, block := range blocks {
		text := block[1]
		if !strings.HasPrefix(text, "from:") && !strings.HasPrefix(text, "name:") {
			text = "from: 2026-03-02\ndays: 5\n" + text
		} else {
			whole++
		}
		if _, err := scenario.Read("page", []byte(text)); err != nil {
			t.Errorf("%s\n%v", text, err)
		}
	}
	if whole < 2 {
		t.Errorf("%d whole scenarios on the page", whole)
	}
}

// Problems can be told from every other error.
func TestProblemsAreAnError(t *testing.T) {
	t.Parallel()
	_, err := scenario.Read("x.yaml", nil)
	if problems, ok := errors.AsType[scenario.Problems](err); !ok || len(problems) != 1 || problems[0].String() != err.Error() {
		t.Errorf("error %v", err)
	}
}
