package strictyaml_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

func TestParseKeepsPlaces(t *testing.T) {
	t.Parallel()
	root, problems := strictyaml.Parse([]byte("车间:\n  - id: cnc\n    n: 0x1f\n  - {a: '1', b: }\nt: |\n  x\n"))
	if problems != nil {
		t.Fatal(problems)
	}
	want := strictyaml.Node{Kind: strictyaml.Map, Line: 1, Column: 1, Fields: []strictyaml.Field{
		{Key: "车间", Line: 1, Column: 1, Value: strictyaml.Node{Kind: strictyaml.List, Line: 2, Column: 3, Items: []strictyaml.Node{
			{Kind: strictyaml.Map, Line: 2, Column: 5, Fields: []strictyaml.Field{
				{Key: "id", Line: 2, Column: 5, Value: strictyaml.Node{Kind: strictyaml.Scalar, Line: 2, Column: 9, Text: "cnc"}},
				{Key: "n", Line: 3, Column: 5, Value: strictyaml.Node{Kind: strictyaml.Scalar, Line: 3, Column: 8, Text: "0x1f"}},
			}},
			{Kind: strictyaml.Map, Line: 4, Column: 5, Fields: []strictyaml.Field{
				{Key: "a", Line: 4, Column: 6, Value: strictyaml.Node{Kind: strictyaml.Scalar, Line: 4, Column: 9, Text: "1", Quoted: true}},
				{Key: "b", Line: 4, Column: 14, Value: strictyaml.Node{Kind: strictyaml.Null, Line: 4, Column: 16}},
			}},
		}}},
		{Key: "t", Line: 5, Column: 1, Value: strictyaml.Node{Kind: strictyaml.Scalar, Line: 5, Column: 4, Text: "x\n", Quoted: true}},
	}}
	if diff := cmp.Diff(want, root); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want []string // "line:column part of the English text"
	}{
		"duplicate keys":  {"a: 1\nb: 2\na: 3\nb: 4\n", []string{`3:1 key "a" twice, first on line 1`, `4:1 key "b" twice, first on line 2`}},
		"alias":           {"a: *x\n", []string{"1:4 anchors"}},
		"anchor":          {"a: &x 1\n", []string{"1:4 anchors"}},
		"tag":             {"a: !!str 1\n", []string{"1:4 anchors"}},
		"merge key":       {"a:\n  <<: {b: 1}\n", []string{"2:3 anchors"}},
		"two documents":   {"a: 1\n---\nb: 2\n", []string{"3:1 more than one document"}},
		"syntax":          {"a: [1\n", []string{"1:4 YAML syntax"}},
		"not UTF-8":       {"a: \xff\n", []string{"1:1 not UTF-8"}},
		"flow nesting":    {strings.Repeat("[", 100000), []string{"1:33 nested too deep"}},
		"block nesting":   {strings.Repeat("- ", 100000), []string{"1:257 nested too deep"}},
		"mapping nesting": {nested(200), []string{"nested too deep"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, problems := strictyaml.Parse([]byte(tt.text))
			if len(problems) != len(tt.want) {
				t.Fatalf("problems %v, want %v", problems, tt.want)
			}
			for i, p := range problems {
				got := fmt.Sprintf("%d:%d %s", p.Line, p.Column, p.En)
				if !strings.Contains(got, tt.want[i]) {
					t.Errorf("problem %q, want %q", got, tt.want[i])
				}
				if p.Zh == "" {
					t.Errorf("problem %q has no Chinese text", got)
				}
			}
		})
	}
}

func nested(depth int) string {
	var b strings.Builder
	for i := range depth {
		fmt.Fprintf(&b, "%sa:\n", strings.Repeat(" ", i))
	}
	return b.String()
}

func TestNearest(t *testing.T) {
	t.Parallel()
	words := []string{"equipment", "max-bytes", "from", "to"}
	for word, want := range map[string]string{
		"equipmnet": "equipment", "Equipment": "equipment", "max_bytes": "max-bytes", "frm": "from", "form": "from",
		"workshop": "", "": "", strings.Repeat("x", 1000): "",
	} {
		if got := strictyaml.Nearest(word, words); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"a: 1\nb: [1, {c: d}]\n", "- x\n- y: |\n    z\n", "a: &x {b: *x}\n", "<<: {a: 1}\n", "? a\n: b\n", "a: !!binary eA==\n",
		"\"\\u4e2d\": '单''引号'\n", "a: >-\n  x\n  y\n", "---\n...\n---\n", "\t", "{a: 1}}", "- - - -",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		node, problems := strictyaml.Parse(text)
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 || p.Zh == "" || p.En == "" {
				t.Fatalf("problem without place or text: %+v", p)
			}
		}
		if len(problems) == 0 {
			checkTree(t, node)
		}
	})
}

func checkTree(t *testing.T, n strictyaml.Node) {
	t.Helper()
	seen := map[string]bool{}
	for _, f := range n.Fields {
		if seen[f.Key] {
			t.Fatalf("key %q twice", f.Key)
		}
		seen[f.Key] = true
		checkTree(t, f.Value)
	}
	for _, item := range n.Items {
		checkTree(t, item)
	}
}

func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a", "no", "~", "2026-01-01", "1e3", "a: b", "#", "\"", "\\", "\x00\x07\x1b\x7f", "\u0085\u2028\ufeff", "😀", "中文-1", " x "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		for _, text := range []string{"k: " + strictyaml.Quote(s) + "\n", "{k: " + strictyaml.Quote(s) + "}\n"} {
			node, problems := strictyaml.Parse([]byte(text))
			if problems != nil || len(node.Fields) != 1 || node.Fields[0].Value.Text != s || node.Fields[0].Value.Kind != strictyaml.Scalar {
				t.Fatalf("%q is written as %s and read as %+v %v", s, text, node, problems)
			}
		}
	})
}
