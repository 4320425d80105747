package tasmota

import (
	"strconv"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// maxPhases is how many meters or phases one ENERGY object may list; the firmware knows eight at most.
const maxPhases = 8

// field is one that the energy meter reports.
type field struct {
	quantity string
	power    string // the power of ten that turns the device's unit into the quantity's
	sums     bool   // the sum over the phases means something
}

func energyField(key string) (field, bool) {
	switch key {
	case "Power":
		return field{quantity: telemetry.PowerW, sums: true}, true
	case "ApparentPower":
		return field{quantity: telemetry.ApparentVA, sums: true}, true
	case "ReactivePower":
		return field{quantity: telemetry.ReactiveVar, sums: true}, true
	case "Total":
		return field{quantity: telemetry.EnergyWh, power: "e3", sums: true}, true
	case "Factor":
		return field{quantity: telemetry.PowerFactor}, true
	case "Voltage":
		return field{quantity: telemetry.VoltageV}, true
	case "Current":
		return field{quantity: telemetry.CurrentA}, true
	case "Frequency":
		return field{quantity: telemetry.FrequencyHz}, true
	}
	return field{}, false
}

// meter decodes the energy meter among the sensors.
func (r *reading) meter(v *fastjson.Value) {
	meter := v.Get("ENERGY")
	if meter == nil {
		return
	}
	if meter.Type() != fastjson.TypeObject {
		r.faults.Add(dialect.Errorf(telemetry.ReasonMalformed, "%s.ENERGY is %s; an object is right", r.path, jsondoc.TypeName(meter)))
		return
	}
	whole := telemetry.Record{Channel: "energy"}
	var phases [maxPhases]telemetry.Record
	n := 0
	meter.GetObject().Visit(func(key []byte, v *fastjson.Value) {
		f, known := energyField(jsondoc.View(key))
		if !known {
			return
		}
		if v.Type() != fastjson.TypeArray {
			r.put(&whole, f, v, key)
			if f.quantity == telemetry.PowerW && v.Type() == fastjson.TypeNumber {
				r.dev.meters = true
			}
			return
		}
		list := v.GetArray()
		if len(list) > maxPhases {
			r.faults.Add(dialect.Errorf(telemetry.ReasonOversized, "%s.ENERGY.%s lists %d; at most %d are read", r.path, key, len(list), maxPhases))
			return
		}
		n = max(n, len(list))
		r.spread(&whole, phases[:], f, list, key)
	})
	r.finish(whole)
	for i := range n {
		phases[i].Channel = r.d.names.Own("energy:" + strconv.Itoa(i+1))
		r.finish(phases[i])
	}
}

// spread gives each phase its number, and the whole their sum if it means something and none is missing.
func (r *reading) spread(whole *telemetry.Record, phases []telemetry.Record, f field, list []*fastjson.Value, key []byte) {
	sum, complete := 0.0, f.sums && len(list) > 0
	for i, v := range list {
		n, ok := r.number(f, v, key)
		if !ok {
			complete = false
			continue
		}
		sum += n
		phases[i].Values = append(phases[i].Values, telemetry.Value{Quantity: f.quantity, Number: n})
	}
	if complete && dialect.CheckNumber(f.quantity, sum, "") == nil {
		whole.Values = append(whole.Values, telemetry.Value{Quantity: f.quantity, Number: sum})
	}
}

func (r *reading) put(rec *telemetry.Record, f field, v *fastjson.Value, key []byte) {
	n, ok := r.number(f, v, key)
	if !ok {
		return
	}
	if _, twice := rec.Value(f.quantity); twice {
		r.faults.Add(dialect.Errorf(telemetry.ReasonMalformed, "%s.ENERGY.%s is given twice; the first one is taken", r.path, key))
		return
	}
	if rec.Values == nil {
		rec.Values = make([]telemetry.Value, 0, 8)
	}
	rec.Values = append(rec.Values, telemetry.Value{Quantity: f.quantity, Number: n})
}

// number reads one number. Null means that the meter does not know it.
func (r *reading) number(f field, v *fastjson.Value, key []byte) (float64, bool) {
	if v.Type() == fastjson.TypeNull {
		return 0, false
	}
	n, reason := r.d.doc.Scaled(v, f.power)
	if reason != telemetry.ReasonNone {
		r.faults.Add(dialect.Errorf(reason, "%s.ENERGY.%s is %s; a number is right", r.path, key, r.quote(v.String())))
		return 0, false
	}
	if q, _ := dialect.QuantityOf(f.quantity); n < q.Min || n > q.Max {
		r.faults.Add(r.outOfRange(q, n, ".ENERGY."+string(key)))
		return 0, false
	}
	return n, true
}

func (r *reading) finish(rec telemetry.Record) {
	if len(rec.Values) > 0 {
		r.emit(rec)
	}
}
