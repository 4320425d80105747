package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

const (
	dayMs      = 24 * 60 * 60 * 1000
	daySamples = dayMs / stepMs
	usageFor   = 500 * time.Millisecond
)

// measureUsage measures the derivation of a machine-day beside the limit: reading the same points once.
func measureUsage(ctx context.Context, b *bench) error {
	points := dayOfPoints()
	window := span.Span{EndMs: dayMs}
	opening := span.NewSet(span.Span{StartMs: dayMs / 3, EndMs: dayMs * 5 / 6})
	rule := &usage.PowerRule{OffW: 20, RunW: 600, Hysteresis: 0.1, DwellOn: 5 * time.Second, DwellOff: 20 * time.Second}

	var ours, limit series
	var ran int64
	var watts float64
	for range b.runs {
		ours = append(ours, samplesPerSecond(ctx, func() {
			totals := usage.Sum(usage.Timeline(points, rule, window), opening)
			ran = totals.RunningMs
		}))
		limit = append(limit, samplesPerSecond(ctx, func() {
			for i := range points {
				watts += points[i].PowerW
			}
		}))
	}
	if ran == 0 || ran == dayMs || watts == 0 {
		return errors.New("the day that was made up is all or nothing")
	}
	goal := atLeast(10e6, "≥ 10 M samples/s per core")
	b.add(row{
		what: fmt.Sprintf("usage of a machine-day of %d power samples, one core", daySamples), ours: ours.show("samples/s"),
		peer: "reading the points once: " + limit.show("samples/s"), ratio: times(ours.median() / limit.median()),
		target: goal.text, verdict: goal.verdict(ours.median()),
	})
	return ctx.Err()
}

// dayOfPoints is a day of a machine that is off at night, and idles and runs by day.
func dayOfPoints() []usage.Point {
	rng := rand.New(rand.NewPCG(8, 24))
	points := make([]usage.Point, daySamples)
	running := false
	for i := range points {
		if rng.Float64() < 0.02 {
			running = !running
		}
		watts := 3.0
		if night := i < daySamples/3 || i > daySamples*5/6; !night {
			watts = 90
			if running {
				watts = 1800
			}
		}
		points[i] = usage.Point{AtMs: int64(i) * stepMs, ValidMs: 25_000, HasPower: true, PowerW: watts * (0.9 + 0.2*rng.Float64())}
	}
	return points
}

// samplesPerSecond repeats a step over a machine-day.
func samplesPerSecond(ctx context.Context, step func()) float64 {
	days := 0
	began := time.Now()
	for ctx.Err() == nil && time.Since(began) < usageFor {
		step()
		days++
	}
	return float64(days*daySamples) / time.Since(began).Seconds()
}
