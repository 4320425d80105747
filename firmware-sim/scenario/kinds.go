package scenario

import "slices"

// traits are what the language knows of a kind of machine.
type traits struct {
	kind Kind
	// devices stand at a machine when the file names none.
	devices []standard
	// controlled kinds have a controller of their own; of those that show, the power tells whether they run.
	controlled, shows bool
	// capacity is of a station that the file does not describe; 0: the machine needs nobody.
	capacity int
	profile  string
}

type standard struct {
	role    Role
	dialect Dialect
}

// kinds is the table of kinds.
func kinds() []traits {
	return []traits{
		{Lathe, []standard{{Meter, Tasmota}}, false, true, 2, "machine"},
		{CNCMill, []standard{{Controller, MTConnect}}, true, true, 2, "machine"},
		{CNCLathe, []standard{{Controller, MTConnect}}, true, true, 2, "machine"},
		{Welder, []standard{{Meter, ShellyGen2}}, false, true, 1, "burst"},
		{RobotCell, []standard{{Controller, Sparkplug}}, true, true, 2, "machine"},
		{InjectionPress, []standard{{Controller, Sparkplug}}, true, true, 2, "thermal"},
		{Compressor, []standard{{Meter, ShellyGen1}}, false, true, 0, "machine"},
		{Oven, []standard{{Meter, Native}}, false, true, 2, "thermal"},
		{Printer3D, []standard{{Meter, Zigbee2MQTT}}, false, true, 1, "machine"},
		{PLCBench, []standard{{Meter, ESPHome}}, false, false, 2, "bench"},
		{ComputerRoom, []standard{{Meter, ShellyGen1}}, false, false, 40, "computer"},
		{HandBench, nil, false, false, 1, "bench"},
	}
}

func (k Kind) traits() traits {
	all := kinds()
	i := slices.IndexFunc(all, func(t traits) bool { return t.kind == k })
	if i < 0 {
		return traits{kind: k, shows: true, capacity: 1, profile: "machine"}
	}
	return all[i]
}

// HasController reports whether machines of the kind have a controller that can speak for them.
func (k Kind) HasController() bool { return k.traits().controlled }

// Profile is the evidence profile of what is learnt at machines of the kind, such as "burst".
func (k Kind) Profile() string { return k.traits().profile }

// HasPower reports whether machines of the kind draw power that a meter could see.
func (k Kind) HasPower() bool { return k != HandBench }

// Dialects lists every dialect.
func Dialects() []Dialect {
	return []Dialect{
		Native, MTConnect, MTConnectDocument, Sparkplug, ShellyGen1, ShellyGen2, Tasmota, ESPHome, Zigbee2MQTT, ESPRFID,
	}
}

// speaks reports whether devices of a role speak a dialect.
func (d Dialect) speaks(role Role) bool {
	switch d {
	case Native, Sparkplug:
		return true
	case MTConnect, MTConnectDocument:
		return role == Controller
	case ESPRFID:
		return false
	}
	return role == Meter
}

// dialectsOf lists the dialects that devices of a role speak.
func dialectsOf(role Role) []Dialect {
	return slices.DeleteFunc(Dialects(), func(d Dialect) bool { return !d.speaks(role) })
}

// readerDialects lists the dialects of badge readers, each with its kinds of hardware, the usual one first.
func readerDialects() []Dialect { return []Dialect{Native, Tasmota, ESPHome, ESPRFID} }

// rdm6300 is the hardware that sees cards which nobody holds.
const rdm6300 = "rdm6300"

func readerTypes(d Dialect) []string {
	if d == Native {
		return nil
	}
	return []string{"rc522", "pn532", "wiegand", rdm6300}
}

// tellsTime reports whether devices of a dialect say the time, and utc whether they say UTC.
func (d Dialect) tellsTime() (tells, utc bool) {
	switch d {
	case Native, MTConnect, MTConnectDocument, Sparkplug, ShellyGen2, ESPRFID:
		return true, true
	case Tasmota:
		return true, false
	}
	return false, false
}

// profiles are the evidence profiles of courses.
func profiles() []string {
	return []string{"machine", "burst", "thermal", "computer", "bench", "kitchen"}
}
