package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

func newCluesSample(f *bureauFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "sample", Short: "The random audit sample: seed, draw, results, estimate 抽样核查", Args: cobra.NoArgs,
		Long: "与线索无关的随机抽样：先登记公布的种子，再从全市各班的申报学时中抽取，逐班登记核实结果，全部核实后给出估计（算法见 docs/clues.md）。\n" +
			"种子和抽取结果一经登记不能更改。\n" +
			"A random sample that has nothing to do with clues: the published seed first, then the draw from what all bases claim, then\n" +
			"what was found of each class, and the estimate when all are checked. Seed and draw stay as they are.",
		Example: "  jishi clues sample seed 2026-H1 --seed '03 11 17 20 28 31 07' --source 福利彩票2026078期 --by lisi\n" +
			"  jishi clues sample draw 2026-H1 --from 2026-01-01 --to 2026-06-30 --size 20 --by lisi\n" +
			"  jishi clues sample result 2026-H1 cq01/k1 --found 38.5 --note 现场核对签到与录像 --by wangwu\n" +
			"  jishi clues sample show 2026-H1",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newSampleSeed(f), newSampleDraw(f), newSampleResult(f), newSampleShow(f))
	return cmd
}

func newSampleSeed(f *bureauFlags) *cobra.Command {
	var a ledger.AuditSample
	cmd := &cobra.Command{Use: "seed NAME", Short: "Keep the published seed of a sample 登记种子", Args: cobra.ExactArgs(1)}
	cmd.Flags().StringVar(&a.Seed, "seed", "", "the seed, exactly as published 种子")
	cmd.Flags().StringVar(&a.Source, "source", "", "where it was published 公布处")
	byFlag(cmd, &a.SeedBy)
	required(cmd, "seed", "source")
	cmd.RunE = f.command(func(ctx context.Context, o *bureau, args []string) error {
		a.Name, a.SeedMs = args[0], time.Now().UnixMilli()
		if err := o.ledger.PublishSeed(ctx, a); err != nil {
			return err
		}
		return o.say("✓ 种子已登记 seed of %s kept: %s\n", a.Name, a.Seed)
	})
	return cmd
}

func newSampleDraw(f *bureauFlags) *cobra.Command {
	var d ledger.AuditDraw
	cmd := &cobra.Command{
		Use: "draw NAME", Short: "Draw by the seed, from what all bases claim 抽取", Args: cobra.ExactArgs(1),
		Long: "抽样单位是全市各班在该时期的申报学时，编号为 基地/班次。\nThe units are the classes of all bases with what is claimed for them in the period, named BASE/CLASS.",
	}
	cmd.Flags().StringVar(&d.From, "from", "", "first day of the period 起始日")
	cmd.Flags().StringVar(&d.To, "to", "", "last day, inclusive 截止日")
	cmd.Flags().IntVar(&d.Size, "size", 0, "how many classes 样本量")
	byFlag(cmd, &d.By)
	required(cmd, "from", "to", "size")
	cmd.RunE = f.command(func(ctx context.Context, o *bureau, args []string) error {
		from, err := calendar.ParseDate(d.From)
		if err != nil {
			return usageError{fmt.Errorf("--from: %w", err)}
		}
		to, err := calendar.ParseDate(d.To)
		if err != nil {
			return usageError{fmt.Errorf("--to: %w", err)}
		}
		units := settle.AuditUnits(o.reference.Rosters, from, to, settle.DefaultRules())
		d.AtMs = time.Now().UnixMilli()
		a, err := o.ledger.DrawAudit(ctx, args[0], units, d)
		if err != nil {
			return err
		}
		return o.say("%s", sampleText(a))
	})
	return cmd
}

func newSampleResult(f *bureauFlags) *cobra.Command {
	var r ledger.AuditResult
	cmd := &cobra.Command{Use: "result NAME UNIT", Short: "Keep what was found of a drawn class 登记核实结果", Args: cobra.ExactArgs(2)}
	var units float64
	cmd.Flags().Float64Var(&units, "found", 0, "what was truly held, in units of hours 核实学时")
	cmd.Flags().StringVar(&r.Note, "note", "", "how it was found 说明")
	byFlag(cmd, &r.By)
	required(cmd, "found", "note")
	cmd.RunE = f.command(func(ctx context.Context, o *bureau, args []string) error {
		r.FoundHalfUnits, r.AtMs = 2*units, time.Now().UnixMilli()
		if err := o.ledger.PutAuditResult(ctx, args[0], args[1], r); err != nil {
			return err
		}
		a, err := o.ledger.AuditSample(ctx, args[0])
		if err != nil {
			return err
		}
		return o.say("%s", sampleText(a))
	})
	return cmd
}

func newSampleShow(f *bureauFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "show [NAME]", Short: "Show a sample, or the names of all 查看", Args: cobra.MaximumNArgs(1)}
	cmd.RunE = f.command(func(ctx context.Context, o *bureau, args []string) error {
		if len(args) == 0 {
			names, err := o.ledger.AuditSamples(ctx)
			if err != nil || len(names) == 0 {
				return err
			}
			return o.say("%s\n", strings.Join(names, "\n"))
		}
		a, err := o.ledger.AuditSample(ctx, args[0])
		if err != nil {
			return err
		}
		return o.say("%s", sampleText(a))
	})
	return cmd
}

// sampleText tells a sample, with the estimate when everything that was drawn is checked.
func sampleText(a *ledger.AuditSample) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  种子 seed: %s  公布于 published: %s  %s  %s\n", a.Name, a.Seed, a.Source, a.SeedBy, dayAndTime(a.SeedMs))
	d := a.Draw
	if d == nil {
		b.WriteString("尚未抽取 not drawn yet\n")
		return b.String()
	}
	fmt.Fprintf(&b, "%s – %s  班次 classes %d  申报学时 claimed %.1f  SHA-256 %s  %s  %s\n", d.From, d.To, d.Units, float64(d.TotalHalfUnits)/2, d.UnitsDigest, d.By, dayAndTime(d.AtMs))
	for _, u := range d.Drawn {
		fmt.Fprintf(&b, "   %s  申报 claimed %.1f", u.ID, float64(u.HalfUnits)/2)
		if u.Certain {
			b.WriteString("  必抽 certain")
		}
		if r := u.Result; r != nil {
			fmt.Fprintf(&b, "  核实 found %.1f  %s  %s", r.FoundHalfUnits/2, r.By, r.Note)
		}
		b.WriteString("\n")
	}
	checked := d.Checked()
	if len(checked) < len(d.Drawn) {
		fmt.Fprintf(&b, "已核实 checked %d / %d；全部核实后给出估计 the estimate comes when all are\n", len(checked), len(d.Drawn))
		return b.String()
	}
	e, err := clue.Estimate95(d.TotalHalfUnits, checked)
	switch {
	case err != nil:
		fmt.Fprintf(&b, "无法估计 no estimate: %v\n", err)
	case !e.Known:
		fmt.Fprintf(&b, "真实比例 truly held %.1f%%；样本太小，没有区间 too few for an interval\n", 100*e.Ratio)
	default:
		fmt.Fprintf(&b, "真实比例 truly held %.1f%% [%.1f, %.1f]（95%%），学时 units %.1f\n", 100*e.Ratio, 100*e.Low, 100*e.High, e.HalfUnits/2)
	}
	return b.String()
}
