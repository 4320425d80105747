package load

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// run is one load while it runs.
type run struct {
	o        Options
	hooks    Hooks
	logger   *slog.Logger
	address  string
	username []piece
	epoch    time.Time // microseconds are counted from here
	epochMs  int64     // the same by the wall clock
	baseline int64

	devices  []device
	schedule schedule // written before the shards start
	tally    tally
	retries  retries

	triedOnce    []atomic.Bool
	triedDevices atomic.Int64
	ramped       chan struct{} // closed when every device has tried to connect once
	rampUs       atomic.Int64
	startUs      atomic.Int64 // of the schedule, 0 before
	stopUs       atomic.Int64 // when sending ended, or will

	held    atomic.Int64   // connections at the end
	closed  atomic.Bool    // no connection may be made any more; written with every device's mutex held in turn
	running sync.WaitGroup // the readers and late writers
}

// spareFiles is how many files a process needs besides its connections.
const spareFiles = 64

// Run connects the devices, sends by the schedule, waits for the last acknowledgements and disconnects. It returns early
// with an error when the options are wrong, when the process may not open enough files (*FileLimitError), or when the very
// first device cannot connect: a wrong address is no result. When ctx is done it ends and returns what was measured, with
// the error of ctx.
func Run(ctx context.Context, o Options, hooks Hooks) (Report, error) {
	o, err := o.complete()
	if err != nil {
		return Report{}, err
	}
	if err := RaiseFileLimit(FilesFor(o.Share)); err != nil {
		return Report{}, err
	}
	r, err := newRun(o, hooks)
	if err != nil {
		return Report{}, err
	}
	if err := r.connect(ctx, 0); err != nil {
		return Report{}, fmt.Errorf("connect the first device to %s: %w", o.Broker, err)
	}
	r.tried(0)
	err = r.play(ctx)
	return r.report(), err
}

func newRun(o Options, hooks Hooks) (*run, error) {
	address, err := o.address()
	if err != nil {
		return nil, err
	}
	username, err := cutPieces(o.Username)
	if err != nil {
		return nil, fmt.Errorf("load option Username: %w", err)
	}
	now := time.Now()
	r := &run{
		o: o, hooks: hooks, logger: hooks.Logger, address: address, username: username,
		epoch: now, epochMs: now.UnixMilli(), baseline: peakMemory(),
		devices: make([]device, o.Share), triedOnce: make([]atomic.Bool, o.Share), ramped: make(chan struct{}),
	}
	r.tally.faults = map[string]int64{}
	if r.logger == nil {
		r.logger = slog.New(slog.DiscardHandler)
	}
	return r, nil
}

// nowUs is the time of the run. It does not jump with the wall clock.
func (r *run) nowUs() int64 { return time.Since(r.epoch).Microseconds() }

// play is the load from the second device's connection to the last one's end.
func (r *run) play(ctx context.Context) error {
	background, stop := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	helpers.Go(func() { r.connectAll(background) })
	helpers.Go(func() { r.ping(background) })
	helpers.Go(func() { r.progress(background) })
	err := r.sendAll(ctx)
	stop()
	helpers.Wait()
	r.hangUp()
	r.running.Wait()
	return err
}

// sendAll waits for the connections, sends by the schedule, and waits for the acknowledgements.
func (r *run) sendAll(ctx context.Context) error {
	select {
	case <-r.ramped:
	case <-ctx.Done():
		return ctx.Err()
	}
	r.rampUs.Store(r.nowUs())
	start := time.Now()
	if r.hooks.Connected != nil {
		var err error
		if start, err = r.hooks.Connected(r.report()); err != nil {
			return fmt.Errorf("wait for the start: %w", err)
		}
	}
	startUs := max(1, start.Sub(r.epoch).Microseconds())
	r.schedule = schedule{
		startUs: startUs, endUs: startUs + r.o.Duration.Microseconds(), everyUs: r.o.Every.Microseconds(),
		first: int64(r.o.First), devices: int64(r.o.Devices),
	}
	r.stopUs.Store(r.schedule.endUs)
	r.startUs.Store(startUs)
	var shards sync.WaitGroup
	n := min(runtime.GOMAXPROCS(0), len(r.devices))
	for i := range n {
		shards.Go(func() { (&shard{run: r, number: i, of: n}).send(ctx) })
	}
	shards.Wait()
	if ctx.Err() != nil {
		r.stopUs.Store(min(r.nowUs(), r.schedule.endUs))
		return ctx.Err()
	}
	return r.drain(ctx)
}

// drain waits until everything is acknowledged, or for as long as the options say.
func (r *run) drain(ctx context.Context) error {
	enough := time.NewTimer(r.o.Drain)
	defer enough.Stop()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !r.quiet() {
		select {
		case <-ticker.C:
		case <-enough.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// quiet reports whether nothing is on its way any more.
func (r *run) quiet() bool {
	t := &r.tally
	if r.o.QoS > 0 && t.acked.Load()+t.lost.Load() < t.sent.Load() {
		return false
	}
	for i := range r.devices {
		d := &r.devices[i]
		d.mu.Lock()
		busy := d.busy
		d.mu.Unlock()
		if busy {
			return false
		}
	}
	return true
}

// progress reports about every second until ctx is done.
func (r *run) progress(ctx context.Context) {
	if r.hooks.Progress == nil {
		return
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.hooks.Progress(r.report())
		case <-ctx.Done():
			return
		}
	}
}

// hangUp says goodbye on every connection and closes it.
func (r *run) hangUp() {
	r.held.Store(r.tally.connected.Load())
	r.closed.Store(true)
	var w writer
	for i := range r.devices {
		d := &r.devices[i]
		d.mu.Lock()
		if r.startUs.Load() > 0 {
			r.tally.unsent.Add(r.schedule.due(i, d.next, r.stopUs.Load()))
		}
		if d.conn != nil {
			r.tally.open.Add(int64(d.flight.len()))
			d.flight.clear()
			if !d.busy {
				_, _ = w.try.write(d.raw, []byte{packetDisconnect, 0}) //nolint:errcheck // a goodbye that nobody takes is none
			}
			_ = d.conn.Close()
		}
		d.mu.Unlock()
	}
}
