package frame_test

import (
	"testing"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

var workloads = []struct {
	name string
	make func(testing.TB) *workload
	wait int64 // milliseconds after which a frame is sealed; 0: when it is full
}{
	{"meters/full", func(testing.TB) *workload { return meters(300, 40_000) }, 0},
	{"meters/1s", func(testing.TB) *workload { return meters(300, 10_000) }, 1000},
	{"meters/5s", func(testing.TB) *workload { return meters(300, 10_000) }, 5000},
	{"meters/30s", func(testing.TB) *workload { return meters(300, 10_000) }, 30_000},
	{"machine_tools/full", func(testing.TB) *workload { return machineTools(8, 40_000) }, 0},
	{"machine_tools/1s", func(testing.TB) *workload { return machineTools(8, 10_000) }, 1000},
	{"recorded/full", machineDay, 0},
	{"recorded/1s", machineDay, 1000},
	{"recorded/30s", machineDay, 30_000},
}

// logged is a workload as the base's log holds it.
type logged struct {
	bodies [][]byte
	chains [][32]byte // before each, and after the last
}

func (w *workload) log() logged {
	l := logged{chains: [][32]byte{frame.ChainStart(epoch)}}
	for i := range w.messages {
		body := frame.AppendMessage(nil, &w.messages[i])
		l.bodies = append(l.bodies, body)
		l.chains = append(l.chains, frame.ChainNext(l.chains[i], uint64(i)+1, body))
	}
	return l
}

// seal makes frames of the whole workload: full ones, or as many as its wait asks for.
func (w *workload) seal(tb testing.TB, l logged) (frames [][]byte) {
	tb.Helper()
	b := frame.NewBuilder("b1", "bridge-1", epoch, testKey())
	seal := func() {
		sealed, err := b.Seal(1)
		if err != nil {
			tb.Fatal(err)
		}
		frames = append(frames, sealed)
	}
	since := w.messages[0].ReceivedMs
	for i := range l.bodies {
		full, err := b.Add(uint64(i)+1, l.bodies[i], l.chains[i], l.chains[i+1])
		if err != nil {
			tb.Fatal(err)
		}
		if late := w.wait > 0 && w.messages[i].ReceivedMs-since >= w.wait; full || late {
			seal()
			since = w.messages[i].ReceivedMs
		}
	}
	if b.Len() > 0 {
		seal()
	}
	return frames
}

func size(frames [][]byte) (n int) {
	for _, f := range frames {
		n += len(f)
	}
	return n
}

// BenchmarkSeal measures Add and Seal, with what goes over the WAN beside the raw MQTT bytes.
func BenchmarkSeal(b *testing.B) {
	for _, c := range workloads {
		b.Run(c.name, func(b *testing.B) {
			w := c.make(b)
			w.wait = c.wait
			l := w.log()
			n := float64(len(w.messages))
			var frames [][]byte
			b.ReportAllocs()
			for b.Loop() {
				frames = w.seal(b, l)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
			b.ReportMetric(float64(size(frames))/n, "B/record")
			b.ReportMetric(float64(w.raw)/n, "rawB/record")
			b.ReportMetric(float64(w.raw)/float64(size(frames)), "raw/wire")
			b.ReportMetric(float64(size(frames))/float64(len(frames)), "B/frame")
		})
	}
}

// BenchmarkOpen measures what a collector does with a frame: Parse, Verify, Messages.
func BenchmarkOpen(b *testing.B) {
	for _, c := range workloads {
		b.Run(c.name, func(b *testing.B) {
			w := c.make(b)
			w.wait = c.wait
			frames := w.seal(b, w.log())
			b.ReportAllocs()
			for b.Loop() {
				for _, sealed := range frames {
					f, err := frame.Parse(sealed)
					if err == nil {
						err = f.Verify(public())
					}
					if err == nil {
						_, err = f.Messages(nil) // the store keeps them
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(w.messages)), "ns/record")
		})
	}
}

// BenchmarkAppendMessage measures the canonical bytes of one message of four values.
func BenchmarkAppendMessage(b *testing.B) {
	m := meters(1, 1).messages[0]
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = frame.AppendMessage(dst[:0], &m)
	}
}

// BenchmarkAppendChecked measures what a bridge does before it logs.
func BenchmarkAppendChecked(b *testing.B) {
	m := meters(1, 1).messages[0]
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = frame.AppendChecked(dst[:0], &m); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheckMessage measures the verdict on bytes.
func BenchmarkCheckMessage(b *testing.B) {
	m := meters(1, 1).messages[0]
	body := frame.AppendMessage(nil, &m)
	b.ReportAllocs()
	for b.Loop() {
		if err := frame.CheckMessage(body); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodeMessage measures reading one message from the log.
func BenchmarkDecodeMessage(b *testing.B) {
	w := meters(1, 1)
	body := frame.AppendMessage(nil, &w.messages[0])
	var m telemetry.Message
	b.ReportAllocs()
	for b.Loop() {
		if err := frame.DecodeMessage(body, &m); err != nil {
			b.Fatal(err)
		}
	}
}
