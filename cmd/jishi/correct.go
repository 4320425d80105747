package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/ledger"
)

func newCorrect() *cobra.Command {
	cmd := &cobra.Command{
		Use: "correct", Short: "Ask for corrections of hours, and decide them 补录与更正", Args: cobra.NoArgs,
		Long: "对一名学员一次课的一段时间申请补录、剔除或更正在场；批准前可预览效果；申请人不得审批自己的申请。证据从不改动（见 docs/settling.md）。\n" +
			"在存放台账的服务器上运行。批准后由运行中的服务重新结算该日。\n" +
			"Asks that a stretch of one trainee's lesson is granted, excluded, or counted as presence; shows what that would do; and\n" +
			"decides it. Who asks does not decide, and evidence is never edited (docs/settling.md). Run it at the server that has the\n" +
			"ledger; the running service settles the day again.",
		Example: "  jishi correct request --session k1 --person s001 --kind grant --from 2026-03-02T09:00 --to 2026-03-02T10:00 \\\n" +
			"      --reason 读卡器故障 --attach 签到表.jpg --by wangwu\n" +
			"  jishi correct preview 7\n" +
			"  jishi correct approve 7 --by lisi\n" +
			"  jishi correct list --state submitted",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	f := bureauOf(cmd)
	cmd.AddCommand(
		newCorrectRequest(f), newCorrectList(f), newCorrectPreview(f),
		newCorrectStep(f, "submit", "Hand a draft in 提交", ledger.CorrectionSubmitted),
		newCorrectStep(f, "approve", "Approve a correction that somebody else asked for 批准", ledger.CorrectionApproved),
		newCorrectStep(f, "reject", "Reject a correction that somebody else asked for 驳回", ledger.CorrectionRejected),
		newCorrectStep(f, "withdraw", "Take a correction back 撤回", ledger.CorrectionWithdrawn),
	)
	return cmd
}

func newCorrectRequest(f *bureauFlags) *cobra.Command {
	var c ledger.Correction
	var kind, from, to, attach string
	var draft bool
	cmd := &cobra.Command{
		Use: "request", Short: "Ask for a correction 申请", Args: cobra.NoArgs,
		Long: "申请更正并提交；--draft 只存草稿。附件至多 5 MiB。\nAsks for a correction and hands it in; with --draft it stays a draft. An attachment has at most 5 MiB.",
	}
	cmd.Flags().StringVar(&c.Session, "session", "", "the lesson 课次编号")
	cmd.Flags().StringVar(&c.Person, "person", "", "the trainee 学员编号")
	cmd.Flags().StringVar(&kind, "kind", string(ledger.CorrectGrant), "grant credits the stretch 补录, exclude refuses it 剔除, presence says that the person was there 在场")
	cmd.Flags().StringVar(&from, "from", "", "start, such as 2026-03-02T09:00 in Asia/Shanghai 起始时刻")
	cmd.Flags().StringVar(&to, "to", "", "end, exclusive 结束时刻")
	cmd.Flags().StringVar(&c.Reason, "reason", "", "why 原因")
	cmd.Flags().StringVar(&attach, "attach", "", "a file that shows it 附件")
	cmd.Flags().BoolVar(&draft, "draft", false, "do not hand it in yet 只存草稿")
	byFlag(cmd, &c.By)
	required(cmd, "session", "person", "from", "to", "reason")
	cmd.RunE = f.command(func(ctx context.Context, o *bureau, _ []string) error {
		c.Base, c.Kind = o.base, ledger.CorrectionKind(kind)
		var err error
		if c.Span.StartMs, err = instantOf("--from", from); err != nil {
			return err
		}
		if c.Span.EndMs, err = instantOf("--to", to); err != nil {
			return err
		}
		if c.Attachment, err = readAttachment(attach); err != nil {
			return err
		}
		n, err := o.corrections.Request(ctx, c)
		if err != nil {
			return err
		}
		state := ledger.CorrectionDraft
		if !draft {
			state = ledger.CorrectionSubmitted
			if _, err := o.ledger.StepCorrection(ctx, n, ledger.CorrectionStep{State: state, By: c.By, AtMs: time.Now().UnixMilli()}); err != nil {
				return err
			}
		}
		return o.say("✓ 申请号 correction %d: %s %s\n预览 see what it does: jishi correct preview %d\n", n, state.Zh(), state, n)
	})
	return cmd
}

// instantOf reads an instant, in Asia/Shanghai when it has no offset.
func instantOf(flag, s string) (int64, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UnixMilli(), nil
	}
	for _, form := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(form, s, time.FixedZone("", 8*3600)); err == nil {
			return t.UnixMilli(), nil
		}
	}
	return 0, usageError{fmt.Errorf("%s %q: 时刻应写作 2026-03-02T09:00（北京时间） / want an instant such as 2026-03-02T09:00, in Asia/Shanghai", flag, s)}
}

func readAttachment(path string) (_ *ledger.Attachment, err error) {
	if path == "" {
		return nil, nil //nolint:nilnil // a request without one
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, usageError{fmt.Errorf("--attach: %w", err)}
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	content, err := io.ReadAll(io.LimitReader(file, ledger.MaxAttachment+1))
	if err != nil {
		return nil, fmt.Errorf("--attach: %w", err)
	}
	return &ledger.Attachment{Name: filepath.Base(path), Content: content}, nil
}

// numberOf reads a correction's number.
func numberOf(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, usageError{fmt.Errorf("%q: 应为申请号 / want the number of a correction", s)}
	}
	return n, nil
}

// mine reads a correction of the base that the command is about.
func (o *bureau) mine(ctx context.Context, arg string) (*ledger.Correction, error) {
	n, err := numberOf(arg)
	if err != nil {
		return nil, err
	}
	c, err := o.ledger.Correction(ctx, n)
	if err == nil && c.Base != o.base {
		err = fmt.Errorf("correction %d of base %s: %w", n, o.base, ledger.ErrNoCorrection)
	}
	return c, err
}

func newCorrectStep(f *bureauFlags, name, short string, state ledger.CorrectionState) *cobra.Command {
	var s ledger.CorrectionStep
	cmd := &cobra.Command{Use: name + " NUMBER", Short: short, Args: cobra.ExactArgs(1)}
	cmd.Flags().StringVar(&s.Note, "note", "", "why; wanted of who rejects, or withdraws what was approved 说明")
	if state == ledger.CorrectionApproved || state == ledger.CorrectionWithdrawn {
		cmd.Flags().BoolVar(&s.Supplement, "supplement", false, "the period is sealed: let it count as a supplementary entry 期间已封存，作为补充分录")
	}
	byFlag(cmd, &s.By)
	cmd.RunE = f.command(func(ctx context.Context, o *bureau, args []string) error {
		c, err := o.mine(ctx, args[0])
		if err != nil {
			return err
		}
		s.State, s.AtMs = state, time.Now().UnixMilli()
		if c, err = o.ledger.StepCorrection(ctx, c.Number, s); err != nil {
			return err
		}
		return o.say("✓ 申请号 correction %d: %s %s\n", c.Number, c.State().Zh(), c.State())
	})
	return cmd
}

func newCorrectList(f *bureauFlags) *cobra.Command {
	var state string
	cmd := &cobra.Command{Use: "list", Short: "List corrections 列出", Args: cobra.NoArgs}
	cmd.Long = "列出本基地的更正申请及其处理经过。\nLists the base's corrections and what became of them."
	cmd.Flags().StringVar(&state, "state", "", "draft, submitted, approved, rejected or withdrawn 状态; default all")
	cmd.RunE = f.command(func(ctx context.Context, o *bureau, _ []string) error {
		if known := ledger.CorrectionState(state); state != "" && known.Zh() == state {
			return usageError{fmt.Errorf("--state %q: want draft, submitted, approved, rejected or withdrawn", state)}
		}
		list, err := o.ledger.Corrections(ctx, ledger.CorrectionQuery{Base: o.base, State: ledger.CorrectionState(state)})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return o.say("没有更正申请 no corrections\n")
		}
		var b strings.Builder
		for i := range list {
			writeCorrection(&b, &list[i])
		}
		return o.say("%s", b.String())
	})
	return cmd
}

func writeCorrection(b *strings.Builder, c *ledger.Correction) {
	fmt.Fprintf(b, "%d  %s %s  %s  %s %s  %s – %s  %s\n", c.Number, c.State().Zh(), c.State(), c.Kind, c.Session, c.Person,
		dayAndTime(c.Span.StartMs), dayAndTime(c.Span.EndMs), c.Reason)
	if a := c.Attachment; a != nil {
		fmt.Fprintf(b, "   附件 attachment: %s, %d bytes, SHA-256 %s\n", a.Name, a.Size, a.SHA256)
	}
	for _, s := range c.Steps {
		fmt.Fprintf(b, "   %s  %s %s  %s", dayAndTime(s.AtMs), s.State.Zh(), s.State, s.By)
		if s.Supplement {
			b.WriteString("  补充分录 supplement")
		}
		if s.Note != "" {
			b.WriteString("  " + s.Note)
		}
		b.WriteString("\n")
	}
}

func newCorrectPreview(f *bureauFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "preview NUMBER", Short: "Show what a correction does 预览", Args: cobra.ExactArgs(1)}
	cmd.Long = "按现有证据核验两次：不含与含此更正，逐日对照。\nVerifies the hours without the correction and with it, and compares day by day."
	cmd.RunE = f.command(func(ctx context.Context, o *bureau, args []string) error {
		c, err := o.mine(ctx, args[0])
		if err != nil {
			return err
		}
		effects, err := o.corrections.Preview(ctx, c.Number)
		if err != nil {
			return err
		}
		var b strings.Builder
		writeCorrection(&b, c)
		for _, e := range effects {
			was, then := &e.Now.Verdict, &e.Then.Verdict
			fmt.Fprintf(&b, "%s  核验 verified %s → %s，待核验 pending %s → %s，当日学时 units of the day %.1f → %.1f\n", e.Day,
				hmsOf(was.VerifiedMs), hmsOf(then.VerifiedMs), hmsOf(was.PendingMs), hmsOf(then.PendingMs), float64(e.Now.HalfUnits)/2, float64(e.Then.HalfUnits)/2)
		}
		return o.say("%s", b.String())
	})
	return cmd
}
