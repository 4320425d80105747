package usage

import "github.com/jishi-telemetry/jishi/internal/telemetry"

// PointOf reads a record as evidence about a machine, and reports whether it is any. A retained value without a time of
// its own is none: it is an old value at an unknown instant. A link that comes up is none either: it says that the
// device is there, not what the machine does.
func PointOf(r *telemetry.Record) (Point, bool) {
	if r.Retained && (r.Clock == telemetry.ClockReceived || r.Clock == telemetry.ClockSuspect) {
		return Point{}, false
	}
	p := Point{AtMs: r.EventMs, ValidMs: r.ValidMs}
	switch r.Kind {
	case telemetry.KindLink:
		p.Down = r.Link.Down()
		return p, p.Down
	case telemetry.KindSample:
		p.Word = r.State
		p.PowerW, p.HasPower = r.Value(telemetry.PowerW)
		p.EnergyWh, p.HasEnergy = r.Value(telemetry.EnergyWh)
		return p, true
	}
	return Point{}, false
}
