package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// hostileName is what somebody on the base's network may call a device, to run in the operator's browser or terminal.
const hostileName = "\x1b]0;owned\a\u202e\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{.Base}}"

const pageNow = 1_772_409_600_000 // 2026-03-02T00:00:00Z

// wellStatus is a bridge at which all is well.
func wellStatus() *edgeStatus {
	return &edgeStatus{
		StatusVersion: statusVersion, ReadFrom: "bridge", Attention: []concern{},
		Status: bridge.Status{
			Base: "cq01", Bridge: "b1", NowMs: pageNow, ReceiveMs: pageNow, StartedMs: pageNow - 60_000,
			Uplink: bridge.UplinkStatus{Connected: true, SinceMs: pageNow - 50_000, WindowFrames: 64, LastAckMs: pageNow - 100, Refused: []bridge.RefusedStatus{}},
			Disk:   bridge.DiskStatus{Epoch: "00000000000000ff", Begin: 1, End: 1, MaxBytes: 1 << 30, RoomBytes: 1 << 30, AuditSeconds: 30 * 86400},
			Losses: bridge.LossStatus{ByCause: []bridge.LossSum{}, Recent: []bridge.LossRange{}},
			Intake: bridge.IntakeStatus{LastMs: pageNow - 10},
			Quarantine: bridge.QuarantineStatus{
				ByReason: map[telemetry.Reason]int64{}, Recent: []bridge.Stray{},
			},
			Devices: []bridge.DeviceStatus{},
		},
		Broker: &brokerStatus{Addr: "127.0.0.1:1883", Refusals: []refusalStatus{}},
	}
}

// hostileStatus has something everywhere, and the worst in every text that others choose.
func hostileStatus() *edgeStatus {
	s := wellStatus()
	s.Uplink.Refused = []bridge.RefusedStatus{{Reason: "other", Said: hostileName, FramesOut: 2, RecordsOut: 9, Total: 3, LastMs: pageNow - 1}}
	s.Disk.Failed = hostileName
	s.Losses.ByCause = []bridge.LossSum{{Cause: "dropped", Records: 7, Untold: 7}}
	s.Quarantine.ByReason[telemetry.ReasonMalformed] = 4
	s.Quarantine.Recent = []bridge.Stray{{Reason: telemetry.ReasonMalformed, Topic: hostileName, Device: hostileName, Detail: hostileName, Count: 4, LastMs: pageNow}}
	for _, state := range []bridge.DeviceState{bridge.DeviceOnline, bridge.DeviceSilent, bridge.DeviceOffline} {
		s.Devices = append(s.Devices, bridge.DeviceStatus{
			DeviceSeen: bridge.DeviceSeen{Device: hostileName + string(state), Dialect: hostileName, ReceivedMs: pageNow - 1000, Clocked: true, OffsetMs: -1500}, State: state,
		})
	}
	s.Broker.Refusals = []refusalStatus{{Why: "publish", Who: hostileName, What: hostileName, Remote: "10.0.0.9", Count: 40, LastMs: pageNow}}
	s.Attention = concernsOf(s)
	return s
}

// serve asks the pages of a status for a path.
func serve(t *testing.T, s *edgeStatus, path string) *http.Response {
	t.Helper()
	mux := http.NewServeMux()
	servePages(mux, func() *edgeStatus { return s })
	recorder := httptest.NewRecorder()
	mux.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, http.NoBody))
	return recorder.Result()
}

func bodyOf(t *testing.T, r *http.Response) string {
	t.Helper()
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(b.String(), "\r\n\r\n")
	return body
}

// TestPageIsSafe: whatever a device calls itself, the page runs nothing, loads nothing from elsewhere, and stands in no
// frame.
func TestPageIsSafe(t *testing.T) {
	t.Parallel()
	r := serve(t, hostileStatus(), "/")
	defer func() { _ = r.Body.Close() }()
	body := bodyOf(t, r)
	for _, evil := range []string{"<script", "<img", "onerror=alert(1)>", "http://", "https://", "style="} {
		if strings.Contains(body, evil) {
			t.Errorf("the page holds %q", evil)
		}
	}
	if strings.ContainsAny(body, "\x1b\a\u202e") {
		t.Error("a name can turn the text around it")
	}
	if n := strings.Count(body, "&lt;script&gt;"); n < 8 {
		t.Errorf("the hostile name is shown %d times, want everywhere", n)
	}
	for header, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'self'", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8",
	} {
		if got := r.Header.Get(header); !strings.HasPrefix(got, want) {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
}

// TestPageTellsEverything: a state is told in words, not by colour alone, and nothing is told where there is nothing.
func TestPageTellsEverything(t *testing.T) {
	t.Parallel()
	r := serve(t, hostileStatus(), "/")
	defer func() { _ = r.Body.Close() }()
	full := bodyOf(t, r)
	for _, want := range []string{
		"在线 online", "失联 silent", "离线 offline", "写入失败 failed", "市级拒收 2 帧", "[JishiFramesRefused]", "[JishiBrokerRefusals]",
		"自称 claimed", "10.0.0.9", "dropped", "-1.5 s", `data-label="最近 last seen"`, `http-equiv="refresh"`, `name="viewport"`,
	} {
		if !strings.Contains(full, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	r = serve(t, wellStatus(), "/")
	defer func() { _ = r.Body.Close() }()
	empty := bodyOf(t, r)
	for _, want := range []string{"一切正常", "No device has been heard yet", "待送 queue</dt><dd>无 empty", "丢失 losses</dt><dd>无 none"} {
		if !strings.Contains(empty, want) {
			t.Errorf("the page of a quiet bridge does not say %q", want)
		}
	}
	if strings.Contains(empty, "<table") {
		t.Error("the page of a quiet bridge has empty tables")
	}
	source := wellStatus()
	source.Broker = nil
	r = serve(t, source, "/")
	defer func() { _ = r.Body.Close() }()
	if body := bodyOf(t, r); !strings.Contains(body, "使用基地已有的 MQTT 服务") {
		t.Error("the page of a bridge without a broker does not say so")
	}
}

func TestPageServesNothingElse(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]int{"/style.css": 200, "/status": 200, "/other": 404, "/status/x": 404} {
		r := serve(t, wellStatus(), path)
		if r.StatusCode != want {
			t.Errorf("%s answers %d, want %d", path, r.StatusCode, want)
		}
		_ = r.Body.Close()
	}
}

// TestStatusIsReadAsItIsWritten: what the bridge serves is what `jishi bridge status` reads.
func TestStatusIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	s := hostileStatus()
	for i := range s.Devices {
		s.Devices[i].Online = false // not part of the document: State says it
	}
	mux := http.NewServeMux()
	servePages(mux, func() *edgeStatus { return s })
	server := httptest.NewServer(mux)
	defer server.Close()
	got, err := askBridge(t.Context(), strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, got); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
}

// TestStatusIsDocumented: every field of the document has its row in docs/status.md, and no row is of a field that is gone.
func TestStatusIsDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for line := range strings.Lines(string(doc)) {
		if name, ok := strings.CutPrefix(line, "| `"); ok {
			name, _, _ = strings.Cut(name, "`")
			rows[name] = true
		}
	}
	var walk func(prefix string, t reflect.Type)
	walk = func(prefix string, of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct {
			return
		}
		for field := range of.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			switch {
			case name == "-":
				continue
			case field.Anonymous:
				walk(prefix, field.Type)
				continue
			case !rows[prefix+name]:
				t.Errorf("docs/status.md has no row `%s`", prefix+name)
			}
			delete(rows, prefix+name)
			walk(prefix+name+".", field.Type)
		}
	}
	walk("", reflect.TypeFor[edgeStatus]())
	for name := range rows {
		t.Errorf("docs/status.md has a row `%s`, which the status has not", name)
	}
}

// TestTerminalIsSafe: no text from outside steers the terminal, and all of it is there.
func TestTerminalIsSafe(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := printStatus(&b, hostileStatus()); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\a\u202e") {
		t.Errorf("the terminal is steered:\n%q", b.String())
	}
	for _, want := range []string{"网桥 cq01/b1", "✗ 日志写入失败", "市级拒收", "终端 devices: 3", "离线 offline", "“\\x1b]0;owned", "10.0.0.9"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the status does not say %q:\n%s", want, &b)
		}
	}
}

func TestConcerns(t *testing.T) {
	t.Parallel()
	hour := int64(3_600_000)
	tests := map[string]struct {
		change func(s *edgeStatus)
		want   string // code and severity of each, the worst first
	}{
		"all is well":         {func(*edgeStatus) {}, ""},
		"disk failed":         {func(s *edgeStatus) { s.Disk.Failed = "sync" }, "JishiLogFailed critical"},
		"log full":            {func(s *edgeStatus) { s.Disk.FullSinceMs, s.Disk.RoomBytes = pageNow-1, 0 }, "JishiLogFull critical"},
		"log filling up":      {func(s *edgeStatus) { s.Disk.RoomBytes = 1 << 27 }, "JishiLogFillingUp warning"},
		"room not known":      {func(s *edgeStatus) { s.Disk.RoomBytes = -1 }, ""},
		"forked":              {func(s *edgeStatus) { s.Uplink.Refused = refusedNow(frame.RefusedForked, 1) }, "JishiLogForked critical"},
		"unknown bridge":      {func(s *edgeStatus) { s.Uplink.Refused = refusedNow(frame.RefusedUnknownBridge, 3) }, "JishiFramesRefused critical"},
		"refused in the past": {func(s *edgeStatus) { s.Uplink.Refused = refusedNow(frame.RefusedBadSignature, 0) }, ""},
		"city away for a bit": {func(s *edgeStatus) { s.Uplink.Connected, s.Uplink.SinceMs = false, pageNow-60_000 }, ""},
		"city away":           {func(s *edgeStatus) { s.Uplink.Connected, s.Uplink.SinceMs = false, pageNow-hour }, "JishiUplinkDown warning"},
		"city does not store": {func(s *edgeStatus) {
			s.Queue.Records, s.Queue.OldestMs, s.StartedMs, s.Uplink.LastAckMs = 9, pageNow-hour, pageNow-9*hour, pageNow-hour
		}, "JishiUplinkStalled warning"},
		"city stores a backlog": {func(s *edgeStatus) {
			s.Queue.Records, s.Queue.OldestMs, s.StartedMs = 9, pageNow-9*hour, pageNow-9*hour
		}, ""},
		"clock off":               {func(s *edgeStatus) { s.Uplink.CityOffsetMs = -61_000 }, "JishiBridgeClockOff warning"},
		"clock off, replayed":     {func(s *edgeStatus) { s.Uplink.CityOffsetMs, s.Replayed = -61_000, true }, ""},
		"torn":                    {func(s *edgeStatus) { s.Losses.ByCause = []bridge.LossSum{{Cause: "torn", Records: 2, Untold: 2}} }, ""},
		"corrupt":                 {func(s *edgeStatus) { s.Losses.ByCause = []bridge.LossSum{{Cause: "corrupt", Records: 2, Untold: 2}} }, "JishiRecordsLost warning"},
		"dropped, the city knows": {func(s *edgeStatus) { s.Losses.ByCause = []bridge.LossSum{{Cause: "dropped", Records: 2}} }, "JishiRecordsDropped notice"},
		"unsendable":              {func(s *edgeStatus) { s.Queue.Unsendable = 1 }, "JishiRecordsLost warning"},
		"silent device":           {func(s *edgeStatus) { s.Devices = []bridge.DeviceStatus{{State: bridge.DeviceSilent}} }, "JishiDevicesSilent warning"},
		"device gone":             {func(s *edgeStatus) { s.Devices = []bridge.DeviceStatus{{State: bridge.DeviceOffline}} }, "JishiDevicesSilent notice"},
		"device clock off": {func(s *edgeStatus) {
			s.Devices = []bridge.DeviceStatus{{State: bridge.DeviceOnline, DeviceSeen: bridge.DeviceSeen{Clocked: true, OffsetMs: 121_000}}}
		}, "JishiDeviceClockOff warning"},
		"no messages":           {func(s *edgeStatus) { s.Intake.LastMs, s.StartedMs = pageNow-hour, pageNow-9*hour }, "JishiNoMessages warning"},
		"no card key":           {func(s *edgeStatus) { s.Quarantine.ByReason[telemetry.ReasonNoCardKey] = 1 }, "JishiQuarantine warning"},
		"unreadable":            {func(s *edgeStatus) { s.Quarantine.Recent = []bridge.Stray{{Count: 1, LastMs: pageNow}} }, "JishiQuarantine notice"},
		"unreadable, yesterday": {func(s *edgeStatus) { s.Quarantine.Recent = []bridge.Stray{{Count: 1, LastMs: pageNow - 24*hour}} }, ""},
		"a stranger":            {func(s *edgeStatus) { s.Broker.Refusals = []refusalStatus{{Count: 2, LastMs: pageNow}} }, "JishiBrokerRefusals notice"},
		"many strangers":        {func(s *edgeStatus) { s.Broker.Refusals = []refusalStatus{{Count: 20, LastMs: pageNow}} }, "JishiBrokerRefusals warning"},
		"one of ours":           {func(s *edgeStatus) { s.Broker.Refusals = []refusalStatus{{Count: 1, Proven: true, LastMs: pageNow}} }, "JishiBrokerRefusals warning"},
		"the worst first": {func(s *edgeStatus) {
			s.Devices = []bridge.DeviceStatus{{State: bridge.DeviceOffline}, {State: bridge.DeviceSilent}}
			s.Disk.Failed = "sync"
		}, "JishiLogFailed critical, JishiDevicesSilent warning, JishiDevicesSilent notice"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := wellStatus()
			tt.change(s)
			var got []string
			attended := false
			for _, c := range concernsOf(s) {
				got = append(got, c.Code+" "+string(c.Severity))
				attended = attended || c.Severity != notice
				if c.Zh == "" || c.En == "" || c.DoZh == "" || c.DoEn == "" {
					t.Errorf("%s does not say what it is or what to do: %+v", c.Code, c)
				}
			}
			if strings.Join(got, ", ") != tt.want || needsPerson(concernsOf(s)) != attended {
				t.Errorf("concerns %v, want %s", got, tt.want)
			}
		})
	}
}

func refusedNow(reason string, out int) []bridge.RefusedStatus {
	return []bridge.RefusedStatus{{Reason: reason, Said: reason, FramesOut: out, RecordsOut: uint64(out), Total: 5, LastMs: pageNow}}
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		":9100": "127.0.0.1:9100", "0.0.0.0:1": "127.0.0.1:1", "[::]:1": "127.0.0.1:1", "10.1.2.3:9": "10.1.2.3:9", "base.example:9": "base.example:9",
		"[fe80::1]:9": "[fe80::1]:9",
	} {
		if got := reachable(addr); got != want {
			t.Errorf("reachable(%q) is %q, want %q", addr, got, want)
		}
	}
}
