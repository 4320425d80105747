package influx

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const maxRemembered = 1 << 16

// decoding turns rows of one statement into entries. It remembers texts and meta fields: a device says the same few
// again and again.
type decoding struct {
	a      *answer
	kind   telemetry.Kind
	layout int
	at     places
	texts  map[string]string
	names  map[string]string // from their encoded form
	metas  map[string]*plan
	lean   *evidence.Query // that asked for some quantities alone; nil for everything
	index  int64           // of the last raw record in its message
}

// places are the columns of a layout, -1 where there is none.
type places struct {
	time, channel, seq, received, collected, deviceMs, meta int
	state, event, card, direction                           int
	eventMs, index, device, reason, detail, topic           int
	payload, payloadHex                                     int
}

// plan is a meta field with the columns of its quantities.
type plan struct {
	meta
	columns []int
}

func decode(a *answer, kind telemetry.Kind) *decoding {
	return &decoding{
		a: a, kind: kind, layout: -1, texts: map[string]string{}, names: map[string]string{}, metas: map[string]*plan{},
	}
}

// fill overwrites the entry with the next row, but for its device, and reports whether there was one. A row that cannot
// be decoded is an error, errIncomplete when it may be whole a little later: evidence is not skipped.
func (d *decoding) fill(e *evidence.Entry) (bool, error) {
	ok, err := d.a.next()
	if err != nil || !ok {
		return false, err
	}
	if d.a.layout != d.layout {
		d.arrange()
	}
	if err := d.row(e); err != nil {
		return true, fmt.Errorf("decode %s: %w", d.kind, err)
	}
	return true, nil
}

// arrange finds the columns of a new layout.
func (d *decoding) arrange() {
	d.layout = d.a.layout
	d.at = places{
		time: d.a.column("time"), channel: d.a.column("channel"), seq: d.a.column("seq"), received: d.a.column("received_ms"),
		collected: d.a.column("collected_ms"), deviceMs: d.a.column("device_ms"), meta: d.a.column("meta"),
		state: d.a.column("state"), event: d.a.column("event"), card: d.a.column("card"), direction: d.a.column("direction"),
		eventMs: d.a.column("event_ms"), index: d.a.column("index"), device: d.a.column("device"), reason: d.a.column("reason"),
		detail: d.a.column("detail"), topic: d.a.column("topic"), payload: d.a.column("payload"), payloadHex: d.a.column("payload_hex"),
	}
	clear(d.metas)
}

func (d *decoding) row(e *evidence.Entry) error {
	f := fields{d: d}
	ns := f.integer(d.at.time)
	p := f.plan()
	e.Kind, e.EventMs = d.kind, floorMs(ns)
	e.Seq, e.ReceivedMs, e.CollectedMs = 0, 0, 0
	if d.lean == nil {
		e.Seq, e.ReceivedMs, e.CollectedMs = uint64(f.integer(d.at.seq)), f.integer(d.at.received), f.integer(d.at.collected)
	}
	if f.err != nil {
		return f.err
	}
	e.Clock, e.Epoch, e.Dialect, e.Retained, e.ValidMs = p.clock, p.epoch, p.dialect, p.retained, p.validMs
	switch d.kind {
	case telemetry.KindSample:
		d.sample(&f, p, e)
	case telemetry.KindTap:
		e.Card = f.text(d.at.card)
		e.Direction = parsed(&f, d.at.direction, parseDirection)
	case telemetry.KindLink:
		e.Link = parsed(&f, d.at.event, parseLink)
	case telemetry.KindRaw:
		d.raw(&f, e)
	}
	if d.kind != telemetry.KindRaw {
		e.Channel = f.channel()
	}
	e.DeviceMs = 0
	switch {
	case d.lean != nil:
	case p.deviceIsEvent:
		e.DeviceMs = e.EventMs
	case p.deviceMs:
		e.DeviceMs = f.integer(d.at.deviceMs)
	}
	return f.err
}

func (d *decoding) sample(f *fields, p *plan, e *evidence.Entry) {
	e.Values = e.Values[:0]
	for i, q := range p.quantities {
		e.Values = append(e.Values, telemetry.Value{Quantity: q, Number: f.number(p.columns[i])})
	}
	e.State = ""
	if p.state {
		e.State = f.text(d.at.state)
	}
}

func (d *decoding) raw(f *fields, e *evidence.Entry) {
	e.EventMs, d.index = f.integer(d.at.eventMs), f.integer(d.at.index)
	e.Device, e.Channel = f.name(f.bytes(d.at.device)), f.name(f.bytes(d.at.channel))
	e.Reason = telemetry.Reason(f.name(d.a.cell(d.at.reason).tag()))
	e.Detail, e.Topic = f.text(d.at.detail), f.text(d.at.topic)
	if coded := d.a.cell(d.at.payloadHex); coded.kind != cellNull {
		var err error
		e.Payload, err = hex.AppendDecode(e.Payload[:0], f.bytes(d.at.payloadHex))
		f.fail(err)
		return
	}
	e.Payload = append(e.Payload[:0], f.bytes(d.at.payload)...)
}

// floorMs returns the millisecond in which an instant lies.
func floorMs(ns int64) int64 {
	ms := ns / nsPerMs
	if ns%nsPerMs < 0 {
		ms--
	}
	return ms
}

// fields reads the current row's cells and keeps the first error.
type fields struct {
	d   *decoding
	err error
}

func (f *fields) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *fields) integer(column int) int64 {
	v, err := f.d.a.cell(column).integer()
	f.fail(err)
	return v
}

func (f *fields) number(column int) float64 {
	v, err := f.d.a.cell(column).real()
	f.fail(err)
	return v
}

func (f *fields) bytes(column int) []byte {
	v, err := f.d.a.cell(column).string()
	f.fail(err)
	return v
}

func (f *fields) text(column int) string { return remember(f.d.texts, f.bytes(column), strings.Clone) }

func (f *fields) channel() string {
	if q := f.d.lean; q != nil && len(q.Channels) == 1 {
		return q.Channels[0]
	}
	if f.d.at.channel < 0 { // grouped by it
		return decoded(f.d.a.tags["channel"])
	}
	return f.name(f.d.a.cell(f.d.at.channel).tag())
}

// name takes a name's encoding back.
func (f *fields) name(encoded []byte) string { return remember(f.d.names, encoded, decoded) }

// plan returns what the row's meta field says.
func (f *fields) plan() *plan {
	text := f.bytes(f.d.at.meta)
	if f.err != nil {
		return &plan{}
	}
	if p, ok := f.d.metas[string(text)]; ok {
		return p
	}
	m, err := parseMeta(string(text))
	if err != nil {
		f.fail(err)
		return &plan{}
	}
	p := &plan{meta: *m}
	if lean := f.d.lean; lean != nil {
		p.quantities = slices.DeleteFunc(p.quantities, func(q string) bool { return !lean.WantsQuantity(q) })
	}
	for _, q := range m.quantities {
		// Where there is no such column the device says the quantity for the first time while it is read: the cell is null
		// and the point incomplete.
		p.columns = append(p.columns, f.d.a.column(q))
	}
	if len(f.d.metas) >= maxRemembered {
		clear(f.d.metas)
	}
	f.d.metas[string(text)] = p
	return p
}

// remember returns what turn makes of the text, from memory when it was asked before.
func remember(memory map[string]string, text []byte, turn func(string) string) string {
	if len(text) == 0 {
		return ""
	}
	if s, ok := memory[string(text)]; ok {
		return s
	}
	if len(memory) >= maxRemembered {
		clear(memory)
	}
	key := string(text)
	s := turn(key)
	memory[key] = s
	return s
}

// parsed reads a word of a closed set.
func parsed[T any](f *fields, column int, parse func(string) (T, error)) T {
	v, err := parse(f.text(column))
	f.fail(err)
	return v
}

// selection is a kind of points, and how to find one of them again.
type selection struct {
	store       *Store
	kind        telemetry.Kind
	measurement string
	where       string   // what is true of all of them
	tags        []string // what else tells their series apart; columns of the statement, or tags it groups by
}

const (
	againTries = 10
	againFirst = 2 * time.Millisecond // doubled each time, two seconds in all
)

// next fills in the next row. A point that is just being written is looked up until it is whole: the server is in the
// middle of taking it.
func (n selection) next(ctx context.Context, d *decoding, e *evidence.Entry) (bool, error) {
	ok, err := d.fill(e)
	if !errors.Is(err, errIncomplete) {
		return ok && err == nil, err
	}
	conditions := []string{n.where, "time = " + d.a.instant()}
	for _, tag := range n.tags {
		conditions = append(conditions, condition(tag, d.a.tag(tag)))
	}
	where := strings.Join(conditions, " AND ")
	for try, wait := 0, againFirst; ; try, wait = try+1, 2*wait {
		found, err := n.again(ctx, where, d, e)
		if !errors.Is(err, errIncomplete) || try == againTries {
			return found, err
		}
		if err := pause(ctx, wait); err != nil {
			return false, err
		}
	}
}

// again reads one point with all its fields.
func (n selection) again(ctx context.Context, where string, d *decoding, e *evidence.Entry) (bool, error) {
	a, err := n.store.ask(ctx, `SELECT * FROM "`+n.measurement+`" WHERE `+where)
	if err != nil {
		return false, err
	}
	defer a.close()
	fresh := decode(a, n.kind)
	ok, err := fresh.fill(e)
	if err == nil && !ok {
		err = errIncomplete
	}
	d.index = fresh.index
	return ok, err
}
