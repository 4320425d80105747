package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/api"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

// hoursFlags say whose hours to print, and how.
type hoursFlags struct {
	base, person, class, from, to, format string
}

func newHours() *cobra.Command {
	var f hoursFlags
	cmd := &cobra.Command{
		Use: "hours", Short: "Print verified training hours per trainee and lesson 核验学时", Args: cobra.NoArgs,
		Long: "Derives from the evidence store who was where, and which scheduled minutes count: verified 已核验, pending 待核验, or\n" +
			"refused with a reason code. Units 学时 are those of the whole trainee-day: floor(2 × verified ÷ 45 min) ÷ 2.\n" +
			"Days are Asia/Shanghai. jishi explain tells why, minute by minute.",
		Example: "  jishi hours --from 2026-03-02 --to 2026-03-06\n  jishi hours --person s001 --from 2026-03-02 --format json",
	}
	c := withSettings(cmd)
	cmd.Flags().StringVar(&f.base, "base", "", "code of the base; may be left out when there is one")
	cmd.Flags().StringVar(&f.person, "person", "", "one trainee; default all")
	cmd.Flags().StringVar(&f.class, "class", "", "one class; default all")
	cmd.Flags().StringVar(&f.from, "from", "", "first day; default today")
	cmd.Flags().StringVar(&f.to, "to", "", "last day, inclusive; default the first")
	cmd.Flags().StringVar(&f.format, "format", "table", "table, json or csv")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.run(cmd, func(ctx context.Context) error { return printHours(ctx, c, cmd, &f) })
	}
	return cmd
}

func printHours(ctx context.Context, c *settings, cmd *cobra.Command, f *hoursFlags) (err error) {
	write, ok := map[string]func(io.Writer, []api.Hours) error{"table": hoursTable, "json": hoursJSON, "csv": hoursCSV}[f.format]
	if !ok {
		return usageError{fmt.Errorf("--format %q: want table, json or csv", f.format)}
	}
	days := usageFlags{from: f.from, to: f.to}
	windows, err := days.windows(time.Now())
	if err != nil {
		return usageError{err}
	}
	ref, err := openReference(ctx, c)
	if err != nil {
		return err
	}
	base, err := chooseBase(ref.Registry, f.base)
	if err != nil {
		return usageError{err}
	}
	store, err := openStore(ctx, c, true, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	persons, err := openDecided(ctx, c, ref, store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, persons.Close()) }()
	settler := settle.New(store, ref.Registry, ref.Calendar)
	var rows []api.Hours
	for _, w := range windows {
		day, err := calendar.ParseDate(w.day)
		if err != nil {
			return usageError{fmt.Errorf("--from %q: want a day such as 2026-03-02", f.from)}
		}
		terms := settle.DefaultTerms()
		if terms.Decisions, err = persons.day(ctx, base, day); err != nil {
			return err
		}
		people, err := settler.People(ctx, rosterOf(ref, base), day, terms)
		if err != nil {
			return err
		}
		rows = append(rows, api.HoursOf(people, rosterOf(ref, base), settle.DefaultRules())...)
	}
	return write(cmd.OutOrStdout(), chosen(rows, f))
}

func chosen(rows []api.Hours, f *hoursFlags) []api.Hours {
	out := []api.Hours{}
	for _, r := range rows {
		if (f.person == "" || r.Person == f.person) && (f.class == "" || r.Class == f.class) {
			out = append(out, r)
		}
	}
	return out
}

func hoursJSON(w io.Writer, rows []api.Hours) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(map[string][]api.Hours{"items": rows})
}

func hoursCSV(w io.Writer, rows []api.Hours) error {
	// A byte order mark, so that Excel shows Chinese names.
	if _, err := io.WriteString(w, "\uFEFF"); err != nil {
		return err
	}
	lines := [][]string{{
		"base", "day", "class", "session", "person", "status", "claimed_s", "planned_s", "present_s", "verified_s", "pending_s",
		"day_units", "reasons", "flags",
	}}
	for i := range rows {
		r := &rows[i]
		claimed := ""
		if r.ClaimedS != nil {
			claimed = number(*r.ClaimedS)
		}
		lines = append(lines, []string{
			csvText(r.Base), r.Day, csvText(r.Class), csvText(r.Session), csvText(r.Person), r.Status, claimed, number(r.PlannedS),
			number(r.PresentS), number(r.VerifiedS), number(r.PendingS), number(r.DayUnits), reasonsText(r, " "), strings.Join(r.Flags, " "),
		})
	}
	if err := csv.NewWriter(w).WriteAll(lines); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

// reasonsText lists the reasons of what does not count, with their minutes.
func reasonsText(r *api.Hours, between string) string {
	var out []string
	for _, x := range r.Reasons {
		if x.Reason == string(hours.OutOfSchedule) {
			continue // beyond the timetable there is nothing to count
		}
		out = append(out, fmt.Sprintf("%s=%.1f", x.Reason, x.Seconds/60))
	}
	return strings.Join(out, between)
}

func hoursTable(w io.Writer, rows []api.Hours) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.SetColumnConfigs(rightAligned(6, 10))
	t.AppendHeader(table.Row{"日期 day", "班次 class", "课次 session", "学员 trainee", "状态 status", "计划 planned", "在场 present", "核验 verified", "待核验 pending", "当日学时 units", "未核验原因 reasons, minutes"})
	for i := range rows {
		r := &rows[i]
		t.AppendRow(table.Row{
			r.Day, printable(r.Class), printable(r.Session), printable(r.Person), r.StatusZh, hms(r.PlannedS), hms(r.PresentS), hms(r.VerifiedS),
			hms(r.PendingS), fmt.Sprintf("%.1f", r.DayUnits), reasonsText(r, ", "),
		})
	}
	_, err := fmt.Fprintf(w, "%s\n当日学时 units = ⌊2 × 当日核验时长 verified of the trainee-day ÷ 45 min⌋ ÷ 2\n", t.Render())
	return err
}
