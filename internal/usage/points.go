package usage

import "github.com/jishi-telemetry/jishi/internal/telemetry"

// Quantities are those that PointOf reads of a sample.
func Quantities() []string { return []string{telemetry.PowerW, telemetry.EnergyWh} }

// PointOf reads a record as evidence about a machine, and reports whether it is any. A retained value without a time of
// its own is none: it is an old value at an unknown instant. A link that comes up is none either: it says that the
// device is there, not what the machine does. But a link that a broker remembers as down is down now, since whenever.
func PointOf(r *telemetry.Record) (Point, bool) {
	if r.Kind == telemetry.KindSample && r.Retained && (r.Clock == telemetry.ClockReceived || r.Clock == telemetry.ClockSuspect) {
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
		p.Void = !p.HasPower && (r.State == telemetry.StateUnavailable || r.State == telemetry.StateStale)
		return p, true
	}
	return Point{}, false
}
