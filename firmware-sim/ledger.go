package sim

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// FactKind is what a fact of the ledger is about.
type FactKind string

// The kinds of fact.
const (
	// FactMachine: what a machine truly did; State is off, idle, running or fault.
	FactMachine FactKind = "machine"
	// FactUnseen: nobody could know from the messages what the machine did: its device was silent for longer than it may
	// be, gone, or not there.
	FactUnseen FactKind = "unseen"
	// FactMistaken: who believes the messages that came takes the machine for something else than it was: what happened
	// between two readings, a lost message, a stuck sensor, a clock that is off. State is what would be believed.
	FactMistaken FactKind = "mistaken"
	// FactClass: a class was truly held; Subject is the class, Detail the session.
	FactClass FactKind = "class"
	// FactPlanned: a trainee was to be in a session, its breaks left out; Detail is the session, State "theory" or "practice".
	FactPlanned FactKind = "planned"
	// FactPresent: a person was in a class's workshop; Detail is the session, State the station.
	FactPresent FactKind = "present"
	// FactUntapped: a person was there, and no tap of the own card that came shows it: from coming to the first that did, and from the
	// last to leaving. State is why, one of the Untapped constants; Detail is the session.
	FactUntapped FactKind = "untapped"
	// FactDeserved: practice or theory that a person deserves as verified, by what truly happened (plant.Deserved), a
	// practice's stations proving the whole class where no reader stands at a station; Detail is the session.
	FactDeserved FactKind = "deserved"
	// FactFraud: somebody cheated; State is the kind, Detail whose hours it would inflate.
	FactFraud FactKind = "fraud"
	// FactDark: the base was without power.
	FactDark FactKind = "dark"
	// FactDeaf: a reader did not hear; FactGhost: it reported a card that nobody holds.
	FactDeaf  FactKind = "deaf"
	FactGhost FactKind = "ghost_card"
)

// Fact is one line of the ledger: something that is true of a subject in a span.
type Fact struct {
	Kind    FactKind  `json:"kind"`
	Base    string    `json:"base"`
	Subject string    `json:"subject"`
	Span    span.Span `json:"-"`
	State   string    `json:"state,omitempty"`
	Detail  string    `json:"detail,omitempty"`
}

// Ledger holds what is true of a scenario. It is written by one Simulation.Messages at a time and read when that has ended.
type Ledger struct{ facts []Fact }

// add appends a fact; one that goes on from the last of its subject joins it.
func (l *Ledger) add(f Fact) {
	if f.Span.Empty() {
		return
	}
	for i := len(l.facts) - 1; i >= max(0, len(l.facts)-8); i-- {
		o := &l.facts[i]
		if o.Kind == f.Kind && o.Base == f.Base && o.Subject == f.Subject && o.State == f.State && o.Detail == f.Detail && o.Span.EndMs == f.Span.StartMs {
			o.Span.EndMs = f.Span.EndMs
			return
		}
	}
	l.facts = append(l.facts, f)
}

// Facts returns all facts in order of kind, base, subject and time, with neighbours joined.
func (l *Ledger) Facts() []Fact {
	sorted := slices.Clone(l.facts)
	slices.SortStableFunc(sorted, func(a, b Fact) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Base, b.Base), cmp.Compare(a.Subject, b.Subject),
			cmp.Compare(a.Span.StartMs, b.Span.StartMs), cmp.Compare(a.State, b.State), cmp.Compare(a.Detail, b.Detail))
	})
	var out []Fact
	for _, f := range sorted {
		if n := len(out); n > 0 {
			o := &out[n-1]
			if o.Kind == f.Kind && o.Base == f.Base && o.Subject == f.Subject && o.State == f.State && o.Detail == f.Detail && o.Span.EndMs == f.Span.StartMs {
				o.Span.EndMs = f.Span.EndMs
				continue
			}
		}
		out = append(out, f)
	}
	return out
}

// Spans returns when a fact of that kind holds for a subject; state "" is any.
func (l *Ledger) Spans(kind FactKind, base, subject, state string) span.Set {
	var all []span.Span
	for i := range l.facts {
		f := &l.facts[i]
		if f.Kind == kind && f.Base == base && f.Subject == subject && (state == "" || f.State == state) {
			all = append(all, f.Span)
		}
	}
	return span.NewSet(all...)
}

// FactLine is a fact as it is written.
type FactLine struct {
	Fact
	StartMs int64   `json:"start_ms"`
	EndMs   int64   `json:"end_ms"`
	Seconds float64 `json:"seconds"`
}

// Line is the fact as Write writes it.
func (f *Fact) Line() FactLine {
	return FactLine{*f, f.Span.StartMs, f.Span.EndMs, float64(f.Span.Ms()) / 1000}
}

// Write writes the facts as JSON, one a line, in the order of Facts.
func (l *Ledger) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	encode := json.NewEncoder(out)
	for _, f := range l.Facts() {
		if err := encode.Encode(f.Line()); err != nil {
			return fmt.Errorf("write ledger: %w", err)
		}
	}
	return out.Flush()
}
