package voice

import (
	"math"
	"strconv"
)

// The components of a Shelly of the second generation, with the members and decimals of the firmware.

const mainsHz = 50.0

// full writes the components of a NotifyFullStatus.
func (v *shellyGen2) full(atMs int64, r *reading) {
	out := append(appendKey(v.text, "ble"), '{', '}')
	out = appendTruth(append(appendKey(out, "cloud"), '{'), "connected", false)
	out = append(out, '}')
	out = appendKey(out, v.key)
	if v.component == "em" {
		out = appendKey(v.phases(out, r, true), "emdata:0")
		out = v.energies(out, r)
	} else {
		out = v.wholeStatus(out, r)
	}
	out = appendTruth(append(appendKey(out, "mqtt"), '{'), "connected", true)
	out = append(out, '}')
	out = v.system(appendKey(out, "sys"), atMs)
	out = appendText(append(appendKey(out, "wifi"), '{'), "sta_ip", "192.168.8.33")
	out = appendText(out, "status", "got ip")
	out = appendText(out, "ssid", "workshop")
	v.text = append(appendWhole(out, "rssi", -50-spread(v.id, 25)), '}')
}

// system writes the component of the device itself.
func (v *shellyGen2) system(out []byte, atMs int64) []byte {
	said := v.clock(atMs)
	out = appendText(append(out, '{'), "mac", hexID(v.id))
	out = appendTruth(out, "restart_required", false)
	out = append(appendKey(out, "time"), '"')
	out = append(appendStamp(out, said+v.zoneMs, "15:04"), '"')
	out = appendWhole(out, "unixtime", said/1000)
	out = appendWhole(out, "uptime", v.upMs(atMs)/1000)
	out = appendWhole(out, "ram_size", 261908)
	out = appendWhole(out, "ram_free", 131072+spread(v.id, 4096))
	out = appendWhole(out, "fs_size", 393216)
	out = appendWhole(out, "fs_free", 110592)
	return append(append(appendKey(out, "available_updates"), '{', '}'), '}')
}

// wholeStatus writes the whole status of a relay or of a meter without one.
func (v *shellyGen2) wholeStatus(out []byte, r *reading) []byte {
	out = appendWhole(append(out, '{'), "id", 0)
	if v.component == "switch" {
		out = appendText(out, "source", "init")
		out = appendTruth(out, "output", true)
	}
	out = appendFixed(out, "apower", r.powerW, 1)
	out = appendFixed(out, "voltage", r.voltageV, 1)
	out = appendFixed(out, "freq", mainsHz, 1)
	out = appendFixed(out, "current", r.currentA, 3)
	if v.component == "switch" {
		out = appendFixed(out, "pf", r.factor, 2)
	}
	out = v.counter(appendKey(out, "aenergy"), r.energyWh, v.by)
	out = v.counter(appendKey(out, "ret_aenergy"), 0, [3]float64{})
	if v.component == "switch" {
		celsius := jitter(v.in.Rand, 40, 0.02)
		out = appendFixed(append(appendKey(out, "temperature"), '{'), "tC", celsius, 1)
		out = append(appendFixed(out, "tF", float64(celsius*1.8)+32, 1), '}')
	}
	return append(out, '}')
}

// counter writes an energy register and what the last three complete minutes added to it.
func (v *shellyGen2) counter(out []byte, totalWh float64, by [3]float64) []byte {
	out = appendFixed(append(out, '{'), "total", totalWh, 3)
	out = append(appendKey(out, "by_minute"), '[')
	for i, wh := range by {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendFloat(out, wh*1000, 'f', 3, 64)
	}
	return append(appendWhole(append(out, ']'), "minute_ts", v.ts), '}')
}

// changes writes what differs from what was said before.
func (v *shellyGen2) changes(r *reading) {
	out := appendKey(v.text, v.key)
	if v.component == "em" {
		v.text = v.phases(out, r, false)
		return
	}
	out = appendFixed(appendWhole(append(out, '{'), "id", 0), "apower", r.powerW, 1)
	if math.Abs(r.currentA-v.said.currentA) >= 0.001 {
		out = appendFixed(out, "current", r.currentA, 3)
	}
	if v.component == "switch" && r.factor != v.said.factor {
		out = appendFixed(out, "pf", r.factor, 2)
	}
	if math.Abs(r.voltageV-v.said.voltageV) >= 1 {
		v.said.voltageV = r.voltageV
		out = appendFixed(out, "voltage", r.voltageV, 1)
	}
	v.text = append(out, '}')
}

// energy writes the energy of the last minute.
func (v *shellyGen2) energy(r *reading) {
	if v.component == "em" {
		v.text = v.energies(appendKey(v.text, "emdata:0"), r)
		return
	}
	out := append(appendKey(v.text, v.key), '{')
	out = v.counter(appendKey(appendWhole(out, "id", 0), "aenergy"), r.energyWh, v.by)
	v.text = append(out, '}')
}

// phaseShare is how much each of the first two phases of a three-phase machine carries; the third has the rest.
const phaseShare = 0.34

// perPhase shares a number out among the phases, at a precision of so many parts of one.
func perPhase(whole, parts float64) [3]float64 {
	one := math.Round(float64(whole*phaseShare)*parts) / parts
	return [3]float64{one, one, max(0, whole-one-one)}
}

// phases writes the status of a three-phase meter: all of it, or what moves with the load.
func (v *shellyGen2) phases(out []byte, r *reading, whole bool) []byte {
	out = appendWhole(append(out, '{'), "id", 0)
	powers, currents := perPhase(r.powerW, 10), perPhase(r.currentA, 1000)
	for i, name := range []string{"a_", "b_", "c_"} {
		out = appendFixed(out, name+"current", currents[i], 3)
		if whole {
			out = appendFixed(out, name+"voltage", r.voltageV, 1)
		}
		out = appendFixed(out, name+"act_power", powers[i], 1)
		out = appendFixed(out, name+"aprt_power", currents[i]*r.voltageV, 1)
		if whole {
			out = appendFixed(out, name+"pf", r.factor, 2)
			out = appendFixed(out, name+"freq", mainsHz, 1)
		}
	}
	if whole {
		out = append(appendKey(out, "n_current"), "null"...)
	}
	out = appendFixed(out, "total_current", r.currentA, 3)
	out = appendFixed(out, "total_act_power", r.powerW, 3)
	out = appendFixed(out, "total_aprt_power", r.currentA*r.voltageV, 3)
	if whole {
		out = append(appendKey(out, "user_calibrated_phase"), '[', ']')
	}
	return append(out, '}')
}

// energies writes the registers of a three-phase meter.
func (v *shellyGen2) energies(out []byte, r *reading) []byte {
	out = appendWhole(append(out, '{'), "id", 0)
	shares := perPhase(r.energyWh, 100)
	for i, name := range []string{"a_", "b_", "c_"} {
		out = appendFixed(out, name+"total_act_energy", shares[i], 2)
		out = appendFixed(out, name+"total_act_ret_energy", 0, 2)
	}
	out = appendFixed(out, "total_act", r.energyWh, 2)
	return append(appendFixed(out, "total_act_ret", 0, 2), '}')
}
