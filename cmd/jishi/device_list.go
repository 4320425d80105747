package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/credential"
)

func newDeviceList(c *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "Show who may connect 列出", Args: cobra.NoArgs,
		Long: "列出可以连接的设备与读者。不显示任何口令。\nLists who may connect. No password is shown: there is none in the file.",
	}
	cmd.RunE = deviceCommand(c, func(cmd *cobra.Command, path string, _ []string) error {
		f, err := credential.Read(path)
		if err != nil {
			return err
		}
		return listDevices(cmd.OutOrStdout(), f, time.Now())
	})
	return cmd
}

func listDevices(w io.Writer, f *credential.File, now time.Time) error {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"名称 name", "角色 role", "方言 dialect", "状态 state", "凭据 proves itself with", "限额 limits", "备注 note"})
	for _, d := range f.Devices {
		a := f.AllowanceOf(d)
		t.AppendRow(table.Row{
			printable(d.Name), string(d.Role), orDash(d.Dialect), stateOf(d, now), proofsOf(d, now),
			fmt.Sprintf("%g/s, %d KiB", a.MessagesPerSecond, a.MaxPayloadBytes>>10), printable(d.Note),
		})
	}
	t.Render()
	return nil
}

func stateOf(d credential.Device, now time.Time) string {
	switch {
	case d.Disabled:
		return "停用 revoked"
	case len(d.Certificates) == 0 && live(d, now) == 0:
		return "口令过期 expired"
	}
	return "可用 admitted"
}

// live counts the passwords that have not ended.
func live(d credential.Device, now time.Time) int {
	n := 0
	for _, p := range d.Passwords {
		if p.NotAfter.IsZero() || now.Before(p.NotAfter) {
			n++
		}
	}
	return n
}

func proofsOf(d credential.Device, now time.Time) string {
	var out []string
	for _, p := range d.Passwords {
		switch {
		case p.NotAfter.IsZero():
			out = append(out, "口令 password")
		case now.Before(p.NotAfter):
			out = append(out, "口令至 password until "+p.NotAfter.Format(time.DateOnly))
		default:
			out = append(out, "口令已过期 password ended "+p.NotAfter.Format(time.DateOnly))
		}
	}
	for _, c := range d.Certificates {
		out = append(out, "证书 "+printable(c.String()))
	}
	return strings.Join(out, "\n")
}

func newDeviceCheck(c *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use: "check", Short: "Say what is wrong with the credentials file 检查", Args: cobra.NoArgs,
		Long: "检查凭据文件：每处错误给出行号和正确写法；并指出过期、过弱或他人可读。有错误时退出码为 1。\n" +
			"Checks the credentials file: every mistake with its line and what is right, and what has ended, is weak or can be\n" +
			"read by others. Exit code 1 when something is bad.",
	}
	cmd.RunE = deviceCommand(c, func(cmd *cobra.Command, path string, _ []string) error {
		f, err := credential.Read(path)
		if err != nil {
			return err
		}
		return report(cmd.OutOrStdout(), examineCredentials(path, f, time.Now()))
	})
	return cmd
}

// soon is how long before the end of a password it is time to rotate it.
const soon = 14 * 24 * time.Hour

// examineCredentials says what is worth a word in a file without mistakes.
func examineCredentials(path string, f *credential.File, now time.Time) []finding {
	findings := []finding{{good, fmt.Sprintf("凭据文件 credentials %s: %d 项 entries", path, len(f.Devices)), ""}}
	add := func(m mark, hint, format string, args ...any) {
		findings = append(findings, finding{m, printable(fmt.Sprintf(format, args...)), hint})
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		add(bad, "chmod 600 "+path, "凭据文件他人可读 credentials file has mode %o", info.Mode().Perm())
	}
	for _, d := range f.Devices {
		switch {
		case d.Disabled:
			add(warning, "", "%s 已停用 is kept out", d.Name)
		case len(d.Certificates) == 0 && live(d, now) == 0:
			add(bad, "jishi device rotate "+d.Name, "%s 的口令全部过期 has no password that has not ended", d.Name)
		case len(d.Certificates) == 0 && live(d, now.Add(soon)) == 0:
			add(warning, "jishi device rotate "+d.Name, "%s 的口令两周内全部到期 all its passwords end within two weeks", d.Name)
		}
		for _, p := range d.Passwords {
			if p.Hash.Weak() {
				add(warning, "jishi device rotate "+d.Name, "%s 的散列强度不足 has a hash that is cheap to guess against", d.Name)
			}
		}
	}
	return findings
}
