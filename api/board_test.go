package api_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/api"
)

func TestBoardIsSharedWithinASecond(t *testing.T) {
	t.Parallel()
	r := newRig(t).fill(t, "b1").serve(t)
	r.get(t, "/api/v1/bases/b1/state")
	one := r.store.reads.Load()
	if one == 0 {
		t.Fatal("a board was made of nothing")
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { r.get(t, "/api/v1/bases/b1/state") })
	}
	all.Wait()
	if n := r.store.reads.Load(); n != one {
		t.Errorf("%d reads for 21 boards within a second, want %d", n, one)
	}
	r.now.Add(time.Second.Milliseconds())
	var b api.Board
	r.get(t, "/api/v1/bases/b1/state").into(t, &b)
	if n := r.store.reads.Load(); n <= one || n > 2*one || b.Now.UnixMilli() != r.now.Load() {
		t.Errorf("after a second: %d reads, want at most %d; board of %v", n, 2*one, b.Now)
	}
	r.now.Add(-time.Hour.Milliseconds())
	r.get(t, "/api/v1/bases/b1/state").into(t, &b)
	if b.Now.UnixMilli() != r.now.Load() {
		t.Errorf("a clock that was set back keeps the board of %v", b.Now)
	}
}

func TestManyWhoComeAtOnceShareOneBoard(t *testing.T) {
	t.Parallel()
	r := newRig(t).fill(t, "b1").serve(t)
	r.get(t, "/api/v1/bases/b1/state")
	one := r.store.reads.Load()
	r.now.Add(time.Minute.Milliseconds())
	release := make(chan struct{})
	wait := func(ctx context.Context, _ string, _ int64) error { <-release; return ctx.Err() }
	r.store.block.Store(&wait)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if a := r.get(t, "/api/v1/bases/b1/state"); a.status != http.StatusOK {
				t.Errorf("status %d: %s", a.status, a.body)
			}
		})
	}
	close(release)
	all.Wait()
	// A board a minute later may rest on a read less: how many there are depends on what decides the day's end.
	if n := r.store.reads.Load() - one; n == 0 || n > one {
		t.Errorf("%d reads for 20 at once, and one board takes %d", n, one)
	}
}

func TestFailureIsNotKept(t *testing.T) {
	t.Parallel()
	r := newRig(t).fill(t, "b1").serve(t)
	r.store.fail(errDown)
	if a := r.get(t, "/api/v1/bases/b1/state"); a.status != http.StatusServiceUnavailable {
		t.Fatalf("status %d", a.status)
	}
	r.store.failed.Store(nil)
	if a := r.get(t, "/api/v1/bases/b1/state"); a.status != http.StatusOK {
		t.Errorf("the store is back, and the board says %d: %s", a.status, a.body)
	}
}

func TestASlowBaseHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	r := newRig(t).fill(t, "b2").serve(t)
	reading, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow := func(ctx context.Context, base string, _ int64) error {
		if base == "b1" {
			once.Do(func() { close(reading) })
			<-release
		}
		return ctx.Err()
	}
	r.store.block.Store(&slow)
	answered := make(chan int, 1)
	go func() { answered <- r.get(t, "/api/v1/bases/b1/state").status }()
	<-reading
	if a := r.get(t, "/api/v1/bases/b2/state"); a.status != http.StatusOK {
		t.Errorf("status %d: %s", a.status, a.body)
	}
	close(release)
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the slow base: status %d", status)
	}
}
