package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/atomicfile"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/enrol"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

func newCity() *cobra.Command {
	cmd := &cobra.Command{
		Use: "city", Short: "Admit and revoke the bridges of bases 市级网桥管理", Args: cobra.NoArgs,
		Long: "The city's side of enrolment: who may send, until when, and which refused frames wait for a look.\n" +
			"Run it where the collector runs, with the same --data.dir and --registry.path. See docs/enrolment.md.",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newApprove(), newRevoke(), newBridges(), newCityCardKey())
	return cmd
}

// The files of the city in its data directory.
const cityKeyName = "city.key"

// approveFlags say how to approve.
type approveFlags struct {
	out     string
	overlap time.Duration
	yes     bool
}

func newApprove() *cobra.Command {
	var f approveFlags
	cmd := &cobra.Command{
		Use: "approve FILE", Short: "Admit a bridge that asks with FILE 批准入网", Args: cobra.ExactArgs(1),
		Long: "Verifies a request of `jishi bridge enroll`, shows its fingerprint and what would change, and asks. Then it admits\n" +
			"the bridge's key, beside the registry's own files, which are not touched, and writes an answer for the base: it holds\n" +
			"the city's card key, sealed so that only this bridge can read it. Running collectors take the key within seconds.\n\n" +
			"A key that replaces another is valid at once; the old one ends after --overlap.",
		Example: "  jishi city approve cq01-b1.request --registry.path registry",
	}
	c := withSettingsNamed(cmd, "registry.path")
	cmd.Flags().StringVar(&f.out, "out", "", "file to write the answer to; default BASE-BRIDGE.approval")
	cmd.Flags().DurationVar(&f.overlap, "overlap", 7*24*time.Hour, "how long a replaced key stays valid")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask: the fingerprint has been compared")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.run(cmd, func(context.Context) error { return approve(c, cmd, args[0], &f) })
	}
	return cmd
}

// approval is what approving a request would change.
type approval struct {
	request  *enrol.Request
	registry string // path
	base     registry.Base
	now      time.Time

	admitted bool          // the key is admitted already: only the answer is written again
	others   []string      // fingerprints of other keys that are valid, and that the request does not replace
	ends     time.Duration // the replaced key ends after it, 0 when none is replaced
}

func approve(c *settings, cmd *cobra.Command, file string, f *approveFlags) error {
	if f.overlap < 0 {
		return usageError{fmt.Errorf("--overlap %v: want 0 or more", f.overlap)}
	}
	text, err := readDocument(file)
	if err != nil {
		return err
	}
	request, err := enrol.ParseRequest(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	reg, err := openRegistry(c)
	if err != nil {
		return err
	}
	a := &approval{request: request, registry: c.path("registry.path", "registry"), now: time.Now()}
	if err := a.examine(reg, f.overlap); err != nil {
		return err
	}
	if err := a.show(cmd.OutOrStdout(), c); err != nil {
		return err
	}
	if err := confirm(cmd, f.yes); err != nil {
		return err
	}
	if f.out == "" {
		f.out = request.Base + "-" + request.Bridge + ".approval"
	}
	city, err := a.apply(c, f.out)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "\n已批准，回执已写入 approved, answer written: %s\n市级指纹 city fingerprint: %s\n"+
		"把回执送到基地，运行 send it to the base and run there: jishi bridge accept %s\n", f.out, enrol.CityFingerprint(city), filepath.Base(f.out))
	return err
}

// examine finds out what the request would change, and refuses what no person should have to judge.
func (a *approval) examine(reg *registry.Registry, overlap time.Duration) error {
	r := a.request
	var ok bool
	if a.base, ok = reg.Base(r.Base); !ok {
		return fmt.Errorf("the registry has no base %q, it has %s: write it down first (docs/registry.md), or the request names the wrong one", r.Base, baseCodes(reg))
	}
	nowMs := a.now.UnixMilli()
	replaces := false
	for _, base := range reg.Bases() {
		for _, bridge := range base.Bridges {
			own := base.Code == r.Base && bridge.ID == r.Bridge
			for _, k := range bridge.Keys {
				valid := k.Valid.EndMs > nowMs
				switch {
				case k.Key.Equal(r.Signing) && !own:
					return fmt.Errorf("the signing key is that of bridge %s/%s: a bridge has a key of its own; remove bridge.key there and enrol again", base.Code, bridge.ID)
				case k.Key.Equal(r.Signing) && !valid:
					return fmt.Errorf("the signing key was revoked on %s and does not come back: make a new one with `jishi bridge enroll --rotate`", shanghai(k.Valid.EndMs))
				case k.Key.Equal(r.Signing):
					a.admitted = true
				case own && valid && k.Key.Equal(r.Replaces):
					replaces = true
				case own && valid:
					a.others = append(a.others, frame.Fingerprint(k.Key))
				}
			}
		}
	}
	if r.Replaces != nil && !replaces && !a.admitted {
		return fmt.Errorf("the request replaces the key %s, which is not a valid key of %s/%s: enrol without --rotate", frame.Fingerprint(r.Replaces), r.Base, r.Bridge)
	}
	if replaces {
		a.ends = max(overlap, time.Millisecond)
	}
	return nil
}

func (a *approval) show(w io.Writer, c *settings) error {
	r := a.request
	lines := []string{
		fmt.Sprintf("入网申请 request of %s/%s（%s），created %s", r.Base, r.Bridge, printable(a.base.Name), shanghai(r.Created.UnixMilli())),
		"签名公钥 signing key: " + frame.Fingerprint(r.Signing),
		"指纹 fingerprint:     " + r.Fingerprint(),
		"", "请电话核对指纹。 Compare the fingerprint over the phone. 批准后 then:",
	}
	switch {
	case a.admitted:
		lines = append(lines, "  · 该密钥已登记，仅重新生成回执 the key is admitted already; only the answer is written again")
	case a.ends > 0:
		lines = append(lines, "  · 新密钥即刻生效 the new key is valid at once",
			fmt.Sprintf("  · 申请由旧密钥签名，旧密钥 %s 后失效 signed by the old key too, which ends in %s: %s", days(a.ends), days(a.ends), frame.Fingerprint(r.Replaces)))
	default:
		lines = append(lines, "  · 密钥即刻生效 the key is valid at once")
	}
	for _, other := range a.others {
		lines = append(lines, "  ! 该网桥另有有效密钥，且未签署本申请 this bridge has another valid key, which did not sign this request: "+other,
			fmt.Sprintf("    若为更换或丢失密钥，批准后请撤销 when it is lost or replaced, revoke it afterwards: jishi city revoke %s/%s --key %s", r.Base, r.Bridge, other))
	}
	for _, first := range []struct{ name, what string }{
		{cityKeyName, "  ! 首次生成市级密钥 the city's own key is made"}, {cardKeyName, "  ! 首次生成卡号密钥 the city's card key is made"},
	} {
		path := filepath.Join(c.dir, first.name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			lines = append(lines, first.what+": "+path)
		}
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

// days writes a time as whole days, where it is some.
func days(d time.Duration) string {
	if d >= 24*time.Hour && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return d.String()
}

// apply admits the key and writes the answer, in an order in which all of it can be repeated when a step failed.
func (a *approval) apply(c *settings, out string) (city ed25519.PublicKey, err error) {
	if err := c.makeDir(); err != nil {
		return nil, err
	}
	cityKey, err := keyOrNew(filepath.Join(c.dir, cityKeyName))
	if err != nil {
		return nil, err
	}
	cardKey, err := cityCardKey(c)
	if err != nil {
		return nil, err
	}
	answer, err := enrol.Approve(a.request, cityKey, cardKey, a.now)
	if err != nil {
		return nil, err
	}
	event := registry.KeyEvent{Base: a.request.Base, Bridge: a.request.Bridge, Key: a.request.Signing, AtMs: a.now.UnixMilli(), By: whoami()}
	if !a.admitted {
		if err := registry.AdmitKey(a.registry, event); err != nil {
			return nil, err
		}
	}
	if a.ends > 0 {
		event.Key, event.AtMs = a.request.Replaces, a.now.Add(a.ends).UnixMilli()
		if err := registry.EndKey(a.registry, event); err != nil {
			return nil, err
		}
	}
	if _, err := openRegistry(c); err != nil {
		return nil, fmt.Errorf("the registry does not load any more, look into %s: %w", registry.EventDir(a.registry), err)
	}
	return publicKey(cityKey), atomicfile.Write(out, answer, 0o644)
}

// keyOrNew reads a signing key, and makes one when there is none.
func keyOrNew(path string) (ed25519.PrivateKey, error) {
	key, err := frame.ReadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = frame.GenerateKey(); err != nil {
		return nil, err
	}
	return key, frame.WriteKey(path, key)
}

// cityCardKey reads the city's card key, and makes one when there is none.
func cityCardKey(c *settings) ([]byte, error) {
	path := filepath.Join(c.dir, cardKeyName)
	key, err := enrol.ReadCardKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return enrol.NewCardKey(path)
	}
	return key, err
}

// whoami is who did it, as far as the operating system knows.
func whoami() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return printable(u.Username)
}

func newCityCardKey() *cobra.Command {
	cmd := &cobra.Command{
		Use: "card-key", Short: "Make the city's card key, and say where it is 卡号密钥", Args: cobra.NoArgs,
		Long: "Makes the key under which card numbers become tokens, when there is none yet, and prints its id and its file, never\n" +
			"the key. Bases get it with `jishi city approve`. Keep a copy of the file in a safe: without it a person's old and new\n" +
			"taps can no longer be told to be the same person's.",
	}
	c := withSettingsNamed(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.run(cmd, func(context.Context) error {
			if err := c.makeDir(); err != nil {
				return err
			}
			key, err := cityCardKey(c)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "卡号密钥 card key: id %s, %s\n", card.KeyID(key), filepath.Join(c.dir, cardKeyName))
			return err
		})
	}
	return cmd
}
