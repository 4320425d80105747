package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// exampleFaults is the scenario whose faults are also played one by one.
const exampleFaults = "all-faults"

// comparison is one scenario to be played and compared, with what changes it.
type comparison struct {
	name      string // as it is shown
	path      string
	overrides scenario.Overrides
}

// suite is what `make truth` plays: every example that is not too long, and every fault alone.
func suite() []comparison {
	var all []comparison
	for _, name := range sim.Scenarios() {
		if name != "year" {
			all = append(all, comparison{name: name, path: name})
		}
	}
	for _, kind := range scenario.FaultKinds() {
		fault := string(kind)
		if kind == scenario.Swap { // which meters, and when, has no usual figure
			fault = "{kind: swap, from: 2026-03-03 10:10, devices: lathe-1-meter, with: lathe-2}"
		}
		all = append(all, comparison{name: "fault " + string(kind), path: exampleFaults, overrides: scenario.Overrides{Faults: []string{fault}}})
	}
	return all
}

func newSimCompare() *cobra.Command {
	var whole, keepGoing bool
	var format string
	var seed uint64
	cmd := &cobra.Command{
		Use: "compare [SCENARIO...]", Short: "Measure scenarios and compare with their truth 测量值与真值比对", Args: cobra.ArbitraryArgs,
		Long: "Plays each scenario through the service's own path (broker, bridge, log, frames, collector, evidence, derivation) in\n" +
			"this process, and compares what was measured with what the simulator knows. A row is right when\n" +
			"  - running seconds are within 0.1 % of the truth plus the time in which it could not be seen or was mistaken,\n" +
			"  - the coverage is that of the truth within 0.1 % of the time,\n" +
			"  - nothing is measured as running that the truth denies, but for 0.05 s at each edge.\n" +
			"Of each trainee, no minute may be verified that the truth denies, and none that is deserved may be lost: it is\n" +
			"verified, pending, or the trainee left no tap to show it. What was verified while somebody cheated is shown apart.\n" +
			"Exit code 1 when a row is not. 每行误差在容许范围内为通过，否则退出码为 1。",
		Example: "  jishi sim compare my-workshop.yaml\n  jishi sim compare --suite",
	}
	cmd.Flags().BoolVar(&whole, "suite", false, "all example scenarios, and each fault alone")
	cmd.Flags().BoolVar(&keepGoing, "keep-going", true, "go on after a row that is not right")
	cmd.Flags().StringVar(&format, "format", "table", "table, or json: one object a machine")
	cmd.Flags().Uint64Var(&seed, "seed", 0, "take the place of the scenarios' seeds")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var list []comparison
		if whole {
			list = suite()
		}
		for _, path := range args {
			list = append(list, comparison{name: path, path: path})
		}
		if len(list) == 0 {
			return usageError{errors.New("name a scenario, or --suite 请给出场景")}
		}
		for i := range list {
			if cmd.Flags().Changed("seed") {
				list[i].overrides.Seed = &seed
			}
		}
		return compareAll(cmd.Context(), cmd, list, format, keepGoing)
	}
	return cmd
}

// errNotTrue ends a comparison that found what is not so.
var errNotTrue = errors.New("measured is not true 测量值与真值不符")

func compareAll(ctx context.Context, cmd *cobra.Command, list []comparison, format string, keepGoing bool) error {
	report, err := newComparisonReport(cmd.OutOrStdout(), format)
	if err != nil {
		return err
	}
	wrong := 0
	for i, c := range list {
		began := time.Now()
		// Whoever cannot read the progress gets the report all the same.
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "[%d/%d] %s …", i+1, len(list), c.name) //nolint:errcheck // see above
		found, err := c.play(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), " %d 台设备 machines, %d 名学员 trainees, %s\n", //nolint:errcheck // see above
			len(found.machines), len(found.people), time.Since(began).Round(100*time.Millisecond))
		bad, err := report.take(found)
		if err != nil {
			return err
		}
		wrong += bad
		if wrong > 0 && !keepGoing {
			break
		}
	}
	if err := report.end(); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d rows: %w", wrong, errNotTrue)
	}
	return nil
}

// play lives a scenario, base by base, and compares.
func (c *comparison) play(ctx context.Context) (*compared, error) {
	s, err := readScenario(c.path, c.overrides)
	if err != nil {
		return nil, err
	}
	simulation, err := sim.NewSimulation(s)
	if err != nil {
		return nil, err
	}
	all := &compared{}
	for base := range s.Bases {
		found, err := c.playBase(ctx, simulation, base)
		if err != nil {
			return nil, err
		}
		all.machines, all.people = append(all.machines, found.machines...), append(all.people, found.people...)
	}
	return all, nil
}

// compared is what a comparison found.
type compared struct {
	machines []comparedMachine
	people   []comparedPerson
}

func (c *comparison) playBase(ctx context.Context, s *sim.Simulation, base int) (*compared, error) {
	found := &compared{}
	return found, onStage(ctx, s, base, nil, func(ctx context.Context, stage *stage, ledger *sim.Ledger) (err error) {
		if found.machines, err = stage.compare(ctx, c.name, ledger); err != nil {
			return err
		}
		found.people, err = stage.people(ctx, c.name, ledger)
		return err
	})
}

// onStage lets a base live through the service's own path in a directory of its own, and then does something with what came
// of it. cardKey is the file of the card key that the base shares with others; nil lets it make its own.
func onStage(ctx context.Context, s *sim.Simulation, base int, cardKey []byte, do func(context.Context, *stage, *sim.Ledger) error) (err error) {
	dir, err := os.MkdirTemp("", "jishi-compare-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	settings, err := quietSettings(dir)
	if err != nil {
		return err
	}
	if cardKey != nil {
		if err := os.WriteFile(filepath.Join(dir, cardKeyName), cardKey, 0o600); err != nil {
			return err
		}
	}
	ledger := &sim.Ledger{}
	return serveQuietly(ctx, settings, func(ctx context.Context, p *process) error {
		stage, err := p.stage(ctx, s, base)
		if err != nil {
			return err
		}
		if err := stage.play(ctx, ledger); err != nil {
			return err
		}
		return do(ctx, stage, ledger)
	})
}

// quietSettings are those of `jishi up` in a directory of its own, on free ports, at defaults but for that.
func quietSettings(dir string) (*settings, error) {
	c := withSettings(&cobra.Command{Use: "up"})
	environ := []string{"JISHI_DATA_DIR=" + dir, "JISHI_BROKER_ADDR=127.0.0.1:0", "JISHI_HTTP_ADDR=127.0.0.1:0", "JISHI_LOG_LEVEL=error"}
	if err := c.Load(environ, filepath.Join(dir, "none.yaml")); err != nil {
		return nil, err
	}
	c.dir = dir
	return c, nil
}

// comparedMachine is what was measured of one machine beside what is true.
type comparedMachine struct {
	Scenario string `json:"scenario"`
	Base     string `json:"base"`
	Machine  string `json:"machine"`
	// TrueS and MeasuredS are running seconds.
	TrueS     float64 `json:"true_s"`
	MeasuredS float64 `json:"measured_s"`
	// UnseenS and MistakenS are when the truth could not be known from the messages, and when they told something else.
	UnseenS   float64 `json:"unseen_s"`
	MistakenS float64 `json:"mistaken_s"`
	// KnownS and SeenS are the seconds that the service and the truth call known.
	KnownS float64 `json:"known_s"`
	SeenS  float64 `json:"seen_s"`
	// DeniedS was measured as running and is denied by the truth, seen and not mistaken.
	DeniedS float64 `json:"denied_s"`
	WindowS float64 `json:"window_s"`
	// Edges are how often the machine truly began or ended a run.
	Edges int  `json:"edges"`
	Right bool `json:"right"`
}

// The bounds of a comparison: parts of the truth and of the window.
const (
	runningBound  = 0.001
	coverageBound = 0.001
	deniedBoundS  = 0.1
	// edgeBoundS is the sampling interval of what is said at once, or less: a plug looks at its meter about once a second.
	edgeBoundS = 0.05
)

// judge decides whether the machine was measured right.
func (m *comparedMachine) judge() {
	errorS := abs(m.MeasuredS - m.TrueS)
	m.Right = errorS <= runningBound*m.TrueS+m.UnseenS+m.MistakenS &&
		abs(m.KnownS-m.SeenS) <= coverageBound*m.WindowS && m.DeniedS <= deniedBoundS+edgeBoundS*float64(m.Edges)
}

func abs(x float64) float64 { return max(x, -x) }

// quietLogger drops everything.
func quietLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }
