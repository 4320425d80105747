package registry_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// What is written reads back equal, whatever the names: YAML's truth values, numbers, dates, quotes and Chinese included.
func TestWrittenRegistryReadsBackEqual(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, err := registry.New(drawBase(t))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := r.WriteYAML(&b); err != nil {
			t.Fatal(err)
		}
		again, err := registry.Load(fstest.MapFS{"a.yaml": {Data: b.Bytes()}})
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		if diff := cmp.Diff(r.Bases(), again.Bases()); diff != "" || r.Digest() != again.Digest() {
			t.Fatalf("%s\n%s", diff, b.String())
		}
	})
}

var (
	names = rapid.OneOf(
		rapid.SampledFrom([]string{"数控车床", "no", "~", "null", "1e3", "0x10", "2026-01-01", "a: b", "- x", "#x", "a #b", "'", `"`, `\`, "{a}", "[1]", "&x", "*x", "!t", "|", ">", "%", "@", "`", "12:30", "=", "<<", "，", "😀"}),
		rapid.StringMatching(`[一-龥a-zA-Z0-9:#"'\\{}\[\],&*!|>%@.~-]{1,12}`),
	)
	words = rapid.SampledFrom([]string{"running", "idle", "off", "fault", "unknown"})
)

func drawValid(t *rapid.T) span.Span {
	ms := rapid.Int64Range(registry.BeginMs, registry.ForeverMs)
	a, b := ms.Draw(t, "from"), ms.Draw(t, "to")
	if rapid.Bool().Draw(t, "whole days") {
		a, b = wholeDay(a), wholeDay(b)
	}
	if a == b {
		return registry.Always()
	}
	return span.Span{StartMs: min(a, b), EndMs: max(a, b)}
}

func wholeDay(ms int64) int64 { return ms - (ms-registry.BeginMs)%86400000 }

func drawTimes(t *rapid.T) registry.Times {
	return timesOf(rapid.SliceOfNDistinct(rapid.IntRange(0, 1440), 0, 6, rapid.ID).Draw(t, "cuts"))
}

func drawHours(t *rapid.T) []registry.Hours {
	h := registry.Hours{Valid: registry.Always(), ByWeekday: rapid.Bool().Draw(t, "by weekday")}
	if h.ByWeekday {
		for i := range h.Weekday {
			h.Weekday[i] = drawTimes(t)
		}
	} else {
		h.Workday, h.Restday = drawTimes(t), drawTimes(t)
	}
	return []registry.Hours{h}
}

func drawBase(t *rapid.T) registry.Base {
	day := wholeDay(rapid.Int64Range(registry.BeginMs, registry.ForeverMs-86400000).Draw(t, "day"))
	key := sha256.Sum256([]byte{byte(rapid.IntRange(0, 255).Draw(t, "key"))})
	b := registry.Base{
		Code: rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._-]{0,12}`).Draw(t, "code"), Name: names.Draw(t, "name"), NameEN: names.Draw(t, "name_en"),
		Tier:      rapid.SampledFrom([]registry.Tier{registry.TierLead, registry.TierRegional, registry.TierLocal}).Draw(t, "tier"),
		Districts: []registry.District{{Code: "500112", Valid: drawValid(t)}},
		Bridges:   []registry.Bridge{{ID: "edge", Keys: []registry.BridgeKey{{Key: ed25519.PublicKey(key[:]), Valid: drawValid(t)}}}},
		Hours:     drawHours(t), Exceptions: []registry.Exception{{Valid: span.Span{StartMs: day, EndMs: day + 86400000}, Times: drawTimes(t), Reason: names.Draw(t, "reason")}},
		Workshops: []registry.Workshop{{ID: "w", Name: names.Draw(t, "workshop"), Stations: []registry.Station{{ID: "s", Name: names.Draw(t, "station")}}, Hours: drawHours(t)}},
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "machines") {
		drawMachine(t, &b, i)
	}
	return b
}

func drawMachine(t *rapid.T, b *registry.Base, i int) {
	e := registry.Equipment{
		ID: fmt.Sprintf("m%d", i), AssetNumber: fmt.Sprintf("%s-%d", names.Draw(t, "asset"), i), Name: names.Draw(t, "name"), Workshop: "w",
		Category: registry.Special, Profile: registry.Machine, QuotaHours: rapid.Float64Range(0.5, 8784).Draw(t, "quota"),
		ValueFen: rapid.Int64Range(0, 1e14).Draw(t, "value"), InService: drawValid(t), Signal: registry.Signal{Kind: registry.SignalNone},
	}
	d := registry.Device{
		ID: fmt.Sprintf("%s%d", names.Draw(t, "device"), i), Kind: registry.Meter, Name: names.Draw(t, "device name"),
		MaxSilence: time.Duration(rapid.Int64Range(0, 1000000).Draw(t, "silence")) * time.Millisecond,
	}
	if rapid.Bool().Draw(t, "by power") {
		run := rapid.Float64Range(1, 1e6).Draw(t, "run")
		e.Signal = registry.Signal{Kind: registry.SignalPower, Power: &registry.PowerRule{
			OffW: run / 4, RunW: run, Hysteresis: rapid.Float64Range(0, 0.5).Draw(t, "hysteresis"),
			DwellOn: time.Duration(rapid.Int64Range(0, 600000).Draw(t, "on")) * time.Millisecond,
		}}
		d.Ranges = map[string]registry.Range{"power_w": {Min: -rapid.Float64().Draw(t, "min"), Max: run}}
		if d.Ranges["power_w"].Min >= run {
			d.Ranges = nil
		}
	} else {
		d.Kind, e.Signal = registry.Controller, registry.Signal{Kind: registry.SignalController, States: map[string]string{names.Draw(t, "word"): words.Draw(t, "state")}}
	}
	b.Equipment, b.Devices = append(b.Equipment, e), append(b.Devices, d)
	b.Bindings = append(b.Bindings, registry.Binding{Device: d.ID, Channel: names.Draw(t, "channel"), Equipment: e.ID, Use: registry.UseState, Valid: drawValid(t)})
}

// The union of the state sources of a machine is its bindings' validity, and no two of them decide at once.
func TestSourcesAreDisjoint(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := minimalBase()
		b.Workshops = []registry.Workshop{{ID: "w", Name: "车间"}}
		b.Equipment = []registry.Equipment{{ID: "m", AssetNumber: "1", Name: "车床", Workshop: "w", Category: registry.General, Profile: registry.Machine, InService: registry.Always(), Signal: registry.Signal{Kind: registry.SignalPower}}}
		b.Devices = []registry.Device{{ID: "a", Kind: registry.Meter}, {ID: "b", Kind: registry.Meter}}
		var all []span.Span
		for range rapid.IntRange(1, 5).Draw(t, "bindings") {
			valid := drawValid(t)
			all = append(all, valid)
			b.Bindings = append(b.Bindings, registry.Binding{Device: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "device"), Equipment: "m", Use: registry.UseState, Valid: valid})
		}
		var total int64
		for _, s := range all {
			total += s.Ms()
		}
		r, err := registry.New(b)
		if disjoint := span.NewSet(all...).Ms() == total; disjoint != (err == nil) {
			t.Fatalf("bindings %v: disjoint %v, error %v", all, disjoint, err)
		}
		if err != nil {
			return
		}
		window := drawValid(t)
		var got []span.Span
		for _, s := range r.Sources("b", "m", registry.UseState, window) {
			got = append(got, s.Span)
		}
		if diff := cmp.Diff(span.NewSet(all...).Clip(window).Ms(), span.NewSet(got...).Ms()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, examplePath) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := registry.Load(fstest.MapFS{"a.yaml": {Data: text}})
		if err != nil {
			var problems registry.Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("an error that is no Problems: %v", err)
			}
			return
		}
		var b bytes.Buffer
		if err := r.WriteYAML(&b); err != nil {
			t.Fatal(err)
		}
		again, err := registry.Load(fstest.MapFS{"a.yaml": {Data: b.Bytes()}})
		if err != nil || again.Digest() != r.Digest() {
			t.Fatalf("does not read back: %v\n%s", err, b.String())
		}
	})
}
