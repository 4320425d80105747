package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/config"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

func newPeriod() *cobra.Command {
	cmd := &cobra.Command{
		Use: "period", Short: "How far months, quarters and years have come, and seal them 期间与封存", Args: cobra.NoArgs,
		Long: "查看各期间的状态：暂定 → 定稿 → 封存；接受数据缺口；定稿；在冻结日之后封存；列出封存后的补充分录（见 docs/settling.md）。\n" +
			"期间写作 month:2026-03、quarter:2026-Q1、year:2026。在存放台账的服务器上运行，立即生效。\n" +
			"Shows how far a base's periods have come: provisional, final, sealed. Accepts gaps in the data, finalises, seals after\n" +
			"the freeze date, and lists what changed after a seal (docs/settling.md). Run it at the server that has the ledger.",
		Example: "  jishi period list\n" +
			"  jishi period show month:2026-03\n" +
			"  jishi period accept-gap --from 2026-03-02 --to 2026-03-03 --bridge b1 --by lisi --reason 网桥硬盘损坏\n" +
			"  jishi period finalise month:2026-03 --by lisi\n" +
			"  jishi period seal month:2026-03 --by lisi\n" +
			"  jishi period supplements month:2026-03",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	o := bureauOf(cmd)
	cmd.AddCommand(newPeriodList(o), newPeriodShow(o), newAcceptGap(o), newFinalise(o), newSeal(o), newSupplements(o))
	return cmd
}

// bureauFlags are what all sub-commands of a command about the ledger share.
type bureauFlags struct {
	settings *settings
	base     string
}

// bureauOf gives a command its settings and the flag of the base.
func bureauOf(cmd *cobra.Command) *bureauFlags {
	table, err := config.New(settingsTable(), cmd.Name())
	if err != nil {
		panic(err) // the table is part of the program, and a test holds it
	}
	table.BindFlags(cmd.PersistentFlags())
	o := &bureauFlags{settings: &settings{Config: table}}
	cmd.PersistentFlags().StringVar(&o.base, "base", "", "code of the base; may be left out when there is one 基地编码")
	return o
}

// bureau is what a sub-command works with.
type bureau struct {
	out         io.Writer
	base        string
	ledger      *ledger.Ledger
	reference   *ledger.Reference
	periods     *settle.Periods
	corrections *settle.Corrections
}

// say prints lines, what came from outside in them made harmless.
func (o *bureau) say(format string, args ...any) error {
	_, err := io.WriteString(o.out, printableLines(fmt.Sprintf(format, args...)))
	return err
}

// command is the RunE of a sub-command: it loads the settings and opens the ledger, the reference data and the evidence.
func (f *bureauFlags) command(do func(ctx context.Context, o *bureau, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return f.settings.run(cmd, func(ctx context.Context) (err error) {
			path := f.settings.path("ledger.path", "ledger.db")
			if _, e := os.Stat(path); errors.Is(e, fs.ErrNotExist) {
				return fmt.Errorf("没有台账 no ledger at %s: `jishi up` or `jishi serve` makes it; name another with --data.dir or --ledger.path", path)
			}
			ref, err := openReference(ctx, f.settings)
			if err != nil {
				return err
			}
			base, err := chooseBase(ref.Registry, f.base)
			if err != nil {
				return usageError{err}
			}
			store, err := openStore(ctx, f.settings, true, nil)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, store.Close()) }()
			l, err := ledger.Open(ctx, path)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, l.Close()) }()
			keeper := &settle.Keeper{
				Settler: settle.New(store, ref.Registry, ref.Calendar), Ledger: l,
				Reference: func(context.Context) (*ledger.Reference, error) { return ref, nil },
			}
			return explainBureau(do(ctx, &bureau{
				out: cmd.OutOrStdout(), base: base, ledger: l, reference: ref,
				periods: &settle.Periods{Keeper: keeper}, corrections: &settle.Corrections{Keeper: keeper},
			}, args))
		})
	}
}

// explainBureau tells what was asked wrongly from what went wrong.
func explainBureau(err error) error {
	for _, wrong := range []error{
		settle.ErrPeriod, settle.ErrUnknownBase, settle.ErrUnknownBridge, settle.ErrNoLesson, settle.ErrNoTrainee, settle.ErrOutside,
		ledger.ErrText, ledger.ErrNoCorrection, ledger.ErrAttachment, ledger.ErrKind, ledger.ErrSpan,
		ledger.ErrNoClue, ledger.ErrNoSample, ledger.ErrNotDrawn, clue.ErrSample,
	} {
		if errors.Is(err, wrong) {
			return usageError{err}
		}
	}
	return err
}

// byFlag adds the flag that names who acts.
func byFlag(cmd *cobra.Command, by *string) {
	cmd.Flags().StringVar(by, "by", "", "account of the person who does it, who answers for it 经办人账号")
	required(cmd, "by")
}

func required(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flag was just defined
		}
	}
}

func newAcceptGap(f *bureauFlags) *cobra.Command {
	var from, to string
	var a settle.Acceptance
	cmd := &cobra.Command{
		Use: "accept-gap", Short: "Accept that nothing more will come of some days 接受缺口", Args: cobra.NoArgs,
		Long: "由负责人确认：这些天的数据不再等待。数据仍缺的时段保持待核验，不会变成零；以后若补到数据，仍会形成新修订。\n" +
			"An officer's word that nothing more is waited for. What is missing stays pending and does not become zero, and what\n" +
			"comes later makes revisions all the same.",
	}
	cmd.Flags().StringVar(&from, "from", "", "first day 起始日")
	cmd.Flags().StringVar(&to, "to", "", "last day, inclusive; default the first 截止日")
	cmd.Flags().StringVar(&a.Bridge, "bridge", "", "one bridge; default every bridge of the base 网桥标识")
	cmd.Flags().StringVar(&a.Reason, "reason", "", "why 原因")
	byFlag(cmd, &a.By)
	required(cmd, "from", "reason")
	cmd.RunE = f.command(func(ctx context.Context, o *bureau, _ []string) (err error) {
		if a.From, err = calendar.ParseDate(from); err != nil {
			return usageError{fmt.Errorf("--from: %w", err)}
		}
		if a.To = a.From; to != "" {
			if a.To, err = calendar.ParseDate(to); err != nil {
				return usageError{fmt.Errorf("--to: %w", err)}
			}
		}
		a.Base = o.base
		n, err := o.periods.AcceptGap(ctx, a)
		if err != nil {
			return err
		}
		return o.say("✓ 新接受 %d 天的缺口 gaps of %d days accepted, %s – %s\n", n, n, a.From, a.To)
	})
	return cmd
}

// stepCommand is a sub-command that takes a period a step on.
func stepCommand(f *bureauFlags, cmd *cobra.Command, said string, do func(ctx context.Context, o *bureau, p settle.Period, by string) (ledger.PeriodStep, error)) *cobra.Command {
	var by string
	cmd.Args = cobra.ExactArgs(1)
	byFlag(cmd, &by)
	cmd.RunE = f.command(func(ctx context.Context, o *bureau, args []string) error {
		p, err := settle.ParsePeriod(args[0])
		if err != nil {
			return err
		}
		step, err := do(ctx, o, p, by)
		if err != nil {
			return err
		}
		return o.say("✓ %s: %s %s\n经办 by: %s  %s\n摘要 digest: %s\n", said, step.Base, step.Period, step.By, dayAndTime(step.AtMs), step.Digest)
	})
	return cmd
}

func newFinalise(f *bureauFlags) *cobra.Command {
	return stepCommand(f, &cobra.Command{
		Use: "finalise PERIOD", Short: "Say that all figures of a period are there 定稿",
		Long: "先把期间内有变化的日子重新结算，再定稿。期间内每一天都须数据到齐，或缺口已被接受；日历未发布时拒绝。\n" +
			"Settles what is dirty of the period and makes it final. Every day must be complete or its gap accepted; a calendar\n" +
			"that is not published refuses.",
	}, "已定稿 final", func(ctx context.Context, o *bureau, p settle.Period, by string) (ledger.PeriodStep, error) {
		return o.periods.Finalise(ctx, o.base, p, by)
	})
}

func newSeal(f *bureauFlags) *cobra.Command {
	return stepCommand(f, &cobra.Command{
		Use: "seal PERIOD", Short: "Close a final period for good 封存",
		Long: "冻结日之后封存已定稿的期间：逐行记下修订号与摘要，此后不可更改，也不可解封；其后的变化只作为补充分录列示。\n" +
			"Closes a final period after its freeze date: the revision and digest of every row are kept. It cannot be undone. What\n" +
			"changes afterwards appears as supplementary entries only.",
	}, "已封存 sealed", func(ctx context.Context, o *bureau, p settle.Period, by string) (ledger.PeriodStep, error) {
		return o.periods.Seal(ctx, o.base, p, by)
	})
}

// dayAndTime shows an instant in Asia/Shanghai.
func dayAndTime(ms int64) string {
	return time.UnixMilli(ms).In(time.FixedZone("", 8*3600)).Format("2006-01-02 15:04:05")
}

func newPeriodList(f *bureauFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "Show which periods are final or sealed 列出", Args: cobra.NoArgs}
	cmd.Long = "列出本基地已定稿或已封存的期间；其余均为暂定。\nLists the base's periods that are final or sealed; all others are provisional."
	cmd.RunE = f.command(func(ctx context.Context, o *bureau, _ []string) error {
		steps, err := o.ledger.PeriodSteps(ctx, o.base, "")
		if err != nil {
			return err
		}
		if len(steps) == 0 {
			return o.say("基地 %s 尚无定稿或封存的期间 no period of base %s is final or sealed\n", o.base, o.base)
		}
		var b strings.Builder
		for _, s := range steps {
			fmt.Fprintf(&b, "%-16s %s  %s – %s  %s  %s  %s\n", s.Period, stateName(s.State), s.FromDay, s.ToDay, s.By, dayAndTime(s.AtMs), s.Digest)
		}
		return o.say("%s", b.String())
	})
	return cmd
}

// stateName is a period's state in both languages.
func stateName(state string) string {
	switch state {
	case ledger.PeriodFinal:
		return "定稿 final"
	case ledger.PeriodSealed:
		return "封存 sealed"
	}
	return "暂定 provisional"
}
