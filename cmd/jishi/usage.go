package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/api"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// usageFlags say which figures to print, and how.
type usageFlags struct {
	base, equipment, from, to, format string
}

func newUsage() *cobra.Command {
	var f usageFlags
	cmd := &cobra.Command{
		Use: "usage", Short: "Print usage per machine and day 设备使用情况", Args: cobra.NoArgs,
		Long: "Derives from the evidence store what each machine did: running, idle, off, fault and unknown time, the rate\n" +
			"使用率(日历) = running ÷ opening hours with its denominator, and the coverage 数据完整率. A rate is withheld (—)\n" +
			"when the coverage is below --usage.min-coverage-percent. Days are Asia/Shanghai.\n\n" +
			"--from and --to are days (2026-03-02), both inclusive; or instants (2026-03-02T08:00:00+08:00), --to exclusive,\n" +
			"which give one line for each machine.",
		Example: "  jishi usage --from 2026-03-02 --to 2026-03-06 --format csv > usage.csv\n" +
			"  jishi usage --equipment lathe-1 --from 2026-03-02T00:00:00Z --to 2026-03-02T19:13:52.485Z --format json",
	}
	c := withSettings(cmd)
	cmd.Flags().StringVar(&f.base, "base", "", "code of the base; may be left out when there is one")
	cmd.Flags().StringVar(&f.equipment, "equipment", "", "one machine; default all")
	cmd.Flags().StringVar(&f.from, "from", "", "first day or instant; default today")
	cmd.Flags().StringVar(&f.to, "to", "", "last day, inclusive, or end instant; default the first day, or now")
	cmd.Flags().StringVar(&f.format, "format", "table", "table, json or csv")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.run(cmd, func(ctx context.Context) error { return printUsage(ctx, c, cmd, &f) })
	}
	return cmd
}

func printUsage(ctx context.Context, c *settings, cmd *cobra.Command, f *usageFlags) (err error) {
	write, ok := map[string]func(io.Writer, []api.Usage) error{
		"table": usageTable, "json": usageJSON, "csv": usageCSV,
	}[f.format]
	if !ok {
		return usageError{fmt.Errorf("--format %q: want table, json or csv", f.format)}
	}
	windows, err := f.windows(time.Now())
	if err != nil {
		return usageError{err}
	}
	ref, err := openReference(ctx, c)
	if err != nil {
		return err
	}
	reg := ref.Registry
	base, err := chooseBase(reg, f.base)
	if err != nil {
		return usageError{err}
	}
	store, err := openStore(ctx, c, true, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	settler := settle.New(store, reg, ref.Calendar)
	var rows []api.Usage
	for _, w := range windows {
		machines, err := machinesOf(ctx, settler, base, f.equipment, w.span)
		if err != nil {
			return err
		}
		for _, m := range machines {
			rows = append(rows, api.UsageOf(m, w.day, c.floor()))
		}
	}
	return write(cmd.OutOrStdout(), rows)
}

func machinesOf(ctx context.Context, s *settle.Settler, base, equipment string, window span.Span) ([]*settle.Machine, error) {
	if equipment == "" {
		return s.Machines(ctx, base, window)
	}
	m, err := s.Machine(ctx, base, equipment, window)
	if err != nil {
		return nil, err
	}
	return []*settle.Machine{m}, nil
}

// usageWindow is a day, or a span that is none.
type usageWindow struct {
	day  string
	span span.Span
}

// windows reads --from and --to.
func (f *usageFlags) windows(now time.Time) ([]usageWindow, error) {
	if strings.Contains(f.from, "T") {
		return f.instants(now)
	}
	from, to := calendar.DateOf(now), calendar.DateOf(now)
	var err error
	if f.from != "" {
		if from, err = calendar.ParseDate(f.from); err != nil {
			return nil, fmt.Errorf("--from: %w", err)
		}
		to = from
	}
	if f.to != "" {
		if to, err = calendar.ParseDate(f.to); err != nil {
			return nil, fmt.Errorf("--to: %w", err)
		}
	}
	if to.Before(from) {
		return nil, fmt.Errorf("--to %s is before --from %s", to, from)
	}
	if today := calendar.DateOf(now); today.Before(from) {
		return nil, fmt.Errorf("--from %s has not come yet: today is %s (Asia/Shanghai)", from, today)
	}
	var out []usageWindow
	for d := from; !to.Before(d); d = d.Add(1) {
		// Nothing is known about a day that has not begun, and no machine is out of service because of it.
		if w := settle.Window(d, now.UnixMilli()); !w.Empty() {
			out = append(out, usageWindow{d.String(), w})
		}
	}
	return out, nil
}

func (f *usageFlags) instants(now time.Time) ([]usageWindow, error) {
	from, err := time.Parse(time.RFC3339Nano, f.from)
	if err != nil {
		return nil, fmt.Errorf("--from %q: want a day such as 2026-03-02, or an instant with its offset such as 2026-03-02T08:00:00+08:00", f.from)
	}
	to := now
	if f.to != "" {
		if to, err = time.Parse(time.RFC3339Nano, f.to); err != nil {
			return nil, fmt.Errorf("--to %q: want an instant with its offset such as 2026-03-02T08:00:00+08:00, as --from is one", f.to)
		}
	}
	if to.After(now) {
		to = now // nothing is known about what has not happened yet
	}
	w := span.Of(from, to)
	if w.Empty() {
		return nil, fmt.Errorf("--from %s is not before --to %s and before now", f.from, f.to)
	}
	return []usageWindow{{"", w}}, nil
}

// chooseBase returns the base that was named, or the only one there is.
func chooseBase(reg *registry.Registry, named string) (string, error) {
	if all := reg.Bases(); named == "" && len(all) == 1 {
		return all[0].Code, nil
	}
	if _, ok := reg.Base(named); ok {
		return named, nil
	}
	return "", fmt.Errorf("--base %q: want one of %s", named, baseCodes(reg))
}

func baseCodes(reg *registry.Registry) string {
	var codes []string
	for _, b := range reg.Bases() {
		codes = append(codes, b.Code)
	}
	return strings.Join(codes, ", ")
}

func usageJSON(w io.Writer, rows []api.Usage) error {
	if rows == nil {
		rows = []api.Usage{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(map[string][]api.Usage{"items": rows})
}

func usageCSV(w io.Writer, rows []api.Usage) error {
	// A byte order mark, so that Excel shows Chinese names.
	if _, err := io.WriteString(w, "\uFEFF"); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	lines := [][]string{{
		"base", "equipment", "name", "day", "from", "to", "running_s", "idle_s", "off_s", "fault_s", "unknown_s",
		"estimated_running_s", "estimated_off_s", "opening_s", "rate", "coverage", "notes", "evidence", "rule_version",
	}}
	for i := range rows {
		u := &rows[i]
		rate := ""
		if u.Rate != nil {
			rate = number(*u.Rate)
		}
		lines = append(lines, []string{
			csvText(u.Base), csvText(u.Equipment), csvText(u.Name), u.Day, u.From.Format(time.RFC3339Nano), u.To.Format(time.RFC3339Nano),
			number(u.RunningS), number(u.IdleS), number(u.OffS), number(u.FaultS), number(u.UnknownS),
			number(u.EstimatedRunningS), number(u.EstimatedOffS), number(u.OpeningS), rate, number(u.Coverage),
			strings.Join(u.Notes, " "), u.Evidence, u.RuleVersion,
		})
	}
	if err := out.WriteAll(lines); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// csvText keeps a text from being taken for a formula by a spreadsheet.
func csvText(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func usageTable(w io.Writer, rows []api.Usage) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.SetColumnConfigs(rightAligned(3, 10))
	t.AppendHeader(table.Row{"日期 day", "设备 machine", "运行 running", "待机 idle", "关机 off", "故障 fault", "未知 unknown", "开放 opening", "使用率 rate", "完整率 coverage", "说明 notes"})
	for i := range rows {
		u := &rows[i]
		day, rate := u.Day, "—"
		if day == "" {
			day = u.From.Format("2006-01-02 15:04:05Z") + " – " + u.To.Format("2006-01-02 15:04:05Z")
		}
		if u.Rate != nil {
			rate = fmt.Sprintf("%.1f%%", *u.Rate*100)
		}
		unknown := hms(u.UnknownS)
		if e := u.EstimatedRunningS; e > 0 {
			unknown += fmt.Sprintf(" (≈运行 %s)", hms(e))
		}
		t.AppendRow(table.Row{
			day, u.Equipment + " " + u.Name, hms(u.RunningS), hms(u.IdleS), hms(u.OffS), hms(u.FaultS), unknown,
			hms(u.OpeningS), rate, fmt.Sprintf("%.1f%%", u.Coverage*100), strings.Join(u.Notes, " "),
		})
	}
	_, err := fmt.Fprintf(w, "%s\n使用率(日历) rate = 运行 running ÷ 开放 opening; — 数据不足 withheld\n完整率 coverage = 开放时间中已知的部分 known part of the opening hours\n", t.Render())
	return err
}

// rightAligned aligns the columns of figures.
func rightAligned(from, to int) []table.ColumnConfig {
	var out []table.ColumnConfig
	for n := from; n <= to; n++ {
		out = append(out, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	return out
}

// hms shows seconds as h:mm:ss.
func hms(s float64) string {
	t := int64(s)
	return fmt.Sprintf("%d:%02d:%02d", t/3600, t/60%60, t%60)
}
