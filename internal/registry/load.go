package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// Open loads the registry from one file, or from every *.yaml and *.yml of a directory. A mistake in the data is
// Problems; other errors come from the file system.
func Open(path string) (*Registry, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open registry: %w", err)
	}
	if info.IsDir() {
		return Load(os.DirFS(path))
	}
	return Load(os.DirFS(filepath.Dir(path)), filepath.Base(path))
}

// Load loads the registry from the named files of fsys, or from every *.yaml and *.yml in its root when none is named.
// All or nothing: with any mistake the error is Problems, all mistakes of all files, and nothing is loaded.
func Load(fsys fs.FS, names ...string) (*Registry, error) {
	if len(names) == 0 {
		var err error
		if names, err = yamlFiles(fsys); err != nil {
			return nil, fmt.Errorf("load registry: %w", err)
		}
	}
	c := newChecker()
	var bases []Base
	var places []place
	for _, name := range names {
		text, err := readFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("load registry: %w", err)
		}
		bs, ps := decode(c, name, text)
		bases, places = append(bases, bs...), append(places, ps...)
	}
	return build(c, bases, places)
}

func yamlFiles(fsys fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, errors.New("目录中没有 *.yaml 文件 / no *.yaml file in the directory")
	}
	slices.Sort(names)
	return names, nil
}

// readFile refuses a file that is too large before reading it.
func readFile(fsys fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if info.Size() > strictyaml.MaxBytes {
		return nil, fmt.Errorf("%s: %d bytes, at most %d", name, info.Size(), strictyaml.MaxBytes)
	}
	return fs.ReadFile(fsys, name)
}

// decode reads one file's bases and where they stand; problems go to the checker.
func decode(c *checker, name string, text []byte) ([]Base, []place) {
	root := place{c: c, file: name}
	node, problems := strictyaml.Parse(text)
	for i, p := range problems {
		at := place{c: c, file: name, path: fmt.Sprintf("\x00%d", i)}
		at.mark(p.Line, p.Column)
		at.bad("", p.Zh, p.En)
	}
	for i := range c.problems {
		if strings.HasPrefix(c.problems[i].Path, "\x00") {
			c.problems[i].Path = ""
		}
	}
	if len(problems) > 0 {
		return nil, nil
	}
	if node.Kind == strictyaml.Null {
		root.bad("", "文件为空，应有 bases:", "the file is empty, want bases:")
		return nil, nil
	}
	doc := newObject(root, node)
	bases := list(&doc, "bases", decodeBase)
	doc.done()
	places := make([]place, len(bases))
	for i := range bases {
		places[i] = root.item("bases", i)
	}
	if len(bases) == 0 {
		root.field("bases").bad("", "至少应有一个基地", "want at least one base")
	}
	return bases, places
}
