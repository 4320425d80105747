package access_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/access"
)

var updateManual = flag.Bool("update-manual", false, "write the table of roles into docs/security.md anew")

const (
	tableBegin = "<!-- roles: begin, generated from internal/access -->\n"
	tableEnd   = "<!-- roles: end -->\n"
)

// rolesTable is the product's own table as the manual shows it.
func rolesTable() string {
	var b strings.Builder
	roles := access.Roles()
	b.WriteString("| 权限 permission | 含义 meaning |")
	for _, r := range roles {
		b.WriteString(" " + r.Zh + " `" + string(r.Role) + "` |")
	}
	b.WriteString("\n|---|---|" + strings.Repeat(":-:|", len(roles)) + "\n")
	for _, p := range access.Permissions() {
		b.WriteString("| `" + string(p.Permission) + "` | " + p.Zh + " " + p.En + " |")
		for _, r := range roles {
			mark := ""
			if r.Role.Has(p.Permission) {
				mark = "●"
			}
			b.WriteString(" " + mark + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("| | 可授予范围 may be granted for |")
	for _, r := range roles {
		b.WriteString(" " + []string{"基地 bases", "基地或全市 bases or city", "全市 city"}[r.Reach] + " |")
	}
	return b.String() + "\n"
}

func TestManualHasTheRoles(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "security.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), tableBegin)
	have, after, ended := strings.Cut(rest, tableEnd)
	if !ok || !ended {
		t.Fatalf("%s has no place for the table of roles", path)
	}
	want := "\n" + rolesTable() + "\n"
	if *updateManual {
		if err := os.WriteFile(path, []byte(before+tableBegin+want+tableEnd+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("%s differs from the roles (go test ./internal/access -run Manual -update-manual):\n%s", path, diff)
	}
}
