package archtest

import "strings"

// example is a small repository, as a txtar archive, with what a rule must say of it.
type example struct {
	rule  string
	name  string
	files string
	want  string // part of the problem; "" when there must be none
}

func badExamples() []example {
	const root = "github.com/jishi-telemetry/jishi/"
	src := func(p, body string) string {
		name := p[strings.LastIndex(p[:strings.LastIndex(p, "/")], "/")+1 : strings.LastIndex(p, "/")]
		name = strings.ReplaceAll(name, "-", "")
		return "-- " + p + " --\npackage " + name + "\n" + body + "\n"
	}
	imp := func(p, to string) string { return src(p, `import _ "`+to+`"`) }
	our := func(p, to string) string { return imp(p, root+to) }

	return []example{
		{"every package has its row in the import table", "unknown", src("internal/novel/a.go", ""), "internal/novel: no row"},
		{"every package has its row in the import table", "known", src("internal/span/a.go", "") + src("internal/dialect/opcua/a.go", ""), ""},
		{"every package has its row in the import table", "for the tests of a known one", src("internal/mqtt/brokertest/a.go", ""), ""},
		{"every package has its row in the import table", "for the tests of an unknown one", src("internal/novel/noveltest/a.go", ""), "no row"},

		{"imports point one way", "upward", our("internal/spool/a.go", "internal/settle"), "internal/spool may not import internal/settle"},
		{"imports point one way", "same row", our("internal/spool/a.go", "internal/frame"), "one row do not import"},
		{"imports point one way", "vocabulary imports vocabulary", our("internal/span/a.go", "internal/telemetry"), "one row do not import"},
		{"imports point one way", "process to process", our("collector/a.go", "broker-bridge"), "processes never import each other"},
		{"imports point one way", "process to process in a test", our("collector/a_test.go", "broker-bridge"), "processes never import each other"},
		{"imports point one way", "anything to cmd", our("api/a.go", "cmd/jishi"), "later steps to earlier"},
		{"imports point one way", "implementation chosen by a process", our("collector/a.go", "internal/evidence/influx"), "only cmd chooses"},
		{"imports point one way", "decoder chosen by the bridge", our("broker-bridge/a.go", "internal/dialect/tasmota"), "only cmd chooses"},
		{"imports point one way", "implementation to implementation", our("internal/evidence/influx/a.go", "internal/evidence/embedded"), "only cmd chooses"},
		{"imports point one way", "leaf to the project", our("internal/config/a.go", "internal/telemetry"), "a leaf imports nothing"},
		{"imports point one way", "production to test package", our("collector/a.go", "internal/evidence/evidencetest"), "exists for tests"},
		{"imports point one way", "downward", our("internal/settle/a.go", "internal/usage"), ""},
		{"imports point one way", "contract of an implementation", our("internal/evidence/influx/a.go", "internal/evidence"), ""},
		{"imports point one way", "suite in a test", our("internal/evidence/influx/a_test.go", "internal/evidence/evidencetest"), ""},
		{"imports point one way", "implementation in a test", our("collector/a_test.go", "internal/evidence/embedded"), ""},
		{"imports point one way", "cmd chooses", our("cmd/jishi/a.go", "internal/evidence/influx"), ""},
		{"imports point one way", "leaf", our("internal/telemetry/a.go", "internal/obs"), ""},

		{"firmware-sim reaches no derivation", "directly", our("firmware-sim/a.go", "internal/usage"), "reaches internal/usage"},
		{"firmware-sim reaches no derivation", "by a detour", our("firmware-sim/a.go", "internal/ledger") + our("internal/ledger/a.go", "internal/hours"), "reaches internal/hours through internal/ledger"},
		{"firmware-sim reaches no derivation", "in its tests", our("firmware-sim/a_test.go", "internal/settle"), "reaches internal/settle"},
		{"firmware-sim reaches no derivation", "vocabulary only", our("firmware-sim/a.go", "internal/telemetry"), ""},

		{"only its own package knows a library", "paho outside mqtt", imp("broker-bridge/a.go", "github.com/eclipse/paho.mqtt.golang"), "only internal/mqtt may know"},
		{"only its own package knows a library", "mochi outside mqtt", imp("broker-bridge/a.go", "github.com/mochi-mqtt/server/v2/packets"), "only internal/mqtt may know"},
		{"only its own package knows a library", "influx client outside influx", imp("collector/a.go", "github.com/influxdata/influxdb-client-go/v2/api"), "only internal/evidence/influx may know"},
		{"only its own package knows a library", "fiber outside api", imp("cmd/jishi/a.go", "github.com/gofiber/fiber/v2"), "only api"},
		{"only its own package knows a library", "a new one", imp("internal/span/a.go", "example.org/left-pad"), "has no row"},
		{"only its own package knows a library", "test library in production", imp("internal/span/a.go", "pgregory.net/rapid"), "is for tests"},
		{"only its own package knows a library", "at home", imp("api/a.go", "github.com/gofiber/fiber/v2/middleware/recover") + imp("internal/span/a_test.go", "pgregory.net/rapid"), ""},

		{"some imports are nobody's", "log", imp("collector/a.go", "log"), "use log/slog"},
		{"some imports are nobody's", "pkg/errors", imp("collector/a.go", "github.com/pkg/errors"), "use fmt.Errorf"},
		{"some imports are nobody's", "testify", imp("collector/a_test.go", "github.com/stretchr/testify/assert"), "use want/got"},
		{"some imports are nobody's", "testing in production", imp("collector/a.go", "testing"), "would ship in the binary"},
		{"some imports are nobody's", "testing in a test package", imp("internal/evidence/evidencetest/a.go", "testing"), ""},
		{"some imports are nobody's", "slog", imp("collector/a.go", "log/slog"), ""},

		{"derivations are pure", "file", imp("internal/usage/a.go", "os"), "may not import os"},
		{"derivations are pure", "metrics", imp("internal/hours/a.go", "github.com/prometheus/client_golang/prometheus"), "may not import"},
		{"derivations are pure", "clock", src("internal/usage/a.go", "import \"time\"\nvar now = time.Now"), "take the instant as an argument"},
		{"derivations are pure", "durations", src("internal/usage/a.go", "import \"time\"\nconst d = time.Second"), ""},

		{"one package comment each", "none", src("internal/span/a.go", ""), "no package comment"},
		{"one package comment each", "two", "-- internal/span/a.go --\n// Package span is.\npackage span\n-- internal/span/b.go --\n// Package span was.\npackage span\n", "keep one"},
		{"one package comment each", "another's", "-- internal/span/a.go --\n// Package spam is.\npackage span\n", "must start with"},
		{"one package comment each", "in a test", "-- internal/span/a.go --\n// Package span is.\npackage span\n-- internal/span/a_test.go --\n// Tests of span.\npackage span\n", "a test file has a package comment"},
		{"one package comment each", "one", "-- internal/span/a.go --\n// Package span is.\npackage span\n-- internal/span/a_test.go --\npackage span_test\n", ""},

		{"files stay readable", "too long", src("internal/span/a.go", strings.Repeat("\n", tooLongFile)), "over 800"},
		{"files stay readable", "too long a test", src("internal/span/a_test.go", strings.Repeat("\n", tooLongFile)), "over 800"},
		{"files stay readable", "generated", "-- internal/span/a.go --\n// Code generated by gen. DO NOT EDIT.\npackage span\n" + strings.Repeat("\n", tooLongFile), ""},

		{"package names say what they provide", "util", src("internal/util/a.go", ""), "name it for what it provides"},
		{"package names say what they provide", "another name in a folder of everything", "-- internal/common/a.go --\npackage fine\n", "name it for what it provides"},
		{"package names say what they provide", "two words", "-- internal/span/a.go --\npackage span_set\n", "one lower-case word"},

		{"no call that is not ours to make", "print", src("collector/a.go", "import \"fmt\"\nfunc f() { fmt.Println() }"), "write to an io.Writer"},
		{"no call that is not ours to make", "print in a test", src("collector/a_test.go", "import \"fmt\"\nfunc TestF() { fmt.Printf(\"\") }"), "write to an io.Writer"},
		{"no call that is not ours to make", "print under another name", src("collector/a.go", "import out \"fmt\"\nfunc f() { out.Print() }"), "write to an io.Writer"},
		{"no call that is not ours to make", "sleep", src("collector/a.go", "import \"time\"\nfunc f() { time.Sleep(1) }"), "time.Sleep"},
		{"no call that is not ours to make", "sleep in a test", src("collector/a_test.go", "import \"time\"\nfunc f() { time.Sleep(1) }"), "time.Sleep"},
		{"no call that is not ours to make", "init", src("collector/a.go", "func init() {}"), "use a constructor"},
		{"no call that is not ours to make", "fake time", src("collector/a_test.go", "import (\n\"time\"\n_ \"testing/synctest\"\n)\nfunc f() { time.Sleep(1) }"), ""},
		{"no call that is not ours to make", "main prints, an example shows", "-- cmd/jishi/a.go --\npackage main\nimport \"fmt\"\nfunc f() { fmt.Println() }\n" + src("collector/a_test.go", "import \"fmt\"\nfunc ExampleF() { fmt.Println() }"), ""},
		{"no call that is not ours to make", "method named init", src("collector/a.go", "type t int\nfunc (t) init() {}"), ""},

		{"a skipped test says why", "no words", src("collector/a_test.go", "func f(t T) { t.Skip() }"), "without a reason"},
		{"a skipped test says why", "empty words", src("collector/a_test.go", "func f(t T) { t.Skip(\" \") }"), "without a reason"},
		{"a skipped test says why", "SkipNow", src("collector/a_test.go", "func f(t T) { t.SkipNow() }"), "without a reason"},
		{"a skipped test says why", "a reason", src("collector/a_test.go", "func f(t T) { t.Skip(\"no influxd: run make setup\") }"), ""},

		{"documents name only what exists", "path", "-- README.md --\nsee `internal/gone`\n", "`internal/gone`: there is no such path"},
		{"documents name only what exists", "import path", "-- README.md --\nsee `" + root + "internal/gone`\n", "there is no such path"},
		{"documents name only what exists", "file", "-- docs/log.md --\nsee `gone.go`\n", "there is no such file"},
		{"documents name only what exists", "link", "-- docs/log.md --\n[see](../gone.md)\n", "leads nowhere"},
		{"documents name only what exists", "symbol", src("internal/spool/a.go", "func Open() {}") + "-- README.md --\n`spool.Close`\n", "no such name"},
		{"documents name only what exists", "member", src("internal/spool/a.go", "type Log struct{ Dir string }") + "-- README.md --\n`spool.Log.File`\n", "no such name"},
		{"documents name only what exists", "package of a symbol", "-- README.md --\n`gone.Open`\n", "there is no package gone"},
		{"documents name only what exists", "make target", "-- Makefile --\ntest:\n-- README.md --\n`make tset`\n", "no such target"},
		{"documents name only what exists", "make target in a block", "-- README.md --\n```\nmake tset\n```\n", "no such target"},
		{
			"documents name only what exists", "what is there, and what is not ours",
			src("internal/spool/a.go", "import \"io\"\nfunc Open() {}\ntype Log struct{ Dir string }\nfunc (l *Log) Close() {}\nvar _ io.Reader") +
				"-- Makefile --\ntest:\n-- README.md --\n`internal/spool`, `./internal/spool/a.go`, `a.go`, `spool.Open`, `spool.Log.Dir`, `spool.Log.Close()`,\n" +
				"`io.Reader`, `make test`, `jishi/v1/<base>/frame`, `/api/v1/bases`, `github.com/else/where`, `JISHI_DATA`, `tele/x/SENSOR`,\n" +
				"[a](internal/spool), [b](https://example.org), [c](#here)\n", "",
		},
		{"documents name only what exists", "the past", "-- CHANGELOG.md --\n`internal/gone`\n", ""},

		{"every package is on the map", "missing", src("internal/span/a.go", "") + "-- ARCHITECTURE.md --\n`internal/telemetry`\n", "internal/span is not on the map"},
		{"every package is on the map", "no map", src("internal/span/a.go", ""), "ARCHITECTURE.md"},
		{"every package is on the map", "by pattern", src("internal/dialect/shelly/a.go", "") + "-- ARCHITECTURE.md --\n`internal/dialect/*`\n", ""},

		{"the two READMEs are twins", "a command", "-- README.md --\n`jishi up`\n-- README.zh-CN.md --\n`jishi`\n", "README.zh-CN.md: `jishi up` is in README.md"},
		{"the two READMEs are twins", "a link", "-- README.md --\n-- README.zh-CN.md --\n[a](docs)\n", "README.md: docs is in README.zh-CN.md"},
		{"the two READMEs are twins", "one alone", "-- README.md --\n", "README.zh-CN.md"},
		{"the two READMEs are twins", "each other", "-- README.md --\n[中文](README.zh-CN.md)\n-- README.zh-CN.md --\n[English](README.md)\n", ""},

		{"recordings stay outside", "a big one", "-- internal/usage/testdata/day.csv --\nREPEAT 2018-12-09,ACTIVE\n", "recordings stay outside"},
		{"recordings stay outside", "a small vector", "-- internal/usage/testdata/day.csv --\n2018-12-09,ACTIVE\n", ""},
	}
}
