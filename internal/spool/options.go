package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Defaults and limits of Options.
const (
	// DefaultSegmentBytes is the size of a segment when Options say nothing.
	DefaultSegmentBytes = 64 << 20
	// DefaultAudit is the audit period that a configuration should propose; Options have none of their own.
	DefaultAudit = 30 * 24 * time.Hour
	// MinSegmentBytes and MaxSegmentBytes bound Options.SegmentBytes.
	MinSegmentBytes = 4 << 10
	MaxSegmentBytes = 1 << 30
)

// Options say how a log is kept. The zero value is valid: segments of 64 MiB, no bounds, no audit period.
type Options struct {
	// SegmentBytes is about where a segment ends, MinSegmentBytes to MaxSegmentBytes; room is made by whole segments.
	// 0 means DefaultSegmentBytes, or an eighth of MaxBytes if that is less.
	SegmentBytes int64
	// MaxBytes bounds what the directory takes on the disk; 0 = no bound. It must allow at least two segments.
	MaxBytes int64
	// MinFreeBytes is what must stay free on the directory's disk; 0 = not looked at.
	MinFreeBytes int64
	// MaxAge bounds the age of what waits for the city, by segments: one whose last record is older is full; 0 = no bound.
	MaxAge time.Duration
	// Audit is how long an acknowledged record is kept at least, while there is room; 0 = not at all.
	Audit time.Duration
	// DropOldest lets a full log delete the oldest records that the city does not have. Without it a full log refuses
	// with ErrFull, so that devices are not acknowledged and keep what they can.
	DropOldest bool
	// FS is the file system; nil = the real one. Tests put a failing one here.
	FS FS
	// Registerer takes the log's metrics, from Open to Close; nil = none are exposed.
	Registerer prometheus.Registerer
	// Logger is told of losses, damage and failure; nil = nobody is.
	Logger *slog.Logger
	// Now is the clock for ages; nil = time.Now.
	Now func() time.Time
}

// withDefaults fills in what is not said.
func (o Options) withDefaults() Options {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = DefaultSegmentBytes
		if o.MaxBytes > 0 {
			o.SegmentBytes = min(o.SegmentBytes, max(o.MaxBytes/8, MinSegmentBytes))
		}
	}
	if o.FS == nil {
		o.FS = realFS{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// validate names every field that is out of its range.
func (o Options) validate() error {
	var errs []error
	bad := func(field string, value any, want string) {
		errs = append(errs, fmt.Errorf("spool option %s is %v: want %s", field, value, want))
	}
	if o.SegmentBytes < MinSegmentBytes || o.SegmentBytes > MaxSegmentBytes {
		bad("SegmentBytes", o.SegmentBytes, fmt.Sprintf("%d to %d", MinSegmentBytes, MaxSegmentBytes))
	}
	if o.MaxBytes < 0 || o.MaxBytes > 0 && o.MaxBytes < 2*o.SegmentBytes {
		bad("MaxBytes", o.MaxBytes, "0, or at least two segments")
	}
	if o.MinFreeBytes < 0 {
		bad("MinFreeBytes", o.MinFreeBytes, "0 or more")
	}
	if o.MaxAge < 0 {
		bad("MaxAge", o.MaxAge, "0 or more")
	}
	if o.Audit < 0 {
		bad("Audit", o.Audit, "0 or more")
	}
	return errors.Join(errs...)
}
