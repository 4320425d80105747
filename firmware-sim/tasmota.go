package sim

import (
	"bytes"
	"strconv"
	"time"
)

// meterGapMs bounds how long a reading is integrated into the energy counter: across a longer gap nobody knows the
// power, and the counter stands still rather than invent energy.
const meterGapMs = 60_000

// maxPlugW is more than any plug carries; a larger number, or none, is a fault of the recording.
const maxPlugW = 1e6

// mainsV is the voltage that the replayed plug reports; the recordings have none.
const mainsV = 230

// tasmotaPlug replays `dd/mm/yyyy HH:MM:SS;P1s;P8s` as the telemetry of a plug with Tasmota, which says its local time
// without an offset. The power is the one-second mean; the energy counter starts at 0 and is the power integrated.
type tasmotaPlug struct {
	topic string
	zone  *time.Location // of the recording
	local *time.Location // of the plug

	lastMs  int64
	lastW   float64
	totalWh float64
}

// birth implements plug.
func (p *tasmotaPlug) birth(atMs int64) Timed {
	return Timed{AtMs: atMs, Topic: "tele/" + p.topic + "/LWT", Payload: []byte("Online"), Retain: true, Exact: true}
}

// form implements plug.
func (p *tasmotaPlug) form() string { return "02/01/2030 08:00:00;12;12" }

// message implements plug.
func (p *tasmotaPlug) message(line []byte) (Timed, string) {
	stamp, rest, ok1 := bytes.Cut(line, []byte{';'})
	power, _, ok2 := bytes.Cut(rest, []byte{';'})
	if !ok1 || !ok2 {
		return Timed{}, skipMalformed
	}
	at, err := time.ParseInLocation("02/01/2006 15:04:05", string(bytes.TrimSpace(stamp)), p.zone)
	if us := at.UnixMicro(); err != nil || us < earliestUs || us >= latestUs {
		return Timed{}, skipBadTime
	}
	power = bytes.TrimSpace(power)
	if len(power) == 0 {
		return Timed{}, skipNoValue
	}
	watts, err := strconv.ParseFloat(string(power), 64)
	if err != nil || !(watts >= 0 && watts <= maxPlugW) {
		return Timed{}, skipMalformed
	}
	p.integrate(at.UnixMilli(), watts)
	return Timed{
		AtMs: at.UnixMilli(), Topic: "tele/" + p.topic + "/SENSOR", Exact: true,
		Payload: tasmotaSensor(at.In(p.local), p.totalWh, watts),
	}, ""
}

func (p *tasmotaPlug) integrate(nowMs int64, watts float64) {
	if gap := nowMs - p.lastMs; p.lastMs > 0 && gap > 0 && gap <= meterGapMs {
		p.totalWh += p.lastW * float64(gap) / 3_600_000
	}
	p.lastMs, p.lastW = nowMs, watts
}

// tasmotaSensor renders a SENSOR message; at is printed in its own zone.
func tasmotaSensor(at time.Time, totalWh, watts float64) []byte {
	out := make([]byte, 0, 112)
	out = append(out, `{"Time":"`...)
	out = at.AppendFormat(out, "2006-01-02T15:04:05")
	out = append(out, `","ENERGY":{"Total":`...)
	out = strconv.AppendFloat(out, totalWh/1000, 'f', 5, 64)
	out = append(out, `,"Power":`...)
	out = strconv.AppendFloat(out, watts, 'f', -1, 64)
	out = append(out, `,"Voltage":`...)
	out = strconv.AppendInt(out, mainsV, 10)
	out = append(out, `,"Current":`...)
	out = strconv.AppendFloat(out, watts/mainsV, 'f', 3, 64)
	return append(out, '}', '}')
}
