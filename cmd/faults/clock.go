package main

import (
	"sync/atomic"
	"time"
)

const dayMs = 24 * 60 * 60 * 1000

// wildClock is a clock that can be set wrong. Ten milliseconds pass at each look, so that no two looks see one instant.
type wildClock struct {
	fromMs int64
	looks  atomic.Int64
	leap   atomic.Int64 // milliseconds beside the truth
}

// newWildClock returns a clock that is right, and whose milliseconds end in the digit.
func newWildClock(from time.Time, digit int64) *wildClock {
	return &wildClock{fromMs: from.Truncate(time.Second).UnixMilli() + digit}
}

func (c *wildClock) now() time.Time {
	return time.UnixMilli(c.fromMs + c.leap.Load() + 10*c.looks.Add(1))
}

// set puts the clock so many milliseconds beside the truth.
func (c *wildClock) set(leapMs int64) { c.leap.Store(leapMs) }
