package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

func newPeriodShow(f *bureauFlags) *cobra.Command {
	var figures string
	cmd := &cobra.Command{
		Use: "show PERIOD", Short: "Show how far a period has come 状态与数据到齐情况", Args: cobra.ExactArgs(1),
		Long: "显示期间的状态、冻结日、各网桥数据到齐至何时、哪些天仍为暂定及原因、补录率。--figures 以 JSON 输出数值。\n" +
			"Shows a period's state, its freeze date, how far each bridge is complete, which days are provisional and why, and the\n" +
			"share of granted hours. --figures prints the figures themselves as JSON: latest, or sealed.",
		Example: "  jishi period show month:2026-03\n  jishi period show month:2026-03 --figures sealed > 2026-03.json",
	}
	cmd.Flags().StringVar(&figures, "figures", "", "print the figures as JSON: latest or sealed 输出数值")
	cmd.RunE = f.command(func(ctx context.Context, o *bureau, args []string) error {
		p, err := settle.ParsePeriod(args[0])
		switch {
		case err != nil:
			return err
		case figures == "":
			return showPeriod(ctx, o, p)
		case figures != string(settle.Latest) && figures != string(settle.Sealed):
			return usageError{fmt.Errorf("--figures %q: 应为 latest 或 sealed / want latest or sealed", figures)}
		}
		got, err := o.periods.Figures(ctx, o.base, p, settle.Which(figures))
		if err != nil {
			return err
		}
		return printJSON(o, got)
	})
	return cmd
}

func printJSON(o *bureau, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err = o.out.Write(append(printableJSON(b), '\n'))
	return err
}

func showPeriod(ctx context.Context, o *bureau, p settle.Period) error {
	s, err := o.periods.Status(ctx, o.base, p)
	if err != nil {
		return err
	}
	latest, err := o.periods.Figures(ctx, o.base, p, settle.Latest)
	if err != nil {
		return err
	}
	var b strings.Builder
	first, last := p.Days()
	fmt.Fprintf(&b, "%s  %s  %s – %s  %s\n", s.Base, p, first, last, stateName(s.State))
	for _, step := range s.Steps {
		fmt.Fprintf(&b, "%s: %s  %s  %s\n", stateName(step.State), step.By, dayAndTime(step.AtMs), step.Digest)
	}
	if s.FreezeErr != nil {
		fmt.Fprintf(&b, "冻结日 freeze date: 未定 not known: %v\n", s.FreezeErr)
	} else {
		fmt.Fprintf(&b, "冻结日 freeze date: %s\n", s.FreezeOn)
	}
	writeWatermarks(&b, s.Watermarks)
	writeDays(&b, s.Days)
	share, ok := latest.GrantedShare()
	fmt.Fprintf(&b, "补录率 granted share of verified hours: %s\n", percentOr(share, ok))
	return o.say("%s", b.String())
}

func percentOr(share float64, ok bool) string {
	if !ok {
		return "—"
	}
	return fmt.Sprintf("%.2f%%", share*100)
}

func writeWatermarks(b *strings.Builder, list []settle.Watermark) {
	for i := range list {
		w := &list[i]
		through := "尚无数据 nothing yet"
		if w.ThroughMs > 0 {
			through = dayAndTime(w.ThroughMs)
		}
		fmt.Fprintf(b, "网桥 bridge %s: 数据到齐至 complete through %s；待到 waiting for %d 段 ranges，丢失 lost %d 段 ranges\n",
			w.Bridge, through, len(w.Waiting), len(w.Lost))
	}
}

func writeDays(b *strings.Builder, days []settle.DayState) {
	final, ahead := 0, 0
	for i := range days {
		d := &days[i]
		switch {
		case d.Final:
			final++
		case !d.Over:
			ahead++
		default:
			fmt.Fprintf(b, "! %s 暂定 provisional: %s\n", d.Day, whyProvisional(d))
		}
		for _, g := range d.Accepted {
			fmt.Fprintf(b, "  %s 缺口已接受 gap accepted: %s %s %s\n", d.Day, orDash(g.Bridge), g.By, g.Reason)
		}
	}
	fmt.Fprintf(b, "共 %d 天 days: 已确定 final %d，未结束 not over %d\n", len(days), final, ahead)
}

func whyProvisional(d *settle.DayState) string {
	var why []string
	if len(d.Behind) > 0 {
		why = append(why, "数据可能仍会到达 data may still come: "+strings.Join(d.Behind, ", "))
	}
	if len(d.Lossy) > 0 {
		why = append(why, "有记录永久丢失 records are lost: "+strings.Join(d.Lossy, ", "))
	}
	if len(why) == 0 {
		return "没有任何网桥 no bridge at all"
	}
	return strings.Join(why, "; ")
}

func newSupplements(f *bureauFlags) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "supplements PERIOD", Short: "List what changed after a seal 补充分录", Args: cobra.ExactArgs(1),
		Long: "列出封存后的补充分录：哪一天、哪台设备或哪名学员、差异多少、原因。封存数不变。\n" +
			"Lists the supplementary entries of a sealed period: day, machine or trainee, what differs, why. Sealed figures stay.",
	}
	cmd.Flags().StringVar(&format, "format", "table", "table or json")
	cmd.RunE = f.command(func(ctx context.Context, o *bureau, args []string) error {
		p, err := settle.ParsePeriod(args[0])
		if err != nil {
			return err
		}
		list, err := o.periods.Supplements(ctx, o.base, p)
		switch {
		case err != nil:
			return err
		case format == "json":
			return printJSON(o, append([]ledger.Supplement{}, list...))
		case format != "table":
			return usageError{fmt.Errorf("--format %q: want table or json", format)}
		}
		return o.say("%s", supplementTable(list))
	})
	return cmd
}

func supplementTable(list []ledger.Supplement) string {
	if len(list) == 0 {
		return "封存后没有变化 nothing has changed since the seal\n"
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"日期 day", "对象 of", "修订 revision", "原因 cause", "项目 figure", "封存 sealed", "现在 now"})
	for _, s := range list {
		of := s.Equipment
		if of == "" {
			of = s.Session + " " + s.Person
		}
		for _, d := range s.Deltas {
			t.AppendRow(table.Row{
				s.Day, printable(of), fmt.Sprintf("%d → %d", s.SealedRevision, s.Revision), s.Cause, d.Name, hmsOf(d.SealedMs), hmsOf(d.NowMs),
			})
		}
	}
	return t.Render() + "\n"
}

// hmsOf shows milliseconds as h:mm:ss.
func hmsOf(ms int64) string { return hms(time.Duration(ms * int64(time.Millisecond)).Seconds()) }
