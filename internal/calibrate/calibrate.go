// Package calibrate proposes the two power thresholds of a machine, their hysteresis and their dwell from recorded days,
// and draws the picture by which a technician judges the proposal. It is for the calibrate command. It refuses input and
// output, clocks and settings of its own: the same points, window and options give the same proposal, byte for byte, and
// nothing takes effect until a person has put it into the registry.
//
// # How a proposal is made
//
// Only time of known power counts: a silence longer than the device's dialect allows, or a death, is in no histogram, no
// stretch and no pause. Time per power, on a logarithmic scale, falls into levels. The lowest is off: 0 W and the meter's
// own noise, which shows as short blips out of zero. OffW lies between that noise and the lowest level above it.
//
// The hard question is whether a low level above off is a machine that waits for a person (idle) or a pause inside a
// programme (work: the seconds in which a washing machine turns its drum the other way). Power alone does not say. What
// differs is when and how the low power is held, so a level counts as idle on one of three kinds of evidence, each
// about stretches in which power stays at that level, steady within 30 % for at least four fifths of the time:
//
//   - duration: a stretch of at least 15 minutes. Programmes do pause for minutes (the seven minutes of a washing
//     machine that is done and waits for its door to be opened are the longest that we measured), people wait longer.
//   - position: a stretch of at least 5 minutes that begins where the machine was switched on. A programme begins soon
//     after it is started.
//   - regularity: at least five stretches of a minute or more that fill a quarter of the switched-on time, the longest
//     at least three times the median. The pauses of a programme are alike, a person's are not.
//
// The highest level with such evidence is the idle level, when the work above it draws at least 1.4 times as much on
// average, and RunW lies in the valley above it. Without evidence RunW equals OffW: everything above off is work, and
// where low power is held or frequent all the same, the proposal carries the alternative.
//
// The equipment's profile shifts this: between the bursts of a burst tool any level below a third of the work is idle, and
// the hold of DwellOff bridges the bursts; for thermal equipment only a level below a fifth of the work may be idle; a
// computer's power shows that it is on, never that it is used.
//
// # What it cannot know
//
// A machine with a constant load cannot be split into idle and working by its power; neither can a recording in which
// the machine only waited, or only worked. A programme with one steady phase of more than 15 minutes at low power (a
// long soak, the slow cooling of a kiln) looks like waiting, and a workshop in which nobody ever waits a minute looks
// like a programme. A state that did not occur in the recording gets no level. Notes say which of these may be the case
// and the confidence follows from them; the person who knows the machine looks at the picture and decides.
//
// All functions are pure and may run concurrently.
package calibrate

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

var (
	// ErrNoPower says that no power is known anywhere in the window.
	ErrNoPower = errors.New("no power reading in the window: nothing to calibrate with")
	// ErrNeverOn says that power never left zero and the meter's noise in the window.
	ErrNeverOn = errors.New("the machine was never switched on in the window: record a day with work")
)

// Options are what the proposal depends on besides the evidence.
type Options struct {
	// Profile is the equipment's evidence profile: "machine", "burst", "thermal", "computer", "bench", "kitchen", or ""
	// when nothing is known, which is treated like "machine".
	Profile string
}

// Validate returns the mistake in the options, naming the field and its range; nil when there is none.
func (o Options) Validate() error {
	known := []string{"", "machine", "burst", "thermal", "computer", "bench", "kitchen"}
	if !slices.Contains(known, o.Profile) {
		return fmt.Errorf("field Profile is %q: want one of %q", o.Profile, known)
	}
	return nil
}

// Confidence is how far a proposal may be trusted before a person has looked at it.
type Confidence uint8

// The confidences, from the least.
const (
	// Low: the recording does not decide; treat the proposal as a start.
	Low Confidence = iota
	// Medium: plausible, and one of the notes names what could be otherwise.
	Medium
	// High: the levels are distinct and held long enough.
	High
)

// String returns the confidence's lower-case English name.
func (c Confidence) String() string {
	switch c {
	case High:
		return "high"
	case Medium:
		return "medium"
	}
	return "low"
}

// Zh returns the confidence's Chinese name.
func (c Confidence) Zh() string {
	switch c {
	case High:
		return "高"
	case Medium:
		return "中"
	}
	return "低"
}

// Note is one thing that was found, in both languages.
type Note struct {
	// Code is a stable lower-case word for programs, such as "constant_load".
	Code string
	// Zh and En say the same in Chinese and in English.
	Zh, En string
	// Limit is the confidence that this finding leaves; High when it takes none away.
	Limit Confidence
}

// Level is a range of power in which the machine spent time.
type Level struct {
	// MeanW is the mean power at the level, and FromW and ToW hold the middle 96 % of its time; watts.
	MeanW, FromW, ToW float64
	// Share is the level's part of the known time, 0 to 1.
	Share float64
	// State is what the proposed rule makes of the level's mean.
	State usage.State
}

// Proposal is a rule for one machine with the reasons for it.
type Proposal struct {
	// Rule is the proposed rule; it is always valid.
	Rule usage.PowerRule
	// Alternative is the rule that follows when the low power that Rule counts as work is a person's waiting; nil when
	// there is no such doubt.
	Alternative *usage.PowerRule
	// Confidence is the least that the notes leave.
	Confidence Confidence
	// Notes are the findings, the most important first.
	Notes []Note
	// Levels are the levels of power, the lowest first. The first is off when off was seen.
	Levels []Level
	// NoiseW is the highest power that the meter shows of a machine that is off, at least 0.5 W.
	NoiseW float64
	// WindowMs is the window's length, KnownMs the part in which power is known, OnMs the part of that above the noise.
	WindowMs, KnownMs, OnMs int64
}

// Propose derives a rule from a machine's points in the window. Points are as usage.Timeline wants them: in order of
// time, with points outside the window as context. It fails with ErrNoPower or ErrNeverOn when there is nothing to derive
// from, and on options that are not valid.
func Propose(points []usage.Point, window span.Span, o Options) (Proposal, error) {
	if err := o.Validate(); err != nil {
		return Proposal{}, fmt.Errorf("check options: %w", err)
	}
	r := record(points, window)
	if r.knownMs == 0 {
		return Proposal{}, ErrNoPower
	}
	noise := r.meterNoise()
	on := r.powers.above(noise.watts)
	if on.ms() == 0 {
		return Proposal{}, ErrNeverOn
	}
	levels := findLevels(on)
	offW := offThreshold(noise.watts, levels[0])
	split := r.chooseSplit(levels, offW, o.Profile)
	rule := usage.PowerRule{OffW: offW, RunW: offW}
	if split.found {
		rule.RunW = max(offW, round3(split.watts))
	}
	rule.Hysteresis = hysteresis(&rule, noise.watts, on)
	holds := setDwell(&rule, points, window, o.Profile, split.found)

	p := Proposal{
		Rule: rule, NoiseW: noise.watts,
		WindowMs: window.Ms(), KnownMs: r.knownMs, OnMs: on.ms(),
	}
	p.Levels = p.allLevels(r, levels)
	p.Alternative = alternative(&rule, split, noise.watts, on)
	p.Notes = findings{r: r, noise: noise, levels: levels, split: split, holds: holds, profile: o.Profile, p: &p}.notes()
	p.Confidence = High
	for _, n := range p.Notes {
		p.Confidence = min(p.Confidence, n.Limit)
	}
	return p, nil
}

// offThreshold is the geometric mean of the noise and the lowest level's lower edge, and never less than a tenth of that
// edge: far above the noise it follows the machine, not the meter.
func offThreshold(noiseW float64, lowest level) float64 {
	w := round3(max(math.Sqrt(noiseW*lowest.fromW), lowest.fromW/10))
	if w <= noiseW { // the level lies so close to the noise that rounding crossed it
		return math.Nextafter(noiseW, math.Inf(1))
	}
	return w
}

// hysteresis is half of the way from a threshold down to the highest power usual below it, 0.05 to 0.30, so that neither
// a waiting machine's ripple holds a run nor a working machine's ripple ends one.
func hysteresis(r *usage.PowerRule, noiseW float64, on distribution) float64 {
	h := (1 - noiseW/r.OffW) / 2
	if below := on.between(r.OffW, r.RunW); below.ms() > 0 {
		h = min(h, (1-below.quantile(0.99)/r.RunW)/2)
	}
	h = math.Round(100*min(max(h, 0.05), 0.30)) / 100
	if r.RunW > r.OffW && r.RunW*(1-h) <= r.OffW { // the thresholds are next to each other
		return (1 - r.OffW/r.RunW) / 2
	}
	return h
}

// alternative is the rule for a person who knows that the low power is waiting.
func alternative(rule *usage.PowerRule, s split, noiseW float64, on distribution) *usage.PowerRule {
	if s.found || s.watts <= rule.OffW {
		return nil
	}
	a := *rule
	a.RunW = max(a.OffW, round3(s.watts))
	a.Hysteresis = hysteresis(&a, noiseW, on)
	return &a
}

// allLevels are the levels above the noise and, when it was seen, off below them.
func (p *Proposal) allLevels(r *recording, on []level) []Level {
	var out []Level
	share := func(ms int64) float64 { return float64(ms) / float64(r.knownMs) }
	if off := r.powers.below(p.NoiseW); off.ms() > 0 {
		out = append(out, Level{
			MeanW: off.mean(), FromW: off.quantile(0.02), ToW: off.quantile(0.98), Share: share(off.ms()), State: usage.Off,
		})
	}
	for _, l := range on {
		state := usage.Running
		switch {
		case l.meanW < p.Rule.OffW:
			state = usage.Off
		case l.meanW < p.Rule.RunW:
			state = usage.Idle
		}
		out = append(out, Level{MeanW: l.meanW, FromW: l.fromW, ToW: l.toW, Share: share(l.ms), State: state})
	}
	return out
}

// round3 rounds to three significant digits: a threshold is read and typed by people.
func round3(w float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(w, 'g', 3, 64), 64)
	if err != nil {
		return w
	}
	return rounded
}
