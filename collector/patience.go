package collector

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jishi-telemetry/jishi/internal/evidence"
)

const (
	minRetry = 200 * time.Millisecond
	maxRetry = 10 * time.Second
)

// patiently asks something of the store again and again until it answers or ctx ends. The bridges keep their records
// meanwhile, so an outage of the store loses nothing.
func (c *Collector) patiently(ctx context.Context, verb string, ask func() error) error {
	wait := minRetry
	for failures := 0; ; failures++ {
		err := ask()
		if err == nil {
			if failures > 0 {
				c.o.Logger.Info("evidence store answers again", "verb", verb, "failures", failures)
			}
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", verb, err)
		}
		c.m.storeErrors.WithLabelValues(verb).Inc()
		if failures == 0 || errors.Is(err, evidence.ErrPermanent) {
			c.o.Logger.Error("evidence store does not answer, frames wait at the bridges", "verb", verb, "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait/2 + rand.N(wait/2)): // collectors that share a store are not to come back all at once
		}
		wait = min(2*wait, maxRetry)
	}
}
