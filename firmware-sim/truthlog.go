package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// Reading is a way to make a day out of an adapter's log, whose lines carry two clocks: what the device says has the
// device's clock, in milliseconds, and the UNAVAILABLE lines that the agent writes when the link is lost have the
// agent's, in microseconds. docs/truth-nist.md compares the readings.
type Reading uint8

const (
	// ByStamp believes every time stamp: the lines sorted by it, equal ones in the order of the log. The window ends at
	// the largest.
	ByStamp Reading = iota + 1
	// ByLine believes the order of the lines: each begins at the largest time stamp up to it.
	ByLine
	// Aligned believes the order of the lines and the agent's clock: the device's time stamps are put back by the least
	// that its clock must have been ahead. The window ends at the largest time stamp after that.
	Aligned
)

// ExecutionLog is the execution lines of one machine's log of one day.
type ExecutionLog struct {
	Machine, Day string
	startUs      int64
	steps        []executionStep
	largestUs    int64 // over all lines
	largestAgent int64 // over the agent's lines
	lastUs       int64 // of the last line
	largestOwn   int64 // over the device's lines

	// AheadUs bounds how far the device's clock was ahead of the agent's, in microseconds: what it said last before the
	// agent found the link lost was said before that, and what it said first afterwards was said after it. Both are 0
	// when the day has no lost link.
	AheadUs struct{ AtLeast, AtMost int64 }
}

// executionStep is one execution line.
type executionStep struct {
	stampUs int64
	agent   bool // stamped by the agent
	value   string
}

// ReadExecutionLog reads the execution lines of a log named like Mazak01-20161031-20161101.txt.gz.
func ReadExecutionLog(path string) (*ExecutionLog, error) {
	m := shdrName.FindStringSubmatch(trimExtensions(filepath.Base(path)))
	name := nameOf(path, formatSHDR)
	if m == nil || name.dayMs == 0 {
		return nil, fmt.Errorf("read execution log: %s: the name must be like Mazak01-20161031-20161101.txt", path)
	}
	l := &ExecutionLog{Machine: m[1], Day: m[2], startUs: name.dayMs * 1000}
	var read int64
	in, err := openLines(path, &read)
	if err != nil {
		return nil, fmt.Errorf("read execution log: %w", err)
	}
	err = l.read(in)
	if err = errors.Join(err, in.close()); err != nil {
		return nil, fmt.Errorf("read execution log: %s: %w", path, err)
	}
	return l, nil
}

func (l *ExecutionLog) read(in *lines) error {
	var line shdrLine
	clocks := clockBounds{atLeast: math.MinInt64, atMost: math.MaxInt64}
	one := func([]byte) int { return 0 }
	for {
		text, err := in.next()
		if errors.Is(err, io.EOF) {
			l.AheadUs.AtLeast, l.AheadUs.AtMost = clocks.bounds()
			return nil
		}
		if err != nil {
			return err
		}
		if reason := parseSHDR(text, one, &line); reason != "" {
			return fmt.Errorf("line %q: %s", text, reason)
		}
		agent := len(line.Stamp) == len("2006-01-02T15:04:05.000000Z")
		l.largestUs, l.lastUs = max(l.largestUs, line.StampUs), line.StampUs
		if agent {
			l.largestAgent = max(l.largestAgent, line.StampUs)
		} else {
			l.largestOwn = max(l.largestOwn, line.StampUs)
		}
		if line.StampUs >= l.startUs {
			clocks.see(agent, line.StampUs)
		}
		for _, p := range line.Pairs {
			if bytes.Equal(p.Key, []byte("execution")) {
				l.steps = append(l.steps, executionStep{line.StampUs, agent, string(p.Fields[0])})
			}
		}
	}
}

// clockBounds follows which clock stamped the lines.
type clockBounds struct {
	agentUs, deviceUs int64 // the last stamps, 0 before the first
	wasAgent          bool
	atLeast, atMost   int64
}

func (c *clockBounds) see(agent bool, stampUs int64) {
	switch {
	case agent && !c.wasAgent && c.deviceUs != 0:
		c.atLeast = max(c.atLeast, c.deviceUs-stampUs)
	case !agent && c.wasAgent:
		c.atMost = min(c.atMost, stampUs-c.agentUs)
	}
	c.wasAgent = agent
	if agent {
		c.agentUs = stampUs
	} else {
		c.deviceUs = stampUs
	}
}

func (c *clockBounds) bounds() (atLeast, atMost int64) {
	if c.atLeast == math.MinInt64 || c.atMost == math.MaxInt64 {
		return 0, 0
	}
	return c.atLeast, c.atMost
}

// BehindUs is by how much the last line's time stamp is smaller than the largest, in microseconds.
func (l *ExecutionLog) BehindUs() int64 { return l.largestUs - l.lastUs }

// Inversions is how many execution lines have a smaller time stamp than the one before.
func (l *ExecutionLog) Inversions() int {
	n := 0
	for i := 1; i < len(l.steps); i++ {
		if l.steps[i].stampUs < l.steps[i-1].stampUs {
			n++
		}
	}
	return n
}

// Execution returns for how long the machine said each thing from 00:00Z of the day; false when the log has no
// execution line or ends before the day begins.
func (l *ExecutionLog) Execution(r Reading) (ExecutionDay, bool) {
	steps, endUs := l.order(r)
	if len(steps) == 0 || endUs <= l.startUs {
		return ExecutionDay{}, false
	}
	totals := map[string]int64{}
	for i, step := range steps {
		fromUs, toUs := max(step.stampUs, l.startUs), endUs
		if i == 0 {
			fromUs = l.startUs
		}
		if i+1 < len(steps) {
			toUs = min(max(steps[i+1].stampUs, l.startUs), endUs)
		}
		if toUs > fromUs {
			totals[step.value] += toUs - fromUs
		}
	}
	day := ExecutionDay{
		Machine: l.Machine, Day: l.Day, Seconds: map[string]float64{},
		Window: span.Span{StartMs: l.startUs / 1000, EndMs: endUs / 1000},
	}
	for value, us := range totals {
		day.Seconds[value] = float64(us) / 1e6
	}
	return day, true
}

// order returns the steps in the reading's order with rising time stamps, and the end of the window.
func (l *ExecutionLog) order(r Reading) (steps []executionStep, endUs int64) {
	steps = slices.Clone(l.steps)
	endUs = l.largestUs
	if r == ByStamp {
		slices.SortStableFunc(steps, func(a, b executionStep) int { return int(a.stampUs - b.stampUs) })
		return steps, endUs
	}
	if aheadUs := max(0, l.AheadUs.AtLeast); r == Aligned {
		endUs = max(l.largestAgent, l.largestOwn-aheadUs)
		for i := range steps {
			if !steps[i].agent {
				steps[i].stampUs -= aheadUs
			}
		}
	}
	for i := 1; i < len(steps); i++ {
		steps[i].stampUs = max(steps[i].stampUs, steps[i-1].stampUs)
	}
	return steps, endUs
}
