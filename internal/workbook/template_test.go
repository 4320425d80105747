package workbook_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/workbook"
)

// TestTemplateImports: the examples of the template fit together, and what has been imported changes nothing.
func TestTemplateImports(t *testing.T) {
	t.Parallel()
	file := workbook.File{Name: "模板.xlsx", Data: template(t)}
	change := mustImport(t, workbook.Content{}, options(), file)
	if len(change.Sheets) != 16 || len(change.Bases) != 1 || len(change.Years) != 1 {
		t.Errorf("got %d sheets, bases %v, years %v, want 16, 1, 1", len(change.Sheets), change.Bases, change.Years)
	}
	for _, s := range change.Sheets {
		if len(s.Added) == 0 || s.Same+len(s.Changed)+len(s.Removed) > 0 {
			t.Errorf("sheet %s: got %+v, want rows that are all new", s.Sheet, s)
		}
	}
	r, err := registry.New(change.Content.Bases...)
	if err != nil {
		t.Fatal(err)
	}
	base := r.Bases()[0]
	if _, err := registry.NewRoster(base, change.Content.People[base.Code]); err != nil {
		t.Error(err)
	}
	again := mustImport(t, change.Content, options(), file)
	if !again.Empty() {
		t.Errorf("importing again changes:\n%v", again)
	}
	if diff := cmp.Diff(change.Content, again.Content); diff != "" {
		t.Errorf("importing again (-first +second):\n%s", diff)
	}
}

// TestRegisteredContentStays: content that has been through the registry, sorted and with what lessons inherit filled in,
// is the same content.
func TestRegisteredContentStays(t *testing.T) {
	t.Parallel()
	file := workbook.File{Name: "模板.xlsx", Data: template(t)}
	content := mustImport(t, workbook.Content{}, options(), file).Content
	r, err := registry.New(content.Bases...)
	if err != nil {
		t.Fatal(err)
	}
	content.Bases = r.Bases()
	roster, err := registry.NewRoster(content.Bases[0], content.People["JD-001"])
	if err != nil {
		t.Fatal(err)
	}
	content.People = map[string]registry.People{"JD-001": roster.People()}
	if again := mustImport(t, content, options(), file); !again.Empty() {
		t.Errorf("importing again changes:\n%v", again)
	}
}

// TestExportImports: what is exported, with its masks, can be imported and changes nothing.
func TestExportImports(t *testing.T) {
	t.Parallel()
	content := mustImport(t, workbook.Content{}, options(), workbook.File{Name: "模板.xlsx", Data: template(t)}).Content
	content.Bases[0].Workshops[0].Name = "=HYPERLINK(\"x\")"
	var b bytes.Buffer
	if err := workbook.WriteContent(&b, content); err != nil {
		t.Fatal(err)
	}
	again := mustImport(t, content, options(), workbook.File{Name: "导出.xlsx", Data: b.Bytes()})
	if !again.Empty() {
		t.Errorf("importing an export changes:\n%v%+v", again, again.Sheets)
	}
	f, err := excelize.OpenReader(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for cell, want := range map[string]string{"车间!C2": "'=HYPERLINK(\"x\")", "学员!C2": "张*", "学员!D2": "110105********002X", "学员!E2": "139****1234"} {
		if got := cellOf(t, f, cell); got != want {
			t.Errorf("%s is %q, want %q", cell, got, want)
		}
	}
}

// TestSchoolExports: an export has every field that a row can have.
func TestSchoolExports(t *testing.T) {
	t.Parallel()
	content := registered(t)
	var b bytes.Buffer
	if err := workbook.WriteContent(&b, content); err != nil {
		t.Fatal(err)
	}
	file := workbook.File{Name: "导出.xlsx", Data: b.Bytes()}
	if again := mustImport(t, content, options(), file); !again.Empty() {
		t.Errorf("importing an export changes:\n%v%+v", again, again.Sheets)
	}
	// Into nothing it brings everything but who the people are: masks say too little.
	for _, m := range mistakesOf(t, workbook.Content{}, options(), file) {
		if !strings.Contains(m.En, "is masked") {
			t.Errorf("mistake %v, want only masks", m)
		}
	}
}

func cellOf(t *testing.T, f *excelize.File, name string) string {
	t.Helper()
	sheet, cell, _ := bytes.Cut([]byte(name), []byte("!"))
	value, err := f.GetCellValue(string(sheet), string(cell))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// TestTemplateLooks: headers stay in view, and columns in which Excel would shorten numbers are text.
func TestTemplateLooks(t *testing.T) {
	t.Parallel()
	f, err := excelize.OpenReader(bytes.NewReader(template(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := f.GetSheetList(); got[0] != "填写说明" || len(got) != 17 {
		t.Errorf("sheets are %v, want the notes and 16", got)
	}
	for _, name := range f.GetSheetList()[1:] {
		panes, err := f.GetPanes(name)
		if err != nil || !panes.Freeze || panes.YSplit != 1 {
			t.Errorf("sheet %s: panes %+v, %v, want a frozen first row", name, panes, err)
		}
	}
	for _, cell := range []string{"D2", "D40"} {
		id, err := f.GetCellStyle("学员", cell)
		if err != nil {
			t.Fatal(err)
		}
		if style, err := f.GetStyle(id); err != nil || style.NumFmt != 49 {
			t.Errorf("cell %s of 身份证号 has format %+v, %v, want text", cell, style, err)
		}
	}
	if lists, err := f.GetDataValidations("班次"); err != nil || len(lists) != 4 {
		t.Errorf("got %d lists, %v, want 4", len(lists), err)
	}
}

// TestDocument: docs/import.md names every sheet and column as they are; -update writes them.
func TestDocument(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- sheets: written by go test ./internal/workbook -update -->\n\n", "<!-- end of sheets -->\n"
	path := filepath.Join("..", "..", "docs", "import.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	got, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no place for the sheets", path)
	}
	if *update {
		got = workbook.Document()
		if err := os.WriteFile(path, []byte(head+begin+got+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(workbook.Document(), got); diff != "" {
		t.Errorf("the sheets in %s (-want +got), -update writes them:\n%s", path, diff)
	}
}
