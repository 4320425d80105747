// Package enlist writes down a scenario's base as its administrator would: the registry of what the service may know of a
// simulated base, and who learns there, when and for what. It is for demos and for the comparison of what was measured with
// what was true. It refuses to tell what the service is to find out by itself.
package enlist

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// unseenW is the running threshold of a machine whose work does not show in its power.
const unseenW = 1_000_000

// Base returns the registry's view of one base of a simulation, by its place in the scenario: workshops with their stations,
// machines with the signal that decides, devices bound for as long as they stand there, readers bound to their room or
// station, opening hours, and the bridge. Machines that no
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
		base.Workshops = append(base.Workshops, registry.Workshop{ID: w.ID, Name: cmp.Or(w.Name, w.ID), Stations: stationsOf(w)})
		for j := range w.Machines {
			if m := &w.Machines[j]; len(m.Devices) > 0 {
				base.Equipment = append(base.Equipment, scenarioEquipment(w, m))
			}
		}
	}
	rooms := roomsOf(from)
	for _, d := range s.Devices(n) {
		if err := registerDevice(&base, rooms, &d); err != nil {
			return base, fmt.Errorf("device %s: %w", d.ID, err)
		}
	}
	return base, nil
}

func stationsOf(w *scenario.Workshop) []registry.Station {
	var out []registry.Station
	for i := range w.Stations {
		out = append(out, registry.Station{ID: w.Stations[i].ID})
	}
	return out
}

// stationOf is the station that a machine belongs to, "" for none.
func stationOf(w *scenario.Workshop, machine string) string {
	for i := range w.Stations {
		if slices.Contains(w.Stations[i].Machines, machine) {
			return w.Stations[i].ID
		}
	}
	return ""
}

// roomsOf says in which workshop each reader is.
func roomsOf(b *scenario.Base) map[string]string {
	rooms := map[string]string{}
	for i := range b.Workshops {
		for j := range b.Workshops[i].Readers {
			rooms[b.Workshops[i].Readers[j].ID] = b.Workshops[i].ID
		}
	}
	return rooms
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
func scenarioEquipment(w *scenario.Workshop, m *scenario.Machine) registry.Equipment {
	e := registry.Equipment{
		ID: m.ID, AssetNumber: "SIM-" + m.ID, Name: cmp.Or(m.Name, m.ID), Workshop: w.ID, Station: stationOf(w, m.ID),
		Category: registry.General, Profile: registry.Profile(m.Kind.Profile()), QuotaHours: 1400, InService: registry.Always(),
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

// registerDevice registers a device and binds it to its machines for as long as it stands there, a reader to its room or
// station.
func registerDevice(base *registry.Base, rooms map[string]string, d *sim.Device) error {
	if d.Identity.Device == "" {
		return errors.New("its voice does not say what it is called")
	}
	if d.Reader != nil {
		// The topic says the dialect: no reader's can be mistaken for another's.
		base.Devices = append(base.Devices, registry.Device{ID: d.Identity.Device, Name: d.ID, Kind: registry.Reader})
		base.Bindings = append(base.Bindings, registry.Binding{
			Device: d.Identity.Device, Channel: d.Channel, Room: rooms[d.ID], Station: d.Reader.Station, Use: registry.UsePresence,
			Valid: registry.Always(),
		})
		return nil
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
