package hours_test

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// clock reads 8:30, 8:30:05 or 25:30 as an instant of the case's day or the next.
func (c *handCase) clock(text string) (int64, error) {
	parts := strings.Split(text, ":")
	if len(parts) == 2 {
		parts = append(parts, "0")
	}
	var sec int64
	for _, p := range parts {
		n, err := strconv.ParseInt(p, 10, 64)
		if err != nil || len(parts) != 3 {
			return 0, fmt.Errorf("%q is no clock", text)
		}
		sec = sec*60 + n
	}
	return c.day.Span().StartMs + sec*1000, nil
}

func (c *handCase) span(text string) (span.Span, error) {
	from, to, _ := strings.Cut(text, "-")
	a, err := c.clock(from)
	if err != nil {
		return span.Span{}, err
	}
	b, err := c.clock(to)
	if err == nil && b <= a {
		err = fmt.Errorf("%q is empty", text)
	}
	return span.Span{StartMs: a, EndMs: b}, err
}

func (c *handCase) spans(words []string) (span.Set, error) {
	var out []span.Span
	for _, w := range words {
		s, err := c.span(w)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return span.NewSet(out...), nil
}

// minutes reads 150 or 149:59 as milliseconds.
func minutes(text string) (int64, error) {
	m, s, _ := strings.Cut(text, ":")
	min, err := strconv.ParseInt(m, 10, 64)
	if err != nil || s == "" {
		return min * 60_000, err
	}
	sec, err := strconv.ParseInt(s, 10, 64)
	return min*60_000 + sec*1000, err
}

func showMs(ms int64) string {
	if ms%60_000 == 0 {
		return strconv.FormatInt(ms/60_000, 10)
	}
	return fmt.Sprintf("%d:%02d.%03d", ms/60_000, ms/1000%60, ms%1000)
}

func (c *handCase) show(set span.Set) string {
	var out []string
	for _, s := range set {
		out = append(out, c.showClock(s.StartMs)+"-"+c.showClock(s.EndMs))
	}
	return strings.Join(out, " ")
}

func (c *handCase) showClock(ms int64) string {
	s := (ms - c.day.Span().StartMs) / 1000
	text := fmt.Sprintf("%d:%02d", s/3600, s/60%60)
	if s%60 != 0 {
		text += fmt.Sprintf(":%02d", s%60)
	}
	return text
}
