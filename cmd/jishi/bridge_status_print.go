package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/internal/calendar"
)

// maxShown bounds each list in the terminal; --json and the page have all.
const maxShown = 20

// printStatus writes the status for a terminal, Chinese first.
func printStatus(w io.Writer, s *edgeStatus) error {
	t := statusPrinter{s: s}
	t.line("机时网桥 %s/%s    %s", s.Base, s.Bridge, stampText(s.NowMs))
	t.concerns()
	t.uplink()
	t.queue()
	t.disk()
	t.intake()
	t.devices()
	t.strays()
	t.refusals()
	_, err := io.WriteString(w, t.b.String())
	return err
}

type statusPrinter struct {
	s *edgeStatus
	b strings.Builder
}

// line writes one line whose arguments may hold anything.
func (t *statusPrinter) line(format string, args ...any) {
	t.b.WriteString(printable(fmt.Sprintf(format, args...)) + "\n")
}

func (t *statusPrinter) section(format string, args ...any) {
	t.b.WriteString("\n")
	t.line(format, args...)
}

func (t *statusPrinter) field(zh, en, format string, args ...any) {
	t.line("  %s %s", cell(zh+" "+en, 24, false), fmt.Sprintf(format, args...))
}

func (t *statusPrinter) concerns() {
	if len(t.s.Attention) == 0 {
		t.line("%s 一切正常 all is well", good)
	}
	for _, c := range t.s.Attention {
		t.line("%s %s / %s", c.Severity.mark(), c.Zh, c.En)
		t.line("    → %s / %s  [%s]", c.DoZh, c.DoEn, c.Code)
	}
	t.line("")
}

// mark is the severity as the terminal shows it.
func (s severity) mark() mark {
	switch s {
	case critical:
		return bad
	case attend:
		return warning
	case notice:
	}
	return "·"
}

func (t *statusPrinter) uplink() {
	if t.s.ReadFrom != "bridge" {
		return
	}
	u := &t.s.Uplink
	word := "未连接 down"
	if u.Connected {
		word = "已连接 up"
	}
	t.field("到市级", "uplink", "%s，自 since %s；在途 out %d/%d 帧 frames；末次确认 last ack %s", word, stampText(u.SinceMs), u.FramesOut, u.WindowFrames, agoText(u.LastAckMs, t.s.NowMs))
	if u.LastAckMs > 0 {
		t.field("市级时钟差", "clock offset", "%+.3f s", float64(u.CityOffsetMs)/1000)
	}
	for _, r := range u.Refused {
		t.field("市级拒收", "refused", "%s：在途 out %d 帧 frames，累计 total %d，最近 last %s", r.Reason, r.FramesOut, r.Total, agoText(r.LastMs, t.s.NowMs))
	}
}

func (t *statusPrinter) queue() {
	q := &t.s.Queue
	if q.Records == 0 {
		t.field("待送", "queue", "无 empty")
		return
	}
	t.field("待送", "queue", "%d 条 records，%s，最旧 oldest %s", q.Records, bytesText(q.Bytes), agoText(q.OldestMs, t.s.ReceiveMs))
}

func (t *statusPrinter) disk() {
	d := &t.s.Disk
	budget := "不限 no bound"
	if d.MaxBytes > 0 {
		budget = bytesText(d.MaxBytes)
	}
	t.field("日志", "log", "%s / %s，%d 段 segments，编号 numbers %d…%d，纪元 epoch %s", bytesText(d.LogBytes), budget, d.Segments, d.Begin, d.End, d.Epoch)
	t.field("磁盘", "disk", "空闲 free %s，保留 kept free %s，还可写 room %s，留存 audit %s", bytesText(d.FreeBytes), bytesText(d.MinFreeBytes), bytesText(d.RoomBytes),
		spanText(d.AuditSeconds*1000, langZH))
	for _, l := range t.s.Losses.ByCause {
		t.field("丢失", "losses", "%s：%d 条 records，市级未知 untold %d", l.Cause, l.Records, l.Untold)
	}
}

func (t *statusPrinter) intake() {
	if t.s.ReadFrom != "bridge" {
		return
	}
	in := &t.s.Intake
	t.field("消息", "messages", "%.1f/s，累计 total %d，待解 waiting %d，最近 last %s", in.PerSecond, in.Messages, in.WaitingMessages, agoText(in.LastMs, t.s.ReceiveMs))
	for _, reason := range slices.Sorted(maps.Keys(t.s.Quarantine.ByReason)) {
		t.field("隔离", "quarantined", "%s：%d", reason, t.s.Quarantine.ByReason[reason])
	}
}

func (t *statusPrinter) devices() {
	if t.s.ReadFrom != "bridge" {
		return
	}
	t.section("终端 devices: %d", len(t.s.Devices))
	sorted := slices.Clone(t.s.Devices)
	slices.SortStableFunc(sorted, func(a, b bridge.DeviceStatus) int { return deviceRank(a.State) - deviceRank(b.State) })
	for i, d := range sorted {
		if i == maxShown {
			t.line("  … 另有 %d 台，用 --json 查看 and %d more, see --json", len(sorted)-i, len(sorted)-i)
			break
		}
		offset := "–"
		if d.Clocked {
			offset = fmt.Sprintf("%+.1f s", float64(d.OffsetMs)/1000)
		}
		zh, en, m := deviceWords(d.State)
		t.line("  %s %s %s %s %s %s", m, cell(zh+" "+en, 13, false), cell(printable(d.Device), 32, false), cell(printable(d.Dialect), 12, false),
			cell(agoText(d.ReceivedMs, t.s.ReceiveMs), 12, true), cell(offset, 10, true))
	}
}

// deviceRank puts those first that want a look.
func deviceRank(s bridge.DeviceState) int {
	return slices.Index([]bridge.DeviceState{bridge.DeviceSilent, bridge.DeviceOffline, bridge.DeviceOnline}, s)
}

// deviceWords are a device's state in both languages and as a mark.
func deviceWords(s bridge.DeviceState) (zh, en string, m mark) {
	switch s {
	case bridge.DeviceOnline:
		return "在线", "online", good
	case bridge.DeviceSilent:
		return "失联", "silent", warning
	case bridge.DeviceOffline:
		return "离线", "offline", bad
	}
	return "未知", "unknown", warning
}

func (t *statusPrinter) strays() {
	if len(t.s.Quarantine.Recent) == 0 {
		return
	}
	t.section("无法识别的消息 messages that could not be read")
	for i, q := range t.s.Quarantine.Recent {
		if i == maxShown {
			break
		}
		t.line("  %s  %s  ×%d  %s  %s", agoText(q.LastMs, t.s.ReceiveMs), q.Reason, q.Count, q.Topic, q.Detail)
	}
}

func (t *statusPrinter) refusals() {
	if t.s.Broker == nil || len(t.s.Broker.Refusals) == 0 {
		return
	}
	t.section("基地 MQTT 服务的拒绝 refused by the base's broker")
	for i, r := range t.s.Broker.Refusals {
		if i == maxShown {
			break
		}
		t.line("  %s  %s  ×%d  %s  %s  %s", agoText(r.LastMs, t.s.NowMs), r.Why, r.Count, whoText(r), r.Remote, r.What)
	}
}

// whoText is who was refused; a name that is only claimed says so.
func whoText(r refusalStatus) string {
	if r.Proven {
		return r.Who
	}
	return "“" + r.Who + "”（自称 claimed）"
}

// stampText is an instant in Asia/Shanghai.
func stampText(ms int64) string {
	if ms == 0 {
		return "–"
	}
	at := time.UnixMilli(ms)
	return calendar.DateOf(at).String() + " " + clock(at)
}

// agoText is how long before now an instant was.
func agoText(ms, nowMs int64) string {
	if ms == 0 {
		return "从未 never"
	}
	return spanText(max(0, nowMs-ms), langZH) + "前"
}
