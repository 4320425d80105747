package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// finding is what one check found: a mark, what it is about, and what to do.
type finding struct {
	mark mark
	what string
	hint string // "" when there is nothing to do
}

type mark string

const (
	good    mark = "✓"
	warning mark = "!"
	bad     mark = "✗"
)

// errUnwell ends the doctor's process with a failure when a check found something bad.
var errUnwell = errors.New("the installation needs attention (见上)")

func newDoctor() *cobra.Command {
	cmd := &cobra.Command{
		Use: "doctor", Short: "Say what is wrong with this installation and what to do 体检", Args: cobra.NoArgs,
		Long: "Looks at the settings, the data directory, the registry, the calendar, the evidence store, the brokers and the\n" +
			"devices, and says for each what is wrong and what to do. It changes nothing. Exit code 1 when something is bad.",
	}
	c := withSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.run(cmd, func(ctx context.Context) error { return examine(ctx, c, cmd.OutOrStdout()) })
	}
	return cmd
}

// examine makes every check and prints what they found.
func examine(ctx context.Context, c *settings, w io.Writer) error {
	var findings []finding
	add := func(f ...finding) { findings = append(findings, f...) }
	add(checkDataDir(c), checkKey(c), checkCalendar(time.Now()))
	reg, f := checkRegistry(ctx, c)
	add(f)
	add(checkEdge(c, reg)...)
	add(checkQuarantine(c)...)
	add(checkAddress("上行 uplink.url", c.String("uplink.url")), checkAddress("市级 city.url", c.String("city.url")), checkAddress("基地 source.url", c.String("source.url")))
	store, f := checkStore(ctx, c)
	add(f)
	if store != nil {
		if reg != nil {
			add(checkDevices(ctx, store, reg, time.Now())...)
		}
		if err := store.Close(); err != nil {
			add(finding{warning, "evidence store does not close: " + err.Error(), ""})
		}
	}
	return report(w, findings)
}

func report(w io.Writer, findings []finding) error {
	unwell := false
	for _, f := range findings {
		if f.what == "" {
			continue
		}
		unwell = unwell || f.mark == bad
		if _, err := fmt.Fprintf(w, "%s %s\n", f.mark, f.what); err != nil {
			return err
		}
		if f.hint != "" {
			if _, err := fmt.Fprintf(w, "    → %s\n", f.hint); err != nil {
				return err
			}
		}
	}
	if unwell {
		return errUnwell
	}
	return nil
}

func checkDataDir(c *settings) finding {
	dir := c.dir
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return finding{warning, "数据目录尚不存在 data directory " + dir + " does not exist yet", "it is made at the first start; or name another with --data.dir"}
	case err != nil:
		return finding{bad, "数据目录 data directory: " + err.Error(), "give the user that runs jishi access to it"}
	case !info.IsDir():
		return finding{bad, "数据目录 " + dir + " is not a directory", "name another with --data.dir"}
	}
	probe, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return finding{bad, "数据目录不可写 data directory cannot be written: " + err.Error(), "give the user that runs jishi write access"}
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return finding{warning, "data directory: " + err.Error(), ""}
	}
	return finding{good, "数据目录可写 data directory " + dir + " can be written", ""}
}

func checkKey(c *settings) finding {
	path := c.path("bridge.key", "bridge.key")
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return finding{}
	}
	if err != nil {
		return finding{bad, "网桥密钥 bridge key: " + err.Error(), ""}
	}
	if info.Mode().Perm()&0o077 != 0 {
		return finding{bad, fmt.Sprintf("网桥密钥权限过宽 bridge key %s has mode %o", path, info.Mode().Perm()), "chmod 600 " + path}
	}
	return finding{good, "网桥密钥仅本用户可读 bridge key is private", ""}
}

func checkCalendar(now time.Time) finding {
	cal, err := calendar.New()
	if err != nil {
		return finding{bad, "日历 calendar: " + err.Error(), "the program is damaged; install it again"}
	}
	today := calendar.DateOf(now)
	if _, err := cal.IsWorkday(today); err != nil {
		return finding{bad, "日历未发布 calendar: " + err.Error(), "install a version with this year's calendar"}
	}
	return finding{good, fmt.Sprintf("日历包含 %d 年 calendar covers %d", today.Year, today.Year), ""}
}

func checkRegistry(ctx context.Context, c *settings) (*registry.Registry, finding) {
	ref, err := openReference(ctx, c)
	if err != nil {
		return nil, finding{bad, "登记数据 registry: " + err.Error(), "see docs/registry.md; every mistake is listed with its place"}
	}
	reg, machines := ref.Registry, 0
	for _, b := range reg.Bases() {
		machines += len(b.Equipment)
	}
	return reg, finding{good, fmt.Sprintf("登记数据 registry: %d 个基地 bases, %d 台设备 machines", len(reg.Bases()), machines), ""}
}

func checkAddress(name, raw string) finding {
	if raw == "" {
		return finding{}
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return finding{bad, fmt.Sprintf("%s: %q is not a URL", name, raw), "write it as tcp://host:1883 or ssl://host:8883"}
	}
	conn, err := net.DialTimeout("tcp", u.Host, 3*time.Second)
	if err != nil {
		return finding{bad, fmt.Sprintf("%s: %v", name, err), "is the broker running, and may this machine reach it?"}
	}
	if err := conn.Close(); err != nil {
		return finding{warning, fmt.Sprintf("%s: %v", name, err), ""}
	}
	return finding{good, fmt.Sprintf("%s %s answers", name, u.Host), ""}
}

func checkStore(ctx context.Context, c *settings) (evidence.Store, finding) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	store, err := openStore(ctx, c, true, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, finding{warning, "证据库尚不存在 evidence store: " + err.Error(), "it is made when `jishi up` or `jishi collect` first runs"}
	}
	if err != nil {
		return nil, finding{bad, "证据库 evidence store: " + err.Error(), "check --evidence.kind and the settings of its kind"}
	}
	if err := store.Ping(ctx); err != nil {
		return store, finding{bad, "证据库无应答 evidence store: " + err.Error(), "is it running, and are URL, bucket and token right?"}
	}
	return store, finding{good, "证据库可用 evidence store (" + c.String("evidence.kind") + ") answers", ""}
}

// checkDevices compares what the registry expects with what was heard in the last day.
func checkDevices(ctx context.Context, store evidence.Store, reg *registry.Registry, now time.Time) []finding {
	var out []finding
	day := span.Of(now.Add(-24*time.Hour), now.Add(5*time.Minute))
	for _, b := range reg.Bases() {
		counts, err := store.Devices(ctx, b.Code, day)
		if err != nil {
			out = append(out, finding{bad, "证据库 evidence of base " + b.Code + ": " + err.Error(), ""})
			continue
		}
		heard := make(map[string]bool)
		for _, d := range counts {
			heard[d.Device] = true
			if d.Device != "" && !reg.KnownDevice(b.Code, d.Device) {
				out = append(out, finding{warning, fmt.Sprintf("基地 %s：未登记的采集终端 device %s is not registered (%d samples today)", b.Code, d.Device, d.Samples), "register it and bind it to its machine; its evidence is kept"})
			}
			if d.Raw > 0 {
				out = append(out, finding{warning, fmt.Sprintf("基地 %s：%s 有 %d 条隔离消息 quarantined messages", b.Code, cmp.Or(d.Device, "（设备不明 device unknown）"), d.Raw), "jishi frames --kind raw, at the base; or the status page of its bridge"})
			}
		}
		for _, d := range b.Devices {
			if !heard[d.ID] {
				out = append(out, finding{warning, fmt.Sprintf("基地 %s：采集终端 %s 24 小时无数据 no word from device in a day", b.Code, d.ID), "is it powered, on the network, and publishing to the base's broker?"})
			}
		}
		for _, e := range b.Equipment {
			if e.Signal.Kind == registry.SignalPower && e.Signal.Power == nil {
				out = append(out, finding{warning, fmt.Sprintf("基地 %s：设备 %s 未标定 is not calibrated", b.Code, e.ID), "run `jishi calibrate --equipment " + e.ID + "` on a day on which it worked"})
			}
		}
	}
	return out
}
