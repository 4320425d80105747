package clue_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/clue"
)

// TestPageHasTheFigures holds docs/clues.md to the defaults, figure by figure, and to the rules.
func TestPageHasTheFigures(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/clues.md")
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(F\\d+\\.\\w+)` \\| ([^|]+) \\|").FindAllStringSubmatch(string(page), -1) {
		written[m[1]] = m[2]
	}
	all := reflect.ValueOf(*clue.DefaultParams())
	for i := range all.NumField() {
		rule := all.Field(i)
		for j := range rule.NumField() {
			name := all.Type().Field(i).Name + "." + rule.Type().Field(j).Name
			want := fmt.Sprint(rule.Field(j).Interface())
			if d, ok := reflect.TypeAssert[time.Duration](rule.Field(j)); ok {
				want = d.String()
			}
			if written[name] != want {
				t.Errorf("the page says %s is %q, the default is %q", name, written[name], want)
			}
			delete(written, name)
		}
	}
	for name := range written {
		t.Errorf("the page has %s, which is no figure", name)
	}
	for _, r := range clue.Rules(clue.DefaultParams()) {
		if !strings.Contains(string(page), fmt.Sprintf("\n### %s %s", r.ID, strings.Split(r.Title.Zh, "：")[0][:6])) {
			t.Errorf("the page has no chapter on %s %s", r.ID, r.Title.Zh)
		}
	}
}

// TestPageNamesEveryTest finds the names of tests in the package's own source: each stands in docs/clues.md.
func TestPageNamesEveryTest(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/clues.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			fun, ok := call.Fun.(*ast.SelectorExpr)
			text, isText := call.Args[0].(*ast.BasicLit)
			if !ok || !isText || fun.Sel.Name != "fail" && fun.Sel.Name != "worst" {
				return true
			}
			test, err := strconv.Unquote(text.Value)
			if err != nil {
				t.Fatal(err)
			}
			found++
			if !strings.Contains(string(page), "`"+test+"`") {
				t.Errorf("docs/clues.md does not say what the test %s is", test)
			}
			return true
		})
	}
	if found < 20 {
		t.Errorf("only %d tests were found", found)
	}
}
