package spool_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// benchEntries are n entries of 150 bytes, half of it raw.
func benchEntries(n int) []spool.Entry {
	entries := make([]spool.Entry, n)
	for i := range entries {
		entries[i] = spool.Entry{ReceivedMs: int64(i), Body: make([]byte, 75), Raw: make([]byte, 75)}
	}
	return entries
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 100, 1000, 5000} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			log := open(b, b.TempDir(), spool.Options{FS: spool.RealFS()})
			entries := benchEntries(size)
			b.SetBytes(int64(size) * 150)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := log.Append(b.Context(), entries); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkAppendConcurrent is many callers of one record each: what an embedded broker with a blocking hook would do.
func BenchmarkAppendConcurrent(b *testing.B) {
	for _, callers := range []int{10, 1000} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			log := open(b, b.TempDir(), spool.Options{FS: spool.RealFS()})
			start := time.Now()
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					entry := benchEntries(1)
					for range b.N/callers + 1 {
						if _, err := log.Append(b.Context(), entry); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(log.End()-1)/time.Since(start).Seconds(), "records/s")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, batch := range []int{1, 1000} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			log := open(b, b.TempDir(), spool.Options{FS: spool.RealFS()})
			const total = 100_000
			entries := benchEntries(batch)
			for n := 0; n < min(total, batch*5000); n += batch {
				if _, err := log.Append(b.Context(), entries); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(150)
			b.ReportAllocs()
			reader, err := log.Reader(1)
			if err != nil {
				b.Fatal(err)
			}
			var rec spool.Record
			for b.Loop() {
				err := reader.Next(&rec)
				if errors.Is(err, io.EOF) {
					closeAll(b, reader)
					if reader, err = log.Reader(1); err != nil {
						b.Fatal(err)
					}
					err = reader.Next(&rec)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			closeAll(b, reader)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkDisk is the limit that BenchmarkAppend is compared with: the same bytes, written and synced by nobody's code.
func BenchmarkDisk(b *testing.B) {
	for _, size := range []int{1, 100, 1000, 5000} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			f, err := spool.RealFS().OpenFile(filepath.Join(b.TempDir(), "f"), os.O_CREATE|os.O_RDWR, 0o600)
			if err != nil {
				b.Fatal(err)
			}
			defer closeAll(b, f)
			buf := make([]byte, size*166+80)
			var off int64
			for b.Loop() {
				if _, err := f.WriteAt(buf, off); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
				off = (off + int64(len(buf))) % (1 << 30)
			}
			b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
