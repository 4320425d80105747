package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/atomicfile"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/intake"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/workbook"
)

// importFlags say what to import, and how.
type importFlags struct {
	base, by, note, template, export string
	dryRun, details                  bool
}

func newImport() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use: "import [FILE...]", Short: "Import reference data from workbooks 导入登记数据", Args: cobra.ArbitraryArgs,
		Long: "Reads bases, workshops, equipment, devices, people, cards, classes, timetable and claims from XLSX or CSV with Chinese\n" +
			"headers, and puts them into the ledger: all or nothing. Every bad row is told with sheet, row, column, value and what\n" +
			"would be right. Importing the same files again changes nothing. --dry-run shows what would change.\n" +
			"从 Excel 或 CSV 导入登记数据，全部成功或全部不导入；--dry-run 只预览。",
		Example: "  jishi import --template 模板.xlsx\n  jishi import --dry-run 花名册.xlsx 课表.csv\n  jishi import 花名册.xlsx --by 张三 --note 2026春季班",
	}
	c := withSettings(cmd)
	cmd.Flags().StringVar(&f.base, "base", "", "base of rows that name none; may be left out when there is one")
	cmd.Flags().StringVar(&f.by, "by", "", "who imports, for the record 操作人; default the system's user")
	cmd.Flags().StringVar(&f.note, "note", "", "why, for the record; default the files' names")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "show what would change, and change nothing")
	cmd.Flags().BoolVar(&f.details, "details", false, "show every row that changes")
	cmd.Flags().StringVar(&f.template, "template", "", "write an empty workbook with every sheet to this file")
	cmd.Flags().StringVar(&f.export, "export", "", "write what is registered to this file, names masked")
	cmd.MarkFlagsMutuallyExclusive("template", "export", "dry-run")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.run(cmd, func(ctx context.Context) error {
			switch {
			case f.template != "":
				return writeNew(cmd, f.template, workbook.WriteTemplate)
			case f.export == "" && len(args) == 0:
				return usageError{errors.New("name a workbook, or --template 请给出文件")}
			}
			return withIntake(ctx, c, func(d *intake.Desk, o *office) error {
				if f.export != "" {
					content, err := d.Content(ctx)
					if err != nil {
						return err
					}
					return writeNew(cmd, f.export, func(w io.Writer) error { return workbook.WriteContent(w, content) })
				}
				return f.run(cmd, d, o, args)
			})
		})
	}
	return cmd
}

// writeNew writes a file that must not be there yet: what somebody filled in is not overwritten.
func writeNew(cmd *cobra.Command, path string, write func(io.Writer) error) error {
	var b strings.Builder
	if err := write(&b); err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return usageError{fmt.Errorf("%s: 文件已存在，不覆盖 the file is there already: %w", path, fs.ErrExist)}
	}
	if err := atomicfile.Write(path, []byte(b.String()), 0o600); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "已写入 written: %s\n", path)
	return err
}

// withIntake opens what an import needs; the first makes the ledger and the keys of identities.
func withIntake(ctx context.Context, c *settings, do func(d *intake.Desk, o *office) error) (err error) {
	if err := c.makeDir(); err != nil {
		return err
	}
	l, err := ledger.Open(ctx, c.path("ledger.path", "ledger.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	o := &office{c: c, ledger: l, audit: auditLog{access.New(l.DB(), access.Options{})}, now: time.Now}
	files, err := registry.Open(c.path("registry.path", "registry"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	d, err := intakeDesk(ctx, o, files)
	if err != nil {
		return err
	}
	return do(d, o)
}

// intakeDesk takes workbooks in, over the bases of the registry's files that no import has touched; nil is none.
func intakeDesk(ctx context.Context, o *office, files *registry.Registry) (*intake.Desk, error) {
	vault, err := openVault(ctx, o, true)
	if err != nil {
		return nil, err
	}
	token, err := o.c.cardToken()
	if err != nil {
		return nil, err
	}
	return &intake.Desk{Ledger: o.ledger, Vault: vault, Files: files, CardToken: token}, nil
}

// cardToken turns cards into tokens by the city's key, which is made where there is none, as the city's other commands do.
func (s *settings) cardToken() (func(base, number string) (string, error), error) {
	key, err := cityCardKey(s)
	if err != nil {
		return nil, err
	}
	tokens, err := card.NewTokens(card.Options{Key: key})
	if err != nil {
		return nil, err
	}
	return func(_, number string) (string, error) {
		token, wrong := tokens.Token("", card.Hex, number)
		if wrong != nil {
			return "", wrong
		}
		return token, nil
	}, nil
}

func (f *importFlags) run(cmd *cobra.Command, d *intake.Desk, o *office, paths []string) error {
	ctx := cmd.Context()
	files, err := readWorkbooks(paths)
	if err != nil {
		return err
	}
	bar := progressbar.NewOptions64(1, rowBar(cmd.ErrOrStderr())...)
	plan, err := d.Plan(ctx, files, intake.Limits{Base: f.base, Progress: func(done, total int) {
		bar.ChangeMax(max(1, total))
		_ = bar.Set(done) //nolint:errcheck // decoration
	}})
	_ = bar.Clear() //nolint:errcheck // decoration
	if mistakes, ok := errors.AsType[workbook.Mistakes](err); ok {
		return usageError{fmt.Errorf("%d 处错误，未导入 mistakes, nothing was imported:\n%w", len(mistakes), mistakes)}
	}
	if err != nil {
		return err
	}
	if err := showPlan(cmd.OutOrStdout(), plan, f.details); err != nil || f.dryRun {
		return err
	}
	if plan.Empty() {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "没有变化 nothing changes")
		return err
	}
	note := f.note
	if note == "" {
		note = strings.Join(paths, " ")
	}
	who := atCommandLine()
	if f.by != "" {
		who = f.by + " (" + who + ")"
	}
	if err := o.audit.access.Record(ctx, access.Entry{
		Actor: who, Action: access.ActImport, Object: strings.Join(paths, " "), Base: strings.Join(plan.Bases, " "), Reason: note,
	}); err != nil {
		return err
	}
	changed, err := d.Store(ctx, plan, who, note, o.now().UnixMilli())
	if err != nil {
		return err
	}
	for _, p := range changed.Purged {
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "身份已删除，不再导入 identity was deleted and does not come back: %s %s\n", printable(p[0]), printable(p[1])); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "已导入 imported: 版本 version %d, %s\n", changed.Version, strings.Join(changed.Bases, " "))
	return err
}

// rowBar shows how many rows are done.
func rowBar(w io.Writer) []progressbar.Option {
	return []progressbar.Option{
		progressbar.OptionSetWriter(w), progressbar.OptionSetDescription("行 rows"), progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(30), progressbar.OptionThrottle(200 * time.Millisecond), progressbar.OptionClearOnFinish(),
	}
}

func readWorkbooks(paths []string) ([]workbook.File, error) {
	const most = 64 << 20
	files := make([]workbook.File, len(paths))
	for i, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, usageError{err}
		}
		if info.Size() > most {
			return nil, usageError{fmt.Errorf("%s: %d 字节，最多 %d bytes at most", path, info.Size(), most)}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		files[i] = workbook.File{Name: filepath.Base(path), Data: data}
	}
	return files, nil
}

// showPlan tells what an import changes.
func showPlan(w io.Writer, plan *intake.Plan, details bool) error {
	var b strings.Builder
	b.WriteString(plan.String())
	for _, s := range plan.Sheets {
		if !details {
			break
		}
		for _, part := range []struct {
			sign    string
			entries []workbook.Entry
		}{{"+", s.Added}, {"~", s.Changed}, {"-", s.Removed}} {
			for _, e := range part.entries {
				fmt.Fprintf(&b, "%s %s %s %s", part.sign, s.Sheet, printable(e.Base), printable(e.Key))
				for _, field := range e.Fields {
					fmt.Fprintf(&b, "  %s: %q → %q", field.Header, field.Old, field.New)
				}
				b.WriteByte('\n')
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
