package plant_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// monday is 2026-03-02, a Monday, in UTC+8.
func monday() time.Time { return time.Date(2026, 3, 2, 0, 0, 0, 0, time.FixedZone("UTC+8", 8*3600)) }

func clock(from, to string) scenario.Hours {
	parse := func(s string) time.Duration {
		var h, m int
		if _, err := fmt.Sscanf(s, "%d:%d", &h, &m); err != nil {
			panic(err)
		}
		return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	}
	return scenario.Hours{From: parse(from), To: parse(to)}
}

func practice(from, to string, breaks ...scenario.Hours) scenario.Slot {
	return scenario.Slot{Workdays: true, Hours: clock(from, to), Breaks: breaks, Practice: true}
}

// everyKind is a base with one machine of each kind, each at a station of its own, a class of trainees at all of them, a
// class that passes midnight, and one of theory.
func everyKind(seed uint64) *scenario.Scenario {
	w := scenario.Workshop{ID: "ws1", Readers: []scenario.Reader{
		{ID: "door", Dialect: scenario.Native},
		{ID: "at-welder", Dialect: scenario.Native, Station: "st-welder"},
	}}
	habits := scenario.Habits{Late: 0.2, LeavesEarly: 0.1, ForgetsTapOut: 0.1, ForgetsTapIn: 0.05, Absent: 0.05, TapsTwice: 0.1}
	b := scenario.Base{
		Code: "B1", Bridge: "br1",
		Opening: scenario.Opening{Workday: []scenario.Hours{clock("8:00", "18:00")}},
		People:  []scenario.Person{{ID: "T1", Teacher: true, Habits: scenario.Habits{TapsTwice: 0.1}}},
	}
	var stations, day, night []string
	for _, kind := range scenario.Kinds() {
		id := "st-" + string(kind)
		w.Machines = append(w.Machines, scenario.Machine{ID: string(kind), Kind: kind})
		w.Stations = append(w.Stations, scenario.Station{ID: id, Machines: []string{string(kind)}, Capacity: 3})
		stations = append(stations, id)
		for i := range 3 {
			person := fmt.Sprintf("P-%s-%d", kind, i)
			b.People = append(b.People, scenario.Person{ID: person, Habits: habits})
			if i < 2 {
				day = append(day, person)
			} else {
				night = append(night, person)
			}
		}
	}
	b.Workshops = []scenario.Workshop{w, {ID: "room", Readers: []scenario.Reader{{ID: "room-door"}}}}
	b.Classes = []scenario.Class{
		{
			ID: "day", Profile: "machine", Teacher: "T1", Trainees: day, Workshop: "ws1", Stations: stations,
			Slots: []scenario.Slot{
				practice("8:30", "11:30", clock("9:50", "10:05")),
				practice("13:30", "17:00", clock("15:00", "15:40")),
			},
		},
		{ID: "night", Profile: "burst", Trainees: night, Workshop: "ws1", Stations: stations, Slots: []scenario.Slot{practice("21:00", "26:30")}},
		{ID: "theory", Trainees: day, Workshop: "room", Slots: []scenario.Slot{{Weekdays: []time.Weekday{time.Saturday}, Hours: clock("9:00", "11:00")}}},
	}
	return &scenario.Scenario{
		Name: "every-kind", Seed: seed, Zone: monday().Location(), FromMs: monday().UnixMilli(), Days: 7, Bases: []scenario.Base{b},
	}
}

// only takes the machines of all other kinds out of a scenario, so that many of its days can be made.
func only(s *scenario.Scenario, kinds ...scenario.Kind) *scenario.Scenario {
	for i := range s.Bases {
		w := &s.Bases[i].Workshops[0]
		w.Machines = slices.DeleteFunc(w.Machines, func(m scenario.Machine) bool { return !slices.Contains(kinds, m.Kind) })
	}
	return s
}
