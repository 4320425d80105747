package archtest

import (
	"fmt"
	"go/ast"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// The limits of a file's length, in lines.
const (
	longFile    = 400
	tooLongFile = 800
)

// checkPackageComments wants one package comment in exactly one file: two drift apart, none leaves the reader guessing.
func checkPackageComments(t *tree) []problem {
	var problems []problem
	for _, dir := range t.packages() {
		var commented, counted []string
		name := ""
		for _, f := range t.in(dir) {
			if f.test && !onlyTests(t.in(dir)) {
				if f.syntax.Doc != nil {
					problems = append(problems, problem{f.path, "a test file has a package comment; leave an empty line before the package clause"})
				}
				continue
			}
			name = strings.TrimSuffix(f.syntax.Name.Name, "_test")
			counted = append(counted, f.path)
			if f.syntax.Doc == nil {
				continue
			}
			commented = append(commented, f.path)
			text := f.syntax.Doc.Text()
			if !f.generated && name != "main" && !strings.HasPrefix(text, "Package "+name+" ") {
				problems = append(problems, problem{f.path, fmt.Sprintf("the package comment must start with %q", "Package "+name)})
			}
		}
		switch {
		case len(commented) == 0:
			problems = append(problems, problem{dir, fmt.Sprintf("no package comment in any of %d files: say what the package is for, for whom, and what it refuses", len(counted))})
		case len(commented) > 1:
			problems = append(problems, problem{dir, "package comments in " + strings.Join(commented, " and ") + "; keep one"})
		}
	}
	return problems
}

func onlyTests(files []*file) bool {
	return !slices.ContainsFunc(files, func(f *file) bool { return !f.test })
}

func checkSizes(t *tree) []problem {
	var problems []problem
	for _, f := range t.files {
		if f.lines > tooLongFile && !f.generated {
			problems = append(problems, problem{f.path, fmt.Sprintf("%d lines, over %d: split it by concept", f.lines, tooLongFile)})
		}
	}
	return problems
}

// long returns the files that are getting long: a warning, not a breach.
func long(t *tree) []problem {
	var problems []problem
	for _, f := range t.files {
		if f.lines > longFile && !f.generated {
			problems = append(problems, problem{f.path, fmt.Sprintf("%d lines, over %d", f.lines, longFile)})
		}
	}
	return problems
}

// checkNames refuses names that say "everything else": such packages grow without end and are imported by everyone.
func checkNames(t *tree) []problem {
	refused := []string{"util", "utils", "common", "helper", "helpers", "types", "model", "models", "base", "misc", "core", "shared", "manager", "lib"}
	var problems []problem
	for _, dir := range t.packages() {
		for _, f := range t.in(dir) {
			name := strings.TrimSuffix(f.syntax.Name.Name, "_test")
			if slices.Contains(refused, name) || slices.Contains(refused, path.Base(dir)) {
				problems = append(problems, problem{f.path, fmt.Sprintf("package %s: name it for what it provides", name)})
			}
			if strings.ToLower(name) != name || strings.Contains(name, "_") {
				problems = append(problems, problem{f.path, fmt.Sprintf("package %s: one lower-case word", name)})
			}
		}
	}
	return problems
}

// call is a use of a package's function.
type call struct {
	node ast.Node
	name string // of the function
	in   string // the top-level function it stands in, "" outside one
}

// callsOf returns every use of the imported package's names in the file, called or passed on.
func callsOf(f *file, importPath string) []call {
	alias := ""
	for _, spec := range f.syntax.Imports {
		if strings.Trim(spec.Path.Value, "`\"") == importPath {
			alias = path.Base(importPath)
			if spec.Name != nil {
				alias = spec.Name.Name
			}
		}
	}
	if alias == "" {
		return nil
	}
	var calls []call
	for _, decl := range f.syntax.Decls {
		in := ""
		if fn, ok := decl.(*ast.FuncDecl); ok {
			in = fn.Name.Name
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == alias {
					calls = append(calls, call{sel, sel.Sel.Name, in})
				}
			}
			return true
		})
	}
	return calls
}

// checkCalls refuses printing, sleeping and init functions. A main package prints and waits: that is what it is for.
func checkCalls(t *tree) []problem {
	var problems []problem
	for _, f := range t.files {
		main := f.syntax.Name.Name == "main"
		for _, c := range callsOf(f, "time") {
			if c.name == "Sleep" && !main && !(f.test && f.importsPath("testing/synctest")) {
				problems = append(problems, problem{t.at(c.node), "time.Sleep: wait for the thing itself, or let testing/synctest advance the time"})
			}
		}
		for _, c := range callsOf(f, "fmt") {
			example := f.test && strings.HasPrefix(c.in, "Example")
			if strings.HasPrefix(c.name, "Print") && !main && !example {
				problems = append(problems, problem{t.at(c.node), "fmt." + c.name + ": write to an io.Writer that the caller gives"})
			}
		}
		for _, decl := range f.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" && !f.generated {
				problems = append(problems, problem{t.at(fn), "an init function acts before main has decided anything; use a constructor"})
			}
		}
	}
	return problems
}

// checkSkips wants a reason on every skipped test: a silent skip reads as a pass.
func checkSkips(t *tree) []problem {
	var problems []problem
	for _, f := range t.files {
		if !f.test && !forTests(f.dir) {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			c, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := c.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			empty := len(c.Args) == 0
			if len(c.Args) == 1 {
				lit, ok := c.Args[0].(*ast.BasicLit)
				empty = ok && strings.TrimSpace(strings.Trim(lit.Value, "`\"")) == ""
			}
			if name := sel.Sel.Name; name == "SkipNow" && len(c.Args) == 0 || (name == "Skip" || name == "Skipf") && empty && onTest(sel.X) {
				problems = append(problems, problem{t.at(c), name + " without a reason: say what is missing and how to have it"})
			}
			return true
		})
	}
	return problems
}

// onTest reports whether an expression is, by the name everyone gives it, a test, benchmark or fuzz target.
func onTest(x ast.Expr) bool {
	id, ok := x.(*ast.Ident)
	return ok && slices.Contains([]string{"t", "b", "f", "tb"}, id.Name)
}

// checkRecordings keeps recorded data out of the repository: it has its own licences and its own size. Tests find it by
// JISHI_DATA.
func checkRecordings(t *tree) []problem {
	const most = 64 << 10
	var problems []problem
	for _, p := range t.others {
		switch path.Ext(p) {
		case ".gz", ".zst", ".xz", ".zip", ".parquet", ".csv", ".jsonl", ".log", ".pcap":
		default:
			continue
		}
		if info, err := fs.Stat(t.root, p); err == nil && info.Size() > most {
			problems = append(problems, problem{p, fmt.Sprintf("%d bytes of data, over %d: recordings stay outside, tests read them from JISHI_DATA", info.Size(), most)})
		}
	}
	return problems
}
