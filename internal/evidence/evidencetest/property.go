package evidencetest

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// property writes random frames, good and bad records mixed, and compares with a model that is a map. What is written
// again changes nothing.
func (s suite) property(t *testing.T) {
	store := s.store(t)
	var runs atomic.Int64
	rapid.Check(t, func(r *rapid.T) {
		here := fmt.Sprintf("property %d", runs.Add(1)) // a base of its own
		batches := genBatches(r, here)
		model := newModel()
		for i := range batches {
			model.write(&batches[i])
		}
		for range 2 {
			if _, err := store.Write(t.Context(), batches); err != nil {
				r.Fatalf("write: %v", err)
			}
			model.compare(r, t, store, here)
		}
	})
}

// model is a store in a map.
type model struct {
	entries map[string]evidence.Entry
	devices map[string]bool
}

func newModel() *model {
	return &model{entries: map[string]evidence.Entry{}, devices: map[string]bool{}}
}

func (m *model) write(b *evidence.Batch) {
	for i := range b.Messages {
		msg := &b.Messages[i]
		for j := range msg.Records {
			e := evidence.Entry{
				Record: msg.Records[j], ReceivedMs: msg.ReceivedMs, CollectedMs: b.CollectedMs,
				Epoch: b.Epoch, Seq: msg.Seq, Dialect: msg.Dialect,
			}
			if reason, detail := evidence.Check(msg, j); reason != telemetry.ReasonNone {
				e.Record = evidence.Quarantined(&msg.Records[j], reason, detail)
			}
			key := fmt.Sprintf("%d %q %q %d", e.Kind, e.Device, e.Channel, e.EventMs)
			switch e.Kind {
			case telemetry.KindTap:
				key += fmt.Sprintf(" %q %d", e.Card, e.Direction)
			case telemetry.KindRaw:
				key = fmt.Sprintf("raw %q %d %d", b.Bridge, msg.Seq, j)
			}
			m.devices[e.Device] = true
			if was, ok := m.entries[key]; !ok || was.Seq <= e.Seq {
				m.entries[key] = e
			}
		}
	}
}

func (m *model) compare(r *rapid.T, t *testing.T, store evidence.Store, here string) {
	for device := range m.devices {
		var want, got []evidence.Entry
		for _, e := range m.entries {
			if e.Device == device && always.Contains(e.EventMs) {
				want = append(want, e)
			}
		}
		slices.SortFunc(want, compareWhole)
		q := all()
		q.Base, q.Device = here, device
		err := store.Read(t.Context(), q, func(e *evidence.Entry) error {
			got = append(got, keep(e))
			return nil
		})
		if err != nil {
			r.Fatalf("read: %v", err)
		}
		if !slices.IsSortedFunc(got, func(a, b evidence.Entry) int { return evidence.Compare(&a, &b) }) {
			r.Fatal("entries are out of order")
		}
		slices.SortFunc(got, compareWhole)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			r.Fatalf("entries of %q (-want +got):\n%s", device, diff)
		}
	}
	m.compareCounts(r, t, store, here)
}

// compareWhole also orders the raw records of one message.
func compareWhole(a, b evidence.Entry) int {
	if c := evidence.Compare(&a, &b); c != 0 {
		return c
	}
	return strings.Compare(fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b))
}

func (m *model) compareCounts(r *rapid.T, t *testing.T, store evidence.Store, here string) {
	want := map[string]evidence.DeviceCount{}
	for _, e := range m.entries {
		if !always.Contains(e.EventMs) {
			continue
		}
		c := want[e.Device]
		c.Device = e.Device
		if e.Kind != telemetry.KindRaw {
			if c.Samples+c.Taps+c.Links == 0 {
				c.FirstMs, c.LastMs = e.EventMs, e.EventMs
			}
			c.FirstMs, c.LastMs = min(c.FirstMs, e.EventMs), max(c.LastMs, e.EventMs)
		}
		switch e.Kind {
		case telemetry.KindSample:
			c.Samples++
		case telemetry.KindTap:
			c.Taps++
		case telemetry.KindLink:
			c.Links++
		case telemetry.KindRaw:
			c.Raw++
		}
		want[e.Device] = c
	}
	counts, err := store.Devices(t.Context(), here, always)
	if err != nil {
		r.Fatalf("devices: %v", err)
	}
	got := map[string]evidence.DeviceCount{}
	for _, c := range counts {
		got[c.Device] = c
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		r.Fatalf("devices (-want +got):\n%s", diff)
	}
}

// genBatches draws a few frames of one or two bridges, each bridge with devices of its own.
func genBatches(r *rapid.T, here string) []evidence.Batch {
	var batches []evidence.Batch
	for bridge := range rapid.IntRange(1, 2).Draw(r, "bridges") {
		seq := rapid.Uint64Range(1, 1<<62).Draw(r, "first seq")
		epoch := rapid.Uint64().Draw(r, "epoch")
		devices := []string{fmt.Sprintf("%d", bridge), fmt.Sprintf("%d", bridge) + genText(r, "device", 100)}
		for range rapid.IntRange(1, 3).Draw(r, "frames") {
			b := evidence.Batch{Base: here, Bridge: fmt.Sprintf("b%d", bridge), Epoch: epoch, CollectedMs: t0 + later}
			for range rapid.IntRange(0, 4).Draw(r, "messages") {
				b.Messages = append(b.Messages, genMessage(r, seq, devices))
				seq++
			}
			batches = append(batches, b)
		}
	}
	return batches
}

func genMessage(r *rapid.T, seq uint64, devices []string) telemetry.Message {
	m := telemetry.Message{
		Seq: seq, ReceivedMs: t0 + rapid.Int64Range(0, 3).Draw(r, "received"), Dialect: genText(r, "dialect", 20),
	}
	for range rapid.IntRange(0, 4).Draw(r, "records") {
		m.Records = append(m.Records, genRecord(r, devices))
	}
	return m
}

func genRecord(r *rapid.T, devices []string) telemetry.Record {
	rec := telemetry.Record{
		Kind:     telemetry.Kind(rapid.IntRange(0, 4).Draw(r, "kind")),
		Clock:    telemetry.Clock(rapid.IntRange(0, 4).Draw(r, "clock")),
		Retained: rapid.Bool().Draw(r, "retained"),
		Device:   rapid.SampledFrom(devices).Draw(r, "device"),
		Channel:  rapid.SampledFrom([]string{"", "a", genText(r, "channel", 40)}).Draw(r, "channel"),
		EventMs:  rapid.SampledFrom([]int64{t0, t0 + 1, rapid.Int64Range(evidence.MinMs-5, evidence.MaxMs+5).Draw(r, "far")}).Draw(r, "event"),
		DeviceMs: rapid.SampledFrom([]int64{0, t0, -1, rapid.Int64().Draw(r, "said")}).Draw(r, "device ms"),
		ValidMs:  rapid.SampledFrom([]int64{0, 15_000}).Draw(r, "valid"),
	}
	switch rec.Kind {
	case telemetry.KindSample:
		for _, q := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{
			telemetry.PowerW, telemetry.CurrentA, telemetry.Number, "x", "x1_y",
		}), 0, 4, rapid.ID[string]).Draw(r, "quantities") {
			rec.Values = append(rec.Values, telemetry.Value{Quantity: q, Number: rapid.OneOf(
				rapid.Float64(), rapid.SampledFrom([]float64{0, 1, -2.5, 1e9, 0.001}),
			).Draw(r, "number")})
		}
		rec.State = genText(r, "state", 30)
	case telemetry.KindTap:
		rec.Card = genText(r, "card", 10)
		rec.Direction = telemetry.Direction(rapid.IntRange(0, 2).Draw(r, "direction"))
	case telemetry.KindLink:
		rec.Link = telemetry.LinkEvent(rapid.IntRange(0, 3).Draw(r, "link"))
	case telemetry.KindRaw:
		rec.Reason = rapid.SampledFrom(telemetry.Reasons()).Draw(r, "reason")
		rec.Detail, rec.Topic = genText(r, "detail", 40), genText(r, "topic", 40)
		rec.Payload = rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(r, "payload")
	}
	return rec
}

// genText draws a text of at most limit bytes: hostile, any, or none.
func genText(r *rapid.T, label string, limit int) string {
	s := rapid.OneOf(rapid.Just(""), rapid.SampledFrom(hostile), rapid.StringN(0, -1, limit)).Draw(r, label)
	if len(s) > limit {
		return ""
	}
	return s
}
