package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// fleet are the devices of one base, each with a connection of its own, speaking all the time.
type fleet struct {
	tally   *tally
	senders []*sender
	cancel  context.CancelFunc // ends the connections
	quiet   context.CancelFunc // ends the speaking
	links   sync.WaitGroup
	voices  sync.WaitGroup
	slowest atomic.Int64 // nanoseconds that a device waited for its PUBACK
}

// voice is how a fleet speaks.
type voice struct {
	devices int
	every   time.Duration // between two bursts of a device; 0 is as fast as its window lets it
	burst   int           // messages of a burst; 0 is one
	window  int           // messages that a device may have out
	pad     int           // bytes of blanks in each message
	most    int           // messages of a device; 0 is no end
}

// newFleet lets the devices connect and speak. The caller ends it.
func newFleet(ctx context.Context, addr string, t *tally, first int, v voice) *fleet {
	ctx, cancel := context.WithCancel(ctx)
	speaking, quiet := context.WithCancel(ctx)
	f := &fleet{tally: t, cancel: cancel, quiet: quiet}
	for i := range v.devices {
		device := first + i
		s := newSender(addr, "device-"+deviceName(device), v.window)
		f.senders = append(f.senders, s)
		f.links.Go(func() { s.run(ctx) })
		f.voices.Go(func() { f.speak(speaking, s, device, v) })
	}
	return f
}

// speak is one device's life.
func (f *fleet) speak(ctx context.Context, s *sender, device int, v voice) {
	blanks := make([]byte, v.pad)
	for i := range blanks {
		blanks[i] = ' '
	}
	var tick *time.Ticker
	if v.every > 0 {
		tick = time.NewTicker(v.every)
		defer tick.Stop()
	}
	for n := 0; ctx.Err() == nil && (v.most == 0 || n < v.most); n++ {
		id, topic, payload := f.tally.say(device)
		began := time.Now()
		s.publish(topic, append(payload, blanks...), func() {
			f.tally.acked(id)
			f.waited(time.Since(began))
		})
		if tick == nil || (n+1)%max(1, v.burst) != 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// waited notes the longest wait for a PUBACK.
func (f *fleet) waited(d time.Duration) {
	for old := f.slowest.Load(); int64(d) > old && !f.slowest.CompareAndSwap(old, int64(d)); old = f.slowest.Load() {
	}
}

// finish lets the devices say nothing new, and waits until everything that they said is acknowledged.
func (f *fleet) finish(ctx context.Context) error {
	f.quiet()
	err := await(ctx, hurryWithin, "every device has every PUBACK", func() (bool, error) {
		for _, s := range f.senders {
			if !s.idle() {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("%w; %d messages have none", err, len(f.tally.open()))
	}
	f.voices.Wait()
	return nil
}

// end hangs up.
func (f *fleet) end() {
	f.cancel()
	f.voices.Wait()
	f.links.Wait()
}
