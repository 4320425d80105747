package plant_test

import (
	"testing"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

func newPlant(t testing.TB, s *scenario.Scenario) *plant.Plant {
	t.Helper()
	p, err := plant.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
