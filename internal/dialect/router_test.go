package dialect_test

import (
	"path/filepath"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/dialecttest"
	"github.com/jishi-telemetry/jishi/internal/dialect/mtconnect"
	"github.com/jishi-telemetry/jishi/internal/dialect/native"
	"github.com/jishi-telemetry/jishi/internal/dialect/shelly"
	"github.com/jishi-telemetry/jishi/internal/dialect/tasmota"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

func all(t *testing.T) []dialect.Dialect {
	t.Helper()
	s, err := shelly.New(shelly.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := tasmota.New(tasmota.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return []dialect.Dialect{native.New(), mtconnect.New(), m, s}
}

func router(t *testing.T) *dialect.Router {
	t.Helper()
	r, err := dialect.NewRouter(all(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every message of every dialect's vectors reaches that dialect, and no other claims it.
func TestTopicsDoNotOverlap(t *testing.T) {
	t.Parallel()
	r := router(t)
	for _, d := range r.Dialects() {
		for _, v := range dialecttest.Load(t, filepath.Join(d.Name(), "testdata", "vectors")) {
			for _, s := range v.Steps {
				if s.PollMs != 0 {
					continue
				}
				if got, ok := r.Find(s.Message.Topic); !ok || got.Name() != d.Name() {
					t.Errorf("%s goes to %v, want %s", s.Message.Topic, got, d.Name())
				}
				for _, other := range r.Dialects() {
					if other != d && other.Claims(s.Message.Topic) {
						t.Errorf("%s is claimed by %s too", s.Message.Topic, other.Name())
					}
				}
			}
		}
	}
}

func TestRouterDecode(t *testing.T) {
	t.Parallel()
	r := router(t)
	name, res, err := r.Decode(dialect.Message{Topic: "tele/a/LWT", Payload: []byte("Online"), ReceivedMs: received})
	if name != "tasmota" || len(res.Records) != 1 || err != nil {
		t.Errorf("%q, %d records, %v", name, len(res.Records), err)
	}
	name, _, err = r.Decode(dialect.Message{Topic: "some/thing", ReceivedMs: received})
	if e, ok := err.(*dialect.Error); name != "" || !ok || e.Reason != telemetry.ReasonUnknownTopic {
		t.Errorf("%q, %v", name, err)
	}
	_, _, _ = r.Decode(dialect.Message{Topic: "plug/online", Payload: []byte("true"), ReceivedMs: received})
	if due := r.Poll(received + 1); len(due) != 1 || due[0].Topic != "plug/command" {
		t.Errorf("requests %v", due)
	}
}

func TestRouterPin(t *testing.T) {
	t.Parallel()
	r := router(t)
	for prefix, name := range map[string]string{"tele/": "shelly", "tele/special/": "native"} {
		if err := r.Pin(prefix, name); err != nil {
			t.Fatal(err)
		}
	}
	for topic, want := range map[string]string{"tele/a/LWT": "shelly", "tele/special/LWT": "native", "stat/a/POWER": "tasmota"} {
		if d, ok := r.Find(topic); !ok || d.Name() != want {
			t.Errorf("%s goes to %v, want %s", topic, d, want)
		}
	}
	for _, bad := range [][2]string{{"", "shelly"}, {"tele/", "shelly"}, {"x/", "zigbee"}} {
		if err := r.Pin(bad[0], bad[1]); err == nil {
			t.Errorf("Pin(%q, %q) accepted", bad[0], bad[1])
		}
	}
}

// A pinned topic need not look like the dialect's own: the answer is an error, never a panic.
func TestPinnedTopicsOfAnyShape(t *testing.T) {
	t.Parallel()
	for _, d := range all(t) {
		for _, topic := range []string{"", "/", "a", "x/y", "x//", "tele/a", "MTConnect", "jishi/"} {
			m := dialect.Message{Topic: topic, Payload: []byte(`{"v":{"power_w":1}}`), ReceivedMs: received}
			res, err := d.Decode(m)
			if problem := dialecttest.Check(m, res, err); problem != "" {
				t.Errorf("%s %q: %s", d.Name(), topic, problem)
			}
		}
	}
}

func TestNewRouterRefuses(t *testing.T) {
	t.Parallel()
	for name, list := range map[string][]dialect.Dialect{
		"none": nil, "nil": {nil}, "twice": {native.New(), native.New()},
	} {
		if _, err := dialect.NewRouter(list); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
