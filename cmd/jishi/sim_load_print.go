package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/jishi-telemetry/jishi/firmware-sim/load"
)

// lateAfter is from when on a message counts as late in the report's text: ten times what the schedule's own step costs.
const lateAfter = 10 * time.Millisecond

// loadSummary is the report as it is written with --json. Times are milliseconds.
type loadSummary struct {
	Devices    int64            `json:"devices"`
	Connected  int64            `json:"connected"`
	Attempts   int64            `json:"connect_attempts"`
	Losses     int64            `json:"connections_lost"`
	RampS      float64          `json:"ramp_s"`
	SendingS   float64          `json:"sending_s"`
	EveryMs    float64          `json:"every_ms"`
	QoS        byte             `json:"qos"`
	Planned    int64            `json:"planned"`
	Sent       int64            `json:"sent"`
	Missed     int64            `json:"missed"`
	Unsent     int64            `json:"unsent"`
	Acked      int64            `json:"acked"`
	Lost       int64            `json:"lost"`
	Open       int64            `json:"open"`
	SentRate   float64          `json:"sent_per_s"`
	AckedRate  float64          `json:"acked_per_s"`
	LateOver10 int64            `json:"late_over_10_ms"`
	Late       loadQuantiles    `json:"late"`
	Response   loadQuantiles    `json:"puback_from_schedule"`
	Service    loadQuantiles    `json:"puback_from_sending"`
	Errors     map[string]int64 `json:"errors"`
	Processes  int              `json:"processes"`
	PeakBytes  int64            `json:"memory_peak_bytes"`
	PerDevice  int64            `json:"memory_bytes_per_device"`
}

type loadQuantiles struct {
	P50  float64 `json:"p50_ms"`
	P90  float64 `json:"p90_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	Max  float64 `json:"max_ms"`
}

func quantilesOf(h load.Histogram) loadQuantiles {
	ms := func(q float64) float64 { return float64(h.Quantile(q).Microseconds()) / 1000 }
	return loadQuantiles{ms(.5), ms(.9), ms(.99), ms(.999), float64(h.MaxUs) / 1000}
}

func (f *loadFlags) print(w io.Writer, r *load.Report, processes int) error {
	s := loadSummary{
		Devices: r.Devices, Connected: r.Connected, Attempts: r.Attempts, Losses: r.Losses, RampS: r.Ramp.Seconds(), SendingS: r.Sending.Seconds(),
		EveryMs: float64(f.every.Microseconds()) / 1000, QoS: byte(f.qos),
		Planned: r.Planned, Sent: r.Sent, Missed: r.Missed, Unsent: r.Unsent, Acked: r.Acked, Lost: r.Lost, Open: r.Open,
		SentRate: r.Rate(), AckedRate: r.AckRate(), LateOver10: r.Late.Above(lateAfter),
		Late: quantilesOf(r.Late), Response: quantilesOf(r.Response), Service: quantilesOf(r.Service), Errors: r.Faults,
		Processes: processes, PeakBytes: r.PeakBytes, PerDevice: r.BytesPerDevice(),
	}
	if f.json {
		b, err := json.MarshalIndent(&s, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", b)
		return err
	}
	_, err := io.WriteString(w, s.text())
	return err
}

// text is the report for people.
func (s *loadSummary) text() string {
	var b strings.Builder
	line := func(zh, en, format string, args ...any) {
		fmt.Fprintf(&b, "%s %-14s %s\n", cell(zh, 8, false), en, fmt.Sprintf(format, args...))
	}
	line("设备", "devices", "%d of %d connected after %.1f s; %d attempts, %d connections lost", s.Connected, s.Devices, s.RampS, s.Attempts, s.Losses)
	line("消息", "messages", "%d planned in %.1f s, %d sent, %d missed (not connected), %d unsent (network or window full)",
		s.Planned, s.SendingS, s.Sent, s.Missed, s.Unsent)
	line("速率", "rate", "%.1f msg/s sent, %.1f msg/s acknowledged", s.SentRate, s.AckedRate)
	line("迟发", "late", "%s; %d (%.3f %%) by more than %s", s.Late.text(), s.LateOver10, 100*float64(s.LateOver10)/float64(max(1, s.Sent)), lateAfter)
	if s.QoS > 0 {
		line("确认", "acknowledged", "%d; %d lost with their connection, %d not answered", s.Acked, s.Lost, s.Open)
		line("时延", "PUBACK", "%s  from the scheduled instant", s.Response.text())
		line("", "", "%s  from the sending", s.Service.text())
	}
	errors := "none"
	if len(s.Errors) > 0 {
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(s.Errors)) {
			kinds = append(kinds, fmt.Sprintf("%d %s", s.Errors[kind], kind))
		}
		errors = strings.Join(kinds, ", ")
	}
	line("错误", "errors", "%s", errors)
	line("内存", "memory", "%.1f MB at most, %.1f kB a device; %d process(es)", float64(s.PeakBytes)/1e6, float64(s.PerDevice)/1e3, s.Processes)
	return b.String()
}

func (q loadQuantiles) text() string {
	of := func(ms float64) string { return milliseconds(time.Duration(ms * float64(time.Millisecond))) }
	return fmt.Sprintf("p50 %s  p90 %s  p99 %s  p99.9 %s  max %s", of(q.P50), of(q.P90), of(q.P99), of(q.P999), of(q.Max))
}

// milliseconds writes a duration with one or two decimals and always in one unit, so that a column can be read.
func milliseconds(d time.Duration) string {
	ms := float64(d.Microseconds()) / 1000
	if ms < 10 {
		return fmt.Sprintf("%.2f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
