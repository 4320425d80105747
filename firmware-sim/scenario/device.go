package scenario

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

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
	if !f.deviceID(item.idAt, d) {
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

// deviceID checks an id. A friendly name of Zigbee2MQTT may have "/" in it.
func (f *file) deviceID(at spot, d Device) bool {
	if d.Dialect == Zigbee2MQTT && len(d.ID) <= maxID && !slices.ContainsFunc(strings.Split(d.ID, "/"), func(s string) bool { return !idShape.MatchString(s) }) {
		return true
	}
	return f.id(at, d.ID)
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
