package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A document's words that are checked: code spans, the targets of links, and `make` commands in code blocks.
var (
	codeSpan = regexp.MustCompile("`([^`\n]+)`")
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	makeCall = regexp.MustCompile(`(?:^|\s|&& )make ([a-z][a-z-]*)`)
	target   = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)
	symbol   = regexp.MustCompile(`^([a-z][a-z0-9]*)\.([A-Z]\w*)(?:\.([A-Z]\w*))?(?:\(.*\))?$`)
	fileName = regexp.MustCompile(`^[\w.-]+\.(?:md|go|mod|proto|sql)$`)
)

// checkDocuments compares what the documents name with what is there. CHANGELOG.md speaks of the past and is left alone.
func checkDocuments(t *tree) []problem {
	c := documentCheck{tree: t, symbols: symbolsOf(t), external: externalNames(t), targets: makeTargets(t)}
	for _, doc := range t.documents {
		if doc == "CHANGELOG.md" {
			continue
		}
		source, err := fs.ReadFile(t.root, doc)
		if err != nil {
			c.problems = append(c.problems, problem{doc, err.Error()})
			continue
		}
		c.check(doc, string(source))
	}
	return c.problems
}

type documentCheck struct {
	tree     *tree
	symbols  map[string]map[string]bool // package name to its exported names and Type.Member
	external map[string]bool            // names of packages that are not ours
	targets  map[string]bool            // of the Makefile
	problems []problem
}

func (c *documentCheck) check(doc, source string) {
	fenced := false
	for i, line := range strings.Split(source, "\n") {
		where := fmt.Sprintf("%s:%d", doc, i+1)
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		if fenced {
			c.makeCalls(where, line)
			continue
		}
		for _, m := range codeSpan.FindAllStringSubmatch(line, -1) {
			c.span(where, path.Dir(doc), m[1])
		}
		for _, m := range link.FindAllStringSubmatch(codeSpan.ReplaceAllString(line, ""), -1) {
			c.link(where, path.Dir(doc), m[1])
		}
	}
}

// span checks one code span, as a make command, a path or a symbol, whichever it looks like.
func (c *documentCheck) span(where, dir, text string) {
	switch {
	case strings.HasPrefix(text, "make "):
		c.makeCalls(where, text)
	case strings.ContainsAny(text, " <>{}*$…|=,"):
		// a command, a placeholder or a pattern
	case strings.Contains(text, "/"):
		c.path(where, dir, text)
	case fileName.MatchString(text):
		if !c.exists(text) && !c.exists(path.Join(dir, text)) && !c.anywhere(text) {
			c.say(where, "`"+text+"`: there is no such file")
		}
	case symbol.MatchString(text):
		c.symbol(where, text)
	}
}

// path checks a span with a slash in it. It is ours when its first part is a folder of the repository or looks like one
// of ours that is gone; topics, URLs and import paths of others are not.
func (c *documentCheck) path(where, dir, text string) {
	p := strings.TrimSuffix(strings.TrimPrefix(text, "./"), "/")
	if own, ok := local(p); ok {
		p = own
	}
	first, _, _ := strings.Cut(p, "/")
	ours := slices.Contains([]string{"internal", "cmd", "docs", "deploy", ".ci"}, first) || strings.HasPrefix(text, "./")
	if !ours && (first == "" || first == ".." || !c.exists(first)) {
		return
	}
	if !c.exists(p) && !c.exists(path.Join(dir, p)) {
		c.say(where, "`"+text+"`: there is no such path")
	}
}

func (c *documentCheck) link(where, dir, to string) {
	to, _, _ = strings.Cut(to, "#")
	if to == "" || strings.Contains(to, ":") || strings.HasPrefix(to, "/") {
		return
	}
	if p := path.Join(dir, to); !c.exists(p) {
		c.say(where, fmt.Sprintf("the link to %s leads nowhere", to))
	}
}

func (c *documentCheck) symbol(where, text string) {
	m := symbol.FindStringSubmatch(text)
	pkg, name, member := m[1], m[2], m[3]
	names, ours := c.symbols[pkg]
	switch {
	case !ours && c.external[pkg]:
	case !ours:
		c.say(where, "`"+text+"`: there is no package "+pkg)
	case !names[name], member != "" && !names[name+"."+member]:
		c.say(where, "`"+text+"`: package "+pkg+" has no such name")
	}
}

func (c *documentCheck) makeCalls(where, text string) {
	for _, m := range makeCall.FindAllStringSubmatch(text, -1) {
		if !c.targets[m[1]] {
			c.say(where, "make "+m[1]+": the Makefile has no such target")
		}
	}
}

func (c *documentCheck) say(where, what string) {
	c.problems = append(c.problems, problem{where, what})
}

func (c *documentCheck) exists(p string) bool {
	_, err := fs.Stat(c.tree.root, p)
	return err == nil
}

// anywhere reports whether some file of the repository has the name.
func (c *documentCheck) anywhere(name string) bool {
	return slices.ContainsFunc(c.tree.files, func(f *file) bool { return path.Base(f.path) == name }) ||
		slices.ContainsFunc(c.tree.others, func(p string) bool { return path.Base(p) == name })
}

func makeTargets(t *tree) map[string]bool {
	targets := map[string]bool{}
	source, err := fs.ReadFile(t.root, "Makefile")
	if err != nil {
		return targets
	}
	for _, m := range target.FindAllStringSubmatch(string(source), -1) {
		targets[m[1]] = true
	}
	return targets
}

// externalNames are the last parts of all import paths that are not ours, a few that documents speak of before any file
// imports them, and the receivers that everyone writes alike.
func externalNames(t *tree) map[string]bool {
	names := map[string]bool{}
	for _, n := range []string{"context", "errors", "fmt", "http", "slog", "testing", "time", "pkg", "ctx", "t"} {
		names[n] = true
	}
	version := regexp.MustCompile(`/v\d+$`)
	for _, f := range t.files {
		for _, spec := range f.syntax.Imports {
			p := strings.Trim(spec.Path.Value, "`\"")
			if _, own := local(p); own {
				continue
			}
			names[path.Base(version.ReplaceAllString(p, ""))] = true
			if spec.Name != nil {
				names[spec.Name.Name] = true
			}
		}
	}
	return names
}

// symbolsOf lists what each package exports: names, and members as Type.Member. Packages of one name are one here.
func symbolsOf(t *tree) map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for _, f := range t.files {
		if f.test {
			continue
		}
		names := all[f.syntax.Name.Name]
		if names == nil {
			names = map[string]bool{}
			all[f.syntax.Name.Name] = names
		}
		for _, decl := range f.syntax.Decls {
			declared(decl, names)
		}
	}
	delete(all, "main")
	return all
}

func declared(decl ast.Decl, names map[string]bool) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			names[d.Name.Name] = true
			return
		}
		names[receiver(d.Recv.List[0].Type)+"."+d.Name.Name] = true
	case *ast.GenDecl:
		if d.Tok == token.IMPORT {
			return
		}
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				for _, n := range s.Names {
					names[n.Name] = true
				}
			case *ast.TypeSpec:
				names[s.Name.Name] = true
				for _, member := range members(s.Type) {
					names[s.Name.Name+"."+member] = true
				}
			}
		}
	}
}

// receiver returns the name of a method's type.
func receiver(x ast.Expr) string {
	switch e := x.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// members returns the names of a struct's fields or an interface's methods.
func members(x ast.Expr) []string {
	var list *ast.FieldList
	switch e := x.(type) {
	case *ast.StructType:
		list = e.Fields
	case *ast.InterfaceType:
		list = e.Methods
	default:
		return nil
	}
	var names []string
	for _, field := range list.List {
		for _, n := range field.Names {
			names = append(names, n.Name)
		}
		if len(field.Names) == 0 {
			names = append(names, strings.TrimPrefix(path.Ext("."+receiver(field.Type)), "."))
		}
	}
	return names
}

// checkMap wants every package on the map: a package that ARCHITECTURE.md does not name is one that no reader expects.
func checkMap(t *tree) []problem {
	const architecture = "ARCHITECTURE.md"
	source, err := fs.ReadFile(t.root, architecture)
	if err != nil {
		return []problem{{architecture, err.Error()}}
	}
	var named []string
	for _, m := range codeSpan.FindAllStringSubmatch(string(source), -1) {
		named = append(named, m[1])
	}
	var problems []problem
	for _, dir := range t.packages() {
		if !matches(dir, named) && !forTests(dir) {
			problems = append(problems, problem{architecture, dir + " is not on the map: name it in the import table"})
		}
	}
	return problems
}

// checkTwins wants both READMEs to send the reader to the same commands and documents: a translation that was left behind
// is worse than none.
func checkTwins(t *tree) []problem {
	const english, chinese = "README.md", "README.zh-CN.md"
	named := map[string]map[string]bool{}
	for _, doc := range []string{english, chinese} {
		source, err := fs.ReadFile(t.root, doc)
		if err != nil {
			return []problem{{doc, err.Error()}}
		}
		named[doc] = map[string]bool{english: true, chinese: true}
		for _, m := range codeSpan.FindAllStringSubmatch(string(source), -1) {
			if strings.HasPrefix(m[1], "jishi ") || strings.HasPrefix(m[1], "make ") {
				named[doc]["`"+m[1]+"`"] = true
			}
		}
		for _, m := range link.FindAllStringSubmatch(string(source), -1) {
			named[doc][m[1]] = true
		}
	}
	var problems []problem
	for _, pair := range [][2]string{{english, chinese}, {chinese, english}} {
		for _, what := range slices.Sorted(maps.Keys(named[pair[0]])) {
			if !named[pair[1]][what] {
				problems = append(problems, problem{pair[1], what + " is in " + pair[0] + " and not here"})
			}
		}
	}
	return problems
}
