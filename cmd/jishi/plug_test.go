package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/internal/recordingtest"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// plugBase registers one machine read by the power of one plug, without thresholds yet.
func plugBase(device, channel string, power *registry.PowerRule) registry.Base {
	return registry.Base{
		Name: "插座试验", Tier: registry.TierLocal, Districts: []registry.District{{Code: "500107", Valid: registry.Always()}},
		Hours:     []registry.Hours{{Valid: registry.Always(), Workday: registry.Times{{Start: 0, End: 24 * 60}}, Restday: registry.Times{{Start: 0, End: 24 * 60}}}},
		Workshops: []registry.Workshop{{ID: "w1", Name: "实训室"}},
		Equipment: []registry.Equipment{{
			ID: "m1", AssetNumber: "m1", Name: "设备", Workshop: "w1", Category: registry.General, Profile: registry.Machine, QuotaHours: 1400,
			InService: registry.Always(), Signal: registry.Signal{Kind: registry.SignalPower, Power: power},
		}},
		Devices:  []registry.Device{{ID: device, Name: "插座", Kind: registry.Meter}},
		Bindings: []registry.Binding{{Device: device, Channel: channel, Equipment: "m1", Use: registry.UseState, Valid: registry.Always()}},
	}
}

// plugRow is what the tests read of one row of `jishi usage --format json`.
type plugRow struct {
	RunningS float64 `json:"running_s"`
	IdleS    float64 `json:"idle_s"`
	OffS     float64 `json:"off_s"`
	UnknownS float64 `json:"unknown_s"`
	WindowS  float64 `json:"window_s"`
	Notes    []string
}

func (c *city) usage(args ...string) []plugRow {
	c.t.Helper()
	text := output(c.t, append(append([]string{"usage", "--format", "json"}, args...), c.storeArgs()...)...)
	var out struct{ Items []plugRow }
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		c.t.Fatalf("usage printed no JSON: %v\n%s", err, text)
	}
	return out.Items
}

// calibrated asks `jishi calibrate` for thresholds and writes them into the registry, as a technician would.
func (c *city) calibrated(base registry.Base, from, to string) {
	c.t.Helper()
	picture := c.path("picture.svg")
	text := output(c.t, append([]string{"calibrate", "--equipment", "m1", "--from", from, "--to", to, "--picture", picture}, c.storeArgs()...)...)
	c.t.Logf("%s", text)
	if svg, err := os.ReadFile(picture); err != nil || !strings.Contains(string(svg), "<svg") {
		c.t.Errorf("no picture: %v", err)
	}
	rule := proposed(c.t, text)
	base.Equipment[0].Signal.Power = rule
	base.Code, base.Bridges = testBase, c.registry.Bases()[0].Bridges
	reg, err := registry.New(base)
	if err != nil {
		c.t.Fatal(err)
	}
	c.registry = reg
	c.writeRegistry()
}

var proposalLine = regexp.MustCompile(`(?m)^signal: \{kind: power, power: \{off_w: ([\d.e+-]+), run_w: ([\d.e+-]+), hysteresis: ([\d.]+), dwell_on: (\w+(?:\.\d+)?\w*), dwell_off: ([\w.]+)\}\}$`)

func proposed(t testing.TB, text string) *registry.PowerRule {
	t.Helper()
	m := proposalLine.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no proposal in:\n%s", text)
	}
	watts := func(s string) float64 {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	dwell := func(s string) time.Duration {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	return &registry.PowerRule{OffW: watts(m[1]), RunW: watts(m[2]), Hysteresis: watts(m[3]), DwellOn: dwell(m[4]), DwellOff: dwell(m[5])}
}

// plugged is what a recording says, read straight from the messages that the replayer publishes.
type plugged struct {
	first, last     int64 // of any power reading
	firstOn, lastOn int64 // from the first reading above 0 W to the reading that ends the last one
	zeroMs          int64 // held at 0 W between readings that are at most maxMs apart
	gaps            span.Set
}

// watch reads power from the replayer's messages; power says how.
func watch(t testing.TB, paths []string, maxMs int64, power func(m sim.Timed) (float64, bool)) plugged {
	t.Helper()
	recording, err := sim.OpenRecording(paths, sim.RecordingOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var p plugged
	var before float64
	for m, err := range recording.Messages() {
		if err != nil {
			t.Fatal(err)
		}
		w, ok := power(m)
		if !ok {
			continue
		}
		if p.first == 0 {
			p.first, p.last = m.AtMs, m.AtMs
		}
		if m.AtMs-p.last > maxMs {
			p.gaps = append(p.gaps, span.Span{StartMs: p.last, EndMs: m.AtMs})
		} else if before == 0 {
			p.zeroMs += m.AtMs - p.last
		}
		if w > 0 && p.firstOn == 0 {
			p.firstOn = m.AtMs
		}
		if before > 0 {
			p.lastOn = m.AtMs
		}
		before, p.last = w, m.AtMs
	}
	return p
}

func instant(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano) }

// TestWashingMachine replays both washing cycles as a Shelly plug, calibrates on what arrived, and holds the running time
// to the cycle's length.
func TestWashingMachine(t *testing.T) {
	data := recordingtest.Folder(t, "siemens_washing_machine_shelly_mqtt")
	for _, name := range []string{"45m30d", "240m60d"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(data, name+"-shelly-events.csv")
			truth := watch(t, []string{file}, 66_000, func(m sim.Timed) (float64, bool) {
				w, err := strconv.ParseFloat(string(m.Payload), 64)
				return w, strings.HasSuffix(m.Topic, "/relay/0/power") && err == nil
			})
			base := plugBase("washer", "relay:0", nil)
			c := newCity(t, onSQLite, base, "")
			c.startCollector()
			c.startBridge()
			c.replay("--device", "washer", file).wait(2 * time.Minute)
			c.drained(time.Minute)

			from, to := instant(truth.first), instant(truth.last)
			if rows := c.usage("--from", from, "--to", to); rows[0].RunningS != 0 || rows[0].UnknownS != rows[0].WindowS {
				t.Errorf("a machine that nobody calibrated is %+v, want unknown", rows[0])
			}
			c.calibrated(base, from, to)
			row := c.usage("--from", from, "--to", to)[0]
			cycle := float64(truth.lastOn-truth.firstOn) / 1000
			whole := float64(truth.last-truth.first) / 1000
			t.Logf("running %.3f s; cycle from first to last power %.3f s: %.2f %%; whole recording %.3f s: %.2f %%; read as 0 W %.3f s",
				row.RunningS, cycle, 100*row.RunningS/cycle, whole, 100*row.RunningS/whole, float64(truth.zeroMs)/1000)
			if d := row.RunningS/cycle - 1; d < -0.02 || d > 0.02 {
				t.Errorf("running differs from the cycle by %.2f %%", 100*d)
			}
			if zero := float64(truth.zeroMs) / 1000; row.OffS < zero-20 || row.RunningS > whole-zero+20 {
				t.Errorf("%.3f s were read as 0 W, and %.3f s are off", zero, row.OffS)
			}
		})
	}
}

// TestTracebase replays household motors and heaters as Tasmota plugs, calibrates, and holds the result to the readings:
// 0 W is off, and nothing is said about a gap.
func TestTracebase(t *testing.T) {
	data := recordingtest.Folder(t, "tracebase")
	for _, plug := range []string{"LaundryDryer/_D36122", "Breadcutter/dev_B7DF9D"} {
		t.Run(strings.ReplaceAll(plug, "/", "_"), func(t *testing.T) {
			t.Parallel()
			files, err := filepath.Glob(filepath.Join(data, plug+"_*.csv.gz"))
			if err != nil || len(files) == 0 {
				t.Fatalf("no files for %s: %v", plug, err)
			}
			files = files[:min(len(files), 3)]
			truth := watch(t, files, 660_000, tasmotaPower)
			base := plugBase("plug", "energy", nil)
			c := newCity(t, onSQLite, base, "")
			c.startCollector()
			c.startBridge()
			c.replay(append([]string{"--device", "plug"}, files...)...).wait(3 * time.Minute)
			c.drained(time.Minute)
			from, to := instant(truth.first), instant(truth.last)
			c.calibrated(base, from, to)
			row := c.usage("--from", from, "--to", to)[0]
			gaps := float64(truth.gaps.Ms()) / 1000
			t.Logf("running %.0f s, idle %.0f s, off %.0f s, unknown %.0f s; 0 W for %.0f s, gaps %.0f s in %d",
				row.RunningS, row.IdleS, row.OffS, row.UnknownS, float64(truth.zeroMs)/1000, gaps, len(truth.gaps))
			if d := row.UnknownS - gaps; d < -1 || d > 1 {
				t.Errorf("unknown %.3f s, and the gaps are %.3f s: something was invented or lost", row.UnknownS, gaps)
			}
			if zero := float64(truth.zeroMs) / 1000; row.OffS < 0.99*zero {
				t.Errorf("off %.3f s, and 0 W was read for %.3f s", row.OffS, zero)
			}
			if row.RunningS <= 0 {
				t.Error("a machine that worked never ran")
			}
		})
	}
}

func tasmotaPower(m sim.Timed) (float64, bool) {
	if !strings.HasSuffix(m.Topic, "/SENSOR") {
		return 0, false
	}
	var p struct{ ENERGY struct{ Power float64 } }
	if err := json.Unmarshal(m.Payload, &p); err != nil {
		return 0, false
	}
	return p.ENERGY.Power, true
}
