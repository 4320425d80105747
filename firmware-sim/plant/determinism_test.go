package plant_test

import (
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

var update = flag.Bool("update", false, "write the golden files")

// digest is the first half of the SHA-256 of everything that a day says.
func digest(d *plant.Day) string {
	h := sha256.New()
	write(h, d)
	return fmt.Sprintf("%.16x", h.Sum(nil))
}

func write(out io.Writer, d *plant.Day) {
	say := func(what ...any) { _, _ = fmt.Fprintln(out, what...) } // a hash takes everything
	line := func(numbers ...int64) {
		var b []byte
		for _, n := range numbers {
			b = binary.LittleEndian.AppendUint64(b, uint64(n))
		}
		_, _ = out.Write(b)
	}
	say(d.Span, d.Base.Code, d.Workday, d.Dark)
	for _, m := range d.Machines {
		say(m.Machine.ID, m.Attended)
		for _, p := range m.Phases {
			line(p.StartMs, p.EndMs, int64(p.State))
		}
		for _, s := range m.Power {
			line(s.AtMs, int64(math.Float64bits(s.PowerW)))
		}
		for _, w := range m.Words {
			line(w.AtMs, int64(math.Float64bits(w.SpeedRPM)), int64(w.Parts))
			_, _ = io.WriteString(out, w.Execution+w.Mode+w.Program+w.Alarm)
		}
	}
	for _, s := range d.Sessions {
		say(s.Class.ID, s.Slot.From, s.Planned, s.Breaks, s.Held, s.ClaimedMs, s.BeginsMs, s.Whole)
	}
	for _, p := range d.People {
		say(p.Person.ID, p.Present)
	}
	for _, t := range d.Taps {
		say(t.AtMs, t.Reader.ID, t.Card, t.Holder, t.Owner, t.Direction)
	}
	for _, f := range d.Frauds {
		say(f.Span, f.Fraud.Kind, f.Persons)
	}
}

// small are the scenarios whose days are kept as digests.
func small() map[string]*scenario.Scenario {
	honest := everyKind(1)
	honest.Days = 3
	return map[string]*scenario.Scenario{"every-kind": honest, "cheats": cheats(2)}
}

func TestDaysAreAsTheyWere(t *testing.T) {
	t.Parallel()
	const golden = "testdata/days.golden"
	var out strings.Builder
	for _, name := range []string{"every-kind", "cheats"} {
		s := small()[name]
		p := newPlant(t, s)
		for base := range s.Bases {
			for day := range s.Days {
				fmt.Fprintf(&out, "%s %s %d %s\n", name, s.Bases[base].Code, day, digest(p.Day(base, day)))
			}
		}
	}
	if *update {
		if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("days changed; if that is meant, run with -update and say so in the commit (-was +is):\n%s", diff)
	}
}

func TestDaysDoNotDependOnOrderOrCompany(t *testing.T) {
	t.Parallel()
	s := cheats(7)
	forward := newPlant(t, s)
	var want []string
	for base := range s.Bases {
		for day := range s.Days {
			want = append(want, digest(forward.Day(base, day)))
		}
	}
	// Another plant of the same scenario, asked backwards and by all at once.
	back := newPlant(t, cheats(7))
	got := make([]string, len(want))
	var wg sync.WaitGroup
	for i := len(got) - 1; i >= 0; i-- {
		wg.Go(func() { got[i] = digest(back.Day(i/s.Days, i%s.Days)) })
	}
	wg.Wait()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnotherMachineChangesNothingAboutTheOthers(t *testing.T) {
	t.Parallel()
	s := everyKind(3)
	want := newPlant(t, s).Day(0, 1)
	more := everyKind(3)
	w := &more.Bases[0].Workshops[0]
	w.Machines = append([]scenario.Machine{{ID: "new", Kind: scenario.Lathe}}, w.Machines...)
	got := newPlant(t, more).Day(0, 1)
	for i := range want.Machines {
		if diff := cmp.Diff(want.Machines[i].Phases, got.Machines[i+1].Phases); diff != "" {
			t.Errorf("%s: %s", want.Machines[i].Machine.ID, diff)
		}
	}
}
