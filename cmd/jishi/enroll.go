package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/atomicfile"
	"github.com/jishi-telemetry/jishi/internal/config"
	"github.com/jishi-telemetry/jishi/internal/enrol"
	"github.com/jishi-telemetry/jishi/internal/frame"
)

// withSettingsNamed gives a command the flags of these settings, whatever other commands use them.
func withSettingsNamed(cmd *cobra.Command, names ...string) *settings {
	table := settingsTable()
	for i := range table {
		if slices.Contains(names, table[i].Name) && len(table[i].Commands) > 0 {
			table[i].Commands = append(slices.Clone(table[i].Commands), cmd.Name())
		}
	}
	c, err := config.New(table, cmd.Name())
	if err != nil {
		panic(err) // the table is part of the program, and a test holds it
	}
	c.BindFlags(cmd.Flags())
	return &settings{Config: c}
}

// The files of a bridge beside its signing key.
const (
	nextKeySuffix = ".next" // the key that takes its place when the city has approved it
	oldKeySuffix  = ".old"  // the key that was in its place before
	sealingName   = "sealing.key"
	cardKeyName   = "card.key"
	cityPinName   = "city.pub"
)

func newEnroll() *cobra.Command {
	var rotate bool
	var out string
	cmd := &cobra.Command{
		Use: "enroll", Short: "Ask the city to admit this bridge 申请入网", Args: cobra.NoArgs,
		Long: "Makes the bridge's keys where there are none, and writes a request that the city admits with `jishi city approve`.\n" +
			"The request holds no secret. Read its fingerprint to the city over the phone. 申请文件不含密钥；请电话核对指纹。\n\n" +
			"With --rotate it makes a new signing key beside the old one, which the bridge uses on until the city has approved\n" +
			"the new one and `jishi bridge accept` put it in place. See docs/enrolment.md.",
		Example: "  jishi bridge enroll --base.code cq01 --bridge.id b1\n  jishi bridge enroll --base.code cq01 --bridge.id b1 --rotate",
	}
	c := withSettingsNamed(cmd, "base.code", "bridge.id", "bridge.key")
	cmd.Flags().BoolVar(&rotate, "rotate", false, "ask for a new signing key in the place of the present one")
	cmd.Flags().StringVar(&out, "out", "", "file to write the request to; default BASE-BRIDGE.request")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.run(cmd, func(context.Context) error { return enroll(c, cmd.OutOrStdout(), rotate, out) })
	}
	return cmd
}

const enrollText = `申请已写入 request written: %s
基地/网桥 bridge:      %s/%s
签名公钥 signing key:  %s
指纹 fingerprint:      %s

下一步 next:
  1. 把文件 %s 送到市级（邮件、U 盘均可）。 Send the file to the city; mail or a stick will do.
  2. 电话核对上面的 30 位指纹。 Read the 30 digits to the city over the phone.
  3. 市级运行 the city runs: jishi city approve %s
  4. 收到回执后运行 with the answer run: jishi bridge accept %s
`

func enroll(c *settings, w io.Writer, rotate bool, out string) error {
	request := &enrol.Request{Base: c.String("base.code"), Bridge: c.String("bridge.id"), Created: time.Now().UTC().Truncate(time.Second)}
	if err := c.makeDir(); err != nil {
		return err
	}
	key, replaced, err := enrolmentKeys(c, rotate)
	if err != nil {
		return err
	}
	sealing, err := enrol.SealingKey(filepath.Join(c.dir, sealingName))
	if err != nil {
		return err
	}
	request.Sealing = sealing.PublicKey()
	text, err := request.Sign(key, replaced)
	if err != nil {
		return usageError{err}
	}
	name := request.Base + "-" + request.Bridge
	if out == "" {
		out = name + ".request"
	}
	if err := atomicfile.Write(out, text, 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, enrollText, out, request.Base, request.Bridge, frame.Fingerprint(request.Signing), request.Fingerprint(),
		out, filepath.Base(out), name+".approval")
	return err
}

// enrolmentKeys returns the key to ask for, and the one that it replaces, nil when it replaces none.
func enrolmentKeys(c *settings, rotate bool) (key, replaced ed25519.PrivateKey, err error) {
	path := c.path("bridge.key", "bridge.key")
	if !rotate {
		key, err = bridgeKey(c)
		return key, nil, err
	}
	if replaced, err = frame.ReadKey(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil, usageError{fmt.Errorf("there is no key to replace: run `jishi bridge enroll` without --rotate: %w", err)}
	}
	if err != nil {
		return nil, nil, err
	}
	key, err = frame.ReadKey(path + nextKeySuffix)
	if errors.Is(err, fs.ErrNotExist) {
		if key, err = frame.GenerateKey(); err == nil {
			err = frame.WriteKey(path+nextKeySuffix, key)
		}
	}
	return key, replaced, err
}

// readDocument reads a request or an approval, or as much of a larger file as shows that it is neither.
func readDocument(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usageError{err}
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, enrol.MaxBytes+1))
}

// confirm asks whether to go on. Silence is no.
func confirm(cmd *cobra.Command, yes bool) error {
	if yes {
		return nil
	}
	if _, err := fmt.Fprint(cmd.OutOrStdout(), "\n确认请输入 yes。 Type yes to go on: "); err != nil {
		return err
	}
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if answer = strings.TrimSpace(answer); answer != "yes" && answer != "是" {
		return usageError{errors.New("not confirmed, nothing was changed (未确认，未作任何改动); answer yes, or give --yes")}
	}
	return nil
}
