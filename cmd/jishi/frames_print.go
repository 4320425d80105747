package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/spool"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// framesPrinter prints what was found. Every text that it prints is printable.
type framesPrinter interface {
	// records prints the records of a frame, or of one entry of a log, that the filter takes.
	records(head *pieceHead, messages []telemetry.Message, filter *recordFilter) error
	raw(m *rawMessage) error
	gap(head *pieceHead, g *spool.GapError) error
	stats(s *framesStats) error
	verdict(v *verdict, faults int) error
	extracted(path string, frames int) error
}

// pieceHead is where records come from.
type pieceHead struct {
	path      string
	offset    int64
	header    *frame.Header // nil for a log
	bytes     int
	signature signature
	refused   string // why the city refused it, of a file in its quarantine
	epoch     uint64 // of a log
}

func (h *pieceHead) name() logName {
	if h.header != nil {
		return nameOf(h.header)
	}
	return logName{epoch: h.epoch}
}

// rawMessage is a device message as it was received.
type rawMessage struct {
	seq            uint64
	receivedMs     int64
	topic, payload string
}

// tablePrinter prints lines for people.
type tablePrinter struct {
	w      io.Writer
	headed bool
}

func (p *tablePrinter) line(format string, args ...any) error {
	_, err := fmt.Fprintf(p.w, format+"\n", args...)
	return err
}

func (p *tablePrinter) heading(format string, args ...any) error {
	if p.headed {
		return nil
	}
	p.headed = true
	return p.line(format, args...)
}

func (p *tablePrinter) records(head *pieceHead, messages []telemetry.Message, filter *recordFilter) error {
	if err := p.heading("# 序号 seq  事件时间 event (+08:00)   类别 kind  终端/通道 device/channel  内容 content"); err != nil {
		return err
	}
	framed := false
	for i := range messages {
		m := &messages[i]
		for n := range m.Records {
			r := &m.Records[n]
			if !filter.takes(r) {
				continue
			}
			if !framed && head.header != nil {
				if err := p.frame(head); err != nil {
					return err
				}
				framed = true
			}
			device := cell(printable(r.Device)+"/"+printable(r.Channel), 32, false)
			if err := p.line("%8d %s %-6s %s %s", m.Seq, shanghai(r.EventMs), r.Kind, device, printable(content(r))); err != nil {
				return err
			}
		}
	}
	return nil
}

// frame prints whose frame the lines below come from.
func (p *tablePrinter) frame(head *pieceHead) error {
	h := head.header
	missing := ""
	if len(h.Missing) > 0 {
		missing = " missing " + rangesText(h.Missing) + ","
	}
	refused := ""
	if head.refused != "" {
		refused = ", 被拒 refused: " + head.refused
	}
	return p.line("# %s @%d: %s, %d messages %d-%d,%s %d bytes, sent %s, signature %s%s",
		printable(head.path), head.offset, nameOf(h), h.Count, h.First, h.Last(), missing, head.bytes, shanghai(h.SentMs), head.signature, refused)
}

// content is what a record says, in one line.
func content(r *telemetry.Record) string {
	var parts []string
	switch r.Kind {
	case telemetry.KindSample:
		if r.State != "" {
			parts = append(parts, r.State)
		}
		for _, v := range r.Values {
			parts = append(parts, v.Quantity+"="+strconv.FormatFloat(v.Number, 'g', -1, 64))
		}
	case telemetry.KindTap:
		parts = append(parts, "card="+r.Card, "direction="+r.Direction.String())
	case telemetry.KindLink:
		parts = append(parts, r.Link.String())
	case telemetry.KindRaw:
		parts = append(parts, string(r.Reason)+": "+r.Detail, "topic="+r.Topic, "payload="+strconv.Quote(string(r.Payload)))
	}
	if r.Clock != telemetry.ClockDevice {
		parts = append(parts, "clock="+r.Clock.String())
	}
	if r.Retained {
		parts = append(parts, "retained")
	}
	return strings.Join(parts, " ")
}

func (p *tablePrinter) raw(m *rawMessage) error {
	if err := p.heading("# 序号 seq  接收时间 received (+08:00)  主题 topic  报文 payload"); err != nil {
		return err
	}
	return p.line("%8d %s %s %s", m.seq, shanghai(m.receivedMs), printable(m.topic), printable(m.payload))
}

func (p *tablePrinter) gap(_ *pieceHead, g *spool.GapError) error {
	return p.line("# 缺失 missing %d-%d: %s", g.First, g.Last, g.Cause)
}

func (p *tablePrinter) verdict(v *verdict, faults int) error {
	what := fmt.Sprintf("%d 帧 frames, %d 条消息 messages: 格式、签名、链均正确 form, signatures and chain hold", v.frames, v.messages)
	if v.log != nil {
		what = fmt.Sprintf("%d 条记录 records from %d: 校验和、链均正确 sums and chain hold", v.messages, v.log.Begin())
		if tail := v.log.Tail(); tail > 0 {
			what += fmt.Sprintf("; %d bytes at the end are being written, or were torn by a crash", tail)
		}
	}
	if faults > 0 {
		return p.line("%s %s: %d 处有误 faults, %d messages", bad, printable(v.path), faults, v.messages)
	}
	return p.line("%s %s: %s", good, printable(v.path), what)
}

func (p *tablePrinter) extracted(path string, frames int) error {
	return p.line("%d 帧已写入 frames written to %s", frames, printable(path))
}

// shanghai shows an instant on the clock of the base.
func shanghai(ms int64) string {
	t := time.UnixMilli(ms)
	return fmt.Sprintf("%s %s.%03d", calendar.DateOf(t), clock(t), (ms%1000+1000)%1000)
}

// jsonPrinter prints one JSON object a line.
type jsonPrinter struct{ w io.Writer }

func (p *jsonPrinter) object(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err = p.w.Write(append(printableJSON(b), '\n'))
	return err
}

// jsonOrigin says whose log a line speaks of.
type jsonOrigin struct {
	Type   string `json:"type"`
	Base   string `json:"base,omitempty"`
	Bridge string `json:"bridge,omitempty"`
	Epoch  string `json:"epoch"` // hexadecimal: many readers of JSON have no 64-bit integers
}

func originOf(kind string, n logName) jsonOrigin {
	return jsonOrigin{kind, n.base, n.bridge, fmt.Sprintf("%016x", n.epoch)}
}

type jsonRecord struct {
	jsonOrigin
	Seq       uint64             `json:"seq"`
	Kind      string             `json:"kind"`
	Device    string             `json:"device,omitempty"`
	Channel   string             `json:"channel,omitempty"`
	Event     string             `json:"event"`
	Received  string             `json:"received"`
	DeviceSay string             `json:"device_time,omitempty"`
	Clock     string             `json:"clock"`
	ValidMs   int64              `json:"valid_ms,omitempty"`
	Retained  bool               `json:"retained,omitempty"`
	Dialect   string             `json:"dialect,omitempty"`
	State     string             `json:"state,omitempty"`
	Values    map[string]float64 `json:"values,omitempty"`
	Card      string             `json:"card,omitempty"`
	Direction string             `json:"direction,omitempty"`
	Link      string             `json:"link,omitempty"`
	Reason    string             `json:"reason,omitempty"`
	Detail    string             `json:"detail,omitempty"`
	Refused   string             `json:"refused,omitempty"` // why the city refused its frame
	jsonPayload
}

// jsonPayload is a message as it was received; bytes that are no text are in base64.
type jsonPayload struct {
	Topic         *string `json:"topic,omitempty"`
	TopicBase64   string  `json:"topic_base64,omitempty"`
	Payload       *string `json:"payload,omitempty"`
	PayloadBase64 string  `json:"payload_base64,omitempty"`
}

func payloadOf(topic, payload string) (p jsonPayload) {
	if p.Topic = &topic; !utf8.ValidString(topic) {
		p.Topic, p.TopicBase64 = nil, base64.StdEncoding.EncodeToString([]byte(topic))
	}
	if p.Payload = &payload; !utf8.ValidString(payload) {
		p.Payload, p.PayloadBase64 = nil, base64.StdEncoding.EncodeToString([]byte(payload))
	}
	return p
}

func (p *jsonPrinter) records(head *pieceHead, messages []telemetry.Message, filter *recordFilter) error {
	for i := range messages {
		for n := range messages[i].Records {
			r := &messages[i].Records[n]
			if !filter.takes(r) {
				continue
			}
			if err := p.object(recordOf(head, &messages[i], r)); err != nil {
				return err
			}
		}
	}
	return nil
}

func recordOf(head *pieceHead, m *telemetry.Message, r *telemetry.Record) *jsonRecord {
	out := &jsonRecord{
		jsonOrigin: originOf("record", head.name()), Seq: m.Seq, Kind: r.Kind.String(), Device: r.Device, Channel: r.Channel,
		Event: instant(r.EventMs), Received: instant(m.ReceivedMs), Clock: r.Clock.String(), ValidMs: r.ValidMs,
		Retained: r.Retained, Dialect: m.Dialect, State: r.State, Card: r.Card, Reason: string(r.Reason), Detail: r.Detail,
		Refused: head.refused,
	}
	if r.DeviceMs != 0 {
		out.DeviceSay = instant(r.DeviceMs)
	}
	for _, v := range r.Values {
		if out.Values == nil {
			out.Values = make(map[string]float64, len(r.Values))
		}
		out.Values[v.Quantity] = v.Number
	}
	switch r.Kind {
	case telemetry.KindTap:
		out.Direction = r.Direction.String()
	case telemetry.KindLink:
		out.Link = r.Link.String()
	case telemetry.KindRaw:
		out.jsonPayload = payloadOf(r.Topic, string(r.Payload))
	}
	return out
}

func (p *jsonPrinter) raw(m *rawMessage) error {
	return p.object(struct {
		Type     string `json:"type"`
		Seq      uint64 `json:"seq"`
		Received string `json:"received"`
		jsonPayload
	}{"raw", m.seq, instant(m.receivedMs), payloadOf(m.topic, m.payload)})
}

func (p *jsonPrinter) gap(head *pieceHead, g *spool.GapError) error {
	return p.object(struct {
		jsonOrigin
		First uint64 `json:"first"`
		Last  uint64 `json:"last"`
		Cause string `json:"cause"`
	}{originOf("missing", head.name()), g.First, g.Last, g.Cause.String()})
}

func (p *jsonPrinter) verdict(v *verdict, faults int) error {
	return p.object(struct {
		Type     string `json:"type"`
		Path     string `json:"path"`
		OK       bool   `json:"ok"`
		Faults   int    `json:"faults"`
		Frames   uint64 `json:"frames"`
		Messages uint64 `json:"messages"`
	}{"verdict", v.path, faults == 0, faults, v.frames, v.messages})
}

func (p *jsonPrinter) extracted(path string, frames int) error {
	return p.object(struct {
		Type   string `json:"type"`
		Path   string `json:"path"`
		Frames int    `json:"frames"`
	}{"extracted", path, frames})
}

// instant shows an instant in UTC.
func instant(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }
