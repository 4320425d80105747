package mapping_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/dialect/mapping"
)

// examples is where the mappings lie that come with the program.
const examples = "../../../deploy/mappings"

// Every mapping that comes with the program is right.
func TestExamplesParse(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(examples, "*.yaml"))
	if err != nil || len(files) < 2 {
		t.Fatalf("found %d examples (%v)", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mapping.Parse(filepath.Base(file), text)
		if err != nil {
			t.Error(err)
			continue
		}
		if m.Rules() == 0 || len(m.Topics()) == 0 || m.Name() != filepath.Base(file) {
			t.Errorf("%s: %d rules, topics %v", m.Name(), m.Rules(), m.Topics())
		}
	}
}
