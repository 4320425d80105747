package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// row is one line of the matrix. Messages are counted once each, however often a device sent them.
type row struct {
	Fault        string   `json:"fault"`
	Runs         int      `json:"runs"`
	Acknowledged int      `json:"acknowledged"`       // messages for which a device got its PUBACK
	Stored       int      `json:"stored"`             // of these, in the evidence store
	Reported     int      `json:"missing_reported"`   // of these, not stored, and the city knows that their numbers are missing
	Lost         int      `json:"lost"`               // of these, neither
	Duplicated   int      `json:"duplicated"`         // copies in the store beyond the first of each
	RecoveryS    *float64 `json:"longest_recovery_s"` // nil where there is nothing to wait for
	Failures     []string `json:"failures,omitempty"` // what else was wrong
}

// outcome is what one run adds to a row.
type outcome struct {
	acknowledged, stored, reported, lost, duplicated int
	recovery                                         time.Duration // 0 where there is none
	failures                                         []string
}

// maxFailures bounds what a row repeats of one mistake.
const maxFailures = 5

// take adds a run.
func (r *row) take(o outcome) {
	r.Acknowledged += o.acknowledged
	r.Stored += o.stored
	r.Reported += o.reported
	r.Lost += o.lost
	r.Duplicated += o.duplicated
	for _, f := range o.failures {
		if len(r.Failures) < maxFailures {
			r.Failures = append(r.Failures, f)
		}
	}
	if s := o.recovery.Seconds(); o.recovery > 0 && (r.RecoveryS == nil || s > *r.RecoveryS) {
		r.RecoveryS = &s
	}
}

func (r *row) recovery() string {
	if r.RecoveryS == nil {
		return "-"
	}
	if *r.RecoveryS < 0.1 {
		return "< 0.1 s"
	}
	return fmt.Sprintf("%.1f s", *r.RecoveryS)
}

// held reports whether the promise was kept.
func (r *row) held() bool {
	return r.Lost == 0 && r.Duplicated == 0 && len(r.Failures) == 0 && r.Acknowledged > 0
}

// errLost is returned when a promise was broken.
var errLost = errors.New("a promise was broken")

// verdict returns an error that names the rows in which a promise was broken.
func (h *harness) verdict() error {
	var broken []string
	for i := range h.rows {
		if !h.rows[i].held() {
			broken = append(broken, h.rows[i].Fault)
		}
	}
	if len(broken) > 0 {
		return fmt.Errorf("%w: %s", errLost, strings.Join(broken, "; "))
	}
	return nil
}

// print writes the matrix.
func (h *harness) print(w io.Writer) error {
	if h.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{"seed": h.seed, "rows": h.rows, "notes": h.notes})
	}
	t := table.NewWriter()
	t.AppendHeader(table.Row{
		"fault", "runs", "acknowledged to devices", "stored", "missing, reported", "lost", "duplicated", "longest recovery",
	})
	for i := range h.rows {
		r := &h.rows[i]
		t.AppendRow(table.Row{
			r.Fault, r.Runs, grouped(r.Acknowledged), grouped(r.Stored), grouped(r.Reported), grouped(r.Lost), grouped(r.Duplicated), r.recovery(),
		})
	}
	var s strings.Builder
	if h.markdown {
		s.WriteString(t.RenderMarkdown())
	} else {
		style := table.StyleLight
		style.Format.Header = text.FormatDefault
		t.SetStyle(style)
		s.WriteString(t.Render())
	}
	s.WriteString("\n\n")
	for i := range h.rows {
		for _, f := range h.rows[i].Failures {
			fmt.Fprintf(&s, "- WRONG: %s: %s\n", h.rows[i].Fault, f)
		}
	}
	for _, n := range h.notes {
		s.WriteString("- " + n + "\n")
	}
	fmt.Fprintf(&s, "- %d cores, %s %s, seed %d, %.0f s in all.\n", runtime.NumCPU(), runtime.GOOS, runtime.Version(), h.seed, time.Since(h.began).Seconds())
	_, err := io.WriteString(w, s.String())
	return err
}

// grouped prints a number with its thousands in groups.
func grouped(n int) string {
	digits := fmt.Sprint(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
