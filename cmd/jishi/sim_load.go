package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/firmware-sim/load"
	"github.com/jishi-telemetry/jishi/internal/obs"
)

// loadFlags say what load to put on which broker, and how to tell of it.
type loadFlags struct {
	broker, username, passwordFile        string
	dialect, topic, payload, base, prefix string
	devices, qos, perSecond, sources      int
	processes, first, share               int
	rate                                  float64
	every, duration, drain, keepAlive     time.Duration
	stub, mine, json, quiet, worker       bool
}

func newLoad() *cobra.Command {
	var f loadFlags
	cmd := &cobra.Command{
		Use: "load", Short: "Put many thousand devices on a broker 压测网关", Args: cobra.NoArgs,
		Long: "以固定时间表发送，不随服务器变慢而变慢；报告实际速率、迟发、确认时延与错误。\n" +
			"Connects many thousand devices that send by a schedule made beforehand. A broker that becomes slow does not slow\n" +
			"the schedule down: messages are then sent late, and counted as late. Reports the achieved rate, late sends, the time\n" +
			"from the scheduled instant to the PUBACK, errors by kind, and memory. Several processes are used where one may not\n" +
			"open enough files.\n\n" +
			"A load test stops what it hits. Brokers on other machines are refused without --yes-this-is-my-broker.\n\n" +
			"--topic and --payload may hold {device} {base} {n} {t} {s} {time} {local} {power} {energy} {valid}; see\n" +
			"docs/simulator-load.md. A --payload of @FILE is read from the file.",
		Example: "  jishi sim load --stub --devices 1000 --rate 60000 --duration 30s      what this machine can do\n" +
			"  jishi sim load --devices 500 --every 10s --dialect tasmota\n" +
			"  jishi sim load --broker tcp://10.0.0.5:1883 --yes-this-is-my-broker --username '{device}' --password-file pw",
	}
	flags := cmd.Flags()
	flags.StringVar(&f.broker, "broker", "tcp://127.0.0.1:1883", "URL of the broker")
	flags.BoolVar(&f.mine, "yes-this-is-my-broker", false, "allow a broker on another machine")
	flags.BoolVar(&f.stub, "stub", false, "use a stub broker of our own that only acknowledges, instead of --broker")
	flags.IntVar(&f.devices, "devices", 1000, "how many devices, each with a connection")
	flags.DurationVar(&f.every, "every", 10*time.Second, "time between two messages of a device")
	flags.Float64Var(&f.rate, "rate", 0, "messages a second of all devices together, instead of --every")
	flags.IntVar(&f.qos, "qos", 1, "0 or 1")
	flags.StringVar(&f.dialect, "dialect", "native", "what the devices say: "+strings.Join(load.Dialects(), ", "))
	flags.StringVar(&f.topic, "topic", "", "topic with placeholders; default by dialect")
	flags.StringVar(&f.payload, "payload", "", "payload with placeholders, or @FILE; default by dialect")
	flags.StringVar(&f.base, "base", "load", "what {base} stands for")
	flags.StringVar(&f.prefix, "prefix", "load-", "begins the devices' names")
	flags.StringVar(&f.username, "username", "", "user name of the devices; may hold {device}")
	flags.StringVar(&f.passwordFile, "password-file", "", "file with the password of the devices")
	flags.IntVar(&f.perSecond, "connections-per-second", 1000, "how fast devices connect")
	flags.DurationVar(&f.duration, "duration", time.Minute, "how long to send")
	flags.DurationVar(&f.drain, "drain", 5*time.Second, "how long to wait for the last acknowledgements")
	flags.DurationVar(&f.keepAlive, "keep-alive", time.Minute, "keep-alive of the devices")
	flags.IntVar(&f.sources, "sources", 0, "how many addresses 127.0.0.x to connect from; 0 is as many as are needed")
	flags.IntVar(&f.processes, "processes", 0, "how many processes; 0 is as many as are needed")
	flags.BoolVar(&f.json, "json", false, "print the report as one JSON object")
	flags.BoolVar(&f.quiet, "quiet", false, "no progress line")
	flags.BoolVar(&f.worker, "worker", false, "play a part and report to the process that started this one")
	flags.IntVar(&f.first, "first", 0, "first device of the part")
	flags.IntVar(&f.share, "share", 0, "devices of the part")
	for _, internal := range []string{"worker", "first", "share"} {
		_ = flags.MarkHidden(internal) //nolint:errcheck // it fails only for a flag that does not exist
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runLoad(cmd.Context(), cmd, &f) }
	return cmd
}

func runLoad(ctx context.Context, cmd *cobra.Command, f *loadFlags) (err error) {
	if cmd.Flags().Changed("every") && cmd.Flags().Changed("rate") {
		return usageError{errors.New("--every and --rate are both given: want one")}
	}
	if f.stub && cmd.Flags().Changed("broker") && !f.worker {
		return usageError{errors.New("--stub and --broker are both given: want one")}
	}
	o, err := f.options()
	if err != nil {
		return usageError{err}
	}
	if f.worker {
		return loadWorker(ctx, &o, cmd.InOrStdin(), cmd.OutOrStdout())
	}
	if f.stub {
		url, stop, err := startStub(ctx, cmd.ErrOrStderr(), f.devices)
		if err != nil {
			return err
		}
		defer stop()
		o.Broker = url
	}
	progress := newLoadProgress(cmd.ErrOrStderr(), f.quiet)
	fleet := loadFleet{o: &o, processes: f.processes, progress: progress.show, stderr: cmd.ErrOrStderr()}
	report, err := fleet.run(ctx)
	progress.end()
	if report.Devices == 0 {
		return err
	}
	return errors.Join(err, f.print(cmd.OutOrStdout(), &report, fleet.processes))
}

// options are what the flags say. The load's own check names the rest that is wrong.
func (f *loadFlags) options() (o load.Options, err error) {
	if f.rate < 0 || f.rate > 1e9 {
		return o, fmt.Errorf("--rate %g: want more than 0 messages a second", f.rate)
	}
	if f.rate > 0 {
		f.every = time.Duration(float64(max(f.devices, 0)) / f.rate * float64(time.Second)).Round(time.Microsecond)
		if f.every < time.Millisecond {
			return o, fmt.Errorf("--rate %g: with %d devices each sends more than 1000 messages a second: want more devices", f.rate, f.devices)
		}
	}
	if f.qos < 0 || f.qos > 1 {
		return o, fmt.Errorf("--qos %d: want 0 or 1", f.qos)
	}
	if f.processes < 0 || f.processes > max(1, f.devices) {
		return o, fmt.Errorf("--processes %d: want 0 to the number of devices", f.processes)
	}
	payload, err := textOrFile(f.payload)
	if err != nil {
		return o, fmt.Errorf("--payload: %w", err)
	}
	message, err := load.NewTemplate(load.TemplateOptions{
		Dialect: f.dialect, Topic: f.topic, Payload: payload, Base: f.base, Prefix: f.prefix, Every: f.every,
	})
	if err != nil {
		return o, err
	}
	password := ""
	if f.passwordFile != "" {
		if password, err = textOrFile("@" + f.passwordFile); err != nil {
			return o, fmt.Errorf("--password-file: %w", err)
		}
	}
	o = load.Options{
		Broker: f.broker, AnyBroker: f.mine, Username: f.username, Password: obs.Secret(strings.TrimRight(password, "\r\n")),
		Devices: f.devices, First: f.first, Share: f.share, Every: f.every, QoS: byte(f.qos), Message: message,
		ConnectionsPerSecond: f.perSecond, Duration: f.duration, Drain: f.drain, KeepAlive: f.keepAlive, Sources: f.sources,
	}
	return o, o.Validate()
}

// textOrFile is the text itself, or what is in the file that it names after an @.
func textOrFile(text string) (string, error) {
	path, ok := strings.CutPrefix(text, "@")
	if !ok {
		return text, nil
	}
	b, err := os.ReadFile(path)
	return string(b), err
}

// loadProgress tells how a load goes: one line that is written over on a terminal, else a line from time to time.
type loadProgress struct {
	w        io.Writer
	terminal bool
	quiet    bool
	shown    time.Time
	before   load.Report
}

func newLoadProgress(w io.Writer, quiet bool) *loadProgress {
	return &loadProgress{w: w, terminal: isTerminal(w), quiet: quiet}
}

func (p *loadProgress) show(r load.Report) {
	const seldom = 10 * time.Second
	if p.quiet || !p.terminal && time.Since(p.shown) < seldom {
		return
	}
	line := fmt.Sprintf("已连接 connected %d/%d", r.Connected, r.Devices)
	if since := (r.Sending - p.before.Sending).Seconds(); r.Sending > 0 && since > 0 {
		line = fmt.Sprintf("%s  %s  %.0f msg/s  确认 acked %.0f/s  迟发 late p99 %s  时延 PUBACK p99 %s  错误 errors %d",
			r.Sending.Round(time.Second), line, float64(r.Sent-p.before.Sent)/since, float64(r.Acked-p.before.Acked)/since,
			milliseconds(r.Late.Quantile(.99)), milliseconds(r.Response.Quantile(.99)), loadFaults(&r))
	}
	p.before, p.shown = r, time.Now()
	if p.terminal {
		line = "\r\x1b[K" + line
	} else {
		line += "\n"
	}
	_, _ = io.WriteString(p.w, line) //nolint:errcheck // decoration
}

// end leaves the line.
func (p *loadProgress) end() {
	if p.terminal && !p.quiet && !p.shown.IsZero() {
		_, _ = io.WriteString(p.w, "\r\x1b[K") //nolint:errcheck // decoration
	}
}

func loadFaults(r *load.Report) (n int64) {
	for _, of := range r.Faults {
		n += of
	}
	return n
}
