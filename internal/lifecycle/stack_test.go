package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/lifecycle"
)

var errDisk = errors.New("disk is gone")

// diary remembers the order of events.
type diary struct {
	mu     sync.Mutex // guards events
	events []string
}

func (d *diary) note(event string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, event)
}

func (d *diary) stop(name string, err error) func(context.Context) error {
	return func(context.Context) error {
		d.note(name)
		return err
	}
}

func (d *diary) expect(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if diff := cmp.Diff(want, d.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestStopIsLastInFirstOut(t *testing.T) {
	t.Parallel()
	var d diary
	s := lifecycle.New(nil, 0)
	s.Add("log", d.stop("log", nil))
	s.Go(t.Context(), "bridge", func(ctx context.Context) error {
		<-ctx.Done()
		d.note("bridge")
		return ctx.Err()
	})
	s.Add("broker", d.stop("broker", nil))
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	d.expect(t, "broker", "bridge", "log")
}

func TestStopGoesOnAfterErrorsAndJoinsThem(t *testing.T) {
	t.Parallel()
	var d diary
	s := lifecycle.New(nil, 0)
	s.Add("first", d.stop("first", errDisk))
	s.Add("second", d.stop("second", nil))
	s.Add("third", d.stop("third", errors.New("busy")))
	err := s.Stop()
	if want := "stop third: busy\nstop first: disk is gone"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if !errors.Is(err, errDisk) {
		t.Errorf("%v does not wrap the cause", err)
	}
	if again := s.Stop(); again == nil || again.Error() != err.Error() {
		t.Errorf("second Stop: got %v, want the same", again)
	}
	d.expect(t, "third", "second", "first")
}

func TestStopIsBoundedPerStep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		s := lifecycle.New(nil, time.Second)
		never := make(chan struct{})
		s.Add("good", d.stop("good", nil))
		s.Add("deaf", func(context.Context) error { <-never; return nil })
		s.Add("heedful", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		s.Go(t.Context(), "stubborn", func(context.Context) error { <-never; return nil })
		begin := time.Now()
		err := s.Stop()
		if d := time.Since(begin); d != 3*time.Second {
			t.Errorf("took %v, want a second for each of three steps", d)
		}
		for _, name := range []string{"deaf", "heedful", "stubborn"} {
			if !strings.Contains(err.Error(), "stop "+name+": "+lifecycle.ErrStopTimeout.Error()) {
				t.Errorf("%v does not name %s", err, name)
			}
		}
		if !errors.Is(err, lifecycle.ErrStopTimeout) {
			t.Errorf("got %v, want ErrStopTimeout", err)
		}
		d.expect(t, "good")
		close(never)
	})
}

func TestWait(t *testing.T) {
	t.Parallel()
	forever := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	tests := map[string]struct {
		run  func(context.Context) error
		want error
	}{
		"the context ends":        {forever, nil},
		"a goroutine fails":       {func(context.Context) error { return errDisk }, errDisk},
		"a goroutine finishes":    {func(context.Context) error { return nil }, nil},
		"a goroutine gives up":    {func(context.Context) error { return context.Canceled }, context.Canceled},
		"one fails a while later": {func(context.Context) error { time.Sleep(time.Minute); return errDisk }, errDisk},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				s := lifecycle.New(nil, 0)
				s.Go(ctx, "other", forever)
				s.Go(ctx, "one", tt.run)
				if err := s.Wait(ctx); !errors.Is(err, tt.want) {
					t.Errorf("wait: got %v, want %v", err, tt.want)
				} else if err != nil && !strings.HasPrefix(err.Error(), "one: ") {
					t.Errorf("wait: %v does not name the goroutine", err)
				}
				if err := s.Stop(); err != nil {
					t.Errorf("stop: got %v; what Wait returned is not to come again", err)
				}
			})
		})
	}
}

func TestStopReturnsTheFailureNobodyWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := lifecycle.New(nil, 0)
		s.Go(t.Context(), "a", func(context.Context) error { return errDisk })
		s.Go(t.Context(), "b", func(context.Context) error { return errors.New("also") })
		synctest.Wait()
		err := s.Stop()
		if err == nil || strings.Count(err.Error(), "disk is gone") != 1 || strings.Count(err.Error(), "also") != 1 {
			t.Errorf("got %v, want both failures once", err)
		}
	})
}

func TestGoroutinesEndOneByOneNotWithTheSignal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ctx, signal := context.WithCancel(context.WithValue(t.Context(), key{}, "request 1"))
		s := lifecycle.New(nil, 0)
		ended := make(chan struct{})
		s.Go(ctx, "writer", func(ctx context.Context) error {
			defer close(ended)
			if ctx.Value(key{}) != "request 1" {
				t.Error("the values of the context are lost")
			}
			<-ctx.Done()
			return nil
		})
		signal()
		synctest.Wait()
		select {
		case <-ended:
			t.Error("the goroutine ended with the signal, before those that were started after it")
		default:
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		<-ended
	})
}

func TestAddAfterStopStopsAtOnce(t *testing.T) {
	t.Parallel()
	var d diary
	s := lifecycle.New(nil, 0)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	s.Add("late", d.stop("late", errDisk))
	d.expect(t, "late")
}

func TestStepMayAddSteps(t *testing.T) {
	t.Parallel()
	var d diary
	s := lifecycle.New(nil, 0)
	s.Add("log", d.stop("log", nil))
	s.Add("outer", func(context.Context) error {
		s.Add("inner", d.stop("inner", nil))
		d.note("outer")
		return nil
	})
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	d.expect(t, "outer", "inner", "log")
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	var d diary
	s := lifecycle.New(nil, 0)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() { s.Add(fmt.Sprint(i), d.stop(fmt.Sprint(i), nil)) })
		all.Go(func() { s.Go(t.Context(), "run", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }) })
		if i > 15 {
			all.Go(func() {
				if err := s.Stop(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	slices.Sort(d.events)
	if n := len(slices.Compact(d.events)); n != 20 {
		t.Errorf("%d steps were stopped, want each of 20 once: %v", n, d.events)
	}
}

func ExampleStack() {
	run := func() (err error) {
		stack := lifecycle.New(nil, 0)
		defer func() { err = errors.Join(err, stack.Stop()) }()

		stack.Add("log", func(context.Context) error { fmt.Println("log is closed"); return nil })
		stack.Go(context.Background(), "bridge", func(context.Context) error { return errors.New("disk is gone") })
		return stack.Wait(context.Background())
	}
	fmt.Println(run())
	// Output:
	// log is closed
	// bridge: disk is gone
}
