package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jishi-telemetry/jishi/firmware-sim/load"
)

// loadFleet plays a load in this process, or in several when one may not open enough files.
type loadFleet struct {
	o         *load.Options
	processes int // 0: as many as are needed; afterwards how many there were
	progress  func(load.Report)
	stderr    io.Writer
}

func (f *loadFleet) run(ctx context.Context) (load.Report, error) {
	if f.processes == 0 {
		f.processes = 1
		limit, short := errors.AsType[*load.FileLimitError](load.RaiseFileLimit(load.FilesFor(f.o.Devices)))
		if short {
			if limit.Room() == 0 {
				return load.Report{}, limit
			}
			f.processes = (f.o.Devices + limit.Room() - 1) / limit.Room()
		}
	}
	if f.processes == 1 {
		return load.Run(ctx, *f.o, load.Hooks{Progress: f.progress})
	}
	return f.runWorkers(ctx)
}

// loadWord is what a worker says to who started it, one JSON object a line: that its devices are connected, how it goes,
// or how it ended.
type loadWord struct {
	Connected bool        `json:"connected,omitempty"`
	Done      bool        `json:"done,omitempty"`
	Error     string      `json:"error,omitempty"`
	Report    load.Report `json:"report"`
}

// loadStartIn is how long before the first message the workers are told its instant.
const loadStartIn = 300 * time.Millisecond

// loadWorker plays a part. It waits for the word to start on stdin, and ends when stdin does: nobody is left to report to.
func loadWorker(ctx context.Context, o *load.Options, stdin io.Reader, stdout io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	starts := make(chan time.Time, 1)
	go readStart(stdin, starts, func() { cancel(errors.New("the process that started this one has gone")) }) // it ends with stdin, which is the process's own
	out := json.NewEncoder(stdout)
	words := make(chan struct{}, 1) // one writer at a time
	say := func(w *loadWord) {
		words <- struct{}{}
		_ = out.Encode(w) //nolint:errcheck // when nobody listens stdin has ended too
		<-words
	}
	report, err := load.Run(ctx, *o, load.Hooks{
		Connected: func(r load.Report) (time.Time, error) {
			say(&loadWord{Connected: true, Report: r})
			select {
			case at := <-starts:
				return at, nil
			case <-ctx.Done():
				return time.Time{}, context.Cause(ctx)
			}
		},
		Progress: func(r load.Report) { say(&loadWord{Report: r}) },
	})
	last := loadWord{Done: true, Report: report}
	if err != nil {
		last.Error = err.Error()
	}
	say(&last)
	return nil
}

// readStart reads the instant at which the schedule begins, Unix microseconds, and calls gone at the end of stdin.
func readStart(stdin io.Reader, starts chan<- time.Time, gone func()) {
	defer gone()
	in := bufio.NewScanner(stdin)
	for in.Scan() {
		if us, err := strconv.ParseInt(in.Text(), 10, 64); err == nil {
			select {
			case starts <- time.UnixMicro(us):
			default:
			}
		}
	}
}

// worker is one process that plays a part.
type worker struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	last  loadWord
}

// heard is a word of a worker; the last of each has over set.
type heard struct {
	worker *worker
	word   loadWord
	over   bool
	err    error
}

func (f *loadFleet) runWorkers(ctx context.Context) (load.Report, error) {
	working, stop := context.WithCancel(ctx)
	defer stop()
	var workers []*worker
	for i := range f.processes {
		w, err := f.newWorker(working, i)
		if err != nil {
			return load.Report{}, err
		}
		workers = append(workers, w)
	}
	words := make(chan heard) // without room: the workers' own pipes hold what is not yet read
	var listening sync.WaitGroup
	for _, w := range workers {
		listening.Go(func() { words <- heard{worker: w, over: true, err: w.run(words)} })
	}
	err := f.conduct(workers, words, stop)
	listening.Wait()
	sum := f.sum(workers)
	if ctx.Err() != nil {
		return sum, ctx.Err()
	}
	return sum, err
}

func (f *loadFleet) sum(workers []*worker) load.Report {
	var sum load.Report
	for _, w := range workers {
		sum.Add(w.last.Report)
	}
	if sum.Devices > 0 {
		sum.Devices = int64(f.o.Devices) // also those of processes that have not said anything yet
	}
	return sum
}

// conduct starts the schedule when all are connected, and listens until all have ended. The first that fails stops all.
func (f *loadFleet) conduct(workers []*worker, words <-chan heard, stop func()) error {
	connected, running := 0, len(workers)
	shown := time.Now()
	var err error
	for running > 0 {
		h := <-words
		if h.over {
			running--
			if h.err != nil && err == nil {
				err = h.err
				stop()
			}
			continue
		}
		h.worker.last = h.word
		if h.word.Connected {
			if connected++; connected == len(workers) {
				startWorkers(workers)
			}
		}
		if time.Since(shown) >= time.Second {
			shown = time.Now()
			f.progress(f.sum(workers))
		}
	}
	return err
}

func startWorkers(workers []*worker) {
	at := time.Now().Add(loadStartIn).UnixMicro()
	for _, w := range workers {
		_, _ = fmt.Fprintf(w.stdin, "%d\n", at) //nolint:errcheck // a worker that cannot be told has ended, and says so by that
	}
}

// newWorker is this program once more, with the same flags and a part of the devices.
func (f *loadFleet) newWorker(ctx context.Context, i int) (*worker, error) {
	first, end := i*f.o.Devices/f.processes, (i+1)*f.o.Devices/f.processes
	cmd, err := selfCommand(ctx, f.stderr, append(os.Args[1:],
		"--worker", "--broker", f.o.Broker, "--first", strconv.Itoa(first), "--share", strconv.Itoa(end-first),
		"--connections-per-second", strconv.Itoa(max(1, f.o.ConnectionsPerSecond/f.processes)))...)
	if err != nil {
		return nil, err
	}
	w := &worker{cmd: cmd}
	if w.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start a load process: %w", err)
	}
	cmd.Cancel = w.stdin.Close // it ends in order, and reports
	return w, nil
}

// run starts the process, hands on what it says, and waits for its end.
func (w *worker) run(words chan<- heard) error {
	stdout, err := w.cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start a load process: %w", err)
	}
	if err := w.cmd.Start(); err != nil {
		return fmt.Errorf("start a load process: %w", err)
	}
	var last loadWord
	in := json.NewDecoder(stdout)
	for !last.Done {
		var word loadWord
		if err = in.Decode(&word); err != nil {
			break
		}
		last = word
		words <- heard{worker: w, word: word}
	}
	_ = w.stdin.Close()
	ended := w.cmd.Wait()
	switch {
	case last.Error != "":
		return errors.New(strings.TrimSpace(last.Error))
	case last.Done:
		return nil
	}
	return fmt.Errorf("a load process ended early: %w", errors.Join(err, ended))
}

// selfCommand is this program as a process of its own, which is killed some time after ctx is done.
func selfCommand(ctx context.Context, stderr io.Writer, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Args[0] = os.Args[0]
	cmd.Stderr = stderr
	cmd.WaitDelay = 10 * time.Second
	return cmd, nil
}
