package scenario

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func (f *file) workshop(b *base, o *object) {
	if !f.count(o.at, "workshops", 1, maxWorkshops) {
		o.asked = append(o.asked, "id", "name", "machines", "stations", "readers")
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
	template, at := f.pattern(o, "id", strings.ReplaceAll(string(kind), "_", "-")+"-{n}", count)
	first := b.number(o, template, count)
	name := o.name("")
	model := f.model(o)
	devices := f.devices(o, kind)
	if kind == "" && !o.given("id") || !f.count(o.at, "machines", count, MaxMachines) {
		return
	}
	for n := first; n < first+count; n++ {
		m := Machine{ID: stamp(template, n), Kind: kind, Model: model, Line: o.at.line}
		m.Name = cmp.Or(stamp(name, n), m.ID)
		if !f.claim(b, aMachine, at, m.ID) || !f.count(o.at, "devices", len(devices), maxDevices) {
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

// deviceItem is a device of a template and where it stands in the file.
type deviceItem struct {
	Device
	idAt spot
}

// devices reads the devices of a machine; without any the kind's usual.
func (f *file) devices(o *object, kind Kind) []deviceItem {
	var out []deviceItem
	given := o.each("devices", maxAtMachine, func(o *object) { out = append(out, f.device(o, kind)) })
	if given {
		return out
	}
	for _, s := range kind.traits().devices {
		out = append(out, deviceItem{
			Device: Device{ID: "{machine}-" + string(s.role), Dialect: s.dialect, Role: s.role, Line: o.at.line}, idAt: o.at,
		})
	}
	return out
}

func (f *file) device(o *object, kind Kind) deviceItem {
	d := deviceItem{idAt: o.at}
	d.Line = o.at.line
	def := Meter
	if usual := kind.traits().devices; len(usual) > 0 {
		def = usual[0].role
	}
	d.Role = choice(o, "role", f.roleOf(o, def), []Role{Meter, Controller})
	d.Dialect = f.dialect(o, d.Role, kind)
	d.ID, d.idAt = o.text("id", "{machine}-"+string(d.Role))
	d.Every = o.duration("every", 0, minEvery, day)
	d.Options = f.options(o)
	d.FromMs, d.ToMs = f.bounds(o)
	if kind == "" {
		return d
	}
	_, at, _ := o.get("role")
	switch {
	case d.Role == Meter && !kind.HasPower():
		f.bad(at, string(d.Role), wrong{fmt.Sprintf("%s 不用电，没有电表可读的数", kind), fmt.Sprintf("a %s draws no power that a meter could read", kind)})
	case d.Role == Controller && !kind.HasController():
		f.bad(at, string(d.Role), wrong{fmt.Sprintf("%s 没有控制器", kind), fmt.Sprintf("a %s has no controller", kind)})
	}
	return d
}

// roleOf is the role of a device that says none: the only one that its dialect has, else the kind's usual.
func (f *file) roleOf(o *object, def Role) Role {
	text, _ := o.text("dialect", "")
	d := Dialect(text)
	if !slices.Contains(Dialects(), d) || d.speaks(def) {
		return def
	}
	for _, role := range []Role{Meter, Controller} {
		if d.speaks(role) {
			return role
		}
	}
	return def
}

func (f *file) dialect(o *object, role Role, kind Kind) Dialect {
	for _, s := range kind.traits().devices {
		if s.role == role && !o.given("dialect") {
			return s.dialect
		}
	}
	def := ShellyGen2
	if role == Controller {
		def = MTConnect
	}
	d := choice(o, "dialect", def, Dialects())
	if node, at, ok := o.get("dialect"); ok && slices.Contains(Dialects(), d) && !d.speaks(role) {
		list := strings.Join(texts(dialectsOf(role)), ", ")
		f.bad(at, node.Text, wrong{fmt.Sprintf("%s 不能是 %s，可用：%s", d, role, list), fmt.Sprintf("%s cannot be a %s, known are %s", d, role, list)})
	}
	return d
}

// stand is where a device is, and when.
type stand struct {
	Device
	machine string
	at      spot
}

func (s stand) overlaps(t stand) bool {
	return (s.ToMs == 0 || t.FromMs < s.ToMs) && (t.ToMs == 0 || s.FromMs < t.ToMs)
}

func (f *file) stampDevice(b *base, machine string, n int, item deviceItem) Device {
	d := item.Device
	d.ID = stamp(strings.ReplaceAll(d.ID, "{machine}", machine), n)
	if !f.id(item.idAt, d.ID) {
		return d
	}
	if b.readers[d.ID] != nil {
		f.bad(item.idAt, d.ID, twice(aDevice, b.first[[2]string{aDevice.en, d.ID}]))
	}
	if _, ok := b.stands[d.ID]; !ok {
		b.deviceOf = append(b.deviceOf, d.ID)
	}
	b.stands[d.ID] = append(b.stands[d.ID], stand{d, machine, item.idAt})
	return d
}

// checkDevices looks for devices that are at two machines at once, and machines with two of one role.
func (f *file) checkDevices(b *base) {
	byMachine := map[string][]stand{}
	for _, id := range b.deviceOf {
		all := b.stands[id]
		slices.SortStableFunc(all, func(s, t stand) int { return cmp.Compare(s.FromMs, t.FromMs) })
		for i, s := range all {
			byMachine[s.machine] = append(byMachine[s.machine], s)
			if i > 0 {
				f.checkMove(all[i-1], s)
			}
		}
	}
	for _, w := range b.Workshops {
		for _, m := range w.Machines {
			f.checkRoles(byMachine[m.ID])
		}
	}
}

func (f *file) checkMove(before, s stand) {
	switch {
	case before.overlaps(s):
		f.bad(s.at, s.ID, wrong{
			fmt.Sprintf("同一时间在两台设备上：%s 与 %s，见 %s；换装须用 from、to 分开", before.machine, s.machine, before.at),
			fmt.Sprintf("at two machines at once, %s and %s, see %s; part them with from and to", before.machine, s.machine, before.at),
		})
	case before.Role != s.Role || before.Dialect != s.Dialect || before.Every != s.Every || !maps.Equal(before.Options, s.Options):
		f.bad(s.at, s.ID, wrong{
			fmt.Sprintf("同一终端，方言、角色与设置应与 %s 相同", before.at), fmt.Sprintf("the same device as at %s, so dialect, role and settings must be the same", before.at),
		})
	}
}

func (f *file) checkRoles(stands []stand) {
	for i, s := range stands {
		for _, t := range stands[:i] {
			if s.Role == t.Role && s.ID != t.ID && s.overlaps(t) {
				f.bad(s.at, s.ID, wrong{
					fmt.Sprintf("设备 %s 同一时间有两个 %s，另一个是 %s（%s）", s.machine, s.Role, t.ID, t.at),
					fmt.Sprintf("machine %s has two of role %s at once, the other is %s at %s", s.machine, s.Role, t.ID, t.at),
				})
			}
		}
	}
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
	template, at := f.pattern(o, "id", "station-{n}", count)
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
	if !f.count(at, "stations", 1, maxStations) || !f.claim(b, aStation, at, s.ID) {
		return false
	}
	r.Stations = append(r.Stations, s)
	return true
}

// readers reads the readers of a workshop.
func (f *file) readers(b *base, r *room, o *object) {
	o.each("readers", maxItems, func(o *object) {
		count := o.whole("count", 1, 1, maxReaders)
		template, at := f.pattern(o, "id", r.ID+"-reader-{n}", count)
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
	if !f.count(at, "readers", 1, maxReaders) || !f.claim(b, aDevice, at, reader.ID) {
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
