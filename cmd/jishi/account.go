package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/config"
	"github.com/jishi-telemetry/jishi/internal/ledger"
)

func newAccount() *cobra.Command {
	cmd := &cobra.Command{
		Use: "account", Short: "Who may log in, and what they may do 账号与权限", Args: cobra.NoArgs,
		Long: "管理账号、角色、口令、接口令牌，查看审计日志（见 docs/security.md）。在存放台账的服务器上运行，立即生效。\n" +
			"Manages accounts, roles, passwords and API tokens, and shows the audit log (docs/security.md). Run it at the server\n" +
			"that has the ledger; what it changes holds at once. Whoever may write the ledger's file may do all of this.",
		Example: "  jishi account add zhangsan --display 张三 --role technician --base b1\n" +
			"  jishi account roles lisi --role evaluator --base '*'\n" +
			"  jishi account password zhangsan\n" +
			"  jishi account disable zhangsan\n" +
			"  jishi account token add zhangsan --name 大屏 --role technician --base b1 --days 365\n" +
			"  jishi account audit",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	table, err := config.New(settingsTable(), cmd.Name())
	if err != nil {
		panic(err) // the table is part of the program, and a test holds it
	}
	table.BindFlags(cmd.PersistentFlags())
	c := &settings{Config: table}
	cmd.AddCommand(
		newAccountList(c), newAccountAdd(c), newAccountRoles(c), newAccountPassword(c), newAccountDisable(c),
		newAccountToken(c), newAccountAudit(c),
	)
	return cmd
}

// desk is what a sub-command of account works with.
type desk struct {
	cmd   *cobra.Command
	door  *access.Access
	actor string // as the audit log names who is at the command line
}

// accountCommand is the RunE of a sub-command: it loads the settings and opens the ledger, which only add may make.
func accountCommand(c *settings, create bool, do func(ctx context.Context, d *desk, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return c.run(cmd, func(ctx context.Context) (err error) {
			path := c.path("ledger.path", "ledger.db")
			if _, e := os.Stat(path); errors.Is(e, fs.ErrNotExist) && !create {
				return fmt.Errorf("没有台账 no ledger at %s: name another with --data.dir or --ledger.path, or make the first account with `jishi account add`", path)
			}
			if err := c.makeDir(); err != nil {
				return err
			}
			l, err := ledger.Open(ctx, path)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, l.Close()) }()
			return explainAccess(do(ctx, &desk{cmd, access.New(l.DB(), access.Options{}), localActor()}, args))
		})
	}
}

// localActor names who is at the command line. No account can have such a name.
func localActor() string {
	if u, err := user.Current(); err == nil {
		return "local:" + u.Username
	}
	return "local:" + os.Getenv("USER")
}

// explainAccess tells mistakes of who asked from those of the ledger.
func explainAccess(err error) error {
	_, problem := errors.AsType[access.Problem](err)
	if problem || errors.Is(err, access.ErrUnknown) || errors.Is(err, access.ErrExists) {
		return usageError{err}
	}
	return err
}

// say prints lines, what came from outside in them made harmless.
func (d *desk) say(format string, args ...any) error {
	_, err := io.WriteString(d.cmd.OutOrStdout(), printableLines(fmt.Sprintf(format, args...)))
	return err
}

// roleFlags are the flags that say which roles, and where.
type roleFlags struct{ roles, bases []string }

func (f *roleFlags) bind(cmd *cobra.Command) {
	var names []string
	for _, r := range access.Roles() {
		names = append(names, string(r.Role))
	}
	cmd.Flags().StringSliceVar(&f.roles, "role", nil, "role 角色; may be repeated: "+strings.Join(names, ", "))
	cmd.Flags().StringSliceVar(&f.bases, "base", nil, "code of a base that the roles are for; may be repeated; * is the whole city 基地编码，* 为全市")
}

// grants are all the roles at all the bases; a role that is for the whole city needs none named.
func (f *roleFlags) grants() ([]access.Grant, error) {
	reach := make(map[access.Role]access.Reach)
	for _, r := range access.Roles() {
		reach[r.Role] = r.Reach
	}
	var out []access.Grant
	for _, role := range f.roles {
		bases := f.bases
		if known, ok := reach[access.Role(role)]; ok && known == access.ReachCity {
			bases = []string{access.City}
		}
		if len(bases) == 0 {
			bases = []string{""} // the check says what is missing
		}
		for _, base := range bases {
			out = append(out, access.Grant{Role: access.Role(role), Base: base})
		}
	}
	if len(f.roles) == 0 && len(f.bases) > 0 {
		return nil, usageError{errors.New("--base: 须同时给出 --role / it needs a --role")}
	}
	return out, nil
}

func newAccountAdd(c *settings) *cobra.Command {
	var display string
	var roles roleFlags
	var stdin bool
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Make an account with a one-time password 新增", Args: cobra.ExactArgs(1),
		Long: "新增账号。一次性口令只显示这一次，首次登录时必须修改。\n" +
			"Makes an account. Its one-time password is shown this once, and has to be changed at the first log-in.",
		Example: "  jishi account add zhangsan --display 张三 --role technician --base b1\n" +
			"  jishi account add wangwu --role base-admin,technician --base b1 --base b2\n" +
			"  jishi account add audit1 --role audit-admin",
	}
	cmd.Flags().StringVar(&display, "display", "", "the person's name 姓名")
	cmd.Flags().BoolVar(&stdin, "stdin", false, "read the one-time password from standard input instead of making one 从标准输入读取口令")
	roles.bind(cmd)
	cmd.RunE = accountCommand(c, true, func(ctx context.Context, d *desk, args []string) error {
		grants, err := roles.grants()
		if err != nil {
			return err
		}
		n := access.NewAccount{Name: args[0], Display: display, Grants: grants}
		if stdin {
			if n.Password, err = firstLine(cmd.InOrStdin()); err != nil {
				return err
			}
		}
		password, err := d.door.Add(ctx, d.actor, n)
		if err != nil {
			return err
		}
		if stdin {
			return d.say("✓ 已新增账号 added %s\n", args[0])
		}
		return d.say("✓ 已新增账号 added %s\n一次性口令 one-time password: %s   （只显示这一次 shown this once）\n", args[0], password)
	})
	return cmd
}

func newAccountRoles(c *settings) *cobra.Command {
	var roles roleFlags
	cmd := &cobra.Command{
		Use: "roles NAME", Short: "Give an account these roles in place of those it has 设定角色", Args: cobra.ExactArgs(1),
		Long: "以给出的角色替换原有角色；不给 --role 则收回全部角色。立即生效，令牌随之减少。\n" +
			"Gives an account these roles in place of those it has; without --role it has none. It holds at once, for its tokens too.",
		Example: "  jishi account roles lisi --role evaluator --base '*'\n  jishi account roles lisi",
	}
	roles.bind(cmd)
	cmd.RunE = accountCommand(c, false, func(ctx context.Context, d *desk, args []string) error {
		grants, err := roles.grants()
		if err != nil {
			return err
		}
		if err := d.door.SetRoles(ctx, nil, d.actor, args[0], grants); err != nil {
			return err
		}
		return d.say("✓ %s: %s\n", args[0], orDash(grantsText(grants)))
	})
	return cmd
}

func newAccountPassword(c *settings) *cobra.Command {
	var stdin bool
	cmd := &cobra.Command{
		Use: "password NAME", Short: "Give an account another password 重置口令", Args: cobra.ExactArgs(1),
		Long: "重置口令：输入两次，或 --stdin 从标准输入读取一行。会话立即结束，下次登录时必须修改。\n" +
			"Gives an account another password: typed twice, or with --stdin the first line of standard input. Its sessions end\n" +
			"at once, and it has to change the password at the next log-in.",
		Example: "  jishi account password admin\n  pwgen 16 1 | tee /dev/tty | jishi account password zhangsan --stdin",
	}
	cmd.Flags().BoolVar(&stdin, "stdin", false, "read the password from standard input 从标准输入读取口令")
	cmd.RunE = accountCommand(c, false, func(ctx context.Context, d *desk, args []string) error {
		if _, err := d.door.Account(ctx, args[0]); err != nil {
			return err // before anybody types anything
		}
		ask := askTwice
		if stdin {
			ask = func(in io.Reader, _ io.Writer) (string, error) { return firstLine(in) }
		}
		password, err := ask(cmd.InOrStdin(), cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		if _, err := d.door.Change(ctx, nil, d.actor, args[0], access.Change{Reset: true, Password: password}); err != nil {
			return err
		}
		return d.say("✓ %s 的口令已重置，下次登录时须修改 has another password, to be changed at the next log-in\n", args[0])
	})
	return cmd
}

// firstLine reads a password from a pipe.
func firstLine(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, 2*access.MaxPassword)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", usageError{errors.New("--stdin: 标准输入中没有口令 / there is no password on standard input")}
	}
	return line, nil
}

// askTwice has a person type a password, which the terminal does not show.
func askTwice(in io.Reader, prompt io.Writer) (string, error) {
	file, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return "", usageError{errors.New("输入不是终端 the input is no terminal: give --stdin to read the password from it")}
	}
	var typed [2]string
	for i, words := range []string{"新口令 new password: ", "再输入一次 once more: "} {
		if _, err := fmt.Fprint(prompt, words); err != nil {
			return "", err
		}
		text, err := term.ReadPassword(int(file.Fd()))
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		if _, err := fmt.Fprintln(prompt); err != nil {
			return "", err
		}
		typed[i] = string(text)
	}
	if typed[0] != typed[1] || typed[0] == "" {
		return "", usageError{errors.New("两次输入不一致或为空 / the two are not the same, or empty")}
	}
	return typed[0], nil
}

func newAccountDisable(c *settings) *cobra.Command {
	var undo bool
	cmd := &cobra.Command{
		Use: "disable NAME", Short: "Keep an account out, and end its sessions 停用", Args: cobra.ExactArgs(1),
		Long: "停用账号：会话与令牌立即失效，直到 --undo。账号不删除，审计日志中仍有其名。\n" +
			"Keeps an account out: its sessions and tokens end at once, until --undo. Accounts are not deleted: the audit log names them.",
	}
	cmd.Flags().BoolVar(&undo, "undo", false, "let it in again 恢复")
	cmd.RunE = accountCommand(c, false, func(ctx context.Context, d *desk, args []string) error {
		disabled := !undo
		if _, err := d.door.Change(ctx, nil, d.actor, args[0], access.Change{Disabled: &disabled}); err != nil {
			return err
		}
		if undo {
			return d.say("✓ %s 已恢复 is let in again\n", args[0])
		}
		return d.say("✓ %s 已停用，会话与令牌已失效 is kept out, its sessions and tokens have ended\n", args[0])
	})
	return cmd
}
