package sim

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// Segment is one row of a truth file: for how long a controller said one thing.
type Segment struct {
	Machine string
	// Day is the day of the machine's log, YYYYMMDD in UTC.
	Day       string
	Span      span.Span
	Seconds   float64
	Execution string
}

// ExecutionDay is for how long a machine's controller said each thing in one day's log.
type ExecutionDay struct {
	Machine, Day string
	// Window runs from 00:00Z of the day to the end of what is known.
	Window span.Span
	// Seconds by execution value; they add up to the window.
	Seconds map[string]float64
}

// truthColumns is the head of a truth file.
var truthColumns = []string{"machine", "file_day", "start", "end", "seconds", "execution"}

// ReadTruth reads a truth file, CSV with the columns machine, file_day, start, end, seconds, execution. A row whose
// seconds are not its span, to two milliseconds of rounding, is an error that names the row.
func ReadTruth(r io.Reader) ([]Segment, error) {
	rows := csv.NewReader(r)
	rows.FieldsPerRecord = len(truthColumns)
	rows.ReuseRecord = true
	head, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("read truth: %w", err)
	}
	if !slices.Equal(head, truthColumns) {
		return nil, fmt.Errorf("read truth: columns %q: want %q", head, truthColumns)
	}
	var out []Segment
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read truth: %w", err)
		}
		s, err := readSegment(row)
		if err != nil {
			line, _ := rows.FieldPos(0)
			return nil, fmt.Errorf("read truth: line %d: %w", line, err)
		}
		out = append(out, s)
	}
}

func readSegment(row []string) (Segment, error) {
	start, err := time.Parse(time.RFC3339, row[2])
	if err != nil {
		return Segment{}, fmt.Errorf("start: %w", err)
	}
	end, err := time.Parse(time.RFC3339, row[3])
	if err != nil {
		return Segment{}, fmt.Errorf("end: %w", err)
	}
	seconds, err := strconv.ParseFloat(row[4], 64)
	if err != nil {
		return Segment{}, fmt.Errorf("seconds: %w", err)
	}
	s := Segment{Machine: row[0], Day: row[1], Span: span.Of(start, end), Seconds: seconds, Execution: row[5]}
	if spanS := float64(s.Span.EndMs-s.Span.StartMs) / 1000; !(math.Abs(spanS-seconds) <= 0.002) {
		return Segment{}, fmt.Errorf("seconds %g: the span has %g", seconds, spanS)
	}
	return s, nil
}

// ReadTruthFile reads a truth file that is compressed with gzip or not.
func ReadTruthFile(path string) ([]Segment, error) {
	var read int64
	in, err := openLines(path, &read)
	if err != nil {
		return nil, fmt.Errorf("read truth: %w", err)
	}
	segments, err := ReadTruth(in.in)
	if err = errors.Join(err, in.close()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return segments, nil
}

// TruthDays sums segments by machine and day, sorted by machine and then by day.
func TruthDays(segments []Segment) []ExecutionDay {
	byDay := map[[2]string]*ExecutionDay{}
	var days []*ExecutionDay
	for _, s := range segments {
		key := [2]string{s.Machine, s.Day}
		d := byDay[key]
		if d == nil {
			d = &ExecutionDay{Machine: s.Machine, Day: s.Day, Window: s.Span, Seconds: map[string]float64{}}
			byDay[key] = d
			days = append(days, d)
		}
		d.Window.StartMs = min(d.Window.StartMs, s.Span.StartMs)
		d.Window.EndMs = max(d.Window.EndMs, s.Span.EndMs)
		d.Seconds[s.Execution] += s.Seconds
	}
	out := make([]ExecutionDay, 0, len(days))
	for _, d := range days {
		out = append(out, *d)
	}
	slices.SortFunc(out, func(a, b ExecutionDay) int {
		return cmp.Or(cmp.Compare(a.Machine, b.Machine), cmp.Compare(a.Day, b.Day))
	})
	return out
}

// Difference is the sum over all execution values of how far two days are apart, in seconds.
func (d ExecutionDay) Difference(e ExecutionDay) float64 {
	var total float64
	for value, seconds := range d.Seconds {
		total += math.Abs(seconds - e.Seconds[value])
	}
	for value, seconds := range e.Seconds {
		if _, ok := d.Seconds[value]; !ok {
			total += math.Abs(seconds)
		}
	}
	return total
}
