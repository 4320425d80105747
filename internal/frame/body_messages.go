package frame

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// assemble appends the messages to dst and holds them to the chain [F-3.3].
func (o *opener) assemble(dst []telemetry.Message, f *Frame) (messages []telemetry.Message, chainAfter [32]byte, err error) {
	records := make([]telemetry.Record, o.records)
	before := f.ChainBefore
	if f.First == 1 && before != ChainStart(f.Epoch) {
		return nil, before, fmt.Errorf("first message of the log: %w", ErrChain)
	}
	dst = slices.Grow(dst, len(o.messages))
	total := 0
	for i, row := range o.messages {
		shape := &o.shapes[row.shape]
		seq := f.First + uint64(i)
		start := o.chain.start(before, seq)
		b := appendText(start, messageDialect, shape.dialect)
		b = appendNumber(b, messageReceived, uint64(row.receivedMs))
		own := records[:shape.records:shape.records]
		records = records[shape.records:]
		for j, s := range o.list(shape) {
			if err := o.fill(&own[j], &o.series[s], row.receivedMs); err != nil {
				return nil, before, fmt.Errorf("message %d: %w", seq, err)
			}
			b = protowire.AppendTag(b, messageRecord, protowire.BytesType)
			b = protowire.AppendVarint(b, uint64(len(o.series[s].fixed)+sizeChanging(&own[j])))
			b = appendChanging(append(b, o.series[s].fixed...), &own[j])
		}
		size := len(b) - len(start)
		if total += size; size > MaxMessage || total > MaxCanonical {
			return nil, before, fmt.Errorf("message %d: %w", seq, tooLarge("message", size, MaxMessage))
		}
		before = o.chain.sum(b)
		if shape.records == 0 {
			own = nil
		}
		dst = append(dst, telemetry.Message{Seq: seq, ReceivedMs: row.receivedMs, Dialect: shape.dialect, Records: own})
	}
	if [ChainCheckBytes]byte(before[:]) != f.ChainCheck {
		return nil, before, fmt.Errorf("messages %d to %d: %w", f.First, f.Last(), ErrChain)
	}
	return dst, before, nil
}

// fill makes the series's next record.
func (o *opener) fill(r *telemetry.Record, s *openSeries, receivedMs int64) error {
	f := &s.record
	r.Kind, r.Clock, r.Retained, r.Direction, r.Link = f.Kind, f.Clock, f.Retained, f.Direction, f.Link
	r.Device, r.Channel, r.ValidMs, r.EventMs = f.Device, f.Channel, f.ValidMs, receivedMs
	if s.flags&flagEvent != 0 {
		r.EventMs += o.ints[s.event]
		s.event++
	}
	switch s.flags >> flagDeviceShift & 3 {
	case deviceEvent:
		r.DeviceMs = r.EventMs
	case deviceColumn:
		r.DeviceMs = r.EventMs + o.ints[s.device]
		s.device++
	}
	if n := s.quantities; n > 0 {
		r.Values = o.values[s.value : s.value+n : s.value+n]
		s.value += n
	}
	switch {
	case s.flags&flagState != 0:
		r.State = o.texts[o.ints[s.text]]
		s.text++
		return checkText("state", r.State, telemetry.MaxState)
	case r.Kind == telemetry.KindTap:
		r.Card = o.texts[o.ints[s.text]]
		s.text++
		return checkText("card", r.Card, telemetry.MaxName)
	case r.Kind == telemetry.KindRaw:
		return o.fillRaw(r, s)
	}
	return nil
}

func (o *opener) fillRaw(r *telemetry.Record, s *openSeries) error {
	n := o.ints[s.text : s.text+4]
	s.text += 4
	r.Reason, r.Detail = telemetry.Reason(o.texts[n[0]]), o.texts[n[1]]
	r.Topic, r.Payload = string(o.blobs[n[2]]), o.blobs[n[3]]
	if len(r.Payload) > telemetry.MaxRawPayload {
		return tooLarge("payload", len(r.Payload), telemetry.MaxRawPayload)
	}
	return checkText("reason", string(r.Reason), telemetry.MaxName)
}

func checkText(what, s string, limit int) error {
	switch {
	case s == "":
		return malformed("%s is empty", what)
	case len(s) > limit:
		return tooLarge("length of "+what, len(s), limit)
	}
	return nil
}
