package credential

import (
	"context"
	"net/netip"
	"runtime"
	"sync"
	"time"
)

const (
	// failurePause is how long the answer to a failed attempt waits.
	failurePause = time.Second
	// An address may fail maxFailures times, and then once per failureEvery. All devices of a base may share one address,
	// and come at once after a restart: only failures count, but each attempt counts as one until it is decided.
	maxFailures  = 64
	failureEvery = 6 * time.Second
	// maxAddresses bounds the addresses that are remembered.
	maxAddresses = 4096
	// maxWaiting bounds the attempts that wait for their computation.
	maxWaiting = 1024
	// maxComputing bounds the computations, which take memory and a core each.
	maxComputing = 2
)

// guesses keeps the price of password guessing with the one who guesses: per address few failures, and over all few
// computations at a time. It is safe for concurrent use.
type guesses struct {
	waiting   chan struct{}
	computing chan struct{}

	mu sync.Mutex // guards by
	by map[netip.Prefix]*failures
}

// failures of one address, as a leaking bucket.
type failures struct {
	level float64
	at    time.Time
}

func (g *guesses) prepare() {
	g.waiting = make(chan struct{}, maxWaiting)
	g.computing = make(chan struct{}, min(maxComputing, runtime.GOMAXPROCS(0)))
	g.by = make(map[netip.Prefix]*failures)
}

// neighbourhood is what one guesser can have many addresses of.
func neighbourhood(remote netip.Addr) netip.Prefix {
	bits := 32
	if remote.Is6() {
		bits = 64
	}
	p, err := remote.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address: all of those together
	}
	return p
}

// begin counts an attempt as a failure, unless the address has failed too often.
func (g *guesses) begin(remote netip.Addr, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := neighbourhood(remote)
	f := g.by[key]
	if f == nil {
		g.makeRoomLocked()
		f = &failures{at: now}
		g.by[key] = f
	}
	f.leak(now)
	if f.level+1 > maxFailures {
		return false
	}
	f.level++
	return true
}

func (f *failures) leak(now time.Time) {
	if passed := now.Sub(f.at); passed > 0 {
		f.level = max(0, f.level-float64(passed)/float64(failureEvery))
		f.at = now
	}
}

// succeeded takes back what begin counted.
func (g *guesses) succeeded(remote netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.by[neighbourhood(remote)]; f != nil {
		f.level = max(0, f.level-1)
	}
}

// makeRoomLocked forgets the address that was quiet for the longest.
func (g *guesses) makeRoomLocked() {
	if len(g.by) < maxAddresses {
		return
	}
	var oldest netip.Prefix
	var at time.Time
	for key, f := range g.by {
		if at.IsZero() || f.at.Before(at) {
			oldest, at = key, f.at
		}
	}
	delete(g.by, oldest)
}

// acquire waits for a turn to compute; it is false when too many wait already or ctx ends.
func (g *guesses) acquire(ctx context.Context) bool {
	select {
	case g.waiting <- struct{}{}:
	default:
		return false
	}
	defer func() { <-g.waiting }()
	select {
	case g.computing <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (g *guesses) release() { <-g.computing }

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
