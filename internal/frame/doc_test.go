package frame

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

func specification(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/frame.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every clause of the specification is cited by the code, and the code cites no other.
func TestClauses(t *testing.T) {
	t.Parallel()
	clause := regexp.MustCompile(`\[(F-\d+\.\d+)\]`)
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^- \[(F-\d+\.\d+)\]`).FindAllStringSubmatch(specification(t), -1) {
		want = append(want, m[1])
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range clause.FindAllSubmatch(b, -1) {
			got = append(got, string(m[1]))
		}
	}
	slices.Sort(got)
	got = slices.Compact(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("clauses of docs/frame.md and those cited in the code differ (-docs +code):\n%s", diff)
	}
	if len(slices.Compact(slices.Clone(want))) != len(want) {
		t.Error("docs/frame.md has a clause twice")
	}
}

// The tables of the specification say what the code does.
func TestDocumentedLimits(t *testing.T) {
	t.Parallel()
	text := specification(t)
	for name, limit := range map[string]int{
		"MaxFrame": MaxFrame, "MaxMessage": MaxMessage, "MaxCount": MaxCount, "MaxRecords": MaxRecords, "MaxNumbers": MaxNumbers,
		"MaxBody": MaxBody, "MaxCanonical": MaxCanonical, "MaxRanges": MaxRanges, "MaxAck": MaxAck, "MaxValues": MaxValues,
		"MaxTopic": MaxTopic, "telemetry.MaxRecords": telemetry.MaxRecords, "telemetry.MaxName": telemetry.MaxName,
		"telemetry.MaxState": telemetry.MaxState, "telemetry.MaxDetail": telemetry.MaxDetail,
		"telemetry.MaxRawPayload": telemetry.MaxRawPayload,
	} {
		if row := fmt.Sprintf("| `%s` | %d |", name, limit); !strings.Contains(text, row) {
			t.Errorf("docs/frame.md has no row %q", row)
		}
	}
	if want := fmt.Sprintf("reach %d KiB", fullBytes>>10); !strings.Contains(text, want) {
		t.Errorf("docs/frame.md does not say %q", want)
	}
}

func TestDocumentedWords(t *testing.T) {
	t.Parallel()
	_, rest, _ := strings.Cut(specification(t), "```words\n")
	list, _, _ := strings.Cut(rest, "```")
	if diff := cmp.Diff(strings.Fields(list), words[1:]); diff != "" {
		t.Errorf("words of docs/frame.md and of the code differ (-docs +code):\n%s", diff)
	}
	if len(wordNumbers) != len(words) {
		t.Errorf("%d words, %d of them different", len(words), len(wordNumbers))
	}
}

// The field tables of the specification name the fields of the schema with their numbers.
func TestDocumentedFields(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("frame.proto")
	if err != nil {
		t.Fatal(err)
	}
	text := specification(t)
	message := ""
	field := regexp.MustCompile(`^  (?:repeated )?\w+ (\w+) = (\d+);`)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "message "); ok {
			message = strings.Fields(rest)[0]
		}
		m := field.FindStringSubmatch(line)
		if m == nil || message == "Range" || message == "Refusal" {
			continue
		}
		_, table, _ := strings.Cut(text, "field of `"+message+"`")
		table, _, _ = strings.Cut(table, "\n\n")
		if row := fmt.Sprintf("| %s | `%s` |", m[2], m[1]); !strings.Contains(table, row) {
			t.Errorf("docs/frame.md has no row %q for %s", row, message)
		}
	}
}
