package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/api"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

type items[T any] struct {
	Items []T `json:"items"`
}

type timeline struct {
	Usage    api.Usage      `json:"usage"`
	Opening  []api.Interval `json:"opening"`
	Segments []api.Segment  `json:"segments"`
}

func date(t *testing.T, s string) calendar.Date {
	t.Helper()
	d, err := calendar.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// usageOf asks for one machine's usage of the story's day.
func usageOf(t *testing.T, r *rig, equipment string) api.Usage {
	t.Helper()
	var got items[api.Usage]
	r.get(t, "/api/v1/bases/b1/usage?from="+today+"&equipment="+equipment).into(t, &got)
	if len(got.Items) != 1 {
		t.Fatalf("got %d items, want 1", len(got.Items))
	}
	return got.Items[0]
}

func TestUsageSaysWhatTheEvidenceSays(t *testing.T) {
	t.Parallel()
	r := newRig(t).fill(t, "b1").serve(t)
	hour := time.Hour.Seconds()

	t.Run("controller", func(t *testing.T) {
		got := usageOf(t, r, "cnc-1")
		want := api.Usage{
			Base: "b1", Equipment: "cnc-1", Name: "数控铣床", NameEN: "CNC-1", Day: today, From: at("00:00:00"), To: noon,
			WindowS: 12 * hour, RunningS: 1.5 * hour, IdleS: 1.5 * hour, UnknownS: 9 * hour, OpeningS: 4 * hour, OpeningRunningS: 1.5 * hour,
			// The hour without sight of the machine puts the coverage under the floor: no rate.
			Rate: nil, Coverage: 0.75,
			Words:   map[string]float64{"ACTIVE": 1.5 * hour, "READY": 1.5 * hour, "UNAVAILABLE": hour},
			Samples: 4, Evidence: got.Evidence, RuleVersion: settle.RuleVersion,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("meter", func(t *testing.T) {
		got := usageOf(t, r, "lathe-1")
		gap := 610.
		if got.RunningS != hour || got.OffS != 0 || got.UnknownS != 8*hour+gap || got.IdleS != 3*hour-gap {
			t.Errorf("running %v, idle %v, off %v, unknown %v", got.RunningS, got.IdleS, got.OffS, got.UnknownS)
		}
		if got.Rate == nil || *got.Rate != 0.25 || got.Coverage != 0.9576 {
			t.Errorf("rate %v, coverage %v", got.Rate, got.Coverage)
		}
	})
	t.Run("no thresholds, no trace: unknown, never off", func(t *testing.T) {
		for equipment, note := range map[string]string{"lathe-2": "not_calibrated", "bench-1": "no_signal"} {
			got := usageOf(t, r, equipment)
			if got.UnknownS != got.WindowS || got.OffS != 0 || got.Rate != nil || got.Coverage != 0 {
				t.Errorf("%s: %+v", equipment, got)
			}
			if len(got.Notes) != 1 || got.Notes[0] != note {
				t.Errorf("%s: notes %q, want %s", equipment, got.Notes, note)
			}
		}
	})
	t.Run("a silent base is unknown, never off", func(t *testing.T) {
		var got items[api.Usage]
		r.get(t, "/api/v1/bases/b2/usage").into(t, &got)
		for _, u := range got.Items {
			if u.UnknownS != 12*hour || u.OffS != 0 || u.IdleS != 0 || u.Rate != nil {
				t.Errorf("%s: %+v", u.Equipment, u)
			}
		}
	})
}

func TestEveryFigureIsSettles(t *testing.T) {
	t.Parallel()
	r := newRig(t).fill(t, "b1").serve(t)
	machines, err := r.settler.Machines(t.Context(), "b1", settle.Window(date(t, today), noon.UnixMilli()))
	if err != nil {
		t.Fatal(err)
	}
	var all items[api.Usage]
	r.get(t, "/api/v1/bases/b1/usage?from=2026-03-01&to=2026-03-31").into(t, &all)
	if len(all.Items) != 2*len(machines) {
		t.Fatalf("%d lines for two days of %d machines; days to come must be left out", len(all.Items), len(machines))
	}
	for i, m := range machines {
		got := all.Items[len(machines)+i]
		totals := []float64{got.WindowS, got.RunningS, got.IdleS, got.OffS, got.FaultS, got.UnknownS, got.OpeningS, got.OpeningRunningS, got.EstimatedRunningS, got.EstimatedOffS}
		want := []int64{m.Totals.WindowMs, m.Totals.RunningMs, m.Totals.IdleMs, m.Totals.OffMs, m.Totals.FaultMs, m.Totals.UnknownMs, m.Totals.OpeningMs, m.Totals.OpeningRunningMs, m.Totals.EstimatedRunningMs, m.Totals.EstimatedOffMs}
		for k := range want {
			if totals[k] != float64(want[k])/1000 {
				t.Errorf("%s: figure %d is %v s, settle says %d ms", got.Equipment, k, totals[k], want[k])
			}
		}
		if got.Evidence != m.Digest || got.Samples != m.Samples || got.Equipment != m.Equipment.ID {
			t.Errorf("%s rests on %s (%d), settle on %s (%d)", got.Equipment, got.Evidence, got.Samples, m.Digest, m.Samples)
		}
		var one timeline
		r.get(t, "/api/v1/bases/b1/equipment/"+got.Equipment+"/timeline").into(t, &one)
		got.Day = ""
		if diff := cmp.Diff(got, one.Usage); diff != "" {
			t.Errorf("usage (-) and timeline (+) differ:\n%s", diff)
		}
		if len(one.Segments) != len(m.Timeline) {
			t.Fatalf("%s: %d segments, want %d", got.Equipment, len(one.Segments), len(m.Timeline))
		}
		for k, g := range m.Timeline {
			s := one.Segments[k]
			if !s.From.Equal(g.Start()) || !s.To.Equal(g.End()) || s.State != g.State.String() || s.StateZh != g.State.Zh() || s.Word != g.Word {
				t.Errorf("%s: segment %d is %+v, want %+v", got.Equipment, k, s, g)
			}
		}
		if want := []api.Interval{{From: at("08:00:00"), To: noon}}; !cmp.Equal(want, one.Opening) {
			t.Errorf("%s: opening %v, want %v", got.Equipment, one.Opening, want)
		}
	}
}

func TestCoverageUnderTheFloorIsNotShownAsTheFloor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		knownMs int64
		shown   float64
		rate    bool
	}{{899_960, 0.8999, false}, {900_000, 0.9, true}, {900_040, 0.9, true}, {899_900, 0.8999, false}, {1_000_000, 1, true}} {
		m := settle.Machine{Totals: usage.Totals{WindowMs: 1_000_000, OpeningMs: 1_000_000, OpeningKnownMs: tt.knownMs}}
		got := api.UsageOf(&m, "", 0.9)
		if got.Coverage != tt.shown || (got.Rate != nil) != tt.rate {
			t.Errorf("%d ms known: coverage %v, rate %v", tt.knownMs, got.Coverage, got.Rate)
		}
	}
}

func TestTimelineWindow(t *testing.T) {
	t.Parallel()
	r := newRig(t).fill(t, "b1").serve(t)
	for _, tt := range []struct{ query, from, to string }{
		{"", "00:00:00", "12:00:00"},
		{"from=2026-03-02T09:00:00%2B08:00&to=2026-03-02T02:30:00Z", "09:00:00", "10:30:00"},
		{"to=2026-03-02T02:30:00Z", "00:00:00", "10:30:00"},
		{"to=2027-01-01T00:00:00Z", "00:00:00", "12:00:00"},
		{"from=2026-03-02T03:59:59.999Z", "11:59:59.999", "12:00:00"},
	} {
		t.Run(tt.query, func(t *testing.T) {
			var got timeline
			a := r.get(t, "/api/v1/bases/b1/equipment/cnc-1/timeline?"+tt.query)
			a.into(t, &got)
			if !got.Usage.From.Equal(at(tt.from)) || !got.Usage.To.Equal(at(tt.to)) {
				t.Errorf("window %v to %v, want %s to %s", got.Usage.From, got.Usage.To, tt.from, tt.to)
			}
			end := got.Usage.From
			for _, s := range got.Segments {
				if !s.From.Equal(end) {
					t.Errorf("a gap or overlap at %v", s.From)
				}
				end = s.To
			}
			if !end.Equal(got.Usage.To) {
				t.Errorf("segments end at %v, window at %v", end, got.Usage.To)
			}
			if strings.Contains(string(a.body), "+08:00") || !strings.Contains(string(a.body), got.Usage.To.Format(time.RFC3339Nano)+`"`) {
				t.Errorf("times are not in UTC: %s", a.body)
			}
		})
	}
}

func TestStateIsNow(t *testing.T) {
	t.Parallel()
	r := newRig(t).fill(t, "b1").serve(t)
	var got api.Board
	r.get(t, "/api/v1/bases/b1/state").into(t, &got)
	if !got.Now.Equal(noon) || got.Floor != 0.9 || len(got.Workshops) != 1 || got.Workshops[0].Name != "机加工车间" {
		t.Errorf("board %+v", got)
	}
	told := make(map[string]string)
	for _, m := range got.Machines {
		since, heard := "-", "-"
		if m.Since != nil {
			since = m.Since.Sub(at("00:00:00")).String()
		}
		if m.LastHeard != nil {
			heard = m.LastHeard.Sub(at("00:00:00")).String()
		}
		told[m.Equipment] = fmt.Sprintf("%s %s %s since %s heard %s %s %v", m.State, m.StateZh, m.Word, since, heard, m.LastState, m.LastValues)
	}
	want := map[string]string{
		"bench-1": "unknown 未知  since 0s heard -  map[]",
		"cnc-1":   "unknown 未知 UNAVAILABLE since 11h0m0s heard 11h0m0s UNAVAILABLE map[]",
		"lathe-1": "idle 待机  since 10h30m0s heard 11h59m50s  map[power_w:20]",
		"lathe-2": "unknown 未知  since 0s heard 11h59m50s  map[power_w:20]",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}

func TestDevicesHeardOf(t *testing.T) {
	t.Parallel()
	r := newRig(t).fill(t, "b1").serve(t)
	var got items[api.Device]
	r.get(t, "/api/v1/bases/b1/devices").into(t, &got)
	want := []api.Device{
		{ID: "ctl-1", Registered: true, Samples: 4, Last: at("11:00:00")},
		{ID: "meter-1", Registered: true, Samples: 1380, Last: at("11:59:50")},
		{ID: "meter-2", Registered: true, Samples: 1380, Last: at("11:59:50")},
		{ID: "stranger", Samples: 1, Last: at("11:00:00")},
	}
	if diff := cmp.Diff(want, got.Items); diff != "" {
		t.Error(diff)
	}
}

func TestReferenceData(t *testing.T) {
	t.Parallel()
	r := newRig(t).serve(t)
	var bases items[api.Base]
	r.get(t, "/api/v1/bases").into(t, &bases)
	if len(bases.Items) != 2 || bases.Items[0] != (api.Base{Code: "b1", Name: "第一公共实训基地", NameEN: "First training base", Tier: "1", Equipment: 4}) {
		t.Errorf("bases %+v", bases.Items)
	}
	var equipment items[api.Equipment]
	a := r.get(t, "/api/v1/bases/b1/equipment")
	a.into(t, &equipment)
	if len(equipment.Items) != 4 || equipment.Items[3].Name != "<script>alert(1)</script>\"'&" || equipment.Items[1].QuotaHours != 1400 {
		t.Errorf("equipment %+v", equipment.Items)
	}
	if a.header.Get("Content-Type") != "application/json" || a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("a name with markup may be taken for a page: %v", a.header)
	}
}

func TestSettledComesFromTheLedger(t *testing.T) {
	t.Parallel()
	r := newRig(t).fill(t, "b1").serve(t)
	settled := func() []api.Usage {
		var got items[api.Usage]
		r.get(t, "/api/v1/bases/b1/settled?from="+today).into(t, &got)
		return got.Items
	}
	if got := settled(); len(got) != 0 {
		t.Fatalf("settled before anything was: %+v", got)
	}
	rows, err := r.settler.Day(t.Context(), "b1", date(t, today), noon.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.ledger.Put(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	got := settled()
	if len(got) != 4 {
		t.Fatalf("%d rows, want 4", len(got))
	}
	for _, s := range got {
		live := usageOf(t, r, s.Equipment)
		// The ledger keeps no count of the evidence and no notes; its digest and figures are the live ones.
		live.Samples, live.Notes, live.Revision = 0, nil, 1
		if diff := cmp.Diff(live, s); diff != "" {
			t.Errorf("live (-) and settled (+) differ:\n%s", diff)
		}
	}
	var one items[api.Usage]
	r.get(t, "/api/v1/bases/b1/settled?from="+today+"&equipment=lathe-1").into(t, &one)
	if len(one.Items) != 1 || one.Items[0].Equipment != "lathe-1" {
		t.Errorf("one machine: %+v", one.Items)
	}
	if a := r.get(t, "/api/v1/bases/b1/settled?equipment=nobody"); a.status != http.StatusNotFound {
		t.Errorf("unknown equipment: status %d", a.status)
	}
}

func TestNoLedgerIsSaid(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *api.Options) { o.Ledger = nil }).serve(t)
	if a := r.get(t, "/api/v1/bases/b1/settled"); a.status != http.StatusNotFound || !strings.Contains(string(a.body), "没有台账") {
		t.Errorf("status %d: %s", a.status, a.body)
	}
}

// Concurrent requests must each be answered for what they themselves asked: a framework that reuses its buffers hands
// one request's words to another.
func TestConcurrentRequestsKeepTheirOwnWords(t *testing.T) {
	t.Parallel()
	r := newRig(t).fill(t, "b1").fill(t, "b2").serve(t)
	release, eightWait := make(chan struct{}), make(chan struct{})
	wait := func(ctx context.Context, _ string, n int64) error {
		if n == 8 {
			close(eightWait)
		}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	r.store.block.Store(&wait)
	var all sync.WaitGroup
	for range 4 {
		for _, base := range []string{"b1", "b2"} {
			for _, equipment := range []string{"cnc-1", "lathe-1", "lathe-2", "bench-1"} {
				all.Go(func() {
					var got timeline
					r.get(t, "/api/v1/bases/"+base+"/equipment/"+equipment+"/timeline?from="+url.QueryEscape(at("09:00:00").Format(time.RFC3339))).into(t, &got)
					if got.Usage.Base != base || got.Usage.Equipment != equipment || !got.Usage.From.Equal(at("09:00:00")) {
						t.Errorf("asked for %s of %s, got %s of %s", equipment, base, got.Usage.Equipment, got.Usage.Base)
					}
				})
			}
		}
	}
	answered := make(chan struct{})
	go func() { all.Wait(); close(answered) }()
	select {
	case <-eightWait:
	case <-answered:
		t.Error("the requests did not run at the same time")
	}
	close(release)
	<-answered
}
