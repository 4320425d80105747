package registry

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// WriteYAML writes the registry as one file that Load reads back to the same digest.
func (r *Registry) WriteYAML(w io.Writer) error {
	var e emitter
	e.line(0, "bases:")
	for i := range r.bases {
		e.base(&r.bases[i])
	}
	if _, err := io.WriteString(w, e.String()); err != nil {
		return fmt.Errorf("write registry: %w", err)
	}
	return nil
}

// emitter writes block mappings for what is large and one flow mapping a line for what is small.
type emitter struct{ strings.Builder }

func (e *emitter) line(indent int, text string) {
	e.WriteString(strings.Repeat(" ", indent))
	e.WriteString(text)
	e.WriteByte('\n')
}

func (e *emitter) base(b *Base) {
	e.line(2, "- code: "+strictyaml.Quote(b.Code))
	e.texts(4, pair{"name", b.Name}, pair{"name_en", b.NameEN}, pair{"tier", string(b.Tier)},
		pair{"credit_code", b.CreditCode}, pair{"reporter", b.Reporter})
	items(e, 4, "districts", b.Districts, func(d District) flow { return flow{}.text("code", d.Code).valid(d.Valid) })
	if len(b.Bridges) > 0 {
		e.line(4, "bridges:")
	}
	for _, bridge := range b.Bridges {
		e.line(6, "- id: "+strictyaml.Quote(bridge.ID))
		items(e, 8, "keys", bridge.Keys, func(k BridgeKey) flow { return flow{}.text("public_key", FormatPublicKey(k.Key)).valid(k.Valid) })
	}
	e.opening(4, b.Hours, b.Exceptions)
	if len(b.Workshops) > 0 {
		e.line(4, "workshops:")
	}
	for _, w := range b.Workshops {
		e.line(6, "- id: "+strictyaml.Quote(w.ID))
		e.texts(8, pair{"name", w.Name}, pair{"name_en", w.NameEN})
		items(e, 8, "stations", w.Stations, func(s Station) flow { return flow{}.text("id", s.ID).text("name", s.Name) })
		e.opening(8, w.Hours, w.Exceptions)
	}
	if len(b.Equipment) > 0 {
		e.line(4, "equipment:")
	}
	for i := range b.Equipment {
		e.equipment(&b.Equipment[i])
	}
	items(e, 4, "devices", b.Devices, deviceFlow)
	items(e, 4, "bindings", b.Bindings, func(x Binding) flow {
		return flow{}.text("device", x.Device).text("channel", x.Channel).text("equipment", x.Equipment).text("room", x.Room).text("station", x.Station).
			text("use", string(x.Use)).valid(x.Valid)
	})
}

func (e *emitter) opening(indent int, hours []Hours, exceptions []Exception) {
	items(e, indent, "hours", hours, func(h Hours) flow {
		f := flow{}.valid(h.Valid)
		if !h.ByWeekday {
			return f.text("workday", h.Workday.String()).text("restday", h.Restday.String())
		}
		for day, key := range weekdayKeys {
			f = f.text(key, h.Weekday[day].String())
		}
		return f
	})
	items(e, indent, "exceptions", exceptions, func(x Exception) flow {
		f := flow{}
		if x.Valid.Ms() == dayMs {
			f = f.text("date", formatInstant(x.Valid.StartMs))
		} else {
			f = f.valid(x.Valid)
		}
		return f.text("times", x.Times.String()).text("reason", x.Reason)
	})
}

func (e *emitter) equipment(q *Equipment) {
	e.line(6, "- id: "+strictyaml.Quote(q.ID))
	e.texts(8, pair{"asset_number", q.AssetNumber}, pair{"name", q.Name}, pair{"name_en", q.NameEN}, pair{"model", q.Model},
		pair{"workshop", q.Workshop}, pair{"station", q.Station}, pair{"category", string(q.Category)}, pair{"profile", string(q.Profile)})
	e.line(8, "quota_hours: "+number(q.QuotaHours))
	e.line(8, fmt.Sprintf("value_yuan: %d.%02d", q.ValueFen/100, q.ValueFen%100))
	if q.InService != Always() {
		e.line(8, "in_service: "+flow{}.valid(q.InService).String())
	}
	if q.Signal.Kind == SignalNone {
		return
	}
	e.line(8, "signal:")
	e.texts(10, pair{"kind", string(q.Signal.Kind)})
	if len(q.Signal.States) > 0 {
		f := flow{}
		for _, word := range slices.Sorted(maps.Keys(q.Signal.States)) {
			f = append(f, strictyaml.Quote(word)+": "+strictyaml.Quote(q.Signal.States[word]))
		}
		e.line(10, "states: "+f.String())
	}
	if p := q.Signal.Power; p != nil {
		f := flow{"off_w: " + number(p.OffW), "run_w: " + number(p.RunW), "hysteresis: " + number(p.Hysteresis)}
		e.line(10, "power: "+append(f, "dwell_on: "+p.DwellOn.String(), "dwell_off: "+p.DwellOff.String()).String())
	}
}

func deviceFlow(d Device) flow {
	f := flow{}.text("id", d.ID).text("name", d.Name).text("kind", string(d.Kind)).text("dialect", d.Dialect)
	if d.MaxSilence > 0 {
		f = append(f, "max_silence: "+d.MaxSilence.String())
	}
	if len(d.Ranges) == 0 {
		return f
	}
	ranges := flow{}
	for _, quantity := range slices.Sorted(maps.Keys(d.Ranges)) {
		r, one := d.Ranges[quantity], flow{}
		if r.Min != -math.MaxFloat64 {
			one = append(one, "min: "+number(r.Min))
		}
		if r.Max != math.MaxFloat64 {
			one = append(one, "max: "+number(r.Max))
		}
		ranges = append(ranges, quantity+": "+one.String())
	}
	return append(f, "ranges: "+ranges.String())
}

type pair struct{ key, value string }

func (e *emitter) texts(indent int, pairs ...pair) {
	for _, p := range pairs {
		if p.value != "" {
			e.line(indent, p.key+": "+strictyaml.Quote(p.value))
		}
	}
}

func items[T any](e *emitter, indent int, key string, list []T, one func(T) flow) {
	if len(list) == 0 {
		return
	}
	e.line(indent, key+":")
	for _, v := range list {
		e.line(indent+2, "- "+one(v).String())
	}
}

// flow is the entries of a flow mapping.
type flow []string

func (f flow) text(key, value string) flow {
	if value == "" {
		return f
	}
	return append(f, key+": "+strictyaml.Quote(value))
}

func (f flow) valid(s span.Span) flow {
	if s.StartMs != BeginMs {
		f = f.text("from", formatInstant(s.StartMs))
	}
	if s.EndMs != ForeverMs {
		f = f.text("to", formatInstant(s.EndMs))
	}
	return f
}

func (f flow) String() string { return "{" + strings.Join(f, ", ") + "}" }
