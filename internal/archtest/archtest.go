// Package archtest holds the repository to its own rules: which package may import which, one package comment each, file
// sizes, names, calls that are not ours to make, and documents that name only what exists. It is for everyone who changes
// the code: a broken rule is a failing test with the reason in it.
//
// It reads the source files themselves, never the output of a tool, so that a cached result cannot hide a broken rule.
// It refuses taste: a rule is here only when a reader has lost time to its breach.
package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// module is the import path that every package of the repository starts with.
const module = "github.com/jishi-telemetry/jishi"

// problem is one breach of one rule.
type problem struct {
	where string // path, or path:line, from the repository's root
	what  string // what is wrong, and what would be right
}

func (p problem) String() string { return p.where + ": " + p.what }

// rule is one thing that the repository promises about itself.
type rule struct {
	name  string
	check func(*tree) []problem
}

// rules lists all of them.
func rules() []rule {
	return []rule{
		{"every package has its row in the import table", checkKnownPackages},
		{"imports point one way", checkDirection},
		{"firmware-sim reaches no derivation", checkOracle},
		{"only its own package knows a library", checkLibraries},
		{"some imports are nobody's", checkForbiddenImports},
		{"derivations are pure", checkPurity},
		{"one package comment each", checkPackageComments},
		{"files stay readable", checkSizes},
		{"package names say what they provide", checkNames},
		{"no call that is not ours to make", checkCalls},
		{"a skipped test says why", checkSkips},
		{"documents name only what exists", checkDocuments},
		{"every package is on the map", checkMap},
		{"the two READMEs are twins", checkTwins},
		{"recordings stay outside", checkRecordings},
	}
}

// file is one parsed Go source file.
type file struct {
	path      string // from the root, with slashes
	dir       string // of path; "." at the root
	lines     int
	test      bool // the name ends in _test.go
	generated bool
	syntax    *ast.File
}

// imports returns the import paths of the file, in order.
func (f *file) imports() []string {
	paths := make([]string, 0, len(f.syntax.Imports))
	for _, spec := range f.syntax.Imports {
		paths = append(paths, strings.Trim(spec.Path.Value, "`\""))
	}
	return paths
}

// importsPath reports whether the file imports the path.
func (f *file) importsPath(p string) bool { return slices.Contains(f.imports(), p) }

// tree is the repository as its files say it is.
type tree struct {
	root      fs.FS
	positions *token.FileSet
	files     []*file  // Go source, in order of path
	documents []string // Markdown at the root and under docs
	others    []string // everything else
}

// read parses every Go file under root that belongs to the module.
func read(root fs.FS) (*tree, error) {
	t := &tree{root: root, positions: token.NewFileSet()}
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && foreign(root, p):
			return fs.SkipDir
		case d.IsDir():
			return nil
		case strings.HasSuffix(p, ".go") && !strings.Contains("/"+p, "/testdata/"):
			return t.parse(p)
		case strings.HasSuffix(p, ".md") && (path.Dir(p) == "." || strings.HasPrefix(p, "docs/")):
			t.documents = append(t.documents, p)
		default:
			t.others = append(t.others, p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the repository: %w", err)
	}
	return t, nil
}

// foreign reports whether a folder holds what is not the module's source: caches, builds, data, and other modules.
func foreign(root fs.FS, dir string) bool {
	if dir == "." {
		return false
	}
	switch base := path.Base(dir); {
	case strings.HasPrefix(base, "."), base == "node_modules", dir == "bin", dir == "jishi-data":
		return true
	}
	_, err := fs.Stat(root, path.Join(dir, "go.mod"))
	return err == nil
}

func (t *tree) parse(p string) error {
	source, err := fs.ReadFile(t.root, p)
	if err != nil {
		return err
	}
	syntax, err := parser.ParseFile(t.positions, p, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	t.files = append(t.files, &file{
		path:      p,
		dir:       path.Dir(p),
		lines:     strings.Count(string(source), "\n"),
		test:      strings.HasSuffix(p, "_test.go"),
		generated: ast.IsGenerated(syntax),
		syntax:    syntax,
	})
	return nil
}

// at names a place in a file.
func (t *tree) at(n ast.Node) string {
	pos := t.positions.Position(n.Pos())
	return fmt.Sprintf("%s:%d", pos.Filename, pos.Line)
}

// packages returns the folders that hold Go files, in order.
func (t *tree) packages() []string {
	var dirs []string
	for _, f := range t.files {
		dirs = append(dirs, f.dir)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// in returns the files of one folder.
func (t *tree) in(dir string) []*file {
	var files []*file
	for _, f := range t.files {
		if f.dir == dir {
			files = append(files, f)
		}
	}
	return files
}

// forTests reports whether a package exists for tests: its folder's name ends in "test".
func forTests(dir string) bool { return strings.HasSuffix(path.Base(dir), "test") }

// local returns the folder of an import path of this module, and whether it is one.
func local(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}
