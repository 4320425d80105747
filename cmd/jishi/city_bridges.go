package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

func newRevoke() *cobra.Command {
	var key, at string
	var yes bool
	cmd := &cobra.Command{
		Use: "revoke BASE/BRIDGE", Short: "End a bridge's keys 撤销网桥密钥", Args: cobra.ExactArgs(1),
		Long: "Ends all keys of a bridge that are valid, or the one of --key, now or at --at. Running collectors take it within\n" +
			"seconds: what the bridge sends after that is refused and quarantined, and its records stay at the base. An end cannot\n" +
			"be taken back; the bridge comes back with a new key. Keys that people wrote into the registry are ended too, without\n" +
			"a change to their files.",
		Example: "  jishi city revoke cq01/b1\n  jishi city revoke cq01/b1 --key SHA256:q3X --at 2026-03-02T18:00:00+08:00",
	}
	c := withSettingsNamed(cmd, "registry.path")
	cmd.Flags().StringVar(&key, "key", "", "the key's fingerprint as `jishi city bridges` shows it, or how it begins")
	cmd.Flags().StringVar(&at, "at", "", "from when: a day (2026-03-02) or an instant (2026-03-02T18:00:00+08:00); default now")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.run(cmd, func(context.Context) error {
			r, err := newRevocation(args[0], key, at, time.Now())
			if err != nil {
				return usageError{err}
			}
			return r.revoke(c, cmd, yes)
		})
	}
	return cmd
}

// revocation says which keys end, and when.
type revocation struct {
	base, bridge string
	key          string // how the fingerprint begins; "" is all
	atMs, nowMs  int64
}

func newRevocation(name, key, at string, now time.Time) (*revocation, error) {
	base, bridge, ok := strings.Cut(name, "/")
	if !ok || frame.ValidName(base) != nil || frame.ValidName(bridge) != nil {
		return nil, fmt.Errorf("%q: want BASE/BRIDGE, such as cq01/b1", name)
	}
	r := &revocation{base: base, bridge: bridge, key: key, atMs: now.UnixMilli(), nowMs: now.UnixMilli()}
	if at == "" {
		return r, nil
	}
	when, err := dayOrInstant(at)
	if err != nil {
		return nil, fmt.Errorf("--at %w", err)
	}
	if r.atMs = when.StartMs; r.atMs <= registry.BeginMs || r.atMs > registry.ForeverMs {
		return nil, fmt.Errorf("--at %q: want a time from 2000 to 2999", at)
	}
	return r, nil
}

func (r *revocation) revoke(c *settings, cmd *cobra.Command, yes bool) error {
	reg, err := openRegistry(c)
	if err != nil {
		return err
	}
	b, err := reg.Bridge(r.base, r.bridge)
	if err != nil {
		return err
	}
	keys, err := r.choose(b)
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	for _, k := range keys {
		if _, err := fmt.Fprintf(w, "%s/%s %s 失效于 ends %s\n", r.base, r.bridge, frame.Fingerprint(k.Key), shanghai(r.atMs)); err != nil {
			return err
		}
	}
	if err := confirm(cmd, yes); err != nil {
		return err
	}
	path := c.path("registry.path", "registry")
	for _, k := range keys {
		if err := registry.EndKey(path, registry.KeyEvent{Base: r.base, Bridge: r.bridge, Key: k.Key, AtMs: r.atMs, By: whoami()}); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(w, "已撤销。 Revoked.")
	return err
}

// choose returns the keys that are to end and have not ended before.
func (r *revocation) choose(b registry.Bridge) ([]registry.BridgeKey, error) {
	var found []registry.BridgeKey
	for _, k := range b.Keys {
		if k.Valid.EndMs > r.atMs && strings.HasPrefix(frame.Fingerprint(k.Key), r.key) {
			found = append(found, k)
		}
	}
	switch {
	case len(found) == 0 && r.key == "":
		return nil, fmt.Errorf("%s/%s has no key that is valid after %s", r.base, r.bridge, shanghai(r.atMs))
	case len(found) == 0:
		return nil, fmt.Errorf("%s/%s has no key %s that is valid after %s: see `jishi city bridges`", r.base, r.bridge, r.key, shanghai(r.atMs))
	case len(found) > 1 && r.key != "":
		return nil, usageError{fmt.Errorf("--key %q: %d keys of %s/%s begin like this", r.key, len(found), r.base, r.bridge)}
	}
	return found, nil
}

func newBridges() *cobra.Command {
	var receipts bool
	cmd := &cobra.Command{
		Use: "bridges", Short: "List bridges, their keys, and refused frames 网桥一览", Args: cobra.NoArgs,
		Long: "Lists every key of every bridge with its validity, and how many refused frames wait in the quarantine, why, and of\n" +
			"whom they say to be. With --receipts it also reads from the evidence store when each bridge's last records came;\n" +
			"that takes long on a large store.",
	}
	c := withSettingsNamed(cmd, "registry.path", "evidence.kind", "evidence.path", "influx.url", "influx.org", "influx.bucket", "influx.token")
	cmd.Flags().BoolVar(&receipts, "receipts", false, "show when each bridge's last records came")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.run(cmd, func(ctx context.Context) error { return listBridges(ctx, c, cmd.OutOrStdout(), receipts) })
	}
	return cmd
}

func listBridges(ctx context.Context, c *settings, w io.Writer, receipts bool) error {
	reg, err := openRegistry(c)
	if err != nil {
		return err
	}
	var last map[string]int64
	if receipts {
		if last, err = lastReceipts(ctx, c, reg); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintln(w, bridgeTable(reg, last, time.Now().UnixMilli())); err != nil {
		return err
	}
	waiting := checkQuarantine(c)
	if len(waiting) == 0 {
		_, err := fmt.Fprintln(w, "没有隔离的帧。 No refused frames wait.")
		return err
	}
	if err := report(w, waiting); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "查看 look: jishi frames %s\n", c.quarantineDir())
	return err
}

// lastReceipts is when the city last stored something of each bridge, in milliseconds since the Unix epoch.
func lastReceipts(ctx context.Context, c *settings, reg *registry.Registry) (last map[string]int64, err error) {
	store, err := openStore(ctx, c, true, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	last = make(map[string]int64)
	for _, b := range reg.Bases() {
		receipts, err := store.Receipts(ctx, b.Code, "")
		if err != nil {
			return nil, err
		}
		for i := range receipts {
			name := b.Code + "/" + receipts[i].Bridge
			last[name] = max(last[name], receipts[i].CollectedMs)
		}
	}
	return last, nil
}

// bridgeTable lists the keys; last is nil when nobody asked for it.
func bridgeTable(reg *registry.Registry, last map[string]int64, nowMs int64) string {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	header := table.Row{"网桥 bridge", "密钥 key", "起 from", "止 to", "状态 state"}
	if last != nil {
		header = append(header, "最近入库 last receipt")
	}
	t.AppendHeader(header)
	for _, base := range reg.Bases() {
		for _, bridge := range base.Bridges {
			name := base.Code + "/" + bridge.ID
			for _, k := range bridge.Keys {
				row := table.Row{name, frame.Fingerprint(k.Key), edge(k.Valid.StartMs), edge(k.Valid.EndMs), stateOfKey(k, nowMs)}
				if last != nil {
					row = append(row, edge(last[name]))
				}
				t.AppendRow(row)
			}
		}
	}
	return t.Render()
}

// edge is an end of a validity; — is none.
func edge(ms int64) string {
	if ms <= registry.BeginMs || ms >= registry.ForeverMs {
		return "—"
	}
	return strings.TrimSuffix(shanghai(ms), ".000")
}

func stateOfKey(k registry.BridgeKey, nowMs int64) string {
	switch {
	case k.Valid.EndMs <= nowMs:
		return "✗ 已失效 ended"
	case k.Valid.StartMs > nowMs:
		return "… 未生效 not yet"
	case k.Valid.EndMs < registry.ForeverMs:
		return "! 将失效 ends"
	}
	return "✓ 有效 valid"
}
