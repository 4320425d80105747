package frame_test

import (
	"math"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// names are few, so that series, shapes and words repeat within a frame.
func names(least int) *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"mill-1", "mill-2", "switch:0", "计量表", "execution", "ACTIVE", telemetry.PowerW}),
		rapid.StringN(max(least, 1), 16, 64),
		rapid.StringN(least, 40, 128),
	)
}

func instants() *rapid.Generator[int64] {
	return rapid.OneOf(
		rapid.Int64Range(1_700_000_000_000, 1_700_000_100_000),
		rapid.SampledFrom([]int64{0, 1, -1, math.MinInt64, math.MaxInt64}),
		rapid.Int64(),
	)
}

// numbers are what devices say (short decimals), what sensors with 32 bits say, and what nobody says.
func numbers() *rapid.Generator[float64] {
	return rapid.OneOf(
		rapid.Map(rapid.IntRange(-100_000, 100_000), func(n int) float64 { return float64(n) / 10 }),
		rapid.Map(rapid.IntRange(0, 10_000_000), func(n int) float64 { return float64(n) / 1000 }),
		rapid.Map(rapid.IntRange(0, 5000), func(n int) float64 { return float64(float32(float32(n) / 10)) }),
		rapid.SampledFrom([]float64{0, math.Copysign(0, -1), math.MaxFloat64, math.SmallestNonzeroFloat64, 1 << 53, 1.0 / 3}),
		rapid.Float64(),
	)
}

func messages() *rapid.Generator[telemetry.Message] {
	return rapid.Custom(func(t *rapid.T) telemetry.Message {
		m := telemetry.Message{
			ReceivedMs: instants().Draw(t, "received"),
			Dialect:    names(0).Draw(t, "dialect"),
			Records:    rapid.SliceOfN(records(), 0, 5).Draw(t, "records"),
		}
		if len(m.Records) == 0 {
			m.Records = nil
		}
		for i := range m.Records {
			r := &m.Records[i]
			switch rapid.IntRange(0, 3).Draw(t, "time") {
			case 0:
				r.EventMs, r.DeviceMs = m.ReceivedMs, 0
			case 1:
				r.EventMs = instants().Draw(t, "event")
				r.DeviceMs = r.EventMs
			case 2:
				r.EventMs, r.DeviceMs = m.ReceivedMs, instants().Draw(t, "device")
			default:
				r.EventMs, r.DeviceMs = instants().Draw(t, "event"), instants().Draw(t, "device")
			}
		}
		return m
	})
}

func records() *rapid.Generator[telemetry.Record] {
	return rapid.Custom(func(t *rapid.T) telemetry.Record {
		r := telemetry.Record{
			Kind:     rapid.SampledFrom([]telemetry.Kind{1, 1, 1, 2, 3, 4}).Draw(t, "kind"),
			Clock:    telemetry.Clock(rapid.IntRange(1, 4).Draw(t, "clock")),
			Retained: rapid.Bool().Draw(t, "retained"),
			Device:   names(1).Draw(t, "device"),
			Channel:  names(0).Draw(t, "channel"),
			ValidMs:  rapid.Int64Range(0, math.MaxInt64).Draw(t, "valid"),
		}
		switch r.Kind {
		case telemetry.KindSample:
			if rapid.Bool().Draw(t, "has_state") {
				r.State = names(1).Draw(t, "state")
			}
			for _, q := range rapid.SliceOfNDistinct(names(1), 0, 4, rapid.ID[string]).Draw(t, "quantities") {
				r.Values = append(r.Values, telemetry.Value{Quantity: q, Number: numbers().Draw(t, "number")})
			}
		case telemetry.KindTap:
			r.Card = names(1).Draw(t, "card")
			r.Direction = telemetry.Direction(rapid.IntRange(0, 2).Draw(t, "direction"))
		case telemetry.KindLink:
			r.Link = telemetry.LinkEvent(rapid.IntRange(1, 3).Draw(t, "link"))
		case telemetry.KindRaw:
			r.Reason = telemetry.Reason(names(1).Draw(t, "reason"))
			r.Detail = rapid.StringN(0, 100, telemetry.MaxDetail).Draw(t, "detail")
			r.Topic = string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "topic"))
			r.Payload = rapid.SliceOfN(rapid.Byte(), 1, 60).Draw(t, "payload")
		}
		return r
	})
}
