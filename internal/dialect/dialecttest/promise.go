package dialecttest

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Check says what is wrong with a decoder's answer whatever the message was, or "".
func Check(m dialect.Message, res dialect.Result, err error) string {
	if err != nil {
		e, ok := err.(*dialect.Error) //nolint:errorlint // Decode promises the type itself, unwrapped.
		switch {
		case !ok:
			return fmt.Sprintf("error is a %T, want *dialect.Error", err)
		case e == nil:
			return "error is a nil *dialect.Error in a non-nil error"
		case !slices.Contains(telemetry.Reasons(), e.Reason):
			return fmt.Sprintf("unknown reason %q", e.Reason)
		case e.Detail == "" || len(e.Detail) > telemetry.MaxDetail || !utf8.ValidString(e.Detail):
			return fmt.Sprintf("detail %q is empty, too long or not UTF-8", e.Detail)
		}
	}
	if len(res.Records) > telemetry.MaxRecords {
		return fmt.Sprintf("%d records", len(res.Records))
	}
	for i := range res.Records {
		if problem := checkRecord(m, &res.Records[i]); problem != "" {
			return fmt.Sprintf("record %d (%s): %s", i, Line(&res.Records[i]), problem)
		}
	}
	return ""
}

func checkRecord(m dialect.Message, r *telemetry.Record) string {
	switch {
	case m.Retained && !r.Retained:
		// The other way round is right: a device may replay what it measured earlier in a message that is new.
		return "a retained message's record counts as new"
	case dialect.Dateless(r):
		return "a retained value of unknown age"
	case dialect.CheckName("device", r.Device) != nil:
		return "bad device"
	case r.Channel != "" && dialect.CheckName("channel", r.Channel) != nil:
		return "bad channel"
	case r.Clock < telemetry.ClockDevice || r.Clock > telemetry.ClockSuspect:
		return "no clock"
	case r.EventMs > m.ReceivedMs+dialect.AheadMs:
		return "event in the future"
	case (r.Clock == telemetry.ClockReceived || r.Clock == telemetry.ClockSuspect) && r.EventMs != m.ReceivedMs:
		return "event time is not the receive time"
	case (r.Clock == telemetry.ClockReceived) != (r.DeviceMs == 0):
		return "clock and device time disagree"
	case r.ValidMs < 0:
		return "negative validity"
	}
	switch r.Kind {
	case telemetry.KindSample:
		return checkSample(r)
	case telemetry.KindTap:
		if dialect.CheckName("card", r.Card) != nil {
			return "bad card"
		}
		return ""
	case telemetry.KindLink:
		if r.Link < telemetry.LinkOnline || r.Link > telemetry.LinkWill {
			return "no link event"
		}
		return ""
	}
	return "a decoder makes samples, taps and links only"
}

func checkSample(r *telemetry.Record) string {
	if len(r.Values) == 0 && r.State == "" {
		return "a sample that says nothing"
	}
	if dialect.CheckState("state", r.State) != nil {
		return "bad state"
	}
	for i, v := range r.Values {
		if e := dialect.CheckNumber(v.Quantity, v.Number, v.Quantity); e != nil {
			return e.Detail
		}
		if slices.ContainsFunc(r.Values[:i], func(o telemetry.Value) bool { return o.Quantity == v.Quantity }) {
			return v.Quantity + " twice"
		}
	}
	return ""
}

// Fuzz lets the fuzzer choose topics and payloads, seeded with the dialect's vectors, and holds the decoder to what it
// promises for every message: no panic, answers that pass Check, the same answer from two fresh decoders, and nothing
// kept of the payload's memory.
func Fuzz(f *testing.F, fresh func() dialect.Dialect) {
	for _, v := range Load(f, Vectors) {
		for _, s := range v.Steps {
			if s.PollMs == 0 {
				f.Add(s.Message.Topic, s.Message.Payload, s.Message.Retained)
			}
		}
	}
	const received = 1_736_603_811_000
	f.Fuzz(func(t *testing.T, topic string, payload []byte, retained bool) {
		one, two := fresh(), fresh()
		if !one.Claims(topic) {
			t.Skip("another dialect's topic")
		}
		m := dialect.Message{Topic: topic, Payload: slices.Clone(payload), Retained: retained, ReceivedMs: received}
		res, err := one.Decode(m)
		if !reflect.DeepEqual(m.Payload, append([]byte{}, payload...)) {
			t.Fatal("Decode wrote to the payload")
		}
		if problem := Check(m, res, err); problem != "" {
			t.Fatal(problem)
		}
		before := snapshot(res)
		clear(m.Payload)
		// The same decoder's next message reuses its parser's memory.
		_, _ = one.Decode(dialect.Message{Topic: topic, Payload: slices.Repeat([]byte("#"), len(payload)), ReceivedMs: received})
		if diff := cmp.Diff(before, snapshot(res)); diff != "" {
			t.Fatalf("records changed with the memory of the message:\n%s", diff)
		}
		m.Payload = payload
		res, _ = two.Decode(m)
		if diff := cmp.Diff(before, snapshot(res)); diff != "" {
			t.Fatalf("a second decoder read it differently:\n%s", diff)
		}
		one.Poll(received + 3_600_000)
	})
}

func snapshot(res dialect.Result) []string {
	lines := requestLines(res.Requests)
	for i := range res.Records {
		lines = append(lines, Line(&res.Records[i]))
	}
	return lines
}

// Bench measures decoding of one message, over and over, at one decoder that has seen it before.
func Bench(b *testing.B, d dialect.Dialect, topic, payload string) {
	b.Helper()
	m := dialect.Message{Topic: topic, Payload: []byte(payload), ReceivedMs: 1_736_603_811_000}
	if res, err := d.Decode(m); err != nil || len(res.Records) == 0 {
		b.Fatalf("%d records, %v", len(res.Records), err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		if _, err := d.Decode(m); err != nil {
			b.Fatal(err)
		}
	}
}

// Claims holds a decoder to what it says of topics.
func Claims(t *testing.T, d dialect.Dialect, topics map[string]bool) {
	t.Helper()
	for topic, want := range topics {
		if got := d.Claims(topic); got != want {
			t.Errorf("Claims(%q) = %v", topic, got)
		}
	}
}

// checkTopics holds a decoder to its own topics: it claims none of the other dialects' vectors, which lie beside its own
// folder, and answers a topic of any shape that was pinned to it without a panic.
func checkTopics(t *testing.T, d dialect.Dialect) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join("..", "*", "testdata", "vectors"))
	if err != nil || len(dirs) < 2 {
		t.Fatalf("no vectors of other dialects (%v)", err)
	}
	own := filepath.Join("..", d.Name(), "testdata", "vectors")
	for _, dir := range dirs {
		if dir == own {
			continue
		}
		for _, v := range Load(t, dir) {
			for _, s := range v.Steps {
				if s.PollMs == 0 && d.Claims(s.Message.Topic) {
					t.Errorf("%s claims %s of %s", d.Name(), s.Message.Topic, dir)
				}
			}
		}
	}
	for _, topic := range []string{"", "/", "a", "x/y", "x//", "tele/a", "MTConnect", "jishi/", "+/#"} {
		m := dialect.Message{Topic: topic, Payload: []byte(`{"v":{"power_w":1}}`), ReceivedMs: 1_736_603_811_000}
		res, err := d.Decode(m)
		if problem := Check(m, res, err); problem != "" {
			t.Errorf("%q: %s", topic, problem)
		}
		if err == nil {
			t.Errorf("%q is read without an error", topic)
		}
	}
}
