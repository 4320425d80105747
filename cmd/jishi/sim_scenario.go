package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// maxScenarioBytes is how large a scenario file may be.
const maxScenarioBytes = 8 << 20

// readScenario reads a scenario file, or the example of that name when there is no such file.
func readScenario(path string, o scenario.Overrides) (*scenario.Scenario, error) {
	text, err := readBounded(path, maxScenarioBytes)
	if errors.Is(err, os.ErrNotExist) {
		if example, ok := sim.ScenarioText(path); ok {
			text, err = example, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read scenario 读取场景: %w", err)
	}
	s, err := scenario.ReadWith(path, text, o)
	if err != nil {
		return nil, usageError{fmt.Errorf("scenario 场景文件有误:\n%w", err)}
	}
	return s, nil
}

// readBounded reads a file that may be so large and no larger.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return text, err
}

// scenarioFlags change what a scenario says.
type scenarioFlags struct {
	seed   uint64
	faults []string
	base   string
}

func (f *scenarioFlags) bind(cmd *cobra.Command) {
	cmd.Flags().Uint64Var(&f.seed, "seed", 0, "take the place of the scenario's seed")
	cmd.Flags().StringArrayVar(&f.faults, "fault", nil, `in place of the scenario's faults: drop, or "{kind: delay, rate: 0.1, for: 30s}"; may be repeated, "none" is none`)
	cmd.Flags().StringVar(&f.base, "base", "", "code of the base; default the first")
}

// open reads the scenario with what the flags change, and prepares it. base is the place of the base meant.
func (f *scenarioFlags) open(cmd *cobra.Command, path string) (s *sim.Simulation, base int, err error) {
	var o scenario.Overrides
	if cmd.Flags().Changed("seed") {
		o.Seed = &f.seed
	}
	if cmd.Flags().Changed("fault") {
		o.Faults = []string{}
		for _, fault := range f.faults {
			if fault != "none" {
				o.Faults = append(o.Faults, fault)
			}
		}
	}
	read, err := readScenario(path, o)
	if err != nil {
		return nil, 0, err
	}
	if s, err = sim.NewSimulation(read); err != nil {
		return nil, 0, usageError{fmt.Errorf("scenario 场景无法执行: %w", err)}
	}
	var codes []string
	for i := range read.Bases {
		if read.Bases[i].Code == f.base || f.base == "" {
			return s, i, nil
		}
		codes = append(codes, read.Bases[i].Code)
	}
	return nil, 0, usageError{fmt.Errorf("--base %q: the scenario has %s 场景中没有此基地", f.base, strings.Join(codes, ", "))}
}

func newSimRun() *cobra.Command {
	var f scenarioFlags
	var broker string
	var speed float64
	var noClock, quiet bool
	cmd := &cobra.Command{
		Use: "run SCENARIO", Short: "Play a scenario's base through a broker 运行仿真场景", Args: cobra.ExactArgs(1),
		Long: "Publishes what the devices of a base would say, in their own dialects, through a real MQTT broker. SCENARIO is a file\n" +
			"(docs/simulator.md) or the name of an example (jishi sim scenarios). The simulated time is published as a clock, which\n" +
			"a bridge obeys with --bridge.replay-clock.",
		Example: "  jishi bridge --bridge.replay-clock ... &\n  jishi sim run demo --speed 60\n  jishi sim run my-workshop.yaml --fault drop",
	}
	f.bind(cmd)
	cmd.Flags().StringVar(&broker, "broker", "tcp://127.0.0.1:1883", "URL of the base's broker")
	cmd.Flags().Float64Var(&speed, "speed", 0, "times faster than real; 0 is as fast as the broker acknowledges")
	cmd.Flags().BoolVar(&noClock, "no-clock", false, "do not publish the simulated clock")
	cmd.Flags().BoolVar(&quiet, "quiet", false, "say nothing while it runs")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, base, err := f.open(cmd, args[0])
		if err != nil {
			return err
		}
		return runScenario(cmd.Context(), cmd, s, base, sim.ReplayOptions{
			Dial:  sim.Broker(mqtt.ClientOptions{URL: broker, ClientID: "jishi-sim", CleanSession: true}),
			Speed: speed, Clock: !noClock, Progress: scenarioProgress(cmd.ErrOrStderr(), s, quiet),
		})
	}
	return cmd
}

func runScenario(ctx context.Context, cmd *cobra.Command, s *sim.Simulation, base int, o sim.ReplayOptions) error {
	result, err := s.Replay(ctx, base, nil, o)
	if _, e := fmt.Fprintf(cmd.OutOrStdout(), "已发布 published %d, 已确认 acknowledged %d, 用时 in %s\n", result.Messages, result.Acked, result.Elapsed.Round(time.Millisecond)); e != nil {
		return e
	}
	return err
}

// scenarioProgress tells how far a scenario has come, on one line.
func scenarioProgress(w io.Writer, s *sim.Simulation, quiet bool) func(sim.Progress) {
	if quiet {
		return nil
	}
	whole := s.Span()
	zone := s.Scenario().Zone
	return func(p sim.Progress) {
		if p.AtMs == 0 {
			return
		}
		// Whoever cannot read the progress gets the result all the same.
		line := fmt.Sprintf("\r%s  %3.0f %%  %d 条 messages  %.0f/s ", time.UnixMilli(p.AtMs).In(zone).Format("2006-01-02 15:04"),
			100*float64(p.AtMs-whole.StartMs)/float64(whole.Ms()), p.Messages, p.PerSecond)
		_, _ = io.WriteString(w, line) //nolint:errcheck // see above
	}
}

func newSimTruth() *cobra.Command {
	var f scenarioFlags
	var kind, format string
	cmd := &cobra.Command{
		Use: "truth SCENARIO", Short: "Print what is true of a scenario 打印仿真真值", Args: cobra.ExactArgs(1),
		Long: "Prints the simulator's own ledger of what happened: what each machine did, where a perfect listener could not know it\n" +
			"(unseen) or would be wrong (mistaken), who was where, which classes were held, who cheated. Nothing of it comes from\n" +
			"the code that derives the service's figures.",
		Example: "  jishi sim truth demo\n  jishi sim truth demo --format json --kind machine",
	}
	f.bind(cmd)
	cmd.Flags().StringVar(&kind, "kind", "", "only facts of this kind: machine, unseen, mistaken, class, planned, present, untapped, deserved, fraud, dark, deaf or ghost_card")
	cmd.Flags().StringVar(&format, "format", "table", "table: seconds by subject and state; or json: one fact a line")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, base, err := f.open(cmd, args[0])
		if err != nil {
			return err
		}
		ledger := &sim.Ledger{}
		for range s.Messages(base, ledger) {
			if err := cmd.Context().Err(); err != nil {
				return err
			}
		}
		switch format {
		case "json":
			return writeFacts(cmd.OutOrStdout(), ledger, sim.FactKind(kind))
		case "table":
			return tabulateFacts(cmd.OutOrStdout(), ledger, sim.FactKind(kind))
		}
		return usageError{fmt.Errorf("--format %q: want table or json", format)}
	}
	return cmd
}

func writeFacts(w io.Writer, ledger *sim.Ledger, kind sim.FactKind) error {
	if kind == "" {
		return ledger.Write(w)
	}
	encode := json.NewEncoder(w)
	for _, f := range ledger.Facts() {
		if f.Kind == kind {
			if err := encode.Encode(f.Line()); err != nil {
				return err
			}
		}
	}
	return nil
}

// tabulateFacts sums the facts by kind, subject and state.
func tabulateFacts(w io.Writer, ledger *sim.Ledger, kind sim.FactKind) error {
	type group struct{ kind, subject, state string }
	var order []group
	ms, count := make(map[group]int64), make(map[group]int)
	for _, f := range ledger.Facts() {
		if kind != "" && f.Kind != kind {
			continue
		}
		g := group{string(f.Kind), f.Subject, f.State}
		if _, ok := ms[g]; !ok {
			order = append(order, g)
		}
		ms[g] += f.Span.Ms()
		count[g]++
	}
	if len(order) == 0 {
		_, err := fmt.Fprintln(w, "没有此类真值 no facts of that kind")
		return err
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"类别 kind", "对象 subject", "状态 state", "次数 count", "秒 seconds"})
	for _, g := range order {
		t.AppendRow(table.Row{g.kind, printable(g.subject), printable(g.state), count[g], fmt.Sprintf("%.3f", float64(ms[g])/1000)})
	}
	_, err := fmt.Fprintln(w, t.Render())
	return err
}

func newSimScenarios() *cobra.Command {
	return &cobra.Command{
		Use: "scenarios [NAME]", Short: "List the example scenarios, or print one 示例场景", Args: cobra.MaximumNArgs(1),
		Example: "  jishi sim scenarios\n  jishi sim scenarios demo > my-workshop.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				text, ok := sim.ScenarioText(args[0])
				if !ok {
					return usageError{fmt.Errorf("no example is called %q: want one of %s", args[0], strings.Join(sim.Scenarios(), ", "))}
				}
				_, err := cmd.OutOrStdout().Write(text)
				return err
			}
			for _, name := range sim.Scenarios() {
				text, _ := sim.ScenarioText(name)
				first, _, _ := strings.Cut(string(text), "\n")
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%-20s %s\n", name, strings.TrimSpace(strings.TrimPrefix(first, "#"))); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func newSimCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check SCENARIO...", Short: "Check scenario files 检查场景文件", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var wrong []error
			for _, path := range args {
				s, err := readScenario(path, scenario.Overrides{})
				if err == nil {
					_, err = sim.NewSimulation(s)
				}
				if err != nil {
					wrong = append(wrong, err)
					continue
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s: %d 个基地 bases, %d 天 days\n", good, printable(path), len(s.Bases), s.Days); err != nil {
					return err
				}
			}
			return errors.Join(wrong...)
		},
	}
}
