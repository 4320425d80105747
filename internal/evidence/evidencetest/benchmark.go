package evidencetest

import (
	"fmt"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// The benchmarks' plant: meters that say four numbers and a state every 10 s, collected in calls of about a second's
// frames of a city.
const (
	benchDevices = 250
	benchRecords = 10_000 // of one call
	benchDay     = 8_640  // samples of one device and day
	benchStepMs  = 10_000
)

// BenchmarkWrite reports the records that a store takes in a second, all of them new.
func BenchmarkWrite(b *testing.B, open func(testing.TB) evidence.Store) {
	store := benchStore(b, open)
	b.ReportAllocs()
	calls := 0
	for b.Loop() {
		b.StopTimer()
		batches := benchBatches(calls * benchRecords)
		b.StartTimer()
		benchWrite(b, store, batches)
		calls++
	}
	b.ReportMetric(float64(calls*benchRecords)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkRewrite reports the records that a store takes in a second when it has all of them already.
func BenchmarkRewrite(b *testing.B, open func(testing.TB) evidence.Store) {
	store := benchStore(b, open)
	batches := benchBatches(0)
	benchWrite(b, store, batches)
	calls := 0
	for b.Loop() {
		benchWrite(b, store, batches)
		calls++
	}
	b.ReportMetric(float64(calls*benchRecords)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkReadDay reports the records that a store gives back in a second, a device and day at a time.
func BenchmarkReadDay(b *testing.B, open func(testing.TB) evidence.Store) {
	store := benchStore(b, open)
	for at := 0; at < benchDevices*benchDay/10; at += benchRecords { // a tenth of the city has a whole day
		var batches []evidence.Batch
		for i := at; i < at+benchRecords; i += 250 {
			batches = append(batches, benchFrame(i, 25))
		}
		benchWrite(b, store, batches)
	}
	q := evidence.Query{Base: base, Window: span.Span{StartMs: t0, EndMs: t0 + benchDay*benchStepMs}}
	b.ReportAllocs()
	reads := 0
	for b.Loop() {
		q.Device = fmt.Sprintf("meter-%04d", reads%25)
		n := 0
		if err := store.Read(b.Context(), q, func(*evidence.Entry) error { n++; return nil }); err != nil {
			b.Fatal(err)
		}
		if n != benchDay {
			b.Fatalf("%d records, want %d", n, benchDay)
		}
		reads++
	}
	b.ReportMetric(float64(reads*benchDay)/b.Elapsed().Seconds(), "records/s")
}

func benchStore(b *testing.B, open func(testing.TB) evidence.Store) evidence.Store {
	b.Helper()
	store := open(b)
	b.Cleanup(func() {
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	})
	return store
}

func benchWrite(b *testing.B, store evidence.Store, batches []evidence.Batch) {
	b.Helper()
	outcomes, err := store.Write(b.Context(), batches)
	if err != nil {
		b.Fatal(err)
	}
	for _, o := range outcomes {
		if len(o.Rejected) > 0 {
			b.Fatalf("rejected %+v", o.Rejected[0])
		}
	}
}

// benchBatches are the frames of one call, record numbers from at.
func benchBatches(at int) []evidence.Batch {
	var batches []evidence.Batch
	for i := at; i < at+benchRecords; i += 250 {
		batches = append(batches, benchFrame(i, benchDevices))
	}
	return batches
}

// benchFrame is a frame of 250 messages: every device in turn, each turn a step later.
func benchFrame(at, devices int) evidence.Batch {
	b := evidence.Batch{Base: base, Bridge: bridge, Epoch: epoch, CollectedMs: t0 + int64(at)}
	for n := at; n < at+250; n++ {
		ms := t0 + int64(n/devices)*benchStepMs + int64(n%7)
		b.Messages = append(b.Messages, telemetry.Message{
			Seq: uint64(n + 1), ReceivedMs: ms + int64(n%300), Dialect: "tasmota",
			Records: []telemetry.Record{{
				Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: fmt.Sprintf("meter-%04d", n%devices), Channel: "energy",
				EventMs: ms, DeviceMs: ms, ValidMs: 25_000, State: "ON",
				Values: []telemetry.Value{
					{Quantity: telemetry.PowerW, Number: float64(n%1000) + 0.25},
					{Quantity: telemetry.VoltageV, Number: 229 + float64(n%40)/10},
					{Quantity: telemetry.CurrentA, Number: float64(n%500) / 100},
					{Quantity: telemetry.EnergyWh, Number: float64(n) * 1.5},
				},
			}},
		})
	}
	b.Receipts = []evidence.Receipt{{Epoch: epoch, First: uint64(at + 1), Last: uint64(at + 250), FirstMs: b.Messages[0].ReceivedMs}}
	return b
}
