package spool_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// Room promises neither more nor much less than an append finds, whatever is acknowledged.
func TestRoomIsWhatAnAppendFinds(t *testing.T) {
	t.Parallel()
	const payload, slack = 1000, 2 * spool.MinSegmentBytes
	for name, o := range map[string]spool.Options{
		"max bytes": {SegmentBytes: spool.MinSegmentBytes, MaxBytes: 64 << 10, Audit: time.Hour},
		"free disk": {SegmentBytes: spool.MinSegmentBytes, MinFreeBytes: 1 << 20, Audit: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			o.FS = newFaultFS(func(s step) verdict {
				held := int64(0)
				if s.Op == "free" {
					for _, path := range segmentFiles(t, dir) {
						if info, err := os.Stat(path); err == nil {
							held += info.Size()
						}
					}
				}
				return verdict{free: 1<<20 + 64<<10 - held}
			})
			log := open(t, dir, o)
			fill := func() (bytes int64) {
				for {
					_, err := log.Append(t.Context(), []spool.Entry{{Body: make([]byte, payload)}})
					if errors.Is(err, spool.ErrFull) {
						return bytes
					}
					if err != nil {
						t.Fatal(err)
					}
					bytes += payload
				}
			}
			for _, acked := range []float64{0, 0.5, 0.2, 1} {
				last := uint64(float64(log.End()-1) * acked)
				if last > 0 {
					if err := log.Acknowledge(spool.Range{First: 1, Last: last}); err != nil {
						t.Fatal(err)
					}
				}
				promised := log.Room()
				found := fill()
				if found > promised || promised-found > slack+promised/4 {
					t.Errorf("%v acknowledged: %d bytes of room were promised, %d found", acked, promised, found)
				}
				if left := log.Room(); left > slack {
					t.Errorf("%v acknowledged: a full log promises %d bytes", acked, left)
				}
			}
		})
	}
}
