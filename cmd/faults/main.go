// Command faults breaks the service on purpose, fault after fault, and prints what became of every message that a device
// was told is safe: whether it is in the evidence store, and if not, whether the city knows that it is missing.
// docs/faults.md has the matrix and says what each row does. It is for whoever changes the bridge, the log or the
// collector, and for whoever has to believe a figure. It refuses to excuse: a message that was acknowledged and is
// neither stored nor reported missing fails the run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		_, _ = fmt.Fprintf(os.Stderr, "faults: %v\n", err)
		os.Exit(1)
	}
}

// part is one kind of fault; it adds its rows to the matrix.
type part struct {
	name   string
	strike func(context.Context, *harness) error
}

func parts() []part {
	return []part{
		{"kill-bridge", killBridge},
		{"kill-collector", killCollector},
		{"kill-influxd", killInfluxd},
		{"kill-broker", killBroker},
		{"kill-any", killAny},
		{"wiped-broker", wipeBroker},
		{"two-collectors", twoCollectors},
		{"week", cutForAWeek},
		{"log-full", fillLog},
		{"drop-oldest", dropOldest},
		{"disk-full", fillDisk},
		{"epoch", replaceDisk},
		{"flood", flood},
		{"enospc", failWrites},
		{"fsync", failSyncs},
		{"truncate", truncate},
		{"flip", flipBits},
		{"acks", loseAcks},
		{"frames", shuffleFrames},
		{"clocks", jumpClocks},
	}
}

// options are what the command line says.
type options struct {
	runs, rate, days int
	seed             uint64
	only             string
	quick            bool
	jishi, tools     string // the binary under test; the folder with influxd
	dir              string
	json, markdown   bool
}

// The sizes of a quick run: enough that every row does what it says, little enough for a test.
const (
	quickRuns = 5
	quickRate = 300
)

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("faults", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.runs, "runs", 100, "moments at which each process is killed, and seeds of each random fault, 1 to 100000")
	f.IntVar(&o.rate, "rate", 1000, "device messages a second while processes are killed, 10 to 10000")
	f.IntVar(&o.days, "days", 7, "days that the simulated cut of the WAN lasts, 1 to 30")
	f.Uint64Var(&o.seed, "seed", 1, "of all moments and choices; the operating system's timing remains its own")
	f.StringVar(&o.only, "only", "", "only these faults, by comma: "+strings.Join(partNames(), ","))
	f.BoolVar(&o.quick, "quick", false, fmt.Sprintf("%d runs of each, a day in place of the week, some of the bytes: for tests", quickRuns))
	f.StringVar(&o.jishi, "jishi", "bin/jishi", "the binary to break")
	f.StringVar(&o.tools, "tools", ".cache/bin", "folder with influxd")
	f.StringVar(&o.dir, "dir", "", "folder for what is written; default the system's temporary one")
	f.BoolVar(&o.json, "json", false, "print the matrix as JSON")
	f.BoolVar(&o.markdown, "markdown", false, "print the matrix as Markdown")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.quick {
		o.runs, o.rate, o.days = min(o.runs, quickRuns), min(o.rate, quickRate), 1
	}
	return o, o.validate(f.Args())
}

func partNames() []string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

func (o *options) validate(rest []string) error {
	var errs []error
	within := func(flag string, value, low, high int) {
		if value < low || value > high {
			errs = append(errs, fmt.Errorf("-%s %d: want %d to %d", flag, value, low, high))
		}
	}
	within("runs", o.runs, 1, 100_000)
	within("rate", o.rate, 10, 10_000)
	within("days", o.days, 1, 30)
	names := partNames()
	for name := range strings.SplitSeq(o.only, ",") {
		if name != "" && !slices.Contains(names, name) {
			errs = append(errs, fmt.Errorf("-only %q: want some of %s", name, strings.Join(names, ",")))
		}
	}
	if o.json && o.markdown {
		errs = append(errs, errors.New("-json and -markdown: want one of them"))
	}
	if len(rest) > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q", rest[0]))
	}
	return errors.Join(errs...)
}

// wants reports whether a part was asked for.
func (o *options) wants(name string) bool {
	return o.only == "" || slices.Contains(strings.Split(o.only, ","), name)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	h, err := newHarness(o, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	for _, p := range parts() {
		if !o.wants(p.name) {
			continue
		}
		if err := p.strike(ctx, h); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return errors.Join(fmt.Errorf("%s: %w", p.name, err), h.print(stdout))
		}
	}
	return errors.Join(h.print(stdout), h.verdict())
}
