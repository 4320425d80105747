package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

// honestScenarios are those in which nobody cheats and classes are held: what looks odd in them is a false alarm.
func honestScenarios() []string { return []string{"people-clean", "people-doors", "people-overnight"} }

func newSimClues() *cobra.Command {
	var seeds int
	var honest bool
	var show bool
	cmd := &cobra.Command{
		Use: "clues [SCENARIO...]", Short: "Count frauds that are found, missed, and false alarms 舞弊线索的查出、漏报与误报", Args: cobra.ArbitraryArgs,
		Long: "Plays scenarios through the service's own path under several seeds, raises clues with the documented default figures, and\n" +
			"holds them to the frauds that the simulator planted. A fraud on a day is found when a clue of one of its rules names its\n" +
			"class, person, machine or device; a clue about nobody who cheated that day is a false alarm. Default scenario: frauds.\n" +
			"植入的舞弊与线索逐条比对：查出、漏报、误报。",
		Example: "  jishi sim clues --seeds 5\n  jishi sim clues people-doors --show",
	}
	cmd.Flags().IntVar(&seeds, "seeds", 3, "how many seeds each scenario is played under")
	cmd.Flags().BoolVar(&honest, "honest", false, "play the honest scenarios too, for false alarms")
	cmd.Flags().BoolVar(&show, "show", false, "print every fraud that was missed and every false alarm")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if seeds < 1 || seeds > 1000 {
			return usageError{fmt.Errorf("--seeds %d: want 1 to 1000", seeds)}
		}
		if len(args) == 0 {
			args = []string{"frauds"}
		}
		if honest {
			args = append(args, honestScenarios()...)
		}
		tally := &clueTally{}
		for _, path := range args {
			for seed := range seeds {
				number := uint64(seed + 1)
				_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s, seed %d …\n", path, number) //nolint:errcheck // whoever cannot read the progress gets the table all the same
				if err := tally.play(cmd.Context(), path, &number); err != nil {
					return fmt.Errorf("%s, seed %d: %w", path, number, err)
				}
			}
		}
		return tally.print(cmd.OutOrStdout(), show)
	}
	return cmd
}

// fraudRules says which rules are to find a fraud, the first of them its own.
func fraudRules() map[scenario.FraudKind][]clue.ID {
	return map[scenario.FraudKind][]clue.ID{
		scenario.ManyCards: {clue.F2}, scenario.TapAndLeave: {clue.F3, clue.F1}, scenario.IdleRunning: {clue.F4}, scenario.CopiedCurve: {clue.F4, clue.F5},
		scenario.EmulatedDevice: {clue.F5, clue.F4}, scenario.TwoBases: {clue.F6}, scenario.GhostClass: {clue.F1, clue.F2, clue.F7},
		scenario.ShortClass: {clue.F7, clue.F3}, scenario.OverClaimed: {clue.F7},
	}
}

// planted is one fraud on one day.
type planted struct {
	base, kind, subject string
	persons             []string
	others              []string // what speaks for the machine that is the subject, or the machine that the subject speaks for
	day                 calendar.Date
	found               bool
}

// clueTally counts over several plays.
type clueTally struct {
	planted     []*planted
	falseAlarms []clue.Clue
	clues       map[clue.ID]int
	honestDays  int // classes on days on which nobody cheated for them
}

// played is what one play of a scenario gives.
type played struct {
	clues     []clue.Clue
	planted   []*planted
	classDays map[[3]string]bool // base, class, day
	sightings map[calendar.Date][]clue.Sighting
}

func (t *clueTally) play(ctx context.Context, path string, seed *uint64) error {
	s, err := readScenario(path, scenario.Overrides{Seed: seed})
	if err != nil {
		return err
	}
	simulation, err := sim.NewSimulation(s)
	if err != nil {
		return err
	}
	p := &played{classDays: map[[3]string]bool{}, sightings: map[calendar.Date][]clue.Sighting{}}
	var cardKey []byte
	for base := range s.Bases {
		err := onStage(ctx, simulation, base, cardKey, func(ctx context.Context, g *stage, ledger *sim.Ledger) (err error) {
			if err := g.clues(ctx, p, ledger); err != nil {
				return err
			}
			cardKey, err = os.ReadFile(filepath.Join(g.p.c.dir, cardKeyName))
			return err
		})
		if err != nil {
			return err
		}
	}
	for day, list := range p.sightings {
		p.clues = append(p.clues, clue.FindCity(day, list, nil, &clue.DefaultParams().F6)...)
	}
	t.count(p)
	return nil
}

// clues raises the clues of every day of the base, and writes down what was planted.
func (g *stage) clues(ctx context.Context, p *played, ledger *sim.Ledger) error {
	roster, err := g.roster()
	if err != nil {
		return err
	}
	window := g.s.Span()
	var past []*clue.Day
	for d := calendar.DateOf(window.Start()); d.Span().StartMs < window.EndMs; d = d.Add(1) {
		day, err := g.settler.ClueDay(ctx, roster, d, settle.DefaultTerms())
		if err != nil {
			return err
		}
		p.clues = append(p.clues, settle.Clues(roster, day, past, clue.DefaultParams())...)
		p.sightings[d] = append(p.sightings[d], clue.Sightings(&clue.Input{Base: roster.Base(), Roster: roster, Today: day})...)
		past = append(past[max(0, len(past)-settle.ClueHistoryDays+1):], day)
		for _, l := range day.Lessons {
			p.classDays[[3]string{roster.Base(), l.Class, d.String()}] = true
		}
	}
	p.plant(g.registry, roster.Base(), ledger)
	return nil
}

// plant takes the frauds of the ledger, one a day.
func (p *played) plant(reg *registry.Registry, base string, ledger *sim.Ledger) {
	known := map[string]*planted{}
	for _, f := range ledger.Facts() {
		if f.Kind != sim.FactFraud || f.Base != base {
			continue
		}
		x := &planted{base: f.Base, kind: f.State, subject: f.Subject, day: calendar.DateOf(f.Span.Start())}
		for _, e := range reg.EquipmentOf(f.Base) {
			for _, source := range reg.Sources(f.Base, e.ID, registry.UseState, f.Span) {
				switch f.Subject {
				case e.ID:
					x.others = append(x.others, source.Device)
				case source.Device:
					x.others = append(x.others, e.ID)
				}
			}
		}
		key := x.kind + " " + x.subject + " " + x.day.String()
		if known[key] == nil {
			known[key] = x
			p.planted = append(p.planted, x)
		}
		for person := range strings.SplitSeq(f.Detail, ",") {
			if person != "" && !slices.Contains(known[key].persons, person) {
				known[key].persons = append(known[key].persons, person)
			}
		}
	}
}

// concerns reports whether a clue is about whom or what a fraud is about, on its day.
func (x *planted) concerns(c *clue.Clue) bool {
	s := &c.Subjects
	if c.Day != x.day || c.Base != x.base && !slices.Contains(s.Bases, x.base) {
		return false
	}
	for _, list := range [][]string{s.Classes, s.Machines, s.Devices, s.Persons} {
		if slices.ContainsFunc(list, func(id string) bool { return id == x.subject || slices.Contains(x.others, id) }) {
			return true
		}
	}
	return slices.ContainsFunc(s.Persons, func(p string) bool {
		_, own, city := strings.Cut(p, "/") // clues about several bases name the base with the person
		return slices.Contains(x.persons, p) || city && slices.Contains(x.persons, own)
	})
}

// count holds the clues of one play to what was planted.
func (t *clueTally) count(p *played) {
	if t.clues == nil {
		t.clues = map[clue.ID]int{}
	}
	for i := range p.clues {
		c := &p.clues[i]
		t.clues[c.Rule]++
		guilty := false
		for _, x := range p.planted {
			if x.concerns(c) {
				guilty = true
				x.found = x.found || slices.Contains(fraudRules()[scenario.FraudKind(x.kind)], c.Rule)
			}
		}
		if !guilty {
			t.falseAlarms = append(t.falseAlarms, *c)
		}
	}
	for key := range p.classDays {
		cheated := slices.ContainsFunc(p.planted, func(x *planted) bool {
			return x.base == key[0] && x.subject == key[1] && x.day.String() == key[2]
		})
		if !cheated {
			t.honestDays++
		}
	}
	t.planted = append(t.planted, p.planted...)
}

// print shows found and missed by kind of fraud, and false alarms by rule.
func (t *clueTally) print(w io.Writer, show bool) error {
	frauds := table.NewWriter()
	frauds.SetStyle(table.StyleLight)
	frauds.AppendHeader(table.Row{"舞弊 fraud", "规则 rules", "植入 planted", "查出 found", "漏报 missed", "召回率 recall"})
	total, found := 0, 0
	for _, kind := range scenario.FraudKinds() {
		n, hit := 0, 0
		for _, x := range t.planted {
			if x.kind == string(kind) {
				n++
				if x.found {
					hit++
				}
			}
		}
		if n > 0 {
			frauds.AppendRow(table.Row{kind, fmt.Sprint(fraudRules()[kind]), n, hit, n - hit, fmt.Sprintf("%.2f", float64(hit)/float64(n))})
		}
		total, found = total+n, found+hit
	}
	rules := table.NewWriter()
	rules.SetStyle(table.StyleLight)
	rules.AppendHeader(table.Row{"规则 rule", "线索 clues", "误报 false alarms", "每500班·日 per 500 honest class-days"})
	for _, r := range clue.Rules(clue.DefaultParams()) {
		n := 0
		for i := range t.falseAlarms {
			if t.falseAlarms[i].Rule == r.ID {
				n++
			}
		}
		rules.AppendRow(table.Row{string(r.ID) + " " + r.Title.Zh, t.clues[r.ID], n, fmt.Sprintf("%.2f", 500*float64(n)/float64(max(t.honestDays, 1)))})
	}
	_, err := fmt.Fprintf(w, "%s\n召回率 recall %.3f (%d / %d)\n%s\n诚实班·日 honest class-days %d, 误报 false alarms %d\n",
		frauds.Render(), float64(found)/float64(max(total, 1)), found, total, rules.Render(), t.honestDays, len(t.falseAlarms))
	if show && err == nil {
		err = t.details(w)
	}
	return err
}

func (t *clueTally) details(w io.Writer) error {
	var errs []error
	for _, x := range t.planted {
		if !x.found {
			_, err := fmt.Fprintf(w, "漏报 missed: %s %s %s %s\n", x.base, x.day, x.kind, x.subject)
			errs = append(errs, err)
		}
	}
	for i := range t.falseAlarms {
		c := &t.falseAlarms[i]
		_, err := fmt.Fprintf(w, "误报 false alarm: %s %s %s %v %+v: %s\n", c.Base, c.Day, c.Rule, c.Tests, c.Subjects, c.Explain.En)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
