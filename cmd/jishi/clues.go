package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/api"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/ledger"
)

func newClues() *cobra.Command {
	cmd := &cobra.Command{
		Use: "clues", Short: "Clues of fraud, their review, and the audit sample 疑点线索与抽样核查", Args: cobra.NoArgs,
		Long: "查看运行中的服务产生的疑点线索，分派、核查、定论，列出各规则的准确率，并按公布的种子抽样（见 docs/clues.md）。\n" +
			"线索不是结论，不影响学时；核查人不得自行定论。在存放台账的服务器上运行。\n" +
			"Shows the clues that the running service raised, assigns, investigates and decides them, tells how often each rule was\n" +
			"right, and draws the audit sample from a published seed (docs/clues.md). A clue is no verdict and changes no hour.",
		Example: "  jishi clues list --state raised\n" +
			"  jishi clues show 3f0c…\n" +
			"  jishi clues step 3f0c… --to assigned --assignee wangwu --by lisi\n" +
			"  jishi clues step 3f0c… --to investigated --finding excluded --reason 当日停电 --by wangwu\n" +
			"  jishi clues precision",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	f := bureauOf(cmd)
	cmd.AddCommand(newCluesList(f), newCluesShow(f), newCluesStep(f), newCluesAnswer(f), newCluesPrecision(f), newCluesSample(f))
	return cmd
}

func newCluesList(f *bureauFlags) *cobra.Command {
	var q ledger.ClueQuery
	var rule, state, severity string
	cmd := &cobra.Command{
		Use: "list", Short: "List clues, the latest day first 列出", Args: cobra.NoArgs,
		Long: "列出本基地的线索，新的在前。\nLists the base's clues, the latest day first.",
	}
	cmd.Flags().StringVar(&q.From, "from", "", "first day 起始日")
	cmd.Flags().StringVar(&q.To, "to", "", "last day, inclusive 截止日")
	cmd.Flags().StringVar(&rule, "rule", "", "one rule, such as F2 规则")
	cmd.Flags().StringVar(&state, "state", "", "raised, assigned, investigated, excluded, confirmed, removed, recovered or referred 状态")
	cmd.Flags().StringVar(&severity, "severity", "", "high, medium or low 等级")
	cmd.Flags().StringVar(&q.Assignee, "assignee", "", "account of who investigates 核查人账号")
	cmd.Flags().BoolVar(&q.Gone, "gone", false, "those too that are not found any more 含已消失的")
	cmd.Flags().StringVar(&q.After, "after", "", "key of the last clue of the page before 上一页最后一条的编号")
	cmd.Flags().IntVar(&q.Most, "limit", 50, "how many, at most 500 条数")
	cmd.RunE = f.command(func(ctx context.Context, o *bureau, _ []string) error {
		q.Base, q.Rule, q.State, q.Severity, q.Assignee = o.base, clue.ID(rule), clue.State(state), clue.Severity(severity), strings.ToLower(q.Assignee)
		if err := checkClueQuery(&q); err != nil {
			return err
		}
		list, total, err := o.ledger.Clues(ctx, q)
		if err != nil {
			return err
		}
		if total == 0 {
			return o.say("没有线索 no clues\n")
		}
		var b strings.Builder
		for i := range list {
			writeClue(&b, &list[i])
		}
		fmt.Fprintf(&b, "%d / %d\n", len(list), total)
		return o.say("%s", b.String())
	})
	return cmd
}

// checkClueQuery refuses filters that would silently select nothing.
func checkClueQuery(q *ledger.ClueQuery) error {
	for flag, day := range map[string]string{"--from": q.From, "--to": q.To} {
		if _, err := calendar.ParseDate(day); day != "" && err != nil {
			return usageError{fmt.Errorf("%s: %w", flag, err)}
		}
	}
	switch {
	case q.State != "" && q.State.Zh() == string(q.State):
		return usageError{fmt.Errorf("--state %q: 没有此状态 / want raised, assigned, investigated, excluded, confirmed, removed, recovered or referred", q.State)}
	case q.Severity != "" && q.Severity.Zh() == string(q.Severity):
		return usageError{fmt.Errorf("--severity %q: 应为 high、medium 或 low / want high, medium or low", q.Severity)}
	case q.Most < 1 || q.Most > ledger.MaxClues:
		return usageError{fmt.Errorf("--limit %d: 应为 1 至 %d / want 1 to %d", q.Most, ledger.MaxClues, ledger.MaxClues)}
	}
	for _, r := range clue.Rules(clue.DefaultParams()) {
		if q.Rule == "" || q.Rule == r.ID {
			return nil
		}
	}
	return usageError{fmt.Errorf("--rule %q: 没有此规则 / want F1 to F7, F11 or F12", q.Rule)}
}

func writeClue(b *strings.Builder, c *ledger.ClueRecord) {
	state := c.Review.State()
	fmt.Fprintf(b, "%s  %s  %s  %s %s  %s %s", c.Key, c.Day, c.Rule, c.Severity.Zh(), c.Severity, state.Zh(), state)
	if who := c.Review.Assignee(); who != "" {
		fmt.Fprintf(b, "  %s", who)
	}
	if c.GoneMs != 0 {
		b.WriteString("  已消失 gone")
	}
	fmt.Fprintf(b, "\n   %s\n", c.Explain)
}

func newCluesShow(f *bureauFlags) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "show KEY", Short: "Show a clue with its evidence and history 详情", Args: cobra.ExactArgs(1),
		Long: "显示一条线索：所见、指标与阈值、须先排除的正当原因、证据位置、办理经过。\n" +
			"Shows what was seen, the figures and their limits, the innocent explanations to rule out, where the records stand, and\n" +
			"what people did.",
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	cmd.RunE = f.command(func(ctx context.Context, o *bureau, args []string) error {
		c, err := o.ledger.Clue(ctx, o.base, args[0])
		if err != nil {
			return err
		}
		switch format {
		case "json":
			e := json.NewEncoder(o.out)
			e.SetIndent("", "  ")
			return e.Encode(api.ClueOf(c, true))
		case "text":
			var b strings.Builder
			writeClue(&b, c)
			writeClueDetails(&b, c)
			return o.say("%s", b.String())
		}
		return usageError{fmt.Errorf("--format %q: want text or json", format)}
	})
	return cmd
}

func writeClueDetails(b *strings.Builder, c *ledger.ClueRecord) {
	for _, m := range c.Measures {
		fmt.Fprintf(b, "   %s = %g %s（限 limit %g）\n", m.Name, m.Value, m.Unit, m.Limit)
	}
	for _, x := range c.Innocent {
		fmt.Fprintf(b, "   须先排除 rule out first: %s\n", x)
	}
	for _, e := range c.Evidence {
		fmt.Fprintf(b, "   证据 evidence: %s  %s – %s", e.Source, dayAndTime(e.Span.StartMs), dayAndTime(e.Span.EndMs))
		if e.Seq != 0 {
			fmt.Fprintf(b, "  %016x:%d", e.Epoch, e.Seq)
		}
		b.WriteString("\n")
	}
	for _, s := range c.Review.Steps {
		fmt.Fprintf(b, "   %s  %s %s  %s", dayAndTime(s.AtMs), s.To.Zh(), s.To, s.By)
		for _, text := range append([]string{s.Assignee, string(s.Finding), s.Reason}, s.Attachments...) {
			if text != "" {
				b.WriteString("  " + text)
			}
		}
		b.WriteString("\n")
	}
	for _, a := range c.Answers {
		fmt.Fprintf(b, "   %s  基地说明 answer of %s  %s  %s\n", dayAndTime(a.AtMs), a.Base, a.By, a.Text)
	}
}

func newCluesStep(f *bureauFlags) *cobra.Command {
	var s clue.Step
	var to, finding string
	cmd := &cobra.Command{
		Use: "step KEY", Short: "Assign, investigate or decide a clue 办理", Args: cobra.ExactArgs(1),
		Long: "系统产生 → 分派 assigned → 核查 investigated → 排除 excluded | 属实 confirmed → 学时剔除 removed、追回 recovered、移送 referred。\n" +
			"只有被分派的人可以核查，核查人不得自行定论。学时剔除须另行申请更正（jishi correct）。\n" +
			"Only the assignee investigates, and who investigated does not decide. Hours are taken away by a correction of its own.",
	}
	cmd.Flags().StringVar(&to, "to", "", "the state that follows 办理到")
	cmd.Flags().StringVar(&s.Assignee, "assignee", "", "account of who shall investigate 核查人账号")
	cmd.Flags().StringVar(&finding, "finding", "", "what the investigator proposes: excluded or confirmed 核查结论")
	cmd.Flags().StringVar(&s.Reason, "reason", "", "why; required of every step but the first 理由")
	cmd.Flags().StringSliceVar(&s.Attachments, "attachment", nil, "reference to a document, such as a work order 附件编号")
	byFlag(cmd, &s.By)
	required(cmd, "to")
	cmd.RunE = f.command(func(ctx context.Context, o *bureau, args []string) error {
		s.To, s.Finding, s.AtMs = clue.State(to), clue.State(finding), time.Now().UnixMilli()
		c, err := o.ledger.StepClue(ctx, o.base, args[0], s)
		if err != nil {
			return err
		}
		return o.say("✓ 线索 clue %s: %s %s\n", c.Key, c.Review.State().Zh(), c.Review.State())
	})
	return cmd
}

func newCluesAnswer(f *bureauFlags) *cobra.Command {
	var a ledger.ClueAnswer
	cmd := &cobra.Command{
		Use: "answer KEY", Short: "Keep what the base says to a clue 基地说明", Args: cobra.ExactArgs(1),
		Long: "记录基地对线索的说明；不改变状态。说明人不得再核查或定论。\nKeeps the base's answer; the state stays, and who answered neither investigates nor decides.",
	}
	cmd.Flags().StringVar(&a.Text, "text", "", "the answer 说明")
	byFlag(cmd, &a.By)
	required(cmd, "text")
	cmd.RunE = f.command(func(ctx context.Context, o *bureau, args []string) error {
		a.Base, a.AtMs = o.base, time.Now().UnixMilli()
		c, err := o.ledger.AnswerClue(ctx, args[0], a)
		if err != nil {
			return err
		}
		return o.say("✓ 线索 clue %s: 说明 answers %d\n", c.Key, len(c.Answers))
	})
	return cmd
}

func newCluesPrecision(f *bureauFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "precision", Short: "How often each rule was right, by what people decided 规则准确率", Args: cobra.NoArgs,
		Long: "属实 ÷ (属实 + 排除)，全市，按规则与版本，附 Wilson 95% 区间。\nConfirmed ÷ (confirmed + excluded) in the whole city, by rule and version, with Wilson's interval.",
	}
	cmd.RunE = f.command(func(ctx context.Context, o *bureau, _ []string) error {
		outcomes, err := o.ledger.Outcomes(ctx)
		if err != nil {
			return err
		}
		if len(outcomes) == 0 {
			return o.say("没有线索 no clues\n")
		}
		var b strings.Builder
		for _, p := range clue.Precisions(outcomes) {
			share := "—"
			if p.Value != nil {
				share = fmt.Sprintf("%.1f%% [%.1f, %.1f]", 100**p.Value, 100*p.Low, 100*p.High)
			}
			fmt.Fprintf(&b, "%s/%d  准确率 precision %s  属实 confirmed %d  排除 excluded %d  未定论 open %d\n", p.Rule, p.Version, share, p.Confirmed, p.Excluded, p.Open)
		}
		return o.say("%s", b.String())
	})
	return cmd
}
