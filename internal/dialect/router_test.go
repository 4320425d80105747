package dialect_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// root is a dialect that reads the topics below its name.
type root string

func (d root) Name() string             { return string(d) }
func (d root) Claims(topic string) bool { return strings.HasPrefix(topic, string(d)+"/") }

func (d root) Decode(m dialect.Message) (dialect.Result, error) {
	if string(m.Payload) == "bad" {
		return dialect.Result{}, dialect.Errorf(telemetry.ReasonMalformed, "bad")
	}
	return dialect.Result{Records: []telemetry.Record{{Device: m.Topic}}}, nil
}

func (d root) Poll(nowMs int64) []dialect.Request {
	return []dialect.Request{{Topic: fmt.Sprintf("%s/ask/%d", d, nowMs)}}
}

func router(t *testing.T) *dialect.Router {
	t.Helper()
	r, err := dialect.NewRouter([]dialect.Dialect{root("a"), root("b"), root("a/x")})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRouterFind(t *testing.T) {
	t.Parallel()
	r := router(t)
	for topic, want := range map[string]string{"a/1": "a", "b/1": "b", "a/x/1": "a", "c/1": "", "": ""} {
		d, ok := r.Find(topic)
		if ok != (want != "") || ok && d.Name() != want {
			t.Errorf("Find(%q) = %v, %v; want %q", topic, d, ok, want)
		}
	}
}

func TestRouterDecode(t *testing.T) {
	t.Parallel()
	r := router(t)
	if name, res, err := r.Decode(dialect.Message{Topic: "b/1"}); name != "b" || len(res.Records) != 1 || err != nil {
		t.Errorf("%q, %d records, %v", name, len(res.Records), err)
	}
	for topic, want := range map[string]telemetry.Reason{"b/1": telemetry.ReasonMalformed, "c/1": telemetry.ReasonUnknownTopic} {
		_, _, err := r.Decode(dialect.Message{Topic: topic, Payload: []byte("bad")})
		var e *dialect.Error
		if !errors.As(err, &e) || e.Reason != want {
			t.Errorf("%s: %v, want %s", topic, err, want)
		}
	}
	if due := r.Poll(7); len(due) != 3 || due[1].Topic != "b/ask/7" {
		t.Errorf("requests %v", due)
	}
}

func TestRouterPin(t *testing.T) {
	t.Parallel()
	r := router(t)
	for _, pin := range [][2]string{{"a/", "b"}, {"a/x/", "a/x"}, {"c", "a"}} {
		if err := r.Pin(pin[0], pin[1]); err != nil {
			t.Fatal(err)
		}
	}
	for topic, want := range map[string]string{"a/1": "b", "a/x/1": "a/x", "c/1": "a", "b/1": "b"} {
		if d, ok := r.Find(topic); !ok || d.Name() != want {
			t.Errorf("%s goes to %v, want %s", topic, d, want)
		}
	}
	for _, bad := range [][2]string{{"", "a"}, {"a/", "a"}, {"x/", "zigbee"}} {
		if err := r.Pin(bad[0], bad[1]); err == nil {
			t.Errorf("Pin(%q, %q) accepted", bad[0], bad[1])
		}
	}
}

func TestNewRouterRefuses(t *testing.T) {
	t.Parallel()
	for name, list := range map[string][]dialect.Dialect{
		"none": nil, "nil": {nil}, "twice": {root("a"), root("a")},
	} {
		if _, err := dialect.NewRouter(list); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
