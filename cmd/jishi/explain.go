package main

import (
	"context"
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
	"github.com/jishi-telemetry/jishi/internal/settle"
)

func newExplain() *cobra.Command {
	var base, session, person, format string
	cmd := &cobra.Command{
		Use: "explain", Short: "Tell why each minute of a trainee's lesson counts or does not 学时核验说明", Args: cobra.NoArgs,
		Long: "Shows for one trainee and lesson the timetable, the taps, what the machines at the stations did, the verdict of each\n" +
			"minute with its reason, and the records (epoch, sequence number in the bridge's log) that all of it rests on.\n" +
			"逐分钟说明一名学员一次课的核验依据。",
		Example: "  jishi explain --session class-1-20260302-0830 --person s001",
	}
	c := withSettings(cmd)
	cmd.Flags().StringVar(&base, "base", "", "code of the base; may be left out when there is one")
	cmd.Flags().StringVar(&session, "session", "", "the lesson 课次编号")
	cmd.Flags().StringVar(&person, "person", "", "the trainee 学员编号")
	cmd.Flags().StringVar(&format, "format", "table", "table or json")
	for _, name := range []string{"session", "person"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flag was just defined
		}
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.run(cmd, func(ctx context.Context) (err error) {
			write, ok := map[string]func(io.Writer, *api.Explanation) error{"table": explanationTable, "json": explanationJSON}[format]
			if !ok {
				return usageError{fmt.Errorf("--format %q: want table or json", format)}
			}
			ref, err := openReference(ctx, c)
			if err != nil {
				return err
			}
			code, err := chooseBase(ref.Registry, base)
			if err != nil {
				return usageError{err}
			}
			store, err := openStore(ctx, c, true, nil)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, store.Close()) }()
			people, err := openDecided(ctx, c, ref, store)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, people.Close()) }()
			terms := settle.DefaultTerms()
			if terms.Decisions, err = people.session(ctx, code, session); err != nil {
				return err
			}
			x, err := settle.New(store, ref.Registry, ref.Calendar).Explain(ctx, rosterOf(ref, code), session, person, terms)
			if errors.Is(err, settle.ErrUnknownSession) || errors.Is(err, settle.ErrNotEnrolled) {
				return usageError{err}
			}
			if err != nil {
				return err
			}
			shown := api.ExplanationOf(x)
			return write(cmd.OutOrStdout(), &shown)
		})
	}
	return cmd
}

func explanationJSON(w io.Writer, x *api.Explanation) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(x)
}

// clockOf shows an instant in Asia/Shanghai.
func clockOf(t time.Time) string { return t.In(time.FixedZone("", 8*3600)).Format("01-02 15:04:05") }

func explanationTable(w io.Writer, x *api.Explanation) error {
	kind := "理论 theory"
	if x.Practice {
		kind = "实操 practice"
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s  %s  %s  %s – %s  %s\n", printable(x.Class), printable(x.Session), printable(x.Person), clockOf(x.From), clockOf(x.To), kind)
	fmt.Fprintf(&out, "状态 status: %s %s\n", x.StatusZh, x.Status)
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"时间 time", "至 to", "来源 source", "内容 what", "记录 record (epoch:seq)"})
	for _, line := range x.Lines {
		to, record := "", ""
		if line.To != nil {
			to = clockOf(*line.To)
		}
		if line.Record != nil {
			record = fmt.Sprintf("%s:%d", line.Record.Epoch, line.Record.Seq)
		}
		t.AppendRow(table.Row{clockOf(line.From), to, printable(line.Source), printable(line.Zh + " " + line.En), record})
	}
	out.WriteString(t.Render() + "\n")
	for _, d := range x.Days {
		fmt.Fprintf(&out, "%s  计划 planned %s, 在场 present %s, 核验 verified %s, 待核验 pending %s; 当日学时 units of the day %.1f\n",
			d.Day, hms(d.PlannedS), hms(d.PresentS), hms(d.VerifiedS), hms(d.PendingS), d.DayUnits)
	}
	_, err := io.WriteString(w, out.String())
	return err
}
