package scenario

import (
	"cmp"
	"fmt"
	"strings"
)

func (f *file) workshop(b *base, o *object) {
	if !f.count(o.at, called{"车间", "workshops"}, 1, maxWorkshops) {
		o.skip()
		return
	}
	id, at := o.text("id", fmt.Sprintf("workshop-%d", len(b.Workshops)+1))
	f.claim(b, aWorkshop, at, id)
	r := &room{Workshop: &Workshop{ID: id, Name: o.name(id)}, at: o.at, machines: map[string]*Machine{}, stations: map[string]*Station{}}
	o.each("machines", maxItems, func(o *object) { f.machines(b, r, o) })
	for i := range r.Machines {
		r.machines[r.Machines[i].ID] = &r.Machines[i]
	}
	if !o.each("stations", maxItems, func(o *object) { f.stations(b, r, o) }) {
		f.defaultStations(b, r)
	}
	for i := range r.Stations {
		r.stations[r.Stations[i].ID] = &r.Stations[i]
	}
	if !o.given("readers") {
		f.reader(b, r, Reader{ID: id + "-door", Dialect: Native, Line: o.at.line}, o.at)
	}
	f.readers(b, r, o)
	b.Workshops = append(b.Workshops, *r.Workshop)
	b.rooms[id] = r
}

// machines reads one item: a machine, or a template of many.
func (f *file) machines(b *base, r *room, o *object) {
	count := o.whole("count", 1, 1, MaxMachines)
	var kind Kind
	if _, _, ok := o.require("kind", wrong{"设备种类，如 lathe", "the kind of machine, such as lathe"}); ok {
		kind = choice(o, "kind", "", Kinds())
	}
	template, at := f.pattern(o, strings.ReplaceAll(string(kind), "_", "-")+"-{n}", count)
	first := b.number(o, template, count)
	name := o.name("")
	model := f.model(o)
	devices := f.devices(o, kind)
	if kind == "" && !o.given("id") || !f.count(o.at, called{"设备", "machines"}, count, MaxMachines) {
		return
	}
	for n := first; n < first+count; n++ {
		m := Machine{ID: stamp(template, n), Kind: kind, Model: model, Line: o.at.line}
		m.Name = cmp.Or(stamp(name, n), m.ID)
		if !f.claim(b, aMachine, at, m.ID) || !f.count(o.at, called{"终端", "devices"}, len(devices), maxDevices) {
			return
		}
		for _, d := range devices {
			m.Devices = append(m.Devices, f.stampDevice(b, m.ID, n, d))
		}
		r.Machines = append(r.Machines, m)
	}
}

// model reads figures of the physical model.
func (f *file) model(o *object) map[string]float64 {
	var out map[string]float64
	for _, e := range o.dictionary("model") {
		if !nameShape.MatchString(e.name) {
			f.bad(e.nameAt, e.name, wrong{"应为小写字母、数字、_ 的名称，如 run_w", "want a name of small letters, digits and '_', such as run_w"})
			continue
		}
		if out == nil {
			out = map[string]float64{}
		}
		out[e.name] = f.number(e.at, e.node, 0, 1e9)
	}
	return out
}

// options reads a dialect's own options.
func (f *file) options(o *object) map[string]string {
	var out map[string]string
	for _, e := range o.dictionary("options") {
		if !nameShape.MatchString(e.name) || len(e.node.Text) > maxName {
			f.bad(e.nameAt, e.name, wrong{"应为小写字母、数字、_ 的名称及较短的值", "want a name of small letters, digits and '_', and a short value"})
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[e.name] = e.node.Text
	}
	return out
}

// defaultStations gives every machine that wants people a station.
func (f *file) defaultStations(b *base, r *room) {
	for i := range r.Machines {
		m := &r.Machines[i]
		if capacity := m.Kind.traits().capacity; capacity > 0 {
			f.station(b, r, Station{ID: "at-" + m.ID, Machines: []string{m.ID}, Capacity: capacity}, r.at)
		}
	}
}

// stations reads one item: a station, or a template of many.
func (f *file) stations(b *base, r *room, o *object) {
	count := o.whole("count", 1, 1, maxStations)
	template, at := f.pattern(o, "station-{n}", count)
	first := b.number(o, template, count)
	machines, _ := o.words("machines", maxItems)
	capacity := o.whole("capacity", 0, 1, 1000)
	for n := first; n < first+count; n++ {
		s := Station{ID: stamp(template, n), Capacity: capacity}
		most := 1
		for _, w := range machines {
			id := stamp(w.text, n)
			m, ok := r.machines[id]
			if !ok {
				f.missing(w.at, aMachine, id, func() []string { return ids(r.Machines) })
				continue
			}
			most = max(most, m.Kind.traits().capacity)
			s.Machines = append(s.Machines, id)
			f.once(b, w.at, id)
		}
		if s.Capacity == 0 {
			s.Capacity = most
		}
		if !f.station(b, r, s, at) {
			return
		}
	}
}

func ids(machines []Machine) []string {
	out := make([]string, len(machines))
	for i := range machines {
		out[i] = machines[i].ID
	}
	return out
}

// once says that a machine stands at two stations: who works at it could not be told.
func (f *file) once(b *base, at spot, machine string) {
	key := [2]string{"the station of", machine}
	if first, ok := b.first[key]; ok {
		f.bad(at, machine, wrong{fmt.Sprintf("该设备已属于另一工位，见 %s；多人共用请用 capacity", first), fmt.Sprintf("the machine belongs to a station already, see %s; for several people use capacity", first)})
		return
	}
	b.first[key] = at
}

func (f *file) station(b *base, r *room, s Station, at spot) bool {
	if !f.count(at, called{"工位", "stations"}, 1, maxStations) || !f.claim(b, aStation, at, s.ID) {
		return false
	}
	r.Stations = append(r.Stations, s)
	return true
}

// readers reads the readers of a workshop.
func (f *file) readers(b *base, r *room, o *object) {
	o.each("readers", maxItems, func(o *object) {
		count := o.whole("count", 1, 1, maxReaders)
		template, at := f.pattern(o, r.ID+"-reader-{n}", count)
		first := b.number(o, template, count)
		reader := Reader{Dialect: choice(o, "dialect", Native, readerDialects()), Line: o.at.line}
		reader.Type = f.readerType(o, reader.Dialect)
		station, stationAt := o.text("station", "")
		reader.Direction = choice(o, "direction", "", []string{"in", "out"})
		reader.Options = f.options(o)
		for n := first; n < first+count; n++ {
			reader.ID, reader.Station = stamp(template, n), stamp(station, n)
			if reader.Station != "" && r.stations[reader.Station] == nil {
				f.missing(stationAt, aStation, reader.Station, func() []string {
					var known []string
					for i := range r.Stations {
						known = append(known, r.Stations[i].ID)
					}
					return known
				})
			}
			if !f.reader(b, r, reader, at) {
				return
			}
		}
	})
}

func (f *file) readerType(o *object, d Dialect) string {
	types := readerTypes(d)
	if len(types) == 0 {
		if node, at, ok := o.get("type"); ok {
			f.bad(at, node.Text, wrong{fmt.Sprintf("%s 读卡器没有 type", d), fmt.Sprintf("readers of %s have no type", d)})
		}
		return ""
	}
	return choice(o, "type", types[0], types)
}

func (f *file) reader(b *base, r *room, reader Reader, at spot) bool {
	if !f.count(at, called{"读卡器", "readers"}, 1, maxReaders) || !f.claim(b, aDevice, at, reader.ID) {
		return false
	}
	if s, ok := b.stands[reader.ID]; ok {
		f.bad(at, reader.ID, twice(aDevice, s[0].at))
		return false
	}
	b.readers[reader.ID] = &reader
	r.Readers = append(r.Readers, reader)
	return true
}
