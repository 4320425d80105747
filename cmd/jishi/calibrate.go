package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/atomicfile"
	"github.com/jishi-telemetry/jishi/internal/calibrate"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// calibrateFlags say which machine to look at, when, and where the picture goes.
type calibrateFlags struct {
	usageFlags
	picture string
}

func newCalibrate() *cobra.Command {
	var f calibrateFlags
	cmd := &cobra.Command{
		Use: "calibrate", Short: "Propose a machine's power thresholds from recorded days 标定", Args: cobra.NoArgs,
		Long: "Looks at what a machine's meter recorded, proposes off and running thresholds, hysteresis and dwell, prints them\n" +
			"as the registry's YAML, and draws the picture by which a person decides. Nothing is changed.\n" +
			"See docs/calibrate.md.",
		Example: "  jishi calibrate --equipment lathe-1 --from 2026-03-02 --to 2026-03-06 --picture lathe-1.svg",
	}
	c := withSettings(cmd)
	cmd.Flags().StringVar(&f.base, "base", "", "code of the base; may be left out when there is one")
	cmd.Flags().StringVar(&f.equipment, "equipment", "", "the machine (required)")
	cmd.Flags().StringVar(&f.from, "from", "", "first day or instant; default today")
	cmd.Flags().StringVar(&f.to, "to", "", "last day, inclusive, or end instant; default the first day, or now")
	cmd.Flags().StringVar(&f.picture, "picture", "", "file for the picture (SVG)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.run(cmd, func(ctx context.Context) error { return propose(ctx, c, cmd.OutOrStdout(), &f) })
	}
	return cmd
}

func propose(ctx context.Context, c *settings, w io.Writer, f *calibrateFlags) (err error) {
	windows, err := f.windows(time.Now())
	if err != nil {
		return usageError{err}
	}
	window := span.Span{StartMs: windows[0].span.StartMs, EndMs: windows[len(windows)-1].span.EndMs}
	ref, err := openReference(ctx, c)
	if err != nil {
		return err
	}
	reg := ref.Registry
	base, err := chooseBase(reg, f.base)
	if err != nil {
		return usageError{err}
	}
	machine, ok := reg.Equipment(base, f.equipment)
	if !ok {
		return usageError{fmt.Errorf("--equipment %q: want one of base %s: %s", f.equipment, base, machineIDs(reg, base))}
	}
	store, err := openStore(ctx, c, true, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	points, err := meterPoints(ctx, store, reg.Sources(base, machine.ID, registry.UseState, window), base)
	if err != nil {
		return err
	}
	p, err := calibrate.Propose(points, window, calibrate.Options{Profile: string(machine.Profile)})
	if err != nil {
		return fmt.Errorf("calibrate %s of base %s: %w", machine.ID, base, err)
	}
	if f.picture != "" {
		if err := writePicture(f.picture, points, window, p, machine.ID+" "+machine.Name); err != nil {
			return err
		}
	}
	return printProposal(w, machine, &p)
}

func machineIDs(reg *registry.Registry, base string) string {
	var ids []string
	for _, e := range reg.EquipmentOf(base) {
		ids = append(ids, e.ID)
	}
	return strings.Join(ids, ", ")
}

// meterPoints is what the machine's meters said while they spoke for it.
func meterPoints(ctx context.Context, store evidence.Store, sources []registry.Source, base string) ([]usage.Point, error) {
	var points []usage.Point
	for _, s := range sources {
		q := evidence.Query{
			Base: base, Device: s.Device, Channels: []string{s.Channel}, Window: s.Span,
			Kinds: []telemetry.Kind{telemetry.KindSample, telemetry.KindLink},
		}
		if err := store.Read(ctx, q, func(e *evidence.Entry) error {
			if p, ok := usage.PointOf(&e.Record); ok {
				points = append(points, p)
			}
			return nil
		}); err != nil {
			return nil, fmt.Errorf("read device %s: %w", s.Device, err)
		}
	}
	return points, nil
}

func writePicture(path string, points []usage.Point, window span.Span, p calibrate.Proposal, title string) error {
	var picture bytes.Buffer
	if err := calibrate.Picture(&picture, points, window, p, title); err != nil {
		return fmt.Errorf("draw the picture: %w", err)
	}
	if err := atomicfile.Write(path, picture.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the picture (--picture): %w", err)
	}
	return nil
}

func printProposal(w io.Writer, machine registry.Equipment, p *calibrate.Proposal) error {
	out := bytes.NewBuffer(nil)
	fmt.Fprintf(out, "# %s %s: 置信度 confidence %s (%s), 已知 known %s of %s\n", machine.ID, machine.Name,
		p.Confidence.Zh(), p.Confidence, hms(float64(p.KnownMs)/1000), hms(float64(p.WindowMs)/1000))
	for _, l := range p.Levels {
		fmt.Fprintf(out, "#   %-8s %9.1f W  (%.1f–%.1f W) %5.1f%%\n", l.State, l.MeanW, l.FromW, l.ToW, l.Share*100)
	}
	for _, n := range p.Notes {
		fmt.Fprintf(out, "#   %s\n#   %s\n", n.Zh, n.En)
	}
	out.WriteString(ruleYAML(&p.Rule))
	if p.Alternative != nil {
		fmt.Fprintf(out, "# 另一种可能 or, if the low level is waiting and not work:\n# %s", ruleYAML(p.Alternative))
	}
	_, err := w.Write(out.Bytes())
	return err
}

// ruleYAML is the rule as the registry's file has it.
func ruleYAML(r *usage.PowerRule) string {
	return fmt.Sprintf("signal: {kind: power, power: {off_w: %s, run_w: %s, hysteresis: %s, dwell_on: %s, dwell_off: %s}}\n",
		number(r.OffW), number(r.RunW), number(r.Hysteresis), r.DwellOn, r.DwellOff)
}
