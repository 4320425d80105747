package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/spool"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// framesStats are the figures of what was read, of all of it: filters choose records, not figures.
type framesStats struct {
	logs    map[logName]*logStats
	devices map[deviceName]*deviceStats
	buf     []byte
}

// logStats are the figures of one log, or of what frames hold of it.
type logStats struct {
	frames, messages, repeated uint64
	bytes                      int64
	seen                       []frame.Range // ascending once merged; a range that came again is in it again
	missing                    []missingRange
	broken                     bool // frames or records that meet do not agree
}

// missingRange is numbers that will never come, and why where that is known.
type missingRange struct {
	frame.Range
	cause string
}

type deviceName struct {
	log    logName
	device string
}

// deviceStats are the figures of one device.
type deviceStats struct {
	records         map[telemetry.Kind]uint64
	bytes           int64
	firstMs, lastMs int64 // event times
	quarantined     map[telemetry.Reason]uint64
	suspect         uint64 // records whose device told an impossible time
}

func newFramesStats() *framesStats {
	return &framesStats{logs: map[logName]*logStats{}, devices: map[deviceName]*deviceStats{}}
}

func (s *framesStats) log(name logName) *logStats {
	if s.logs[name] == nil {
		s.logs[name] = &logStats{}
	}
	return s.logs[name]
}

// frame counts a frame and what could be opened of it.
func (s *framesStats) frame(f *frame.Frame, messages []telemetry.Message) {
	l := s.log(nameOf(&f.Header))
	l.frames++
	l.bytes += int64(f.Size)
	for _, r := range f.Missing {
		l.missing = append(l.missing, missingRange{r, "announced"})
	}
	if len(messages) == 0 {
		return
	}
	l.messages += uint64(len(messages))
	l.see(frame.Range{First: f.First, Last: f.Last()})
	for i := range messages {
		s.count(nameOf(&f.Header), &messages[i])
	}
}

// record counts an entry of a log.
func (s *framesStats) record(epoch uint64, rec *spool.Record, m *telemetry.Message) {
	name := logName{epoch: epoch}
	l := s.log(name)
	l.messages++
	l.bytes += int64(len(rec.Body) + len(rec.Raw))
	l.see(frame.Range{First: rec.Seq, Last: rec.Seq})
	s.count(name, m)
}

func (s *framesStats) logGap(epoch uint64, g *spool.GapError) {
	l := s.log(logName{epoch: epoch})
	l.missing = append(l.missing, missingRange{frame.Range{First: g.First, Last: g.Last}, g.Cause.String()})
}

func (s *framesStats) broken(f *frame.Frame)  { s.log(nameOf(&f.Header)).broken = true }
func (s *framesStats) logBroken(epoch uint64) { s.log(logName{epoch: epoch}).broken = true }

// count adds a message's records to their devices.
func (s *framesStats) count(log logName, m *telemetry.Message) {
	for i := range m.Records {
		r := &m.Records[i]
		name := deviceName{log, r.Device}
		d := s.devices[name]
		if d == nil {
			d = &deviceStats{
				records: map[telemetry.Kind]uint64{}, quarantined: map[telemetry.Reason]uint64{}, firstMs: r.EventMs, lastMs: r.EventMs,
			}
			s.devices[name] = d
		}
		d.records[r.Kind]++
		d.firstMs, d.lastMs = min(d.firstMs, r.EventMs), max(d.lastMs, r.EventMs)
		s.buf = frame.AppendMessage(s.buf[:0], &telemetry.Message{Records: m.Records[i : i+1]})
		d.bytes += int64(len(s.buf))
		if r.Kind == telemetry.KindRaw {
			d.quarantined[r.Reason]++
		}
		if r.Clock == telemetry.ClockSuspect {
			d.suspect++
		}
	}
}

// mergeEvery bounds how many ranges are kept unmerged.
const mergeEvery = 4096

func (l *logStats) see(r frame.Range) {
	if n := len(l.seen); n > 0 && l.seen[n-1].Last+1 == r.First {
		l.seen[n-1].Last = r.Last
		return
	}
	if l.seen = append(l.seen, r); len(l.seen)%mergeEvery == 0 {
		l.merge()
	}
}

// merge makes the ranges ascending and apart, and counts what came more than once.
func (l *logStats) merge() {
	slices.SortFunc(l.seen, func(a, b frame.Range) int { return cmp.Compare(a.First, b.First) })
	var out []frame.Range
	for _, r := range l.seen {
		n := len(out)
		if n == 0 || out[n-1].Last+1 < r.First {
			out = append(out, r)
			continue
		}
		if last := &out[n-1]; r.First <= last.Last {
			l.repeated += min(r.Last, last.Last) - r.First + 1
		}
		out[n-1].Last = max(out[n-1].Last, r.Last)
	}
	l.seen = out
}

// gaps are the numbers between what was seen that nobody announced as missing.
func (l *logStats) gaps() []frame.Range {
	l.merge()
	known := &logStats{seen: slices.Clone(l.seen)}
	for _, m := range l.missing {
		known.seen = append(known.seen, m.Range)
	}
	known.merge()
	var out []frame.Range
	for i := 1; i < len(known.seen); i++ {
		out = append(out, frame.Range{First: known.seen[i-1].Last + 1, Last: known.seen[i].First - 1})
	}
	return out
}

func (s *framesStats) logNames() []logName {
	return slices.SortedFunc(maps.Keys(s.logs), func(a, b logName) int {
		return cmp.Or(strings.Compare(a.base, b.base), strings.Compare(a.bridge, b.bridge), cmp.Compare(a.epoch, b.epoch))
	})
}

func (s *framesStats) deviceNames() []deviceName {
	return slices.SortedFunc(maps.Keys(s.devices), func(a, b deviceName) int {
		return cmp.Or(strings.Compare(a.log.String(), b.log.String()), strings.Compare(a.device, b.device))
	})
}

// maxRangesShown is how many ranges a table shows; JSON has all.
const maxRangesShown = 8

func rangesText(ranges []frame.Range) string {
	if len(ranges) == 0 {
		return "—"
	}
	var parts []string
	for i, r := range ranges {
		if i == maxRangesShown {
			parts = append(parts, fmt.Sprintf("… (%d)", len(ranges)))
			break
		}
		parts = append(parts, fmt.Sprintf("%d-%d", r.First, r.Last))
	}
	return strings.Join(parts, " ")
}

func missingText(missing []missingRange) string {
	byCause := map[string][]frame.Range{}
	for _, m := range missing {
		byCause[m.cause] = append(byCause[m.cause], m.Range)
	}
	var parts []string
	for _, cause := range slices.Sorted(maps.Keys(byCause)) {
		parts = append(parts, cause+" "+rangesText(byCause[cause]))
	}
	return cmp.Or(strings.Join(parts, "\n"), "—")
}

func (l *logStats) chainText() string {
	if l.broken {
		return string(bad) + " 断裂 broken"
	}
	return string(good) + " ok"
}

func (p *tablePrinter) stats(s *framesStats) error {
	logs := plainTable(2, 5)
	logs.AppendHeader(table.Row{"日志 log", "帧 frames", "消息 messages", "重复 repeated", "字节 bytes", "序号 numbers", "缺口 gaps", "缺失 missing", "链 chain"})
	for _, name := range s.logNames() {
		l := s.logs[name]
		gaps := l.gaps()
		logs.AppendRow(table.Row{
			name.String(), l.frames, l.messages, l.repeated, l.bytes, rangesText(l.seen), rangesText(gaps), missingText(l.missing), l.chainText(),
		})
	}
	devices := plainTable(2, 6)
	devices.AppendHeader(table.Row{"终端 device", "采样 samples", "刷卡 taps", "连接 links", "隔离 raw", "字节 bytes", "最早 first (+08:00)", "最晚 last (+08:00)", "隔离原因 reasons"})
	for _, name := range s.deviceNames() {
		d := s.devices[name]
		devices.AppendRow(table.Row{
			cmp.Or(printable(name.device), "—"), d.records[telemetry.KindSample], d.records[telemetry.KindTap], d.records[telemetry.KindLink],
			d.records[telemetry.KindRaw], d.bytes, shanghai(d.firstMs), shanghai(d.lastMs), d.reasons(),
		})
	}
	return p.line("%s\n%s", logs.Render(), devices.Render())
}

func plainTable(from, to int) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.SetColumnConfigs(rightAligned(from, to))
	return t
}

func (d *deviceStats) reasons() string {
	var parts []string
	for _, r := range slices.Sorted(maps.Keys(d.quarantined)) {
		parts = append(parts, fmt.Sprintf("%s %d", printable(string(r)), d.quarantined[r]))
	}
	if d.suspect > 0 {
		parts = append(parts, fmt.Sprintf("(可疑时钟 suspect clock %d)", d.suspect))
	}
	return strings.Join(parts, ", ")
}

type jsonRange struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	Cause string `json:"cause,omitempty"`
}

func jsonRanges(ranges []frame.Range) []jsonRange {
	out := []jsonRange{}
	for _, r := range ranges {
		out = append(out, jsonRange{r.First, r.Last, ""})
	}
	return out
}

func (p *jsonPrinter) stats(s *framesStats) error {
	for _, name := range s.logNames() {
		l := s.logs[name]
		gaps := jsonRanges(l.gaps())
		missing := []jsonRange{}
		for _, m := range l.missing {
			missing = append(missing, jsonRange{m.First, m.Last, m.cause})
		}
		err := p.object(struct {
			jsonOrigin
			Frames   uint64      `json:"frames"`
			Messages uint64      `json:"messages"`
			Repeated uint64      `json:"repeated"`
			Bytes    int64       `json:"bytes"`
			Numbers  []jsonRange `json:"numbers"`
			Gaps     []jsonRange `json:"gaps"`
			Missing  []jsonRange `json:"missing"`
			ChainOK  bool        `json:"chain_ok"`
		}{originOf("log", name), l.frames, l.messages, l.repeated, l.bytes, jsonRanges(l.seen), gaps, missing, !l.broken})
		if err != nil {
			return err
		}
	}
	for _, name := range s.deviceNames() {
		d := s.devices[name]
		err := p.object(struct {
			jsonOrigin
			Device      string                      `json:"device"`
			Samples     uint64                      `json:"samples"`
			Taps        uint64                      `json:"taps"`
			Links       uint64                      `json:"links"`
			Raw         uint64                      `json:"raw"`
			Bytes       int64                       `json:"bytes"`
			First       string                      `json:"first"`
			Last        string                      `json:"last"`
			Quarantined map[telemetry.Reason]uint64 `json:"quarantined"`
			Suspect     uint64                      `json:"suspect_clock"`
		}{
			originOf("device", name.log), name.device, d.records[telemetry.KindSample], d.records[telemetry.KindTap],
			d.records[telemetry.KindLink], d.records[telemetry.KindRaw], d.bytes, instant(d.firstMs), instant(d.lastMs),
			d.quarantined, d.suspect,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
