// Package enlist writes down a scenario's base as its administrator would: the registry of what the service may know of a
// simulated base. It is for demos and for the comparison of what was measured with what was true. It refuses to tell what
// the service is to find out by itself.
package enlist

import (
	"cmp"
	"fmt"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// unseenW is the running threshold of a machine whose work does not show in its power.
const unseenW = 1_000_000

// Base returns the registry's view of one base of a simulation, by its place in the scenario: workshops, machines with the
// signal that decides, devices bound for as long as they stand there, opening hours, and the bridge. Machines that no
// device speaks for are left out. The error names a device that cannot be registered.
func Base(s *sim.Simulation, n int, sender registry.Bridge) (registry.Base, error) {
	from := &s.Scenario().Bases[n]
	base := registry.Base{
		Code: from.Code, Name: cmp.Or(from.Name, from.Code), Tier: registry.TierLocal,
		Districts: []registry.District{{Code: "500107", Valid: registry.Always()}},
		Bridges:   []registry.Bridge{sender},
		Hours: []registry.Hours{{
			Valid: registry.Always(), Workday: openingTimes(from.Opening.Workday), Restday: openingTimes(from.Opening.Restday),
		}},
	}
	for i := range from.Workshops {
		w := &from.Workshops[i]
		base.Workshops = append(base.Workshops, registry.Workshop{ID: w.ID, Name: cmp.Or(w.Name, w.ID)})
		for j := range w.Machines {
			if m := &w.Machines[j]; len(m.Devices) > 0 {
				base.Equipment = append(base.Equipment, scenarioEquipment(w.ID, m))
			}
		}
	}
	for _, d := range s.Devices(n) {
		if err := registerDevice(&base, &d); err != nil {
			return base, fmt.Errorf("device %s: %w", d.ID, err)
		}
	}
	return base, nil
}

func openingTimes(hours []scenario.Hours) registry.Times {
	var times registry.Times
	for _, h := range hours {
		times = append(times, registry.Opening{Start: int(h.From.Minutes()), End: min(int(h.To.Minutes()), 24*60)})
	}
	return times
}

// scenarioEquipment is a machine as the registry knows it: its state comes from the controller where it has one, else from
// its power, with the thresholds that it was built with.
func scenarioEquipment(workshop string, m *scenario.Machine) registry.Equipment {
	e := registry.Equipment{
		ID: m.ID, AssetNumber: "SIM-" + m.ID, Name: cmp.Or(m.Name, m.ID), Workshop: workshop, Category: registry.General,
		Profile: registry.Machine, QuotaHours: 1400, InService: registry.Always(),
		Signal: registry.Signal{Kind: registry.SignalController},
	}
	for i := range m.Devices {
		if m.Devices[i].Role == scenario.Controller {
			return e
		}
	}
	signature, shows := plant.SignatureOf(m.Kind, m.Model)
	rule := &registry.PowerRule{OffW: max(signature.OffW, 1), RunW: signature.RunW, Hysteresis: registry.DefaultHysteresis, DwellOn: signature.DwellOn, DwellOff: signature.DwellOff}
	if !shows {
		rule.RunW = unseenW
	}
	e.Signal = registry.Signal{Kind: registry.SignalPower, Power: rule}
	return e
}

// registerDevice registers a device and binds it to its machines for as long as it stands there.
func registerDevice(base *registry.Base, d *sim.Device) error {
	if d.Reader != nil {
		return nil // readers have their place in the registry with the people
	}
	if d.Identity.Device == "" {
		return fmt.Errorf("its voice does not say what it is called")
	}
	kind := registry.Meter
	for _, s := range d.Stands {
		if s.Role == scenario.Controller {
			kind = registry.Controller
		}
		if d.Tells {
			base.Bindings = append(base.Bindings, registry.Binding{
				Device: d.Identity.Device, Channel: d.Channel, Equipment: s.Machine.ID, Use: registry.UseState, Valid: s.Span,
			})
		}
	}
	base.Devices = append(base.Devices, registry.Device{ID: d.Identity.Device, Name: d.ID, Kind: kind, Dialect: d.Dialect})
	return nil
}
