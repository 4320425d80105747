package plant_test

import (
	"os"
	"testing"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// BenchmarkDay makes days of a base of usual size, 50 machines and 200 people, and with them the truth of its hours.
func BenchmarkDay(b *testing.B) {
	text, err := os.ReadFile("../scenarios/year.yaml")
	if err != nil {
		b.Fatal(err)
	}
	s, err := scenario.Read("year.yaml", text)
	if err != nil {
		b.Fatal(err)
	}
	p := newPlant(b, s)
	b.Run("day", func(b *testing.B) {
		b.ReportAllocs()
		day, steps := 0, 0
		for b.Loop() {
			d := p.Day(0, day%s.Days)
			for i := range d.Machines {
				steps += len(d.Machines[i].Power)
			}
			day++
		}
		b.ReportMetric(float64(steps)/float64(day), "steps/day")
	})
	b.Run("deserved", func(b *testing.B) {
		b.ReportAllocs()
		d := p.Day(0, 5)
		for b.Loop() {
			plant.Deserved(d, plant.Neighbours{}, plant.DefaultRule())
		}
	})
}
