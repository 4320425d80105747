package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/mapping"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// tryPrinter prints what messages became. Every text that it prints is printable, and no payload is among them: it may hold
// a card's number.
type tryPrinter interface {
	message(m *dialect.Message, res dialect.Result, notes []mapping.Note, failure error) error
	summary(path string, sum *trialSum) error
}

// tryTable prints lines for people.
type tryTable struct {
	tablePrinter
	mappings []*mapping.Mapping
	tapped   bool // a tap was printed, and that its token is of no use
}

func (p *tryTable) message(m *dialect.Message, res dialect.Result, notes []mapping.Note, failure error) error {
	if len(res.Records) > 0 {
		if err := p.heading("# 事件时间 event (+08:00)   类别 kind  终端/通道 device/channel  内容 content"); err != nil {
			return err
		}
	}
	for i := range res.Records {
		r := &res.Records[i]
		device := cell(printable(r.Device)+"/"+printable(r.Channel), 32, false)
		if err := p.line("%s %-6s %s %s%s", shanghai(r.EventMs), r.Kind, device, printable(content(r)), holds(r)); err != nil {
			return err
		}
		if r.Kind == telemetry.KindTap && !p.tapped {
			p.tapped = true
			if err := p.line("  卡号令牌使用一次性密钥 the cards' tokens are of a key that is thrown away"); err != nil {
				return err
			}
		}
	}
	for _, n := range notes {
		if err := p.line("  %s: %s / %s", place(n), printable(n.Zh), printable(n.En)); err != nil {
			return err
		}
	}
	if failure != nil {
		return p.failure(m.Topic, failure)
	}
	if len(res.Records) == 0 {
		return p.line("%s 没有记录 no record", warning)
	}
	return nil
}

// failure says why a message could not be decoded, and for a topic that no rule reads, which topics are read.
func (p *tryTable) failure(topic string, failure error) error {
	if err := p.line("%s %s: %s", bad, printable(topic), printable(failure.Error())); err != nil {
		return err
	}
	if e, ok := failure.(*dialect.Error); !ok || e.Reason != telemetry.ReasonUnknownTopic { //nolint:errorlint // Decode promises the type itself, unwrapped.
		return nil
	}
	for _, m := range p.mappings {
		if err := p.line("  %s 读取 reads: %s", printable(m.Name()), printable(strings.Join(m.Topics(), ", "))); err != nil {
			return err
		}
	}
	return nil
}

// holds says for how long a sample describes its device.
func holds(r *telemetry.Record) string {
	switch {
	case r.Kind != telemetry.KindSample:
		return ""
	case r.ValidMs == 0:
		return " valid=until_changed"
	}
	return " valid=" + (time.Duration(r.ValidMs) * time.Millisecond).String()
}

func place(n mapping.Note) string {
	if n.Line == 0 {
		return printable(n.File)
	}
	return fmt.Sprintf("%s:%d", printable(n.File), n.Line)
}

// maxUnreadShown is how many topics that nothing reads the table lists.
const maxUnreadShown = 20

func (p *tryTable) summary(path string, sum *trialSum) error {
	mark := good
	if sum.Failed > 0 || sum.Records == 0 {
		mark = bad
	}
	err := p.line("%s %s: %d 条消息 messages, %d 条记录 records; %d 条消息与使用无关 say nothing about use, %d 条无法解析 cannot be decoded",
		mark, printable(path), sum.Messages, sum.Records, sum.Nothing, sum.Failed)
	for _, reason := range slices.Sorted(maps.Keys(sum.Reasons)) {
		if err == nil {
			err = p.line("    %s: %d", reason, sum.Reasons[reason])
		}
	}
	if err != nil || len(sum.Unread) == 0 {
		return err
	}
	topics := slices.SortedFunc(maps.Keys(sum.Unread), func(a, b string) int {
		return cmp.Or(cmp.Compare(sum.Unread[b], sum.Unread[a]), strings.Compare(a, b))
	})
	if err := p.line("%s 没有规则读取的主题 topics that no rule reads; list under ignore what says nothing about use:", warning); err != nil {
		return err
	}
	for _, topic := range topics[:min(len(topics), maxUnreadShown)] {
		if err := p.line("    %6d %s", sum.Unread[topic], printable(topic)); err != nil {
			return err
		}
	}
	if more := len(topics) - maxUnreadShown; more > 0 {
		return p.line("    … 另有 %d 个 more", more)
	}
	return nil
}

// tryJSON prints one JSON object a line.
type tryJSON struct{ jsonPrinter }

type tryRecord struct {
	Kind      string             `json:"kind"`
	Device    string             `json:"device"`
	Channel   string             `json:"channel,omitempty"`
	Event     string             `json:"event"`
	DeviceSay string             `json:"device_time,omitempty"`
	Clock     string             `json:"clock"`
	ValidMs   int64              `json:"valid_ms,omitempty"`
	Retained  bool               `json:"retained,omitempty"`
	State     string             `json:"state,omitempty"`
	Values    map[string]float64 `json:"values,omitempty"`
	Card      string             `json:"card,omitempty"`
	Direction string             `json:"direction,omitempty"`
	Link      string             `json:"link,omitempty"`
}

type tryNote struct {
	Rule string `json:"rule"` // file:line
	Zh   string `json:"zh"`
	En   string `json:"en"`
}

type tryMessage struct {
	Type     string      `json:"type"`
	Topic    string      `json:"topic"`
	Received string      `json:"received"`
	Retained bool        `json:"retained,omitempty"`
	Records  []tryRecord `json:"records"`
	Notes    []tryNote   `json:"notes,omitempty"`
	Reason   string      `json:"reason,omitempty"`
	Detail   string      `json:"detail,omitempty"`
}

func (p *tryJSON) message(m *dialect.Message, res dialect.Result, notes []mapping.Note, failure error) error {
	out := tryMessage{Type: "message", Topic: m.Topic, Received: instant(m.ReceivedMs), Retained: m.Retained, Records: []tryRecord{}}
	for i := range res.Records {
		out.Records = append(out.Records, tryRecordOf(&res.Records[i]))
	}
	for _, n := range notes {
		out.Notes = append(out.Notes, tryNote{place(n), n.Zh, n.En})
	}
	if e, ok := failure.(*dialect.Error); ok { //nolint:errorlint // Decode promises the type itself, unwrapped.
		out.Reason, out.Detail = string(e.Reason), e.Detail
	}
	return p.object(out)
}

func tryRecordOf(r *telemetry.Record) tryRecord {
	out := tryRecord{
		Kind: r.Kind.String(), Device: r.Device, Channel: r.Channel, Event: instant(r.EventMs), Clock: r.Clock.String(),
		ValidMs: r.ValidMs, Retained: r.Retained, State: r.State, Card: r.Card,
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
	}
	return out
}

func (p *tryJSON) summary(path string, sum *trialSum) error {
	return p.object(struct {
		Type string `json:"type"`
		Path string `json:"path"`
		*trialSum
	}{"summary", path, sum})
}
