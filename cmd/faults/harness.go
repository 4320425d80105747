package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// harness is one run of the command.
type harness struct {
	options
	began  time.Time
	stderr io.Writer
	temp   string // everything that is written goes here, and goes away
	rows   []row
	notes  []string
}

func newHarness(o options, stderr io.Writer) (*harness, error) {
	temp, err := os.MkdirTemp(o.dir, "jishi-faults-")
	if err != nil {
		return nil, fmt.Errorf("make temporary folder: %w", err)
	}
	// Processes run elsewhere.
	if temp, err = filepath.Abs(temp); err != nil {
		return nil, fmt.Errorf("find temporary folder: %w", err)
	}
	return &harness{options: o, began: time.Now(), stderr: stderr, temp: temp}, nil
}

func (h *harness) close() error {
	if err := os.RemoveAll(h.temp); err != nil {
		return fmt.Errorf("remove temporary folder: %w", err)
	}
	return nil
}

// folder makes an empty folder. The caller removes it early when it is large; close removes it in any case.
func (h *harness) folder(name string) (string, error) {
	dir, err := os.MkdirTemp(h.temp, name+"-")
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	return dir, nil
}

// some is how often something is done that is done n times in a whole matrix of 100 runs.
func (h *harness) some(n int) int { return max(1, (n*h.runs+99)/100) }

// random makes the choices of one row, or of one run of it.
func (h *harness) random(row string, run int) *rand.Rand {
	name := fnv.New64a()
	_, _ = io.WriteString(name, row) //nolint:errcheck // a hash takes everything
	return rand.New(rand.NewPCG(h.seed, name.Sum64()+uint64(run)))
}

// say tells the person who waits what is going on.
func (h *harness) say(format string, args ...any) {
	line := fmt.Sprintf("%5.0fs  ", time.Since(h.began).Seconds()) + fmt.Sprintf(format, args...) + "\n"
	_, _ = io.WriteString(h.stderr, line) //nolint:errcheck // nothing depends on whether it is read
}

// note adds a sentence below the matrix.
func (h *harness) note(format string, args ...any) {
	h.notes = append(h.notes, fmt.Sprintf(format, args...))
}

// add puts a row into the matrix.
func (h *harness) add(r row) {
	h.rows = append(h.rows, r)
	h.say("%s: %d runs, acknowledged %d, stored %d, reported missing %d, lost %d, duplicated %d, longest recovery %s",
		r.Fault, r.Runs, r.Acknowledged, r.Stored, r.Reported, r.Lost, r.Duplicated, r.recovery())
	for _, f := range r.Failures {
		h.say("  WRONG: %s", f)
	}
}

// bar shows how far a row is, to a person at a terminal.
func (h *harness) bar(what string, steps int) *progressbar.ProgressBar {
	f, ok := h.stderr.(*os.File)
	return progressbar.NewOptions(steps,
		progressbar.OptionSetWriter(h.stderr), progressbar.OptionSetVisibility(ok && term.IsTerminal(int(f.Fd()))),
		progressbar.OptionSetDescription(what), progressbar.OptionShowCount(), progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(200*time.Millisecond), progressbar.OptionClearOnFinish(),
	)
}

// step moves a bar on.
func step(bar *progressbar.ProgressBar) {
	_ = bar.Add(1) //nolint:errcheck // nothing depends on whether it is seen
}

// workers is how many runs in this process go on side by side: they wait more than they work.
const workers = 8

// each does something for every run of a row, several at once, and adds up what came of it.
func (h *harness) each(ctx context.Context, what string, runs int, do func(ctx context.Context, run int) (outcome, error)) (row, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	bar := h.bar(what, runs)
	defer func() { _ = bar.Close() }()
	var (
		mu    sync.Mutex // guards total and errs
		total = row{Fault: what, Runs: runs}
		errs  []error
		next  atomic.Int64
		wg    sync.WaitGroup
	)
	for range min(workers, runs) {
		wg.Go(func() {
			for run := int(next.Add(1)) - 1; run < runs && ctx.Err() == nil; run = int(next.Add(1)) - 1 {
				got, err := do(ctx, run)
				mu.Lock()
				total.take(got)
				if err != nil {
					errs = append(errs, fmt.Errorf("run %d: %w", run, err))
					cancel()
				}
				mu.Unlock()
				step(bar)
			}
		})
	}
	wg.Wait()
	return total, errors.Join(errs...)
}
