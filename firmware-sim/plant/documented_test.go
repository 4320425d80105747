package plant_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

func TestEveryFigureIsDocumented(t *testing.T) {
	t.Parallel()
	const file, begin, end = "../../docs/simulator-models.md", "-run Documented -update -->\n", "<!-- end of table -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	was, tail, found := strings.Cut(rest, end)
	if !ok || !found {
		t.Fatalf("%s has no table of figures", file)
	}
	var table strings.Builder
	table.WriteString("| kind | figure | default | range | what |\n|---|---|---|---|---|\n")
	for _, kind := range scenario.Kinds() {
		for _, f := range plant.Figures(kind) {
			fmt.Fprintf(&table, "| `%s` | `%s` | %v | %v to %v %s| %s |\n", kind, f.Name, f.Default, f.Least, f.Most, strings.TrimPrefix(f.Unit+" ", " "), f.What)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(head+begin+table.String()+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(was, table.String()); diff != "" {
		t.Errorf("the table of %s is not of these models, run with -update (-page +models):\n%s", file, diff)
	}
}
