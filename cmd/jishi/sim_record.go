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

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/obs"
)

// recordFlags say what to record.
type recordFlags struct {
	broker, username, passwordFile, clientID string
	log, from, to                            string
	filters                                  []string
	duration                                 time.Duration
	quiet                                    bool
}

func newRecord() *cobra.Command {
	var f recordFlags
	cmd := &cobra.Command{
		Use: "record FILE", Short: "Record what devices say 录制终端消息", Args: cobra.ExactArgs(1),
		Long: "从任意 MQTT 服务器订阅，或从基地日志取出，写成可回放的文件；按 Ctrl-C 或到 --for 结束。\n" +
			"Writes the messages of any MQTT broker, or those in the log of a base (--log), to a new file of JSON lines, which\n" +
			"`jishi sim replay` plays. A FILE that ends in .gz or .zst is compressed. Ends with Ctrl-C, or after --for.\n\n" +
			"A message from the broker's memory is marked as retained. Numbers of cards are on a broker as readers say them: keep\n" +
			"the file as you keep the broker. In a log they have been taken out.",
		Example: "  jishi sim record --broker tcp://10.0.0.5:1883 --filter 'tele/#' --filter 'jishi/#' monday.jsonl.gz\n" +
			"  jishi sim record --for 8h monday.jsonl.zst\n" +
			"  jishi sim record --log jishi-data/log --from 2026-03-02T00:00:00+08:00 monday.jsonl.gz",
	}
	flags := cmd.Flags()
	flags.StringVar(&f.broker, "broker", "tcp://127.0.0.1:1883", "URL of the broker; ssl:// for TLS")
	flags.StringVar(&f.username, "username", "", "user name at the broker")
	flags.StringVar(&f.passwordFile, "password-file", "", "file with the password")
	flags.StringVar(&f.clientID, "client-id", "jishi-record", "MQTT client id")
	flags.StringArrayVar(&f.filters, "filter", nil, "topic filter with + and #; may be repeated; default all (#)")
	flags.StringVar(&f.log, "log", "", "directory of a base's log, instead of a broker")
	flags.StringVar(&f.from, "from", "", "with --log: first instant, RFC 3339")
	flags.StringVar(&f.to, "to", "", "with --log: end instant, RFC 3339, exclusive")
	flags.DurationVar(&f.duration, "for", 0, "how long to record; 0 is until Ctrl-C")
	flags.BoolVar(&f.quiet, "quiet", false, "no progress line")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), cmd, args[0]) }
	return cmd
}

func (f *recordFlags) run(ctx context.Context, cmd *cobra.Command, path string) error {
	if err := f.check(cmd); err != nil {
		return usageError{err}
	}
	logOptions, err := f.logOptions()
	if err != nil {
		return usageError{err}
	}
	client, err := f.client()
	if err != nil {
		return usageError{err}
	}
	source := f.broker
	if f.log != "" {
		source = f.log
	}
	to, err := sim.CreateRecording(path, source, f.filters)
	if err != nil {
		return err
	}
	progress := recordProgress{w: cmd.ErrOrStderr(), show: isTerminal(cmd.ErrOrStderr()) && !f.quiet}
	var result sim.RecordedLog
	if f.log != "" {
		logOptions.Progress = progress.tell
		result, err = sim.RecordLog(ctx, to, f.log, logOptions)
	} else {
		result.RecordProgress, err = f.tap(ctx, to, sim.RecordOptions{Broker: client, Filters: f.filters, Progress: progress.tell})
	}
	progress.end()
	if err != nil && to.Messages() == 0 { // a recording of nothing helps nobody, and its name is wanted for the next attempt
		return errors.Join(err, to.Close(), os.Remove(path))
	}
	if closing := to.Close(); closing != nil {
		err = errors.Join(err, fmt.Errorf("end the recording: %w", closing))
	}
	return errors.Join(err, reportRecord(cmd.OutOrStdout(), path, &result))
}

// tap records for as long as was asked.
func (f *recordFlags) tap(ctx context.Context, to *sim.Recorder, o sim.RecordOptions) (sim.RecordProgress, error) {
	if f.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.duration)
		defer cancel()
	}
	return sim.Record(ctx, to, o)
}

// check finds flags that do not go together, and filters that are none.
func (f *recordFlags) check(cmd *cobra.Command) error {
	var errs []error
	wrong, why := []string{"from", "to"}, "goes only with --log"
	if f.log != "" {
		wrong, why = []string{"broker", "username", "password-file", "client-id", "for"}, "does not go with --log"
	}
	for _, name := range wrong {
		if cmd.Flags().Changed(name) {
			errs = append(errs, fmt.Errorf("--%s %s", name, why))
		}
	}
	if f.duration < 0 {
		errs = append(errs, fmt.Errorf("--for %s: want 0 or more", f.duration))
	}
	if len(f.filters) == 0 {
		f.filters = []string{"#"}
	}
	for _, filter := range f.filters {
		if err := sim.CheckFilter(filter); err != nil {
			errs = append(errs, fmt.Errorf("--filter: %w", err))
		}
	}
	return errors.Join(errs...)
}

func (f *recordFlags) logOptions() (o sim.RecordLogOptions, err error) {
	o.Filters = f.filters
	for _, at := range []struct {
		name, text string
		to         *time.Time
	}{{"--from", f.from, &o.From}, {"--to", f.to, &o.To}} {
		if at.text == "" {
			continue
		}
		if *at.to, err = time.Parse(time.RFC3339Nano, at.text); err != nil {
			return o, fmt.Errorf("%s %q: want an instant such as 2026-03-02T08:00:00+08:00", at.name, at.text)
		}
	}
	return o, nil
}

func (f *recordFlags) client() (mqtt.ClientOptions, error) {
	o := mqtt.ClientOptions{URL: f.broker, ClientID: f.clientID, Username: f.username, CleanSession: true}
	if f.passwordFile != "" {
		text, err := textOrFile("@" + f.passwordFile)
		if err != nil {
			return o, fmt.Errorf("--password-file: %w", err)
		}
		o.Password = obs.Secret(strings.TrimRight(text, "\r\n"))
	}
	return o, nil
}

// recordProgress is one line that is written over.
type recordProgress struct {
	w      io.Writer
	show   bool
	before sim.RecordProgress
}

func (p *recordProgress) tell(now sim.RecordProgress) {
	if since := (now.Elapsed - p.before.Elapsed).Seconds(); p.show && since > 0 {
		_, _ = fmt.Fprintf(p.w, "\r\x1b[K%s  %d 条消息 messages, %.0f msg/s, %.1f MB", now.Elapsed.Round(time.Second), //nolint:errcheck // decoration
			now.Messages, float64(now.Messages-p.before.Messages)/since, float64(now.Bytes)/1e6)
	}
	p.before = now
}

func (p *recordProgress) end() {
	if p.show {
		_, _ = io.WriteString(p.w, "\r\x1b[K") //nolint:errcheck // decoration
	}
}

func reportRecord(w io.Writer, path string, r *sim.RecordedLog) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d 条消息 messages, %d bytes of payload, %s\n", printable(path), r.Messages, r.Bytes, r.Elapsed.Round(time.Millisecond))
	if r.Records > 0 {
		fmt.Fprintf(&b, "日志 log: %d records, %d without their message, %d gaps\n", r.Records, r.WithoutRaw, r.Gaps)
	}
	if r.Reconnects > 0 {
		fmt.Fprintf(&b, "连接中断 connection lost: %d times; the recording says from when to when\n", r.Reconnects)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
