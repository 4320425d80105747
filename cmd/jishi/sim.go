package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// replayFlags say what to replay, to where, and how fast.
type replayFlags struct {
	broker, devices, device, zone, from, to, clientID string
	speed                                             float64
	window                                            int
	noClock, quiet                                    bool
}

func newSim() *cobra.Command {
	cmd := &cobra.Command{
		Use: "sim", Short: "Simulate devices 设备仿真", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newSimRun(), newSimTruth(), newSimScenarios(), newSimCheck(), newSimCompare(), newReplay(), newLoad(), newStub())
	return cmd
}

func newReplay() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use: "replay RECORDING...", Short: "Publish a recording as its device would have 回放录制数据", Args: cobra.MinimumNArgs(1),
		Long: "Publishes recordings through a real MQTT broker as their devices would have published them: SHDR logs as\n" +
			"MTConnect over MQTT, Shelly event CSV as Shelly Gen1, tracebase CSV as Tasmota telemetry. A folder stands for\n" +
			"all recordings in it. Several are merged in the order of their time.\n\n" +
			"The recorded time is published as the simulated clock, which a bridge obeys with --bridge.replay-clock.",
		Example: "  jishi bridge --bridge.replay-clock ... &\n  jishi sim replay --speed 60 ../shared/data/nist_sms_testbed/raw/Mazak01",
	}
	cmd.Flags().StringVar(&f.broker, "broker", "tcp://127.0.0.1:1883", "URL of the base's broker")
	cmd.Flags().StringVar(&f.devices, "devices", "", "MTConnect Devices.xml; default beside the logs or above")
	cmd.Flags().StringVar(&f.device, "device", "", "identity of the device; default from the file name")
	cmd.Flags().StringVar(&f.zone, "zone", "UTC", "zone of recordings whose times name none")
	cmd.Flags().StringVar(&f.from, "from", "", "first instant, RFC 3339")
	cmd.Flags().StringVar(&f.to, "to", "", "end instant, RFC 3339, exclusive")
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
	o = sim.RecordingOptions{Devices: f.devices, Device: f.device}
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
	return o, nil
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

func reportReplay(w io.Writer, r *sim.Result) error {
	_, err := fmt.Fprintf(w, "%d lines, %d messages published, %d acknowledged, %d sent again, %d reconnects, %s\n",
		r.Counts.Lines, r.Messages, r.Acked, r.Resent, r.Reconnects, r.Elapsed.Round(time.Millisecond))
	for _, reason := range slices.Sorted(maps.Keys(r.Counts.Skipped)) {
		if err == nil {
			_, err = fmt.Fprintf(w, "skipped: %d %s\n", r.Counts.Skipped[reason], reason)
		}
	}
	return err
}
