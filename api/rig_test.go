package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/jishi-telemetry/jishi/api"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/embedded"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// The story that most tests tell: Monday 2026-03-02, a working day, at noon in Shanghai. The workshop opened at eight.
// The CNC's controller spoke from eight to eleven and then lost sight of its machine. The lathe's meter spoke every ten
// seconds, with a gap of ten minutes. lathe-2 has no thresholds, the bench leaves no trace.
const today = "2026-03-02"

var noon = time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC)

// at returns an instant of the story's day, Shanghai's clock.
func at(clock string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05 -0700", today+" "+clock+" +0800")
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

// rig is a server on a loopback port, over a real embedded store and ledger.
type rig struct {
	url      string
	server   *api.Server
	store    *watched
	settler  *settle.Settler
	ledger   *ledger.Ledger
	registry *registry.Registry
	metrics  *prometheus.Registry
	logs     *lockedLog
	options  api.Options
	now      atomic.Int64 // milliseconds
	stop     func() error
}

func newRig(t *testing.T, change ...func(*api.Options)) *rig {
	t.Helper()
	r := &rig{metrics: prometheus.NewPedanticRegistry(), logs: &lockedLog{}}
	r.now.Store(noon.UnixMilli())
	store, err := embedded.Open(t.Context(), filepath.Join(t.TempDir(), "evidence.db"), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	r.store = &watched{Store: store}
	if r.registry, err = registry.New(workshopBase("b1"), workshopBase("b2")); err != nil {
		t.Fatal(err)
	}
	cal, err := calendar.New()
	if err != nil {
		t.Fatal(err)
	}
	if r.ledger, err = ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.ledger.Close() })
	o := api.Options{
		Settler: settle.New(r.store, r.registry, cal), Registry: r.registry, Calendar: cal, Store: r.store, Ledger: r.ledger,
		Ready:    map[string]func(context.Context) error{"evidence": store.Ping, "ledger": r.ledger.Ping},
		Gatherer: r.metrics, Registerer: r.metrics, Version: "0", Now: func() time.Time { return time.UnixMilli(r.now.Load()) },
		Logger: slog.New(slog.NewJSONHandler(r.logs, nil)),
	}
	for _, c := range change {
		c(&o)
	}
	r.settler = settle.New(r.store, o.Registry, cal)
	if o.Ledger != nil {
		o.Periods = &settle.Periods{Keeper: &settle.Keeper{
			Settler: r.settler, Ledger: o.Ledger, Now: o.Now, Clues: clue.DefaultParams(),
			Reference: func(context.Context) (*ledger.Reference, error) {
				if o.World == nil {
					return &ledger.Reference{Registry: o.Registry, Calendar: cal}, nil
				}
				w := o.World()
				return &ledger.Reference{Registry: w.Registry, Calendar: w.Calendar, Rosters: w.Rosters}, nil
			},
		}}
		o.Corrections = &settle.Corrections{Keeper: o.Periods.Keeper}
	}
	o.Settler, r.options = r.settler, o
	if r.server, err = api.New(o); err != nil {
		t.Fatal(err)
	}
	return r
}

// serve starts the server; the test's end stops it.
func (r *rig) serve(t *testing.T) *rig {
	t.Helper()
	return r.serveOn(t, "127.0.0.1:0")
}

// again serves once more where it served before, as a program does that was started anew.
func (r *rig) again(t *testing.T) {
	t.Helper()
	r.options.Registerer = nil // it has the metrics already
	var err error
	if r.server, err = api.New(r.options); err != nil {
		t.Fatal(err)
	}
	r.serveOn(t, strings.TrimPrefix(r.url, "http://"))
}

func (r *rig) serveOn(t *testing.T, addr string) *rig {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	r.url = "http://" + l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	server := r.server
	go func() { ended <- server.Serve(ctx, l) }()
	stop := sync.OnceValue(func() error { cancel(); return <-ended })
	r.stop = stop
	t.Cleanup(func() {
		// What an open connection does to a shutdown is the matter of tests of their own.
		http.DefaultClient.CloseIdleConnections()
		if err := stop(); err != nil {
			t.Errorf("server did not end well: %v", err)
		}
	})
	return r
}

// answer is what the server said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// get asks, and holds the answer to the API's own description.
func (r *rig) get(t *testing.T, path string) answer {
	t.Helper()
	return r.do(t, http.MethodGet, path, nil)
}

func (r *rig) do(t *testing.T, method, path string, body io.Reader) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{response.StatusCode, response.Header, content}
	description(t, r.server).check(t, method, path, a)
	return a
}

// into decodes a good answer.
func (a answer) into(t *testing.T, v any) {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	d := json.NewDecoder(strings.NewReader(string(a.body)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
}

func workshopBase(code string) registry.Base {
	times, err := registry.ParseTimes("08:00-12:00,14:00-18:00")
	if err != nil {
		panic(err)
	}
	power := &registry.PowerRule{OffW: 5, RunW: 500}
	machine := func(id, name string, signal registry.Signal) registry.Equipment {
		return registry.Equipment{
			ID: id, AssetNumber: "A-" + id, Name: name, NameEN: strings.ToUpper(id), Workshop: "w1", Category: registry.General, Profile: registry.Machine,
			InService: registry.Always(), Signal: signal,
		}
	}
	state := func(device, channel, equipment string) registry.Binding {
		return registry.Binding{Device: device, Channel: channel, Equipment: equipment, Use: registry.UseState, Valid: registry.Always()}
	}
	return registry.Base{
		Code: code, Name: "第一公共实训基地", NameEN: "First training base", Tier: registry.TierLead,
		Districts: []registry.District{{Code: "500103", Valid: registry.Always()}},
		Hours:     []registry.Hours{{Valid: registry.Always(), Workday: times}},
		Workshops: []registry.Workshop{{ID: "w1", Name: "机加工车间", NameEN: "Machine shop"}},
		Equipment: []registry.Equipment{
			machine("bench-1", "钳工台", registry.Signal{Kind: registry.SignalNone}),
			machine("cnc-1", "数控铣床", registry.Signal{Kind: registry.SignalController}),
			machine("lathe-1", "普通车床", registry.Signal{Kind: registry.SignalPower, Power: power}),
			machine("lathe-2", "<script>alert(1)</script>\"'&", registry.Signal{Kind: registry.SignalPower}),
		},
		Devices: []registry.Device{
			{ID: "ctl-1", Kind: registry.Controller}, {ID: "meter-1", Kind: registry.Meter}, {ID: "meter-2", Kind: registry.Meter},
		},
		Bindings: []registry.Binding{
			state("ctl-1", "exec", "cnc-1"), state("meter-1", "", "lathe-1"), state("meter-2", "", "lathe-2"),
		},
	}
}

// fill writes the story of the day into the store, for one base.
func (r *rig) fill(t *testing.T, base string) *rig {
	t.Helper()
	var records []telemetry.Record
	for _, w := range [][2]string{{"08:00:00", "READY"}, {"08:30:00", "ACTIVE"}, {"10:00:00", "READY"}, {"11:00:00", "UNAVAILABLE"}} {
		records = append(records, telemetry.Record{
			Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: "ctl-1", Channel: "exec",
			EventMs: at(w[0]).UnixMilli(), State: w[1],
		})
	}
	for s := at("08:00:00"); s.Before(noon); s = s.Add(10 * time.Second) {
		watts := 20.
		if !s.Before(at("09:00:00")) && s.Before(at("10:00:00")) {
			watts = 1234.5
		}
		if !s.Before(at("10:20:00")) && s.Before(at("10:30:00")) {
			continue
		}
		for _, device := range []string{"meter-1", "meter-2"} {
			records = append(records, telemetry.Record{
				Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: device, EventMs: s.UnixMilli(), ValidMs: 60_000,
				Values: []telemetry.Value{{Quantity: telemetry.PowerW, Number: watts}},
			})
		}
	}
	records = append(records, telemetry.Record{
		Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: "stranger", EventMs: at("11:00:00").UnixMilli(), State: "IDLE",
	})
	r.write(t, base, records...)
	return r
}

func (r *rig) write(t *testing.T, base string, records ...telemetry.Record) {
	t.Helper()
	batch := evidence.Batch{Base: base, Bridge: "br", Epoch: 1, CollectedMs: r.now.Load()}
	for i, record := range records {
		batch.Messages = append(batch.Messages, telemetry.Message{
			Seq: uint64(i + 1), ReceivedMs: record.EventMs, Dialect: "native", Records: []telemetry.Record{record},
		})
	}
	outcomes, err := r.store.Write(t.Context(), []evidence.Batch{batch})
	if err != nil || len(outcomes[0].Rejected) > 0 {
		t.Fatalf("write: %v %+v", err, outcomes)
	}
}

// watched counts what is read, and can be told to fail or to wait.
type watched struct {
	evidence.Store
	reads  atomic.Int64
	failed atomic.Pointer[error]                                                 // what reads fail with
	block  atomic.Pointer[func(ctx context.Context, base string, n int64) error] // asked before the nth read
}

func (w *watched) before(ctx context.Context, base string) error {
	n := w.reads.Add(1)
	if block := w.block.Load(); block != nil {
		if err := (*block)(ctx, base, n); err != nil {
			return err
		}
	}
	if err := w.failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (w *watched) fail(err error) { w.failed.Store(&err) }

func (w *watched) Read(ctx context.Context, q evidence.Query, yield func(*evidence.Entry) error) error {
	if err := w.before(ctx, q.Base); err != nil {
		return err
	}
	return w.Store.Read(ctx, q, yield)
}

func (w *watched) Before(ctx context.Context, q evidence.Query) ([]evidence.Entry, error) {
	if err := w.before(ctx, q.Base); err != nil {
		return nil, err
	}
	return w.Store.Before(ctx, q)
}

func (w *watched) Latest(ctx context.Context, base, device string) ([]evidence.Entry, error) {
	if err := w.before(ctx, base); err != nil {
		return nil, err
	}
	return w.Store.Latest(ctx, base, device)
}

func (w *watched) Devices(ctx context.Context, base string, window span.Span) ([]evidence.DeviceCount, error) {
	if err := w.before(ctx, base); err != nil {
		return nil, err
	}
	return w.Store.Devices(ctx, base, window)
}

// errDown is what a store says whose disk or network is gone; its text is nobody's business.
var errDown = errors.New("dial tcp 10.9.8.7:8086: secret-host refused /var/lib/jishi")

// lockedLog keeps what the server logged.
type lockedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
