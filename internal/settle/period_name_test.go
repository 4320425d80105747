package settle_test

import (
	"errors"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/settle"
)

func TestParsePeriod(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"month:2026-03": {"2026-03-01", "2026-03-31"}, "month:2024-02": {"2024-02-01", "2024-02-29"}, "month:2026-12": {"2026-12-01", "2026-12-31"},
		"quarter:2026-Q1": {"2026-01-01", "2026-03-31"}, "quarter:2026-Q4": {"2026-10-01", "2026-12-31"}, "year:2026": {"2026-01-01", "2026-12-31"},
	} {
		p, err := settle.ParsePeriod(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if first, last := p.Days(); first.String() != want[0] || last.String() != want[1] {
			t.Errorf("%s is %s to %s, want %v", text, first, last, want)
		}
	}
	for _, text := range []string{
		"", "month", "month:2026", "month:2026-3", "month:2026-13", "month:2026-00", "month:26-03", "month:2026-Q1", "quarter:2026-1", "quarter:2026-Q5",
		"year:2026-01", "year:1999", "year:3000", "year:+2026", "week:2026-03", "year:2026-", "month:2026-03-01", " month:2026-03", "MONTH:2026-03",
	} {
		if p, err := settle.ParsePeriod(text); !errors.Is(err, settle.ErrPeriod) {
			t.Errorf("%q is %+v, %v", text, p, err)
		}
	}
}

func FuzzParsePeriod(f *testing.F) {
	for _, s := range []string{"month:2026-03", "quarter:2026-Q4", "year:2026", "year:2026-", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := settle.ParsePeriod(s)
		if err != nil {
			return
		}
		if first, last := p.Days(); p.String() != s || last.Before(first) || first.Day != 1 || last.Add(1).Day != 1 {
			t.Errorf("%q is %+v, %s to %s", s, p, first, last)
		}
	})
}
