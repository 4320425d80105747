package voice

import "strconv"

// zigbeeForm is how Zigbee2MQTT writes.
type zigbeeForm struct {
	lastSeen string
	caches   bool
	zoneMs   int64
}

// The words of the option last_seen.
const (
	lastSeenNone  = "none"
	lastSeenISO   = "iso"
	lastSeenLocal = "iso_local"
	lastSeenEpoch = "epoch"
)

// zigbeeFields are what a plug has said.
type zigbeeFields struct{ power, voltage, energy bool }

// render writes a message, its members in the order of their names.
func (z *zigbeeForm) render(out []byte, seen int64, m *zigbeeMeter, what zigbeeFields, quality int64) []byte {
	out = append(out, '{')
	if z.caches {
		out = appendText(out, "child_lock", "UNLOCK")
	}
	if z.caches || what.power {
		out = appendFixed(out, "current", m.currentA, -1)
	}
	if z.caches || what.energy {
		out = appendFixed(out, "energy", m.energyKWh, -1)
	}
	if z.caches {
		out = appendText(out, "indicator_mode", "off/on")
	}
	switch z.lastSeen {
	case lastSeenISO:
		out = append(appendStamp(append(appendKey(out, "last_seen"), '"'), seen, "2006-01-02T15:04:05.000Z"), '"')
	case lastSeenLocal:
		out = appendStamp(append(appendKey(out, "last_seen"), '"'), seen+z.zoneMs, tasmotaStamp)
		out = append(appendOffset(out, z.zoneMs), '"')
	case lastSeenEpoch:
		out = appendWhole(out, "last_seen", seen)
	}
	out = appendWhole(out, "linkquality", quality)
	if z.caches || what.power {
		out = appendFixed(out, "power", m.powerW, -1)
	}
	if z.caches {
		out = appendText(out, "power_outage_memory", "off")
		out = appendText(out, "state", "ON")
		out = append(appendKey(out, "update"), `{"installed_version":-1,"latest_version":-1,"state":null}`...)
	}
	if z.caches || what.voltage {
		out = strconv.AppendFloat(appendKey(out, "voltage"), m.voltageV, 'f', -1, 64)
	}
	return append(out, '}')
}
