package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/access"
)

// accountTable is a table of this program's style.
func accountTable(w io.Writer, header ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(header)
	return t
}

func grantsText(grants []access.Grant) string {
	var out []string
	for _, g := range grants {
		where := g.Base
		if where == access.City {
			where = "全市 city"
		}
		out = append(out, string(g.Role)+" @ "+printable(where))
	}
	return strings.Join(out, "\n")
}

func instantText(ms int64) string {
	if ms == 0 {
		return "–"
	}
	return time.UnixMilli(ms).Format("2006-01-02 15:04")
}

func newAccountList(c *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "Show the accounts and their roles 列出", Args: cobra.NoArgs,
		Long: "列出账号、状态与角色。不显示任何口令。\nLists the accounts, their states and roles. No password is shown: there is none that could be.",
	}
	cmd.RunE = accountCommand(c, false, func(ctx context.Context, d *desk, _ []string) error {
		accounts, err := d.door.Accounts(ctx)
		if err != nil {
			return err
		}
		t := accountTable(cmd.OutOrStdout(), "账号 name", "姓名 display", "状态 state", "角色 roles", "口令设于 password set")
		for i := range accounts {
			a := &accounts[i]
			t.AppendRow(table.Row{printable(a.Name), printable(a.Display), accountState(a), orDash(grantsText(a.Grants)), instantText(a.PasswordMs)})
		}
		t.Render()
		return nil
	})
	return cmd
}

func accountState(a *access.Account) string {
	switch {
	case a.Disabled:
		return "停用 disabled"
	case a.MustChange:
		return "待改口令 one-time password"
	}
	return "可用 good"
}

func newAccountToken(c *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use: "token", Short: "API tokens, for programs 接口令牌", Args: cobra.NoArgs,
		Long: "程序访问接口所用的令牌：Authorization: Bearer …。权限不超过其所有者，随所有者减少或停用。\n" +
			"Tokens with which programs call the API (Authorization: Bearer …). A token never holds more than its owner does.",
		Example: "  jishi account token add zhangsan --name 大屏 --role technician --base b1\n" +
			"  jishi account token list\n  jishi account token revoke 3f9a1c0b7d2e",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newTokenAdd(c), newTokenList(c), newTokenRevoke(c))
	return cmd
}

func newTokenAdd(c *settings) *cobra.Command {
	var name string
	var days int
	var roles roleFlags
	cmd := &cobra.Command{
		Use: "add ACCOUNT", Short: "Make a token, which is shown this once 新增", Args: cobra.ExactArgs(1),
		Long: "新增令牌，只显示这一次；不给 --role 则与账号的角色相同。\n" +
			"Makes a token, which is shown this once. Without --role it has the roles of its account.",
	}
	cmd.Flags().StringVar(&name, "name", "", "what it is for 用途")
	cmd.Flags().IntVar(&days, "days", 90, "how long it lasts, 1 to 366 有效天数")
	roles.bind(cmd)
	cmd.RunE = accountCommand(c, false, func(ctx context.Context, d *desk, args []string) error {
		grants, err := roles.grants()
		if err != nil {
			return err
		}
		if grants == nil {
			owner, err := d.door.Account(ctx, args[0])
			if err != nil {
				return err
			}
			grants = owner.Grants
		}
		lasts := time.Duration(min(max(days, 0), 1000)) * 24 * time.Hour
		text, t, err := d.door.AddToken(ctx, d.actor, args[0], access.NewToken{Name: name, Grants: grants, For: lasts})
		if err != nil {
			return err
		}
		return d.say("✓ 令牌 token %s，到期 ends %s\n%s   （只显示这一次 shown this once）\n", t.ID, instantText(t.ExpiresMs), text)
	})
	return cmd
}

func newTokenList(c *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list [ACCOUNT]", Short: "Show the tokens of an account, or of all 列出", Args: cobra.MaximumNArgs(1),
		Long: "列出令牌（不含令牌本身）。\nLists the tokens, not what they are made of.",
	}
	cmd.RunE = accountCommand(c, false, func(ctx context.Context, d *desk, args []string) error {
		tokens, err := d.door.Tokens(ctx, strings.Join(args, ""))
		if err != nil {
			return err
		}
		t := accountTable(cmd.OutOrStdout(), "标识 id", "账号 account", "名称 name", "状态 state", "角色 roles", "到期 ends", "最近使用 used")
		now := time.Now().UnixMilli()
		for i := range tokens {
			x := &tokens[i]
			state := "可用 good"
			switch {
			case x.RevokedMs != 0:
				state = "已吊销 revoked"
			case x.ExpiresMs <= now:
				state = "已到期 ended"
			}
			t.AppendRow(table.Row{x.ID, printable(x.Account), printable(x.Name), state, grantsText(x.Grants), instantText(x.ExpiresMs), instantText(x.UsedMs)})
		}
		t.Render()
		return nil
	})
	return cmd
}

func newTokenRevoke(c *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "End a token at once 吊销", Args: cobra.ExactArgs(1),
		Long: "吊销令牌，立即生效，不可恢复。\nEnds a token at once and for good.",
	}
	cmd.RunE = accountCommand(c, false, func(ctx context.Context, d *desk, args []string) error {
		if err := d.door.RevokeToken(ctx, d.actor, "", args[0]); err != nil {
			return err
		}
		return d.say("✓ 令牌 %s 已吊销 is revoked\n", args[0])
	})
	return cmd
}

func newAccountAudit(c *settings) *cobra.Command {
	var q access.AuditQuery
	cmd := &cobra.Command{
		Use: "audit", Short: "Show the audit log, and check that nobody changed it 审计日志", Args: cobra.NoArgs,
		Long: "列出审计日志的最新条目，并逐条查验哈希链；链断裂时退出码为 1。请将末条序号与哈希记录在别处。\n" +
			"Lists the newest entries of the audit log and checks its whole chain of hashes; exit code 1 when a link is broken. Note\n" +
			"the last number and hash elsewhere: only so is a log that was replaced as a whole found out.",
		Example: "  jishi account audit --limit 20\n  jishi account audit --actor zhangsan --action people.unmask",
	}
	cmd.Flags().IntVar(&q.Most, "limit", 50, "how many entries, 1 to 500 条数")
	cmd.Flags().StringVar(&q.Actor, "actor", "", "only what this one did 操作人")
	cmd.Flags().StringVar(&q.Action, "action", "", "only this action 操作")
	cmd.Flags().StringVar(&q.Base, "base", "", "only at this base 基地")
	cmd.RunE = accountCommand(c, false, func(ctx context.Context, d *desk, _ []string) error {
		entries, err := d.door.Entries(ctx, q)
		if err != nil {
			return err
		}
		t := accountTable(cmd.OutOrStdout(), "#", "时间 at", "操作人 actor", "操作 action", "对象 object", "基地 base", "理由 reason", "详情 detail")
		for i := range entries {
			e := &entries[len(entries)-1-i]
			t.AppendRow(table.Row{
				e.Seq, time.UnixMilli(e.AtMs).Format("2006-01-02 15:04:05"), orDash(printable(e.Actor)), string(e.Action), printable(e.Object),
				printable(e.Base), printable(e.Reason), auditDetail(e.Detail),
			})
		}
		t.Render()
		seq, head, err := d.door.Verify(ctx)
		if err != nil {
			return err
		}
		return d.say("✓ 哈希链完整 the chain holds: %d 条 entries, %s\n", seq, hex.EncodeToString(head[:]))
	})
	return cmd
}

func auditDetail(detail map[string]any) string {
	if len(detail) == 0 {
		return ""
	}
	text, err := json.Marshal(detail)
	if err != nil {
		return fmt.Sprint(detail)
	}
	return truncate(string(printableJSON(text)), 80)
}
