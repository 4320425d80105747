package sparkplug

import (
	"math"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// known is what a birth announced of a metric.
type known struct {
	channel  string
	datatype uint64
	measure  measure
	relay    bool
	control  bool // part of the protocol, without records
}

// situation says how the metrics of a message are to be taken.
type situation struct {
	// birth: the values hold now, however long ago they were taken.
	birth bool
	// past: the message is older than what is known, or its source is dead. Nothing in it holds now.
	past bool
	// foundling: no birth of its session is known, so that aliases mean nothing.
	foundling bool
}

// restateMs is by how much a value may be older than the birth that says it without being recorded twice.
const restateMs = 1000

// learn replaces what is remembered of a source's metrics by what its birth announces.
func (r *reading) learn(src *source) {
	spent := len(r.node.metrics)
	for _, dev := range r.node.devices {
		spent += len(dev.metrics)
	}
	room := MaxMetrics - (spent - len(src.metrics))
	src.metrics, src.byName, src.byAlias = nil, make(map[string]int), make(map[uint64]int)
	eachMetric(r.m.Payload, func(_ int, raw []byte) bool {
		var m metric
		if m.parse(raw) != nil || dialect.CheckName("", jsondoc.View(m.name)) != nil {
			return true // the pass that makes records says so
		}
		if len(src.metrics) == room {
			r.faults.Add(dialect.Errorf(telemetry.ReasonOversized,
				"node %s has more than %d metrics; the others are not remembered", dialect.Quote(r.node.name), MaxMetrics))
			return false
		}
		k := r.describe(&m)
		if m.aliased {
			src.byAlias[m.alias] = len(src.metrics)
		}
		src.byName[k.channel] = len(src.metrics)
		src.metrics = append(src.metrics, k)
		return true
	})
}

// describe says what a metric is by itself.
func (r *reading) describe(m *metric) known {
	name := r.d.names.Own(jsondoc.View(m.name))
	unit, ok := r.d.units[name]
	if !ok {
		unit = string(m.unit)
	}
	return known{
		channel: name, datatype: m.datatype, measure: measureOf(name, unit),
		relay: isRelay(name), control: isControl(name),
	}
}

// metrics decodes the metrics of the message, which are the source's.
func (r *reading) metrics(src *source, s situation) {
	eachMetric(r.m.Payload, func(index int, raw []byte) bool {
		var m metric
		fault := m.parse(raw)
		if fault == nil {
			fault = r.metric(src, &m, s)
		}
		if fault != nil {
			fault.Detail = dialect.Errorf(fault.Reason, "metrics[%d]: %s", index, fault.Detail).Detail
		}
		r.faults.Add(fault)
		return !r.full
	})
}

// metric decodes one metric.
func (r *reading) metric(src *source, m *metric, s situation) *dialect.Error {
	k, fault := r.find(src, m, s)
	if fault != nil || k.control || m.transient {
		return fault
	}
	rec := telemetry.Record{Kind: telemetry.KindSample, Device: src.name, Channel: k.channel}
	fault = r.value(&rec, m, k)
	if rec.State == "" && len(rec.Values) == 0 {
		return fault
	}
	r.date(src, rec, m, s)
	return fault
}

// find returns what is known of the metric, by its name or its alias.
func (r *reading) find(src *source, m *metric, s situation) (known, *dialect.Error) {
	if len(m.name) == 0 {
		return r.byAlias(src, m, s)
	}
	i, ok := src.byName[string(m.name)]
	if !ok {
		if fault := dialect.CheckName("name", jsondoc.View(m.name)); fault != nil {
			return known{}, fault
		}
		return r.describe(m), nil
	}
	k := src.metrics[i]
	if m.datatype != typeUnknown {
		k.datatype = m.datatype
	}
	return k, nil
}

func (r *reading) byAlias(src *source, m *metric, s situation) (known, *dialect.Error) {
	if !m.aliased {
		return known{}, dialect.Errorf(telemetry.ReasonMalformed, "has neither a name nor an alias")
	}
	if s.foundling || s.past && src.link == dead {
		return known{}, dialect.Errorf(telemetry.ReasonMalformed,
			"has the alias %d and no name, and the birth that announced it is not known", m.alias)
	}
	i, ok := src.byAlias[m.alias]
	if !ok {
		r.ask()
		return known{}, dialect.Errorf(telemetry.ReasonMalformed,
			"has the alias %d, which the birth of %s did not announce; a rebirth is requested", m.alias, dialect.Quote(src.name))
	}
	k := src.metrics[i]
	if m.datatype != typeUnknown {
		k.datatype = m.datatype
	}
	return k, nil
}

// value puts the metric's value into the record. A value that is there and cannot be used makes the metric unavailable,
// for what it said before does not hold any more.
func (r *reading) value(rec *telemetry.Record, m *metric, k known) *dialect.Error {
	fault := r.good(rec, m, k)
	if fault != nil {
		rec.Values = nil
		unavailable(rec, Unavailable)
	}
	return fault
}

// unavailable makes the record say that nothing is known of the channel. That is true of the instant and not a value
// that holds, so it is valid for no longer than the shortest time there is.
func unavailable(rec *telemetry.Record, word string) {
	rec.State, rec.ValidMs = word, 1
}

func (r *reading) good(rec *telemetry.Record, m *metric, k known) *dialect.Error {
	switch {
	case k.datatype >= typeDataSet && k.datatype <= typeLast:
		return nil
	case m.quality == qualityStale:
		unavailable(rec, Stale)
		return nil
	case m.null, m.field == 0, m.quality < qualityGood, m.quality >= qualityPast:
		unavailable(rec, Unavailable)
		return nil
	}
	form, number := m.read(k.datatype)
	switch form {
	case formNumber:
		return numbers(rec, k.measure.quantity, number*k.measure.scale+k.measure.offset)
	case formBoolean:
		return truth(rec, number, k.relay)
	case formText:
		if len(m.text) == 0 {
			unavailable(rec, Unavailable)
			return nil
		}
		if fault := dialect.CheckState(dialect.Quote(k.channel), jsondoc.View(m.text)); fault != nil {
			return fault
		}
		rec.State = r.d.names.Own(jsondoc.View(m.text))
	case formUnsure:
		return dialect.Errorf(telemetry.ReasonMalformed,
			"%s is an integer without a datatype, and no birth said it", dialect.Quote(k.channel))
	case formBad:
		return dialect.Errorf(telemetry.ReasonMalformed, "%s has the datatype %d and a value in field %d that is none of it",
			dialect.Quote(k.channel), k.datatype, m.field)
	}
	return nil
}

func numbers(rec *telemetry.Record, quantity string, number float64) *dialect.Error {
	rec.Values = []telemetry.Value{{Quantity: quantity, Number: number}}
	return dialect.CheckNumber(quantity, number, dialect.Quote(rec.Channel))
}

// truth gives a boolean both as a word, which a controller rule can be told to read, and as a number.
func truth(rec *telemetry.Record, number float64, relay bool) *dialect.Error {
	quantity, off, on := telemetry.Number, "FALSE", "TRUE"
	if relay {
		quantity, off, on = telemetry.RelayOn, "OFF", "ON"
	}
	if rec.State = off; number != 0 {
		rec.State = on
	}
	return numbers(rec, quantity, number)
}

// date gives the record its time and adds it: at the metric's own time, and as of now where that matters.
func (r *reading) date(src *source, rec telemetry.Record, m *metric, s situation) {
	saidMs := m.saidMs
	if saidMs == 0 {
		saidMs = r.header.saidMs
	}
	rec.Retained = m.historical
	r.d.clock.Date(&rec, saidMs, r.m.ReceivedMs, false)
	switch {
	case dialect.Dateless(&rec):
	case m.historical:
		r.add(rec)
	case s.past:
		if rec.EventMs <= r.endMs(src) {
			r.add(rec)
		}
	default:
		r.add(rec)
		r.restate(src, rec, s)
	}
}

// endMs is until when the source is believed without a birth: until its last death, or its node's.
func (r *reading) endMs(src *source) int64 {
	switch {
	case src.link == dead:
		return src.downMs
	case r.node.link == dead:
		return r.node.downMs
	}
	return math.MaxInt64
}

// restate adds the record again as of later instants at which it still holds: that of the birth which says it, and that
// of its arrival when the node's clock would put it before a death that the bridge's clock dated.
func (r *reading) restate(src *source, rec telemetry.Record, s situation) {
	src.latestMs = max(src.latestMs, rec.EventMs)
	if s.birth && rec.Clock == telemetry.ClockDevice && r.header.saidMs-rec.EventMs > restateMs {
		r.d.clock.Date(&rec, r.header.saidMs, r.m.ReceivedMs, false)
		r.add(rec)
		src.latestMs = max(src.latestMs, rec.EventMs)
	}
	if rec.EventMs <= src.downMs && src.downMs <= r.m.ReceivedMs && rec.EventMs < r.m.ReceivedMs && src.link == alive {
		r.d.clock.Date(&rec, 0, r.m.ReceivedMs, false)
		r.add(rec)
		src.latestMs = max(src.latestMs, rec.EventMs)
	}
}
