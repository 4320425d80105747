package spool_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

func TestAcknowledge(t *testing.T) {
	t.Parallel()
	type ranges = []spool.Range
	tests := map[string]struct {
		acks        []ranges
		want        ranges
		wantFirst   uint64
		wantRecords uint64
	}{
		"nothing":          {nil, nil, 1, 10},
		"in order":         {[]ranges{{{1, 3}}, {{4, 4}}}, ranges{{1, 4}}, 5, 6},
		"out of order":     {[]ranges{{{7, 8}}, {{2, 3}}}, ranges{{2, 3}, {7, 8}}, 1, 6},
		"joined":           {[]ranges{{{1, 2}, {5, 6}}, {{3, 4}}}, ranges{{1, 6}}, 7, 4},
		"overlapping":      {[]ranges{{{2, 5}, {4, 8}, {1, 2}}}, ranges{{1, 8}}, 9, 2},
		"again":            {[]ranges{{{1, 4}}, {{1, 4}}, {{2, 3}}}, ranges{{1, 4}}, 5, 6},
		"all":              {[]ranges{{{1, 10}}}, ranges{{1, 10}}, 11, 0},
		"above the end":    {[]ranges{{{9, 4000}, {20, 30}, {1 << 63, 1<<64 - 1}}}, ranges{{9, 10}}, 1, 8},
		"zero and inverse": {[]ranges{{{0, 0}, {5, 4}, {0, 2}}}, ranges{{1, 2}}, 3, 8},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			log := open(t, dir, spool.Options{})
			put(t, log, 10)
			for _, ack := range tt.acks {
				if err := log.Acknowledge(ack...); err != nil {
					t.Fatal(err)
				}
			}
			for _, when := range []string{"at once", "after a crash"} {
				first, records, bytes := log.Unacknowledged()
				if diff := cmp.Diff(tt.want, log.Acknowledged()); diff != "" {
					t.Errorf("%s (-want +got):\n%s", when, diff)
				}
				if first != tt.wantFirst || records != tt.wantRecords || (bytes > 0) != (records > 0) {
					t.Errorf("%s: %d records in %d bytes wait from %d, want %d from %d",
						when, records, bytes, first, tt.wantRecords, tt.wantFirst)
				}
				log = open(t, copyDir(t, dir), spool.Options{}) // [L-14.2]
			}
		})
	}
}
