package sim_test

import (
	"testing"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// BenchmarkYear generates a year of a base with 50 machines and 200 people, every message of it: go test -bench Year
// -benchtime 1x ./firmware-sim.
func BenchmarkYear(b *testing.B) {
	text, _ := sim.ScenarioText("year")
	s, err := scenario.Read("year", text)
	if err != nil {
		b.Fatal(err)
	}
	simulation, err := sim.NewSimulation(s)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		messages, bytes := 0, 0
		for m := range simulation.Messages(0, nil) {
			messages++
			bytes += len(m.Payload)
		}
		b.ReportMetric(float64(messages), "messages/op")
		b.ReportMetric(float64(bytes)/1e9, "payload-GB/op")
	}
}
