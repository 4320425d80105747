// Package lifecycle takes a process down in the reverse order of how it was set up: every step registers its stop by name
// right after it succeeds, goroutines included, and one call undoes them last in, first out, each within a bound. It is
// for the Run functions of the processes and for cmd. It refuses restarts and dependency graphs: the order of the set-up
// code is the order.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// DefaultStepTimeout is how long one step may take to stop when New is given none.
const DefaultStepTimeout = 10 * time.Second

// ErrStopTimeout is in the error of a step that did not stop in time. Whatever it held may still be held.
var ErrStopTimeout = errors.New("not stopped in time")

// Stack is what has been started and not yet stopped. The usual shape, in which a set-up that fails half-way unwinds
// through the same stack as a process that was told to end:
//
//	stack := lifecycle.New(logger, 0)
//	defer func() { err = errors.Join(err, stack.Stop()) }()
//	...
//	stack.Add("log", log.Close)
//	stack.Go(ctx, "bridge", bridge.Run)
//	return stack.Wait(ctx)
//
// All methods may be called concurrently.
type Stack struct {
	logger  *slog.Logger
	timeout time.Duration
	failed  chan error // the first failure of a goroutine; capacity 1

	mu      sync.Mutex // guards steps and stopped
	steps   []step
	stopped bool

	once sync.Once
	err  error // the result of Stop, written once
}

type step struct {
	name string
	stop func(context.Context) error
}

// New returns an empty stack. Each step gets stepTimeout to stop, DefaultStepTimeout when it is zero or less. The logger
// may be nil.
func New(logger *slog.Logger, stepTimeout time.Duration) *Stack {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	if stepTimeout <= 0 {
		stepTimeout = DefaultStepTimeout
	}
	return &Stack{logger: logger, timeout: stepTimeout, failed: make(chan error, 1)}
}

// Add registers how to stop what was just started. The context given to stop ends with the step's time. A step that is
// added after Stop has begun is stopped at once, before Add returns, and its error is only logged: nobody is left to
// return it to.
func (s *Stack) Add(name string, stop func(ctx context.Context) error) {
	s.mu.Lock()
	late := s.stopped
	if !late {
		s.steps = append(s.steps, step{name, stop})
	}
	s.mu.Unlock()
	if late {
		if err := s.stopStep(step{name, stop}); err != nil {
			s.logger.Error("late step did not stop", "step", name, "err", err)
		}
	}
}

// Go runs a function in a goroutine that the stack owns: its stop cancels run's context and waits for run to return.
//
// Run's context carries the values of ctx but does not end with it: a process that is told to end stops its goroutines
// one by one in reverse order, not all at once. An error of run ends Wait; after its context has been cancelled,
// context.Canceled is not an error. A run that returns nil has simply finished.
func (s *Stack) Go(ctx context.Context, name string, run func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	var result error
	go func() {
		defer close(done)
		result = run(ctx)
		if errors.Is(result, context.Canceled) && ctx.Err() != nil {
			result = nil
		}
		if result == nil {
			return
		}
		select {
		case s.failed <- fmt.Errorf("%s: %w", name, result):
			result = nil // Wait returns it; Stop need not return it a second time
		default:
		}
	}()
	s.Add(name, func(stopCtx context.Context) error {
		cancel()
		select {
		case <-done:
			return result
		case <-stopCtx.Done():
			return stopCtx.Err()
		}
	})
}

// Wait returns nil when ctx ends, or the error of the first goroutine that fails, whichever comes first. It stops
// nothing.
func (s *Stack) Wait(ctx context.Context) error {
	select {
	case err := <-s.failed:
		return err
	case <-ctx.Done():
	}
	select { // both may have happened, and a failure is the more telling
	case err := <-s.failed:
		return err
	default:
		return nil
	}
}

// Stop stops every step, the last one added first, and waits for each at most the step's time; a step that takes longer
// is left behind with ErrStopTimeout and the next one is stopped. It returns all errors joined, each with the name of its
// step, and a goroutine's failure that no Wait has returned. Later calls wait for the first and return the same.
func (s *Stack) Stop() error {
	s.once.Do(func() { s.err = s.unwind() })
	return s.err
}

func (s *Stack) unwind() error {
	var errs []error
	for {
		st, ok := s.pop()
		if !ok {
			break
		}
		if err := s.stopStep(st); err != nil {
			errs = append(errs, err)
		}
	}
	select {
	case err := <-s.failed:
		errs = append(errs, err)
	default:
	}
	return errors.Join(errs...)
}

// pop takes the newest step, and closes the stack to new ones when there is none.
func (s *Stack) pop() (step, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.steps) == 0 {
		s.stopped = true
		return step{}, false
	}
	last := s.steps[len(s.steps)-1]
	s.steps = s.steps[:len(s.steps)-1]
	return last, true
}

func (s *Stack) stopStep(st step) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	begin := time.Now()
	result := make(chan error, 1) // buffered: a step that is left behind can still end
	go func() { result <- st.stop(ctx) }()

	var err error
	select {
	case err = <-result:
	case <-ctx.Done():
		err = ErrStopTimeout
		select { // it may have returned at the same instant
		case err = <-result:
		default:
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = ErrStopTimeout
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w", st.name, err)
	}
	s.logger.Debug("stopped", "step", st.name, "duration", time.Since(begin))
	return nil
}
