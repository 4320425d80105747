package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/intake"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/workbook"
)

// maxImport bounds the body of an import, in bytes: a workbook of 50,000 rows has two or three million.
const maxImport = 12 << 20

// importRoutes are the operations that bring workbooks in.
func (s *Server) importRoutes() {
	huma.Register(s.spec, operation(http.MethodGet, "import-template", "/bases/{base}/import/template", "Empty workbook with every sheet 导入模板", access.Import), s.importTemplate)
	post := also(secret(operation(http.MethodPost, "import", "/bases/{base}/import", "Import reference data, all or nothing 导入登记数据", access.Import)), http.StatusConflict)
	post.MaxBodyBytes = maxImport
	huma.Register(s.spec, post, s.importFiles)
}

// FileOut is a file in an answer.
type FileOut struct {
	Name string `json:"name"`
	Type string `json:"type" doc:"media type"`
	Data []byte `json:"data" doc:"base64"`
}

type templateOutput struct{ Body FileOut }

const xlsxType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

func (s *Server) importTemplate(_ context.Context, in *classesInput) (*templateOutput, error) {
	if err := s.knownBase(in.Base); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := workbook.WriteTemplate(&b); err != nil {
		return nil, s.problem(err)
	}
	return &templateOutput{FileOut{"jishi-模板.xlsx", xlsxType, b.Bytes()}}, nil
}

type importInput struct {
	Base string `path:"base" maxLength:"64" doc:"Code of the base 基地编码: no other may be in the files"`
	Body struct {
		Files []struct {
			Name string `json:"name" minLength:"1" maxLength:"200" doc:"with its extension: .xlsx, or .csv named by the sheet 学员.csv"`
			Data []byte `json:"data" doc:"base64"`
		} `json:"files" nullable:"false" minItems:"1" maxItems:"32"`
		DryRun bool   `json:"dry_run,omitempty" doc:"show what would change, and change nothing 预览"`
		Note   string `json:"note,omitempty" maxLength:"500" doc:"why 说明"`
	}
}

// ImportResult is what an import changes, or would change. Names and numbers of persons in it are masked.
type ImportResult struct {
	DryRun  bool          `json:"dry_run"`
	Changed bool          `json:"changed" doc:"whether anything differs"`
	Version int64         `json:"version,omitempty" doc:"of the reference data afterwards"`
	Sheets  []ImportSheet `json:"sheets" nullable:"false"`
	Purged  []string      `json:"purged,omitempty" doc:"persons whose identity was deleted with a certificate; it does not come back"`
}

// ImportSheet is what changes by one kind of row.
type ImportSheet struct {
	Sheet   string        `json:"sheet"`
	SheetEN string        `json:"sheet_en"`
	Added   int           `json:"added"`
	Changed int           `json:"changed"`
	Removed int           `json:"removed"`
	Same    int           `json:"same"`
	Rows    []ImportEntry `json:"rows,omitempty" doc:"the first of those that differ"`
}

// ImportEntry is one row that differs.
type ImportEntry struct {
	Change string              `json:"change" enum:"added,changed,removed"`
	Key    string              `json:"key"`
	Fields []ImportFieldChange `json:"fields,omitempty"`
}

// ImportFieldChange is one field, as a cell would have it.
type ImportFieldChange struct {
	Header string `json:"header"`
	Old    string `json:"old"`
	New    string `json:"new"`
}

type importOutput struct{ Body ImportResult }

func (s *Server) importFiles(ctx context.Context, in *importInput) (*importOutput, error) {
	if err := s.knownBase(in.Base); err != nil {
		return nil, err
	}
	if s.o.Intake == nil {
		return nil, huma.Error404NotFound("本服务没有台账 (this service keeps no ledger)")
	}
	desk, err := s.o.Intake(ctx)
	if err != nil {
		return nil, s.problem(err)
	}
	files := make([]workbook.File, len(in.Body.Files))
	for i, f := range in.Body.Files {
		files[i] = workbook.File{Name: f.Name, Data: f.Data}
	}
	plan, err := desk.Plan(ctx, files, intake.Limits{Base: in.Base, Only: []string{in.Base}})
	if mistakes, ok := errors.AsType[workbook.Mistakes](err); ok {
		return nil, mistaken(mistakes)
	}
	if err != nil {
		return nil, s.problem(err)
	}
	out := &importOutput{resultOf(plan)}
	out.Body.DryRun = in.Body.DryRun
	if in.Body.DryRun || plan.Empty() {
		return out, nil
	}
	changed, err := s.storeImport(ctx, desk, plan, in)
	if err != nil {
		return nil, err
	}
	out.Body.Version = changed.Version
	for _, p := range changed.Purged {
		out.Body.Purged = append(out.Body.Purged, p[1])
	}
	return out, nil
}

// storeImport stores a plan, with its entry in the audit log before it.
func (s *Server) storeImport(ctx context.Context, desk *intake.Desk, plan *intake.Plan, in *importInput) (ledger.Changed, error) {
	who := callerOf(ctx).Actor()
	if s.o.Access != nil {
		err := s.o.Access.Record(ctx, access.Entry{
			Actor: who, Action: access.ActImport, Object: in.Body.Files[0].Name, Base: in.Base, Reason: in.Body.Note,
			Detail: map[string]any{"files": len(in.Body.Files), "change": plan.String()},
		})
		if err != nil {
			return ledger.Changed{}, s.accessProblem(err)
		}
	}
	changed, err := desk.Store(ctx, plan, who, in.Body.Note, s.o.Now().UnixMilli())
	if errors.Is(err, ledger.ErrStale) {
		return changed, huma.Error409Conflict(ledger.ErrStale.Error())
	}
	if err != nil {
		return changed, s.problem(err)
	}
	return changed, nil
}

// mistaken tells every mistake at its cell.
func mistaken(mistakes workbook.Mistakes) error {
	details := make([]error, len(mistakes))
	for i, m := range mistakes {
		where := m.File
		if m.Sheet != "" {
			where += " " + m.Sheet
		}
		if m.Row > 0 {
			where += fmt.Sprintf("!%s%d", m.Column, m.Row)
		}
		message := m.Zh + " (" + m.En + ")"
		if m.Header != "" {
			message = m.Header + "：" + message
		}
		details[i] = &huma.ErrorDetail{Location: where, Message: message, Value: m.Value}
	}
	return huma.Error422UnprocessableEntity(fmt.Sprintf("未导入，共 %d 处错误 (%d mistakes, nothing was imported)", len(mistakes), len(mistakes)), details...)
}

// shownRows bounds the rows of a sheet that are told one by one.
const shownRows = 200

func resultOf(plan *intake.Plan) ImportResult {
	out := ImportResult{Changed: !plan.Empty(), Sheets: make([]ImportSheet, len(plan.Sheets))}
	for i, sheet := range plan.Sheets {
		x := ImportSheet{
			Sheet: sheet.Sheet, SheetEN: sheet.SheetEN, Added: len(sheet.Added), Changed: len(sheet.Changed), Removed: len(sheet.Removed), Same: sheet.Same,
		}
		x.rows("added", sheet.Added)
		x.rows("changed", sheet.Changed)
		x.rows("removed", sheet.Removed)
		out.Sheets[i] = x
	}
	return out
}

func (x *ImportSheet) rows(change string, entries []workbook.Entry) {
	for _, e := range entries {
		if len(x.Rows) == shownRows {
			return
		}
		row := ImportEntry{Change: change, Key: e.Key}
		for _, f := range e.Fields {
			row.Fields = append(row.Fields, ImportFieldChange{f.Header, f.Old, f.New})
		}
		x.Rows = append(x.Rows, row)
	}
}
