package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/identity"
)

func newPeopleDue(c *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use: "due", Short: "List whose identity is past its retention 到期人员", Args: cobra.NoArgs,
		Long: "列出身份信息保存期已满的人员（只列编号）。上过课的自最后一次课起算，从未上课的自登记起算。\n" +
			"Lists, by id, whose identity is past its retention: counted from the last session, or from when it was written for who\n" +
			"never took part. The periods are settings. Delete with `jishi people purge`.",
	}
	cmd.RunE = peopleCommand(c, func(cmd *cobra.Command, o *office, _ []string) error {
		uses, err := o.ledger.IdentityUses(cmd.Context())
		if err != nil {
			return err
		}
		rules := identity.Rules{WithHours: int(o.c.Int("identity.years-with-hours")), WithoutHours: int(o.c.Int("identity.years-without-hours"))}
		return listDue(cmd.OutOrStdout(), rules.Overdue(uses, o.now().UnixMilli()), len(uses))
	})
	return cmd
}

func listDue(w io.Writer, due []identity.Overdue, kept int) error {
	if len(due) > 0 {
		t := table.NewWriter()
		t.SetOutputMirror(w)
		t.SetStyle(table.StyleLight)
		t.AppendHeader(table.Row{"基地 base", "人员 person", "最后一次课 last session", "到期 due", "规则 rule"})
		for _, o := range due {
			last := "–"
			if o.LastMs > 0 {
				last = shanghaiDay(o.LastMs)
			}
			t.AppendRow(table.Row{printable(o.Base), printable(o.Person), last, shanghaiDay(o.DueMs), o.Rule})
		}
		t.Render()
	}
	_, err := fmt.Fprintf(w, "保存身份 identities kept: %d，到期 past their retention: %d\n", kept, len(due))
	return err
}

func shanghaiDay(ms int64) string {
	return time.UnixMilli(ms).In(time.FixedZone("Asia/Shanghai", 8*3600)).Format(time.DateOnly)
}

func newPeoplePurge(c *settings) *cobra.Command {
	var s subject
	var yes bool
	var out string
	cmd := &cobra.Command{
		Use: "purge PERSON", Short: "Delete who a person is, for good, with a certificate 删除身份", Args: cobra.ExactArgs(1),
		Long: "永久删除一个人的姓名、证件号、手机，出具凭证。人员编号与全部统计数据不变；再次导入也不会恢复。\n" +
			"Deletes a person's name, ID number and phone for good and prints the certificate, which the ledger keeps. The person's\n" +
			"id and every row about it stay, and an import does not bring the identity back. It needs no key.",
		Example: "  jishi people purge p00123 --base cq01 --reason 保存期满 --out p00123.json",
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask 不再询问")
	cmd.Flags().StringVar(&out, "out", "", "file for the certificate as JSON 凭证（JSON）文件")
	cmd.RunE = peopleCommand(c, func(cmd *cobra.Command, o *office, args []string) error {
		act, err := s.act(args[0])
		if err != nil {
			return err
		}
		return purge(cmd, o, act, purgeFlags{yes: yes, out: out})
	})
	return cmd
}

type purgeFlags struct {
	yes bool
	out string
}

func purge(cmd *cobra.Command, o *office, act identity.Act, f purgeFlags) error {
	held, err := o.ledger.Identity(cmd.Context(), act.Base, act.Person)
	if err != nil {
		return peopleError(err)
	}
	w := cmd.OutOrStdout()
	if _, err := fmt.Fprintf(w, "将永久删除 to be deleted for good: %s/%s，最后写入 last written %s\n", printable(act.Base), printable(act.Person), shanghaiDay(held.UpdatedMs)); err != nil {
		return err
	}
	if err := confirm(cmd, f.yes); err != nil {
		return err
	}
	vault, err := vaultOrNone(cmd, o)
	if err != nil {
		return err
	}
	desk, err := o.desk(vault)
	if err != nil {
		return err
	}
	certificate, err := desk.Purge(cmd.Context(), act)
	if err != nil && !errors.Is(err, identity.ErrTraces) {
		return peopleError(err)
	}
	if _, printErr := fmt.Fprintf(w, "\n%s", printableLines(certificate.Text())); printErr != nil {
		return errors.Join(err, printErr)
	}
	if f.out != "" {
		err = errors.Join(err, os.WriteFile(f.out, append(certificate.JSON(), '\n'), 0o600))
	}
	return err
}

// vaultOrNone opens the vault; where the keys are lost, one of new keys that opens nothing: what nobody can read any more can still be deleted.
func vaultOrNone(cmd *cobra.Command, o *office) (*identity.Vault, error) {
	vault, err := openVault(cmd.Context(), o, false)
	if err == nil {
		return vault, nil
	}
	if _, tellErr := fmt.Fprintf(cmd.ErrOrStderr(), "! %s\n", printableLines(err.Error())); tellErr != nil {
		return nil, tellErr
	}
	ring, err := identity.NewKeyring(o.now().UnixMilli())
	if err != nil {
		return nil, err
	}
	return identity.NewVault(ring), nil
}

func newPeopleCertificates(c *settings) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "certificates", Short: "Show the certificates of deletion, and check their chain 删除凭证", Args: cobra.NoArgs,
		Long: "显示全部删除凭证，并核对凭证链：任何改动、抽走都会被发现。\n" +
			"Shows every certificate of deletion and checks their chain: one that was changed or taken away is noticed.",
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON document a line 每行一个 JSON")
	cmd.RunE = peopleCommand(c, func(cmd *cobra.Command, o *office, _ []string) error {
		list, err := o.ledger.Certificates(cmd.Context())
		if err != nil {
			return err
		}
		w := cmd.OutOrStdout()
		for _, one := range list {
			text := printableLines(one.Text()) + "\n"
			if asJSON {
				text = string(printableJSON(one.JSON())) + "\n"
			}
			if _, err := io.WriteString(w, text); err != nil {
				return err
			}
		}
		if asJSON {
			return nil
		}
		_, err = fmt.Fprintf(w, "✓ 凭证 certificates: %d，链完整 the chain is whole\n", len(list))
		return err
	})
	return cmd
}
