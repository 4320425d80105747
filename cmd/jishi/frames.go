package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// framesFlags say what to look at, what of it, and what to do with it.
type framesFlags struct {
	devices, kinds, keys      []string
	from, to, format, extract string
	verify, raw, stats        bool
}

func newFrames() *cobra.Command {
	var f framesFlags
	cmd := &cobra.Command{
		Use: "frames [FILE|DIR]...", Short: "Print, filter, verify and extract frames and logs 查验帧与日志", Args: cobra.ArbitraryArgs,
		Long: "Looks into files of frames (docs/frame.md §10), directories of such files, and the log of a bridge (docs/log.md),\n" +
			"also while the bridge runs; nothing of it is changed. Without a name it looks into this installation's own log.\n\n" +
			"Prints one line for each record, unless --stats, --verify or --extract is given. --verify checks what the city would\n" +
			"check: form, signature and chain; the keys come from --key, else from the registry. A log has no signatures: there it\n" +
			"checks sums, chain and what is missing. --extract writes the frames that hold a matching record, whole, because a\n" +
			"signature covers a whole frame; of a log it seals new ones with --bridge.key, as the bridge would.\n\n" +
			"Exit code 1 when anything is wrong; each fault is told on stderr with its file and place.",
		Example: "  jishi frames --kind raw --from 2026-03-02                 quarantined messages, why\n" +
			"  jishi frames --raw --device tasmota_lathe1 | tail          what the meter really said\n" +
			"  jishi frames --verify --stats archive/*.frames\n" +
			"  jishi frames --extract march.frames --from 2026-03-01 --to 2026-03-31",
	}
	c := withSettings(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.verify, "verify", false, "check form, signatures and chain")
	flags.StringArrayVar(&f.keys, "key", nil, "public key in base64 for --verify, as `jishi bridge` shows it; may be repeated")
	flags.StringArrayVar(&f.devices, "device", nil, "only this device; may be repeated")
	flags.StringSliceVar(&f.kinds, "kind", nil, "only sample, tap, link or raw; may be repeated")
	flags.StringVar(&f.from, "from", "", "first event time: a day (2026-03-02) or an instant (2026-03-02T08:00:00+08:00)")
	flags.StringVar(&f.to, "to", "", "end of the event time: a day, inclusive, or an instant, exclusive")
	flags.BoolVar(&f.raw, "raw", false, "print topic and payload as they were received; of a log only")
	flags.StringVar(&f.format, "format", "table", "table, or json: one object a line")
	flags.BoolVar(&f.stats, "stats", false, "print figures of each log and each device")
	flags.StringVar(&f.extract, "extract", "", "write the frames with matching records to this new file")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.run(cmd, func(ctx context.Context) error { return lookAtFrames(ctx, c, cmd, &f, args) })
	}
	return cmd
}

// lookAtFrames reads every source and hands what it holds to what was asked for.
func lookAtFrames(ctx context.Context, c *settings, cmd *cobra.Command, f *framesFlags, paths []string) (err error) {
	look, err := f.look(c, cmd.OutOrStdout(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		own := c.path("spool.dir", "log")
		if _, err := os.Stat(own); err != nil {
			return usageError{fmt.Errorf("no log at %s: name a FILE or DIR, or --spool.dir or --data.dir: %w", own, err)}
		}
		paths = []string{own}
	}
	if err := look.begin(c); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, look.abandon()) }()
	for _, path := range paths {
		if err := look.source(ctx, path); err != nil {
			return err
		}
	}
	return look.end()
}

// look is one look into frames and logs.
type look struct {
	filter  recordFilter
	out     framesPrinter
	faults  faults
	keys    keySource // nil: signatures are not checked
	verify  bool
	print   bool
	raw     bool
	chains  chains
	stats   *framesStats // nil: not asked for
	extract *extraction  // nil: not asked for
}

func (f *framesFlags) look(c *settings, stdout, stderr io.Writer) (*look, error) {
	l := &look{
		faults: faults{w: stderr}, verify: f.verify, raw: f.raw, print: f.raw || !f.verify && !f.stats && f.extract == "",
		chains: chains{},
	}
	var err error
	if l.filter, err = f.filter(); err != nil {
		return nil, usageError{err}
	}
	switch f.format {
	case "table":
		l.out = &tablePrinter{w: stdout}
	case "json":
		l.out = &jsonPrinter{w: stdout}
	default:
		return nil, usageError{fmt.Errorf("--format %q: want table or json", f.format)}
	}
	if f.stats {
		l.stats = newFramesStats()
	}
	if f.extract != "" {
		l.extract = &extraction{path: f.extract}
	}
	if len(f.keys) > 0 && !f.verify {
		return nil, usageError{errors.New("--key is given without --verify: nothing would be checked")}
	}
	if f.verify {
		l.keys, err = f.keySource(c)
	}
	return l, err
}

// keySource finds the keys that a bridge may have signed with.
type keySource func(base, bridge string, atMs int64) ([]ed25519.PublicKey, error)

// keySource takes the keys that were given; without any it reads the registry, once a frame asks for it.
func (f *framesFlags) keySource(c *settings) (keySource, error) {
	var given []ed25519.PublicKey
	for _, text := range f.keys {
		key, err := frame.ParsePublic(text)
		if err != nil {
			return nil, usageError{fmt.Errorf("--key %q: %w: want 32 bytes in base64, as `jishi bridge` shows them", text, err)}
		}
		given = append(given, key)
	}
	if len(given) > 0 {
		return func(string, string, int64) ([]ed25519.PublicKey, error) { return given, nil }, nil
	}
	return registryKeys(c), nil
}

func (f *framesFlags) filter() (recordFilter, error) {
	r := recordFilter{devices: map[string]bool{}, kinds: map[telemetry.Kind]bool{}, toMs: int64(1)<<62 - 1, fromMs: -int64(1) << 62}
	for _, d := range f.devices {
		r.devices[d] = true
	}
	for _, name := range f.kinds {
		kind, ok := map[string]telemetry.Kind{
			"sample": telemetry.KindSample, "tap": telemetry.KindTap, "link": telemetry.KindLink, "raw": telemetry.KindRaw,
		}[name]
		if !ok {
			return r, fmt.Errorf("--kind %q: want sample, tap, link or raw", name)
		}
		r.kinds[kind] = true
	}
	if f.from != "" {
		span, err := dayOrInstant(f.from)
		if err != nil {
			return r, fmt.Errorf("--from %w", err)
		}
		r.fromMs = span.StartMs
	}
	if f.to != "" {
		span, err := dayOrInstant(f.to)
		if err != nil {
			return r, fmt.Errorf("--to %w", err)
		}
		r.toMs = span.EndMs
	}
	if r.toMs <= r.fromMs {
		return r, fmt.Errorf("--to %s is not after --from %s", f.to, f.from)
	}
	r.all = len(f.devices)+len(f.kinds) == 0 && f.from == "" && f.to == ""
	return r, nil
}

// edges are the two instants that a text stands for: a day begins and ends, an instant does both at once.
type edges struct{ StartMs, EndMs int64 }

func dayOrInstant(text string) (edges, error) {
	if !strings.Contains(text, "T") {
		day, err := calendar.ParseDate(text)
		if err != nil {
			return edges{}, fmt.Errorf("%q: want a day (2006-01-02) or an instant (2006-01-02T15:04:05Z)", text)
		}
		return edges{day.Span().StartMs, day.Span().EndMs}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return edges{}, fmt.Errorf("%q: want a day (2006-01-02) or an instant (2006-01-02T15:04:05Z)", text)
	}
	return edges{t.UnixMilli(), t.UnixMilli()}, nil
}

// recordFilter chooses records.
type recordFilter struct {
	all          bool // nothing is filtered
	devices      map[string]bool
	kinds        map[telemetry.Kind]bool
	fromMs, toMs int64
}

func (f *recordFilter) takes(r *telemetry.Record) bool {
	return (len(f.devices) == 0 || f.devices[r.Device]) && (len(f.kinds) == 0 || f.kinds[r.Kind]) &&
		r.EventMs >= f.fromMs && r.EventMs < f.toMs
}

// matches reports whether a message has a record that the filter takes; without a filter every message matches.
func (f *recordFilter) matches(m *telemetry.Message) bool {
	for i := range m.Records {
		if f.takes(&m.Records[i]) {
			return true
		}
	}
	return f.all
}

// maxFaultLines is how many faults are told one by one; the rest are counted.
const maxFaultLines = 50

// faults tells what is wrong, one line each.
type faults struct {
	w io.Writer
	n int
}

func (f *faults) add(where, format string, args ...any) {
	if f.n++; f.n > maxFaultLines {
		return
	}
	if _, err := fmt.Fprintf(f.w, "%s: %s\n", printable(where), printable(fmt.Errorf(format, args...).Error())); err != nil {
		f.w = io.Discard // nobody listens any more; the count still decides the exit code
	}
}

// err is what the command ends with.
func (f *faults) err() error {
	if f.n == 0 {
		return nil
	}
	return fmt.Errorf("%d 处有误 faults found", f.n)
}
