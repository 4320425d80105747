package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/config"
	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/ledger"
)

// identityKeyName is the file of the keys for identities in the data directory.
const identityKeyName = "identity.key"

func newPeople() *cobra.Command {
	cmd := &cobra.Command{
		Use: "people", Short: "Show, delete and protect who people are 人员身份信息", Args: cobra.NoArgs,
		Long: "人员的姓名、证件号、手机在台账中加密保存，默认不显示。查看须写明原因并记入审计日志；到期删除并出具凭证，统计数据不变。\n" +
			"Names, ID numbers and phones lie encrypted in the ledger and are not shown. Who looks says why, and the audit log keeps\n" +
			"it; what is past its retention is deleted with a certificate, and every count stays. See docs/privacy.md.",
		Example: "  jishi people show p00123 --base cq01 --reason 核对补贴名册\n  jishi people due\n" +
			"  jishi people purge p00123 --base cq01 --reason 保存期满\n  jishi people rotate-key",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c := &settings{Config: peopleSettings(cmd)}
	c.BindFlags(cmd.PersistentFlags())
	cmd.AddCommand(newPeopleShow(c), newPeopleDue(c), newPeoplePurge(c), newPeopleCertificates(c), newPeopleKeys(c), newPeopleRotate(c))
	return cmd
}

// peopleSettings are the settings of the whole group, with the ledger's path beside its own.
func peopleSettings(cmd *cobra.Command) *config.Config {
	table := settingsTable()
	for i := range table {
		if table[i].Name == "ledger.path" {
			table[i].Commands = append(slices.Clone(table[i].Commands), cmd.Name())
		}
	}
	c, err := config.New(table, cmd.Name())
	if err != nil {
		panic(err) // the table is part of the program, and a test holds it
	}
	return c
}

// office is what the sub-commands of people work with.
type office struct {
	c      *settings
	ledger *ledger.Ledger
	audit  auditLog
	now    func() time.Time
}

// peopleCommand is the RunE of a sub-command of people: it loads the settings and opens the ledger, which must be there.
func peopleCommand(c *settings, do func(cmd *cobra.Command, o *office, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return c.run(cmd, func(ctx context.Context) (err error) {
			path := c.path("ledger.path", "ledger.db")
			if _, err := os.Stat(path); err != nil {
				return fmt.Errorf("no ledger at %s: `jishi up` or `jishi serve` makes it; name another with --data.dir or --ledger.path: %w", path, err)
			}
			l, err := ledger.Open(ctx, path)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, l.Close()) }()
			o := &office{c: c, ledger: l, audit: auditLog{access.New(l.DB(), access.Options{})}, now: time.Now}
			return do(cmd, o, args)
		})
	}
}

// desk is where identities are shown and deleted.
func (o *office) desk(vault *identity.Vault) (*identity.Desk, error) {
	return identity.NewDesk(o.ledger, vault, o.audit, o.now)
}

// keyPath is the file of the keys, "" when they are given in the settings themselves.
func (o *office) keyPath() string {
	if o.c.Secret("identity.keyring").Reveal() != "" {
		return ""
	}
	return o.c.path("identity.key", identityKeyName)
}

// openVault opens the vault with the keys of the settings. With make, keys are made where there are none: never beside
// identities that other keys have sealed.
func openVault(ctx context.Context, o *office, make bool) (*identity.Vault, error) {
	path := o.keyPath()
	if path == "" {
		ring, err := identity.ParseKeyring([]byte(o.c.Secret("identity.keyring").Reveal()))
		if err != nil {
			return nil, fmt.Errorf("identity.keyring: %w", err)
		}
		return identity.NewVault(ring), nil
	}
	vault, err := identity.OpenVault(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return vault, err
	}
	used, countErr := o.ledger.IdentityKeys(ctx)
	switch {
	case countErr != nil:
		return nil, countErr
	case len(used) > 0:
		return nil, fmt.Errorf("没有身份密钥文件，而台账中有用密钥 %s 加密的身份：请从备份恢复该文件 / the ledger has identities under these keys, bring the file back from its backup: %w",
			strings.Join(sortedKeys(used), ", "), err)
	case !make:
		return nil, fmt.Errorf("还没有身份密钥；首次导入人员时生成，或运行 jishi people keys --make / there are no identity keys yet: %w", err)
	}
	if _, err := identity.CreateKeys(path, o.now().UnixMilli()); err != nil {
		return nil, err
	}
	return identity.OpenVault(path)
}

// auditLog writes what is done with identities into the audit log.
type auditLog struct{ access *access.Access }

// Record implements identity.Auditor.
func (a auditLog) Record(ctx context.Context, e identity.Entry) error {
	return a.access.Record(ctx, access.Entry{
		Actor: e.Who, Action: access.Action(e.Action), Object: e.Person, Base: e.Base, Reason: e.Reason, Detail: map[string]any{"outcome": e.Detail},
	})
}

// atCommandLine names who is at the command line, as far as the operating system knows.
func atCommandLine() string { return "命令行 command line: " + whoami() }

// subject are the flags that say about whom, and why.
type subject struct{ base, reason string }

func (s *subject) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.base, "base", "", "code of the person's base 人员所属基地编码")
	cmd.Flags().StringVar(&s.reason, "reason", "", "why; it is kept, so do not write the name 原因（长期保存，不要写姓名）")
}

func (s *subject) act(person string) (identity.Act, error) {
	if s.base == "" {
		return identity.Act{}, usageError{errors.New("--base: 请指明基地编码 / name the base")}
	}
	return identity.Act{Who: atCommandLine(), Base: s.base, Person: person, Reason: s.reason}, nil
}

// peopleError marks mistakes of who asked.
func peopleError(err error) error {
	if errors.Is(err, identity.ErrReason) || errors.Is(err, identity.ErrUnknown) || errors.Is(err, identity.ErrPurged) {
		return usageError{err}
	}
	return err
}

func newPeopleShow(c *settings) *cobra.Command {
	var s subject
	cmd := &cobra.Command{
		Use: "show PERSON", Short: "Show who a person is, for a reason that is kept 查看身份", Args: cobra.ExactArgs(1),
		Long: "显示一个人的姓名、证件号、手机。必须写明原因；查看记入审计日志，写不进日志就不显示。\n" +
			"Shows a person's name, ID number and phone. The reason is required; the look is written to the audit log, and when it\n" +
			"cannot be, nothing is shown. PERSON is the person's id.",
		Example: "  jishi people show p00123 --base cq01 --reason 核对补贴名册",
	}
	s.flags(cmd)
	cmd.RunE = peopleCommand(c, func(cmd *cobra.Command, o *office, args []string) error {
		act, err := s.act(args[0])
		if err != nil {
			return err
		}
		vault, err := openVault(cmd.Context(), o, false)
		if err != nil {
			return err
		}
		desk, err := o.desk(vault)
		if err != nil {
			return err
		}
		r, err := desk.Unmask(cmd.Context(), act)
		if err != nil {
			return peopleError(err)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "姓名 name: %s\n证件号码 ID number: %s\n手机 phone: %s\n",
			orDash(printable(r.Name)), orDash(printable(r.IDNumber)), orDash(printable(r.Phone)))
		return err
	})
	return cmd
}
