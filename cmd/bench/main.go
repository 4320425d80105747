// Command bench measures the service on the machine it runs on and prints every figure beside its peer or its limit,
// measured in the same run, and beside its target. docs/figures.md has a table and says what each row means. It is for
// whoever changes the hot path, and for operators who size a machine. It refuses to judge a build: the machine decides
// the figures, so no test depends on them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
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
		_, _ = fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// part is one group of rows that are measured together.
type part struct {
	name    string
	measure func(context.Context, *bench) error
}

func parts() []part {
	return []part{
		{"log", measureLog},
		{"bridge", measureBridge},
		{"broker", measureBroker},
		{"backlog", measureBacklog},
		{"steady", measureSteady},
		{"city", measureCity},
		{"uplink", measureUplink},
		{"usage", measureUsage},
		{"settle", measureSettle},
		{"year", measureYear},
	}
}

// options are what the command line says.
type options struct {
	runs, messages, backlog, machines int
	only                              string
	jishi, tools                      string // the binary under test; the folder with influxd and telegraf
	dir, data                         string
	profiles                          string
	markdown                          bool
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.runs, "runs", 3, "how often each figure is measured; the median is printed, 1 to 99")
	f.IntVar(&o.messages, "messages", 200_000, "device messages of one run through the whole path, 1000 to 10000000")
	f.IntVar(&o.backlog, "backlog", 2_000_000, "records that wait on disk when the city comes back, 10000 to 100000000; ten million take 3 GB")
	f.IntVar(&o.machines, "machines", 300, "machines of the base that is settled, 1 to 1000")
	f.StringVar(&o.only, "only", "", "measure only these, by comma: "+strings.Join(names, ","))
	f.StringVar(&o.jishi, "jishi", "bin/jishi", "the binary to measure")
	f.StringVar(&o.tools, "tools", ".cache/bin", "folder with influxd and telegraf")
	f.StringVar(&o.dir, "dir", "", "folder for what is written, on the disk to be measured; default the system's temporary one")
	f.StringVar(&o.data, "data", os.Getenv("JISHI_DATA"), "folder with recordings; default $JISHI_DATA, else ../shared/data")
	f.StringVar(&o.profiles, "profiles", "", "write CPU profiles of bridge and collector into this folder")
	f.BoolVar(&o.markdown, "markdown", false, "print the table as Markdown")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.data == "" {
		o.data = "../shared/data"
	}
	return o, o.validate(f.Args(), names)
}

func (o *options) validate(rest, names []string) error {
	var errs []error
	within := func(flag string, value, low, high int) {
		if value < low || value > high {
			errs = append(errs, fmt.Errorf("-%s %d: want %d to %d", flag, value, low, high))
		}
	}
	within("runs", o.runs, 1, 99)
	within("messages", o.messages, 1000, 10_000_000)
	within("backlog", o.backlog, 10_000, 100_000_000)
	within("machines", o.machines, 1, 1000)
	for name := range strings.SplitSeq(o.only, ",") {
		if name != "" && !strings.Contains(","+strings.Join(names, ",")+",", ","+name+",") {
			errs = append(errs, fmt.Errorf("-only %q: want some of %s", name, strings.Join(names, ",")))
		}
	}
	if len(rest) > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q", rest[0]))
	}
	return errors.Join(errs...)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	b, err := newBench(o, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	for _, p := range parts() {
		if o.only != "" && !strings.Contains(","+o.only+",", ","+p.name+",") {
			continue
		}
		b.say("measuring %s", p.name)
		if err := p.measure(ctx, b); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("measure %s: %w", p.name, err)
		}
	}
	return b.print(stdout)
}
