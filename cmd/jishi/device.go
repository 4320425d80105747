package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/config"
	"github.com/jishi-telemetry/jishi/internal/credential"
)

// defaultOverlap is how long an old password stays good beside the new one: a technician's round of the workshop.
const defaultOverlap = 7 * 24 * time.Hour

func newDevice() *cobra.Command {
	cmd := &cobra.Command{
		Use: "device", Short: "Who may connect to the base's broker 设备凭据", Args: cobra.NoArgs,
		Long: "管理谁可以连接基地的 MQTT 服务：口令、证书、主题、限额（见 docs/security.md）。改动在数秒内生效，无需重启。\n" +
			"Manages who may connect to the base's broker: passwords, certificates, topics and limits (docs/security.md).\n" +
			"A change takes effect within seconds, without a restart.",
		Example: "  jishi device add plug-1 --dialect tasmota\n  jishi device rotate plug-1\n  jishi device revoke plug-1\n  jishi device list",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	table, err := config.New(settingsTable(), cmd.Name())
	if err != nil {
		panic(err) // the table is part of the program, and a test holds it
	}
	table.BindFlags(cmd.PersistentFlags())
	c := &settings{Config: table}
	cmd.AddCommand(newDeviceAdd(c), newDeviceRotate(c), newDeviceRevoke(c), newDeviceList(c), newDeviceCheck(c))
	return cmd
}

// deviceCommand is the RunE of a sub-command of device: it loads the settings and hands over the path of the file.
func deviceCommand(c *settings, do func(cmd *cobra.Command, path string, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return c.run(cmd, func(context.Context) error { return do(cmd, credentialsPath(c), args) })
	}
}

// addition is what `device add` is told about the new entry.
type addition struct {
	role, dialect, note, commonName, fingerprint string
	clientIDs, publish, subscribe                []string
	stdin                                        bool
}

func newDeviceAdd(c *settings) *cobra.Command {
	var a addition
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Admit a device with a password of its own 新增", Args: cobra.ExactArgs(1),
		Long: "新增一台设备。NAME 既是 MQTT 用户名，也是主题中的设备名。口令只显示这一次。\n" +
			"Admits a device. NAME is its MQTT username and its name in topics. The password is shown this once.",
		Example: "  jishi device add plug-1 --dialect tasmota\n" +
			"  jishi device add board --role reader\n" +
			"  jishi device add press-3 --dialect native --cn press-3",
	}
	f := cmd.Flags()
	f.StringVar(&a.dialect, "dialect", "", "what the device speaks, which decides its topics 设备方言: "+strings.Join(credential.Dialects(), ", "))
	f.StringVar(&a.role, "role", string(credential.RoleDevice), "device publishes its own topics, reader only subscribes 角色")
	f.StringVar(&a.note, "note", "", "a word for people 备注")
	f.StringVar(&a.commonName, "cn", "", "common name of a client certificate, instead of a password 客户端证书 CN")
	f.StringVar(&a.fingerprint, "sha256", "", "SHA-256 fingerprint of a client certificate, instead of a password 客户端证书指纹")
	f.StringSliceVar(&a.clientIDs, "client-id", nil, "MQTT client id that it must use; may be repeated 限定客户端标识")
	f.StringSliceVar(&a.publish, "publish", nil, "topic filter instead of the dialect's; may be repeated 可发布的主题")
	f.StringSliceVar(&a.subscribe, "subscribe", nil, "topic filter instead of the dialect's; may be repeated 可订阅的主题")
	f.BoolVar(&a.stdin, "password-stdin", false, "read the password from standard input instead of making one 从标准输入读取口令")
	cmd.RunE = deviceCommand(c, func(cmd *cobra.Command, path string, args []string) error { return addDevice(cmd, path, args[0], a) })
	return cmd
}

func addDevice(cmd *cobra.Command, path, name string, a addition) error {
	if err := credential.ValidName(name); err != nil {
		return usageError{fmt.Errorf("%q: %w", name, err)}
	}
	d := credential.Device{
		Name: name, Note: a.note, Role: credential.Role(a.role), Dialect: a.dialect,
		ClientIDs: a.clientIDs, Publish: a.publish, Subscribe: a.subscribe,
	}
	for _, i := range []credential.Identity{{CommonName: a.commonName}, {SHA256: fingerprint(a.fingerprint)}} {
		if i != (credential.Identity{}) {
			d.Certificates = append(d.Certificates, i)
		}
	}
	var password string
	if len(d.Certificates) == 0 {
		var err error
		if password, err = choosePassword(cmd.InOrStdin(), a.stdin); err != nil {
			return err
		}
		d.Passwords = []credential.Password{{Hash: credential.NewHash([]byte(password), credential.DefaultCost())}}
	}
	_, err := os.Stat(path)
	first := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("make directory of credentials: %w", err)
	}
	if err := credential.Update(path, func(text []byte) ([]byte, error) { return credential.Add(text, d) }); err != nil {
		return editError(path, name, d, err)
	}
	return sayAdded(cmd.OutOrStdout(), path, d, said{password: password, shown: !a.stdin, first: first})
}

// fingerprint is the fingerprint as the file writes it.
func fingerprint(s string) string { return strings.ToLower(strings.ReplaceAll(s, ":", "")) }

// said is what there is to say about a new entry beside it.
type said struct {
	password     string // "" without one
	shown, first bool
}

func sayAdded(w io.Writer, path string, d credential.Device, s said) error {
	var b strings.Builder
	fmt.Fprintf(&b, "✓ 已加入 added to %s\n", path)
	fmt.Fprintf(&b, "用户名 username: %s\n", d.Name)
	if s.password != "" && s.shown {
		fmt.Fprintf(&b, "口令 password: %s   （只显示这一次 shown this once）\n", s.password)
	}
	for _, c := range d.Certificates {
		fmt.Fprintf(&b, "证书 certificate: %s\n", c)
	}
	writeTopics(&b, d)
	if s.first {
		b.WriteString("! 这是第一份凭据：运行中的服务数秒内将拒绝没有口令的设备\n" +
			"  These are the first credentials: within seconds a running broker hangs up on devices without a password\n")
	}
	_, err := io.WriteString(w, printableLines(b.String()))
	return err
}

func writeTopics(b *strings.Builder, d credential.Device) {
	publish, subscribe := credential.Topics(d, "")
	fmt.Fprintf(b, "可发布 may publish: %s\n", orDash(strings.Join(publish, "  ")))
	fmt.Fprintf(b, "可订阅 may subscribe: %s\n", orDash(strings.Join(subscribe, "  ")))
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// choosePassword makes a password, or reads the first line of stdin.
func choosePassword(stdin io.Reader, given bool) (string, error) {
	if !given {
		return credential.NewPassword(), nil
	}
	line, err := bufio.NewReader(io.LimitReader(stdin, 2*credential.MaxPasswordBytes)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	if len(line) < 12 || len(line) > credential.MaxPasswordBytes {
		return "", usageError{fmt.Errorf("口令应为 12 至 %d 字节 / want a password of 12 to %d bytes", credential.MaxPasswordBytes, credential.MaxPasswordBytes)}
	}
	return line, nil
}

// editError says what to do when a file could not be edited. The password is lost with it: nobody has used it yet.
func editError(path, name string, d credential.Device, err error) error {
	switch {
	case errors.Is(err, credential.ErrEntry):
		return usageError{err}
	case errors.Is(err, credential.ErrUnknown), errors.Is(err, credential.ErrExists):
		return usageError{fmt.Errorf("%s: %s: %w", path, name, err)}
	case errors.Is(err, credential.ErrByHand) && d.Name != "":
		return fmt.Errorf("%s: %w; 试 try: jishi device check", path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

func newDeviceRotate(c *settings) *cobra.Command {
	var overlap time.Duration
	var stdin bool
	cmd := &cobra.Command{
		Use: "rotate NAME", Short: "Give a device a new password, the old one stays for a while 轮换口令", Args: cobra.ExactArgs(1),
		Long: "生成新口令；旧口令在 --overlap 内仍然有效，设备可以从容更换。\n" +
			"Makes a new password; the old ones stay good for --overlap, so that the device can be changed without an outage.",
	}
	cmd.Flags().DurationVar(&overlap, "overlap", defaultOverlap, "how long the old passwords stay good; 0 ends them now 旧口令保留时间")
	cmd.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input instead of making one 从标准输入读取口令")
	cmd.RunE = deviceCommand(c, func(cmd *cobra.Command, path string, args []string) error {
		if overlap < 0 {
			return usageError{errors.New("--overlap: 不能为负 / must not be negative")}
		}
		return rotateDevice(cmd, path, args[0], rotation{overlap: overlap, stdin: stdin})
	})
	return cmd
}

type rotation struct {
	overlap time.Duration
	stdin   bool
}

func rotateDevice(cmd *cobra.Command, path, name string, r rotation) error {
	password, err := choosePassword(cmd.InOrStdin(), r.stdin)
	if err != nil {
		return err
	}
	hash, now := credential.NewHash([]byte(password), credential.DefaultCost()), time.Now()
	until := now.Add(r.overlap)
	if err := credential.Update(path, func(text []byte) ([]byte, error) { return credential.Rotate(text, name, hash, until, now) }); err != nil {
		return editError(path, name, credential.Device{}, err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "✓ %s 的口令已轮换 password of %s was rotated\n", name, name)
	if !r.stdin {
		fmt.Fprintf(&b, "新口令 new password: %s   （只显示这一次 shown this once）\n", password)
	}
	if r.overlap > 0 {
		fmt.Fprintf(&b, "旧口令有效至 old passwords end at: %s\n", until.Format("2006-01-02 15:04:05 -07:00"))
	} else {
		b.WriteString("旧口令已失效，用旧口令的连接将断开 old passwords have ended, and so do the connections made with them\n")
	}
	_, err = io.WriteString(cmd.OutOrStdout(), printableLines(b.String()))
	return err
}

func newDeviceRevoke(c *settings) *cobra.Command {
	var undo bool
	cmd := &cobra.Command{
		Use: "revoke NAME", Short: "Keep a device out, and end its connections 停用", Args: cobra.ExactArgs(1),
		Long: "停用一台设备：现有连接数秒内断开，再也不能连接，直到 --undo。\n" +
			"Keeps a device out: its connections end within seconds, and it is not admitted again until --undo.",
	}
	cmd.Flags().BoolVar(&undo, "undo", false, "let it in again 恢复")
	cmd.RunE = deviceCommand(c, func(cmd *cobra.Command, path string, args []string) error {
		name := args[0]
		if err := credential.Update(path, func(text []byte) ([]byte, error) { return credential.Disable(text, name, !undo) }); err != nil {
			return editError(path, name, credential.Device{}, err)
		}
		message := "✓ %s 已停用，现有连接数秒内断开 is kept out, its connections end within seconds\n"
		if undo {
			message = "✓ %s 已恢复 is let in again\n"
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), message, printable(name))
		return err
	})
	return cmd
}
