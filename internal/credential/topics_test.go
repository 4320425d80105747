package credential

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// matches is what the MQTT specification says of a filter and a topic, as plainly as it can be put.
func matches(filter, topic []string) bool {
	switch {
	case len(filter) == 0:
		return len(topic) == 0
	case filter[0] == "#":
		return true
	case len(topic) == 0:
		return false
	case filter[0] != "+" && filter[0] != topic[0]:
		return false
	}
	return matches(filter[1:], topic[1:])
}

func drawLevels(t *rapid.T, label string, from ...string) []string {
	return rapid.SliceOfN(rapid.SampledFrom(from), 1, 4).Draw(t, label)
}

func drawFilter(t *rapid.T, label string) []string {
	levels := drawLevels(t, label, "a", "b", "", "+", "$x")
	if rapid.Bool().Draw(t, label+" is open") {
		levels = append(levels, "#")
	}
	if rapid.IntRange(0, 20).Draw(t, label+" is all") == 0 {
		return []string{"#"}
	}
	return levels
}

func compiled(levels []string) filter {
	return compile([]string{strings.Join(levels, "/")}, "", "", "")[0]
}

func TestFilterCoversTopicsAsTheSpecificationSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f, topic := drawFilter(t, "filter"), drawLevels(t, "topic", "a", "b", "", "$x")
		want := matches(f, topic)
		if strings.HasPrefix(topic[0], "$") && (f[0] == "+" || f[0] == "#") {
			want = false
		}
		c := compiled(f)
		if got := c.covers(strings.Join(topic, "/")); got != want {
			t.Fatalf("%q covers %q: %v, want %v", f, topic, got, want)
		}
	})
}

// Nobody may subscribe to more than is allowed: what a filter that is allowed matches is allowed.
func TestCoveredFilterMatchesNothingElse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		allowed, asked := drawFilter(t, "allowed"), drawFilter(t, "asked")
		topic := drawLevels(t, "topic", "a", "b", "", "$x")
		a, b := compiled(allowed), compiled(asked)
		if a.covers(strings.Join(asked, "/")) && b.covers(strings.Join(topic, "/")) && !a.covers(strings.Join(topic, "/")) {
			t.Fatalf("%q lets %q be subscribed to, which matches %q", allowed, asked, topic)
		}
	})
}

func TestClientIDCannotWidenAFilter(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "+", "#", "a/b", "a+", "\x00"} {
		if got := compile([]string{"cmnd/{client_id}/#"}, "u", id, "b"); len(got) != 0 {
			t.Errorf("client id %q makes %+v", id, got)
		}
	}
}

// The devices of each dialect reach their own topics, and nobody else's.
func TestOwnTopics(t *testing.T) {
	t.Parallel()
	type check struct{ publish, subscribe, refused []string }
	tests := map[string]check{
		"": {publish: []string{"u/x", "jishi/v1/b1/dev/u/sample"}, subscribe: []string{"u/#"}, refused: []string{"v/x", "jishi/v1/b2/dev/u/sample"}},
		"native": {
			publish:   []string{"jishi/v1/b1/dev/u/sample", "jishi/v1/b1/dev/u/spindle/sample", "jishi/v1/b1/dev/u/link"},
			subscribe: []string{"jishi/v1/b1/dev/u/#"},
			refused:   []string{"jishi/v1/b2/dev/u/sample", "jishi/v1/b1/dev/v/sample", "u/x", "jishi/v1/b1/br/frame", "jishi/sim/clock"},
		},
		"tasmota": {
			publish:   []string{"tele/u/SENSOR", "tele/u/LWT", "stat/u/RESULT", "u/tele/STATE"},
			subscribe: []string{"cmnd/u/#", "cmnd/tasmotas/#", "cmnd/DVES_1_fb/#"},
			refused:   []string{"tele/v/SENSOR", "cmnd/v/Power", "cmnd/u/Power", "cmnd/DVES_2_fb/Power", "tasmota/discovery/x/config"},
		},
		"shelly": {
			publish:   []string{"u/events/rpc", "u/status/switch:0", "u/online", "u/jishi/rpc", "shellies/u/relay/0", "shellies/announce"},
			subscribe: []string{"u/rpc", "u/command", "shellies/u/relay/0/command", "shellies/command"},
			refused:   []string{"v/events/rpc", "shellies/v/relay/0", "shellies/command"},
		},
		"sparkplug": {
			publish:   []string{"spBv1.0/g/NBIRTH/u", "spBv1.0/g/DDATA/u/press"},
			subscribe: []string{"spBv1.0/g/NCMD/u", "spBv1.0/g/NCMD/u/#", "spBv1.0/g/DCMD/u/press", "spBv1.0/STATE/host"},
			refused:   []string{"spBv1.0/g/NBIRTH/v", "spBv1.0/STATE/host", "spBv1.0/g/NCMD/u", "spBv1.0/g/NCMD/v"},
		},
		"mtconnect": {
			publish: []string{"MTConnect/Devices/u/Observations/avail", "MTConnect/Probe/u/Availability", "MTConnect/Current/u", "MTConnect/u/Current"},
			refused: []string{"MTConnect/Devices/v/Observations/avail", "MTConnect/Current/v"},
		},
		"esphome":     {publish: []string{"u/sensor/power/state", "u/status", "homeassistant/sensor/u/power/config"}, subscribe: []string{"u/#"}, refused: []string{"v/status"}},
		"zigbee2mqtt": {publish: []string{"zigbee2mqtt/plug", "zigbee2mqtt/bridge/state"}, subscribe: []string{"zigbee2mqtt/plug/set"}, refused: []string{"u/x", "tele/u/SENSOR"}},
		"esprfid":     {publish: []string{"u", "u/send", "esprfid/u/send"}, subscribe: []string{"u/cmd"}, refused: []string{"v", "esprfid/v/send"}},
		"mapping":     {publish: []string{"u/any/thing"}, subscribe: []string{"u/#"}, refused: []string{"v/any"}},
	}
	for _, dialect := range append(Dialects(), "") {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			tt, ok := tests[dialect]
			if !ok {
				t.Fatal("nothing is said about the dialect's topics")
			}
			own := topicsOf(Device{Name: "u", Role: RoleDevice, Dialect: dialect})
			publish, subscribe := covered(compile(own.publish, "u", "DVES_1", "b1")), covered(compile(own.subscribe, "u", "DVES_1", "b1"))
			for _, topic := range tt.publish {
				if !publish(topic) {
					t.Errorf("may not publish to %s", topic)
				}
			}
			for _, topic := range tt.subscribe {
				if !subscribe(topic) {
					t.Errorf("may not subscribe to %s", topic)
				}
			}
			for _, topic := range tt.refused {
				if publish(topic) {
					t.Errorf("may publish to %s", topic)
				}
			}
			for _, filter := range []string{"#", "+/+/+", "jishi/#", "jishi/v1/+/+/frame", "$SYS/#"} {
				if publish(filter) || subscribe(filter) {
					t.Errorf("may have %s", filter)
				}
			}
		})
	}
}

func BenchmarkCovered(b *testing.B) {
	own := topicsOf(Device{Name: "plug-1", Role: RoleDevice, Dialect: "tasmota"})
	may := covered(compile(own.publish, "plug-1", "", "b1"))
	b.ReportAllocs()
	for b.Loop() {
		if !may("stat/plug-1/RESULT") {
			b.Fatal("refused")
		}
	}
}

// BenchmarkHash is what the first connection of a device costs, and each guess.
func BenchmarkHash(b *testing.B) {
	h := NewHash([]byte("password"), DefaultCost())
	b.ReportAllocs()
	for b.Loop() {
		if !h.Matches([]byte("password")) {
			b.Fatal("wrong")
		}
	}
}
