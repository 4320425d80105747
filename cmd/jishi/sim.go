package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// replayFlags say what to replay, to where, and how fast.
type replayFlags struct {
	broker, devices, device, zone, from, to, clientID string
	start                                             string
	shift                                             time.Duration
	faults                                            []string
	seed                                              uint64
	speed                                             float64
	window                                            int
	noClock, quiet                                    bool
}

func newSim() *cobra.Command {
	cmd := &cobra.Command{
		Use: "sim", Short: "Simulate devices 设备仿真", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newSimRun(), newSimTruth(), newSimScenarios(), newSimCheck(), newSimCompare(), newSimClues(), newReplay(), newRecord(), newLoad(), newStub())
	return cmd
}

func newReplay() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use: "replay RECORDING...", Short: "Publish a recording as its device would have 回放录制数据", Args: cobra.MinimumNArgs(1),
		Long: "按录制的时间与方言重新发布；可变速、平移时间、加入故障。\n" +
			"Publishes recordings through a real MQTT broker as their devices would have published them: JSON lines of whole\n" +
			"messages (`jishi sim record`, mosquitto_sub -F %j and the like) as they are, SHDR logs as MTConnect over MQTT, Shelly\n" +
			"event CSV as Shelly Gen1, tracebase CSV as Tasmota telemetry; plain, .gz or .zst. A folder stands for all recordings\n" +
			"in it. Several are merged in the order of their time. What is cut off plays up to there.\n\n" +
			"--start and --shift move the recording in time, with the times in payloads whose dialect is known. --fault does\n" +
			"faults to messages by chance: drop=0.02, duplicate=0.01, reorder=0.01, delay=0.05,30s.\n\n" +
			"The recorded time is published as the simulated clock, which a bridge obeys with --bridge.replay-clock.",
		Example: "  jishi bridge --bridge.replay-clock ... &\n  jishi sim replay --speed 60 ../shared/data/nist_sms_testbed/raw/Mazak01\n" +
			"  jishi sim replay --start now --speed 1 --no-clock monday.jsonl.gz      as if it happened now\n" +
			"  jishi sim replay --fault duplicate=0.01 --fault delay=0.05,30s --seed 7 monday.jsonl.gz",
	}
	cmd.Flags().StringVar(&f.broker, "broker", "tcp://127.0.0.1:1883", "URL of the base's broker")
	cmd.Flags().StringVar(&f.devices, "devices", "", "MTConnect Devices.xml; default beside the logs or above")
	cmd.Flags().StringVar(&f.device, "device", "", "identity of the device; default from the file name")
	cmd.Flags().StringVar(&f.zone, "zone", "UTC", "zone of recordings whose times name none")
	cmd.Flags().StringVar(&f.from, "from", "", "first instant, RFC 3339")
	cmd.Flags().StringVar(&f.to, "to", "", "end instant, RFC 3339, exclusive")
	cmd.Flags().StringVar(&f.start, "start", "", "publish the first message at this instant, and all others moved alike: now, or RFC 3339")
	cmd.Flags().DurationVar(&f.shift, "shift", 0, "move all messages by this much, such as 24h or -90m")
	cmd.Flags().StringArrayVar(&f.faults, "fault", nil, "KIND=RATE of drop, duplicate, reorder, or delay=RATE,DURATION; may be repeated")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "of the faults: the same recording and seed give the same messages")
	cmd.Flags().StringVar(&f.clientID, "client-id", "jishi-replay", "MQTT client id")
	cmd.Flags().Float64Var(&f.speed, "speed", 0, "times faster than recorded; 0 is as fast as the broker acknowledges")
	cmd.Flags().IntVar(&f.window, "window", 1000, "messages that may be unacknowledged")
	cmd.Flags().BoolVar(&f.noClock, "no-clock", false, "do not publish the simulated clock")
	cmd.Flags().BoolVar(&f.quiet, "quiet", false, "no progress bar")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return replay(cmd.Context(), cmd, args, &f) }
	return cmd
}

func replay(ctx context.Context, cmd *cobra.Command, paths []string, f *replayFlags) error {
	o, err := f.recording()
	if err != nil {
		return usageError{err}
	}
	recording, err := sim.OpenRecording(paths, o)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	for _, i := range recording.Info() {
		if _, err := fmt.Fprintf(out, "%-9s %-12s %s, %d files, %d bytes\n", i.Format, i.Machine, i.UUID, len(i.Files), i.Bytes); err != nil {
			return err
		}
	}
	bar := progressbar.NewOptions64(max(1, recording.Bytes()), barOptions(cmd.ErrOrStderr(), f.quiet)...)
	result, err := recording.Replay(ctx, sim.ReplayOptions{
		Dial:  sim.Broker(mqtt.ClientOptions{URL: f.broker, ClientID: f.clientID}),
		Speed: f.speed, Clock: !f.noClock, Window: f.window, ProgressEvery: 250 * time.Millisecond,
		Progress: func(p sim.Progress) { showProgress(bar, &p) },
	})
	// The bar is decoration: that it cannot be drawn is no reason to fail.
	_ = bar.Finish() //nolint:errcheck // see above
	return joinReport(err, reportReplay(out, &result))
}

func joinReport(err, report error) error {
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	return report
}

func (f *replayFlags) recording() (o sim.RecordingOptions, err error) {
	o = sim.RecordingOptions{Devices: f.devices, Device: f.device, Shift: f.shift, Seed: f.seed}
	if o.Zone, err = time.LoadLocation(f.zone); err != nil {
		return o, fmt.Errorf("--zone: %w", err)
	}
	for name, at := range map[string]struct {
		text string
		to   *time.Time
	}{"--from": {f.from, &o.From}, "--to": {f.to, &o.To}} {
		if at.text == "" {
			continue
		}
		if *at.to, err = time.Parse(time.RFC3339Nano, at.text); err != nil {
			return o, fmt.Errorf("%s %q: want an instant such as 2016-10-31T09:00:00Z", name, at.text)
		}
	}
	if f.speed < 0 {
		return o, fmt.Errorf("--speed %g: want 0 or more", f.speed)
	}
	return o, f.changes(&o)
}

// changes are what is done to the recording before it is published.
func (f *replayFlags) changes(o *sim.RecordingOptions) (err error) {
	switch f.start {
	case "":
	case "now":
		o.Start = time.Now()
	default:
		if o.Start, err = time.Parse(time.RFC3339Nano, f.start); err != nil {
			return fmt.Errorf("--start %q: want now, or an instant such as 2026-03-02T08:00:00+08:00", f.start)
		}
	}
	for _, text := range f.faults {
		fault, err := sim.ParseMessageFault(text)
		if err != nil {
			return fmt.Errorf("--fault: %w", err)
		}
		o.Faults = append(o.Faults, fault)
	}
	return nil
}

func barOptions(w io.Writer, quiet bool) []progressbar.Option {
	return []progressbar.Option{
		progressbar.OptionSetWriter(w), progressbar.OptionSetVisibility(!quiet), progressbar.OptionShowBytes(true),
		progressbar.OptionSetWidth(30), progressbar.OptionThrottle(200 * time.Millisecond), progressbar.OptionClearOnFinish(),
	}
}

func showProgress(bar *progressbar.ProgressBar, p *sim.Progress) {
	bar.Describe(fmt.Sprintf("%s  %.0f msg/s", time.UnixMilli(p.AtMs).UTC().Format("2006-01-02 15:04:05"), p.PerSecond))
	_ = bar.Set64(p.Counts.Bytes) //nolint:errcheck // decoration, see replay
}

// reportReplay tells what was published, and everything about the recording that is not as one would wish.
func reportReplay(w io.Writer, r *sim.Result) error {
	var b strings.Builder
	c := &r.Counts
	fmt.Fprintf(&b, "%d lines, %d messages published, %d acknowledged, %d sent again, %d reconnects, %s\n",
		c.Lines, r.Messages, r.Acked, r.Resent, r.Reconnects, r.Elapsed.Round(time.Millisecond))
	for _, reason := range slices.Sorted(maps.Keys(c.Skipped)) {
		fmt.Fprintf(&b, "skipped: %d %s\n", c.Skipped[reason], reason)
		if example := c.Examples[reason]; example != "" {
			fmt.Fprintf(&b, "  %s\n", printable(example))
		}
	}
	for _, cut := range c.Cut {
		fmt.Fprintf(&b, "录制不完整 cut off: %s\n", printable(cut))
	}
	if c.Gaps > 0 {
		fmt.Fprintf(&b, "录制有缺口 gaps: the recorder says %d times that it missed something\n", c.Gaps)
	}
	for _, kind := range slices.Sorted(maps.Keys(c.Faulted)) {
		fmt.Fprintf(&b, "故障 faults: %d %s\n", c.Faulted[kind], kind)
	}
	tellUnshifted(&b, c.Unshifted)
	_, err := io.WriteString(w, b.String())
	return err
}

// tellUnshifted names some of the topics whose payloads may still say the old time.
func tellUnshifted(b *strings.Builder, topics map[string]int64) {
	const shown = 5
	if len(topics) == 0 {
		return
	}
	var n int64
	for _, of := range topics {
		n += of
	}
	fmt.Fprintf(b, "未改时间 not shifted: %d messages of unknown dialects may say the recorded time in their payload, in %d topics\n", n, len(topics))
	for _, topic := range slices.Sorted(maps.Keys(topics))[:min(shown, len(topics))] {
		fmt.Fprintf(b, "  %s\n", printable(topic))
	}
}
