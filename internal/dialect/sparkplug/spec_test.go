package sparkplug_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// requirements are the ids of the Sparkplug 3.0.0 specification that speak of a host application, by their endings. The
// page says for each which test holds it.
func requirements() []string {
	families := []struct {
		prefix string
		ids    string
	}{
		{"", "intro-sparkplug-host-state principles-birth-certificates-order components-ph-state conformance-primary-host topic-structure topic-structure-namespace-a"},
		{"topic-structure-namespace-device-id-", "associated-message-types non-associated-message-types"},
		{"topics-ncmd-", "topic mqtt timestamp payload"},
		{"topics-dcmd-", "topic mqtt timestamp payload"},
		{"host-topic-phid-birth-", "message qos retain topic sub-required required payload payload-timestamp"},
		{"host-topic-phid-death-", "qos retain topic required payload payload-timestamp-connect payload-timestamp-disconnect-clean payload-timestamp-disconnect-with-no-disconnect-packet"},
		{"message-flow-phid-sparkplug-", "clean-session-311 clean-session-50 subscription state-publish state-publish-payload state-publish-payload-timestamp"},
		{"message-flow-hid-sparkplug-", "state-message-delivered"},
		{"operational-behavior-edge-node-termination-host-action-", "ndeath-node-offline ndeath-node-tags-stale ndeath-devices-offline ndeath-devices-tags-stale ddeath-devices-offline ddeath-devices-tags-stale"},
		{"operational-behavior-host-reordering-", "param start rebirth success"},
		{"operational-behavior-primary-application-state-with-multiple-servers-", "state state-subs"},
		{"operational-behavior-host-application-", "host-id multi-server-timestamp termination disconnect-intentional"},
		{"operational-behavior-host-application-connect-will", " -topic -payload -qos -retained"},
		{"operational-behavior-host-application-connect-birth", " -topic -payload -qos -retained"},
		{"operational-behavior-host-application-death-", "topic payload qos retained"},
		{"operational-behavior-data-commands-ncmd-", "rebirth-verb rebirth-name rebirth-value verb metric-name metric-value"},
		{"operational-behavior-data-commands-dcmd-", "verb metric-name metric-value"},
		{"payloads-", "alias-data-cmd-requirement metric-datatype-not-req name-cmd-requirement"},
		{"payloads-ncmd-", "timestamp seq qos retain"},
		{"payloads-dcmd-", "timestamp seq qos retain"},
		{"payloads-state-", "will-message will-message-qos will-message-retain will-message-payload subscribe birth birth-payload"},
	}
	var ids []string
	for _, f := range families {
		for ending := range strings.SplitSeq(f.ids, " ") {
			ids = append(ids, "tck-id-"+f.prefix+ending)
		}
	}
	slices.Sort(ids)
	return ids
}

// The page lists every requirement once, with a test that exists or the reason why there is none.
func TestEveryRequirementHasItsTest(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/dialects/sparkplug.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `(tck-id-[^`]+)` \\| [^|]+ \\| ([^|]+) \\|$")
	name := regexp.MustCompile("`(Test[A-Za-z0-9]+)`")
	tests := testsHere(t)
	var listed []string
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		id, holder := m[1], m[2]
		listed = append(listed, id)
		reason := slices.ContainsFunc([]string{"does not apply: ", "not followed", "bridge: ", "operator: "}, func(p string) bool {
			return strings.HasPrefix(holder, p)
		})
		if !reason && !name.MatchString(holder) {
			t.Errorf("%s is held by %q: a test or a reason is right", id, holder)
		}
	}
	slices.Sort(listed)
	if diff := cmp.Diff(requirements(), listed); diff != "" {
		t.Errorf("requirements on the page (-want +got):\n%s", diff)
	}
	for _, m := range name.FindAllStringSubmatch(string(page), -1) {
		if !tests[m[1]] {
			t.Errorf("the page names %s, which does not exist", m[1])
		}
	}
}

// testsHere returns the names of the tests of this package.
func testsHere(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}
