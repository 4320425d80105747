package bridge_test

import (
	"context"
	"testing"
	"time"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
)

// TestNoGrowthIsOverlooked: a record that comes while a connection begins, or while the forwarder reads what came before
// it, is sent though nothing follows it.
func TestNoGrowthIsOverlooked(t *testing.T) {
	t.Parallel()
	story(t, func(o *bridge.Options) { o.Linger = time.Millisecond }, func(s *scene) {
		for round := range 200 {
			if err := s.disconnect(); err != nil {
				s.t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(s.t.Context())
			s.up, s.cancel = newUplink(), cancel
			s.wg.Go(func() { s.err = s.b.Forward(ctx, s.up) })
			put(s.t, s.log, 1, body) // without waiting for the bridge to notice
			s.wait(pause)
			last := uint64(0)
			for _, r := range s.up.ranges() {
				last = max(last, r.Last)
			}
			if last != s.log.End()-1 {
				s.t.Fatalf("round %d: the last record sent is %d, and %d is on disk", round, last, s.log.End()-1)
			}
			s.ack(span(1, last))
		}
	})
}
