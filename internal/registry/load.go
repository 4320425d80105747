package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	slash "path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// Open loads the registry from one file, or from every *.yaml and *.yml of a directory, with the events that belong to it
// (EventDir). A mistake in the data is Problems; other errors come from the file system.
func Open(path string) (*Registry, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open registry: %w", err)
	}
	if info.IsDir() {
		return Load(os.DirFS(path))
	}
	file := filepath.Base(path)
	return load(os.DirFS(filepath.Dir(path)), []string{file}, eventDirOf(file))
}

// Load loads the registry from the named files of fsys, or when none is named from every *.yaml and *.yml in its root and
// the events in its directory enrolled. All or nothing: with any mistake the error is Problems, all mistakes of all files,
// and nothing is loaded.
func Load(fsys fs.FS, names ...string) (*Registry, error) {
	if len(names) > 0 {
		return load(fsys, names, "")
	}
	names, err := yamlFiles(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("load registry: %w", err)
	}
	if len(names) == 0 {
		return nil, errors.New("load registry: 目录中没有 *.yaml 文件 / no *.yaml file in the directory")
	}
	return load(fsys, names, eventDir)
}

// load loads the files, and the events in a directory that need not be there; "" is none.
func load(fsys fs.FS, names []string, events string) (*Registry, error) {
	c := newChecker()
	var found content
	for _, name := range names {
		text, err := readFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("load registry: %w", err)
		}
		bs, ps := decode(c, name, text)
		found.bases, found.places = append(found.bases, bs...), append(found.places, ps...)
	}
	if events != "" {
		names, err := yamlFiles(fsys, events)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("load registry: %w", err)
		}
		for _, name := range names {
			text, err := readFile(fsys, name)
			if err != nil {
				return nil, fmt.Errorf("load registry: %w", err)
			}
			found.events = append(found.events, decodeEvent(c, name, text)...)
		}
	}
	return build(c, found)
}

// content is what was found in the files, with its places.
type content struct {
	bases  []Base
	places []place // of the bases
	events []placedEvent
}

// yamlFiles returns the YAML files of a directory, in order of name.
func yamlFiles(fsys fs.FS, dir string) ([]string, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if yamlFile(e) {
			names = append(names, slash.Join(dir, e.Name()))
		}
	}
	slices.Sort(names)
	return names, nil
}

func yamlFile(e fs.DirEntry) bool {
	ext := filepath.Ext(e.Name())
	return !e.IsDir() && (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(e.Name(), ".")
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
	doc, ok := parseDocument(c, name, text)
	if !ok {
		return nil, nil
	}
	root := place{c: c, file: name}
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

// parseDocument reads one file as a mapping; problems go to the checker.
func parseDocument(c *checker, name string, text []byte) (doc object, ok bool) {
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
		return object{}, false
	}
	if node.Kind == strictyaml.Null {
		root.bad("", "文件为空，应有 bases:", "the file is empty, want bases:")
		return object{}, false
	}
	return newObject(root, node), true
}
