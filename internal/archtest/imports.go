package archtest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// levels is the import table, from what knows nothing of the project to what knows all of it. A package imports only
// from rows above its own. A star stands for one folder name.
func levels() [][]string {
	return [][]string{
		{"internal/telemetry", "internal/span"},
		{"internal/dialect", "internal/dialect/*", "internal/spool", "internal/frame", "internal/mqtt"},
		{"internal/evidence", "internal/evidence/*"},
		{"internal/registry", "internal/calendar", "internal/credential", "internal/enrol"},
		{"internal/usage", "internal/attendance"},
		{"internal/hours"},
		{"internal/clue", "internal/evaluate"},
		{"internal/calibrate", "internal/workbook"},
		{"internal/ledger", "internal/seal"},
		{"internal/intake"},
		{"internal/access"},
		{"internal/settle"},
		{"firmware-sim/scenario", "firmware-sim/plant", "firmware-sim/voice", "firmware-sim/load"},
		{"broker-bridge", "collector", "api", "api/console", "firmware-sim"},
		{"firmware-sim/enlist"},
		{"cmd/*"},
	}
}

// leaves may be imported by everyone and import nothing of the project.
func leaves() []string {
	return []string{
		"internal/config", "internal/obs", "internal/lifecycle", "internal/atomicfile", "internal/strictyaml", "internal/archtest",
		"internal/recordingtest", "internal/identity",
	}
}

// neighbours are the imports allowed within a row: an implementation knows the contract it implements, and
// the dialects that speak JSON share their reader, those that hear badge readers share the cards.
func neighbours() [][2]string {
	return [][2]string{
		{"internal/dialect/*", "internal/dialect"},
		{"internal/dialect/*", "internal/dialect/jsondoc"},
		{"internal/dialect/*", "internal/dialect/card"},
		{"internal/evidence/*", "internal/evidence"},
		{"api", "api/console"},
		{"firmware-sim/plant", "firmware-sim/scenario"},
		{"firmware-sim/voice", "firmware-sim/scenario"},
		{"firmware-sim/voice", "firmware-sim/plant"},
		{"firmware-sim/voice/*", "firmware-sim/scenario"},
		{"firmware-sim/voice/*", "firmware-sim/plant"},
		{"firmware-sim/voice/*", "firmware-sim/voice"},
	}
}

// implementations are chosen by cmd alone; everyone else holds the interface. Tests may build on any of them.
func implementations() []string {
	return []string{"internal/dialect/*", "internal/evidence/*"}
}

// sharedCards lies among the implementations and is none: it is what dialects and bridge agree on about cards.
const sharedCards = "internal/dialect/card"

// derivations turn evidence into figures. The oracle must not reach them, and they must not reach outside.
func derivations() []string {
	return []string{
		"internal/usage", "internal/attendance", "internal/hours", "internal/clue", "internal/evaluate", "internal/calibrate",
		"internal/settle",
	}
}

// pure packages compute: no file, no network, no clock.
func pure() []string {
	return []string{
		"internal/telemetry", "internal/span", "internal/dialect", "internal/dialect/*",
		"internal/usage", "internal/attendance", "internal/hours", "internal/clue", "internal/evaluate", "internal/calibrate",
	}
}

// library is a third-party module (or a part of one) with the packages that may know it. docs/adr/0001-libraries.md says
// why each is here.
type library struct {
	path  string
	users []string // patterns; nil: every package
	tests bool     // only in tests, and there everywhere
}

func libraries() []library {
	return []library{
		{path: "github.com/eclipse/paho.mqtt.golang", users: []string{"internal/mqtt"}},
		{path: "github.com/mochi-mqtt/server/v2", users: []string{"internal/mqtt"}},
		{path: "github.com/influxdata/influxdb-client-go/v2", users: []string{"internal/evidence/influx"}},
		{path: "github.com/gofiber/fiber/v2", users: []string{"api", "api/*"}},
		{path: "github.com/valyala/fasthttp", users: []string{"api", "api/*"}},
		{path: "github.com/danielgtaylor/huma/v2", users: []string{"api", "api/*"}},
		{path: "github.com/prometheus/client_golang"},
		{path: "github.com/spf13/cobra", users: []string{"cmd/*"}},
		{path: "github.com/spf13/pflag", users: []string{"cmd/*", "internal/config"}},
		{path: "github.com/charmbracelet/bubbletea", users: []string{"cmd/*"}},
		{path: "github.com/charmbracelet/lipgloss", users: []string{"cmd/*"}},
		{path: "github.com/jedib0t/go-pretty/v6", users: []string{"cmd/*"}},
		{path: "github.com/schollz/progressbar/v3", users: []string{"cmd/*"}},
		{path: "github.com/goccy/go-yaml", users: []string{"internal/strictyaml", "internal/config", "cmd/*"}},
		{path: "github.com/klauspost/compress", users: []string{"internal/frame", "internal/spool", "internal/evidence/influx", "internal/ledger", "firmware-sim"}},
		{path: "google.golang.org/protobuf", users: []string{"internal/frame", "internal/dialect/*", "firmware-sim/voice"}},
		{path: "github.com/valyala/fastjson", users: []string{"internal/dialect", "internal/dialect/*", "internal/evidence/influx"}},
		{path: "modernc.org/sqlite", users: []string{"internal/evidence/embedded", "internal/ledger"}},
		{path: "zombiezen.com/go/sqlite", users: []string{"internal/evidence/embedded"}},
		{path: "github.com/pressly/goose/v3", users: []string{"internal/evidence/embedded", "internal/ledger"}},
		{path: "golang.org/x/crypto", users: []string{"internal/credential", "internal/enrol"}},
		{path: "golang.org/x/text", users: []string{"internal/workbook"}},
		{path: "github.com/xuri/excelize/v2", users: []string{"internal/workbook"}},
		{path: "golang.org/x/sync"},
		{path: "golang.org/x/sys"},
		{path: "golang.org/x/term", users: []string{"cmd/*"}},
		{path: "github.com/google/go-cmp", tests: true},
		{path: "pgregory.net/rapid", tests: true},
		{path: "github.com/bufbuild/protocompile", tests: true},
		{path: "github.com/rogpeppe/go-internal", tests: true},
		{path: "github.com/santhosh-tekuri/jsonschema/v6", tests: true},
		{path: "github.com/chromedp/chromedp", tests: true},
		{path: "github.com/chromedp/cdproto", tests: true},
	}
}

// forbidden imports, with the reason.
func forbidden() map[string]string {
	return map[string]string{
		"log":                         "use log/slog, injected: a global logger cannot be tested or told apart by component",
		"io/ioutil":                   "os and io have all of it",
		"github.com/pkg/errors":       "use fmt.Errorf with %w, errors.Is and errors.As",
		"github.com/stretchr/testify": "use want/got and cmp.Diff: an assertion library hides what was compared",
	}
}

// matches reports whether a folder fits one of the patterns; a star stands for one folder name.
func matches(dir string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := path.Match(pattern, dir)
		return err == nil && ok
	})
}

// within reports whether an import path is the module path or a package below it.
func within(importPath, modulePath string) bool {
	return importPath == modulePath || strings.HasPrefix(importPath, modulePath+"/")
}

// level returns the package's row, and false when it has none. A package for tests stands in the row of the package that
// it lies under.
func level(dir string) (int, bool) {
	i := slices.IndexFunc(levels(), func(row []string) bool { return matches(dir, row) })
	if i < 0 && forTests(dir) {
		return level(path.Dir(dir))
	}
	return i, i >= 0
}

func checkKnownPackages(t *tree) []problem {
	var problems []problem
	for _, dir := range t.packages() {
		if _, ok := level(dir); !ok && !matches(dir, leaves()) {
			problems = append(problems, problem{dir, "no row in the import table: give the package one in internal/archtest/imports.go, or merge it into the package that needs it"})
		}
	}
	return problems
}

func checkDirection(t *tree) []problem {
	var problems []problem
	for _, f := range t.files {
		for _, spec := range f.syntax.Imports {
			to, ok := local(strings.Trim(spec.Path.Value, "`\""))
			if !ok || to == f.dir {
				continue // another module, or an external test of its own package
			}
			if why := refuse(f, to); why != "" {
				problems = append(problems, problem{t.at(spec), fmt.Sprintf("%s may not import %s: %s", f.dir, to, why)})
			}
		}
	}
	return problems
}

// refuse says why the file may not import the package, or "".
func refuse(f *file, to string) string {
	test := f.test || forTests(f.dir)
	switch {
	case forTests(to) && !test:
		return "it exists for tests"
	case matches(to, leaves()):
		return ""
	case matches(f.dir, leaves()):
		return "a leaf imports nothing of the project"
	case forTests(to), neighbourly(f.dir, to):
		return ""
	case matches(to, implementations()) && to != sharedCards && !test && !matches(f.dir, []string{"cmd/*"}):
		return "only cmd chooses implementations; take the interface in your options"
	}
	own, known := level(f.dir)
	target, found := level(to)
	switch {
	case !known || !found:
		return "" // checkKnownPackages says so
	case target < own:
		return ""
	case target == own && path.Base(path.Dir(f.dir)) != "cmd" && !strings.Contains(f.dir, "internal"):
		return "processes never import each other; they meet in cmd and on the wire"
	case target == own:
		return "packages of one row do not import each other"
	}
	return "imports point from later steps to earlier ones, see ARCHITECTURE.md"
}

func neighbourly(from, to string) bool {
	return slices.ContainsFunc(neighbours(), func(pair [2]string) bool {
		return matches(from, pair[:1]) && to == pair[1]
	})
}

// checkOracle follows firmware-sim's imports to their end: what it says is true must not come from what is under test.
func checkOracle(t *tree) []problem {
	const oracle = "firmware-sim"
	via := map[string]string{oracle: ""}
	queue := []string{oracle}
	var problems []problem
	for len(queue) > 0 {
		dir := queue[0]
		queue = queue[1:]
		for _, f := range t.in(dir) {
			if f.test && dir != oracle {
				continue
			}
			for _, p := range f.imports() {
				to, ok := local(p)
				if _, seen := via[to]; !ok || seen {
					continue
				}
				via[to] = dir
				queue = append(queue, to)
				if matches(to, derivations()) {
					problems = append(problems, problem{f.path, fmt.Sprintf("firmware-sim reaches %s through %s: the oracle must know the truth by itself", to, dir)})
				}
			}
		}
	}
	return problems
}

func checkLibraries(t *tree) []problem {
	var problems []problem
	for _, f := range t.files {
		for _, spec := range f.syntax.Imports {
			p := strings.Trim(spec.Path.Value, "`\"")
			first, _, _ := strings.Cut(p, "/")
			if _, own := local(p); own || !strings.Contains(first, ".") || matches(f.dir, []string{"."}) {
				continue
			}
			if why := refuseLibrary(f, p); why != "" {
				problems = append(problems, problem{t.at(spec), why})
			}
		}
	}
	return problems
}

// refuseLibrary says why the file may not know the library, or "".
func refuseLibrary(f *file, importPath string) string {
	i := slices.IndexFunc(libraries(), func(l library) bool { return within(importPath, l.path) })
	if i < 0 {
		return fmt.Sprintf("%s has no row: say in docs/adr/0001-libraries.md why it earns its place, and in internal/archtest/imports.go who may know it", importPath)
	}
	l := libraries()[i]
	test := f.test || forTests(f.dir)
	switch {
	case l.tests && !test:
		return importPath + " is for tests"
	case l.tests, l.users == nil, matches(f.dir, l.users), test:
		return ""
	}
	return fmt.Sprintf("only %s may know %s", strings.Join(l.users, ", "), l.path)
}

func checkForbiddenImports(t *tree) []problem {
	var problems []problem
	for _, f := range t.files {
		for _, spec := range f.syntax.Imports {
			p := strings.Trim(spec.Path.Value, "`\"")
			for bad, why := range forbidden() {
				if within(p, bad) && (p == bad || strings.Contains(bad, ".")) {
					problems = append(problems, problem{t.at(spec), p + " is not used here: " + why})
				}
			}
			if within(p, "testing") && !f.test && !forTests(f.dir) {
				problems = append(problems, problem{t.at(spec), p + " would ship in the binary: put the code into a package named ...test"})
			}
		}
	}
	return problems
}

// checkPurity keeps files, sockets and the clock out of what must give the same figure from the same evidence.
func checkPurity(t *tree) []problem {
	outside := []string{"os", "net", "net/http", "database/sql", "math/rand", "math/rand/v2", "log/slog", "github.com/prometheus/client_golang"}
	var problems []problem
	for _, f := range t.files {
		if f.test || forTests(f.dir) || !matches(f.dir, pure()) {
			continue
		}
		for _, spec := range f.syntax.Imports {
			p := strings.Trim(spec.Path.Value, "`\"")
			if slices.ContainsFunc(outside, func(o string) bool { return p == o || strings.Contains(o, ".") && within(p, o) }) {
				problems = append(problems, problem{t.at(spec), f.dir + " is pure and may not import " + p})
			}
		}
		for _, call := range callsOf(f, "time") {
			if call.name == "Now" || call.name == "Since" || call.name == "Until" {
				problems = append(problems, problem{t.at(call.node), f.dir + " is pure: take the instant as an argument instead of time." + call.name})
			}
		}
	}
	return problems
}
