package frame_test

import (
	"bytes"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// schema compiles frame.proto.
func schema(t *testing.T) protoreflect.FileDescriptor {
	t.Helper()
	c := protocompile.Compiler{Resolver: &protocompile.SourceResolver{}}
	files, err := c.Compile(t.Context(), "frame.proto")
	if err != nil {
		t.Fatalf("compile frame.proto: %v", err)
	}
	return files[0]
}

// decode reads b as the schema's message and refuses fields that the schema does not know.
func decode(t interface{ Fatalf(string, ...any) }, d protoreflect.MessageDescriptor, b []byte) *dynamicpb.Message {
	m := dynamicpb.NewMessage(d)
	if err := proto.Unmarshal(b, m); err != nil {
		t.Fatalf("%s: %v", d.Name(), err)
	}
	if len(m.GetUnknown()) > 0 {
		t.Fatalf("%s: bytes unknown to the schema: %x", d.Name(), m.GetUnknown())
	}
	return m
}

// [F-2.1] The canonical bytes are what a protobuf library writes for the schema, and it reads in them what was written.
func TestMessageMatchesSchema(t *testing.T) {
	t.Parallel()
	d := schema(t).Messages().ByName("Message")
	rapid.Check(t, func(t *rapid.T) {
		m := messages().Draw(t, "message")
		ours := frame.AppendMessage(nil, &m)
		theirs := dynamicMessage(d, &m)
		if diff := cmp.Diff(theirs, decode(t, d, ours), protocmp.Transform()); diff != "" {
			t.Errorf("bytes do not read as the message (-want +got):\n%s", diff)
		}
		written, err := proto.MarshalOptions{Deterministic: true}.Marshal(theirs)
		if err != nil {
			t.Fatalf("marshal: %v", err)
		}
		if !bytes.Equal(ours, written) {
			t.Errorf("library writes %x, we %x, for %s", written, ours, prototext.Format(theirs))
		}
		var back telemetry.Message
		if err := frame.DecodeMessage(written, &back); err != nil {
			t.Fatalf("DecodeMessage of the library's bytes: %v", err)
		}
		if diff := cmp.Diff(m, back); diff != "" {
			t.Errorf("library's bytes read differently (-want +got):\n%s", diff)
		}
	})
}

// dynamicMessage fills the schema's message field by field.
func dynamicMessage(d protoreflect.MessageDescriptor, m *telemetry.Message) *dynamicpb.Message {
	out := dynamicpb.NewMessage(d)
	set(out, "dialect", m.Dialect)
	set(out, "received_ms", m.ReceivedMs)
	list := out.Mutable(d.Fields().ByName("record")).List()
	for i := range m.Records {
		r := &m.Records[i]
		e := list.AppendMutable().Message()
		set(e, "kind", protoreflect.EnumNumber(r.Kind))
		set(e, "clock", protoreflect.EnumNumber(r.Clock))
		set(e, "retained", r.Retained)
		set(e, "device", r.Device)
		set(e, "channel", r.Channel)
		set(e, "valid_ms", r.ValidMs)
		set(e, "link", protoreflect.EnumNumber(r.Link))
		set(e, "direction", protoreflect.EnumNumber(r.Direction))
		set(e, "event_ms", r.EventMs)
		set(e, "device_ms", r.DeviceMs)
		set(e, "state", r.State)
		set(e, "card", r.Card)
		set(e, "reason", string(r.Reason))
		set(e, "detail", r.Detail)
		set(e, "topic", []byte(r.Topic))
		set(e, "payload", r.Payload)
		for _, v := range r.Values {
			fields := e.Descriptor().Fields()
			e.Mutable(fields.ByName("quantity")).List().Append(protoreflect.ValueOf(v.Quantity))
			e.Mutable(fields.ByName("number")).List().Append(protoreflect.ValueOf(v.Number))
		}
	}
	return out
}

func set(m protoreflect.Message, name protoreflect.Name, v any) {
	m.Set(m.Descriptor().Fields().ByName(name), protoreflect.ValueOf(v))
}

// [F-4.1] [F-5.1] A protobuf library finds in a frame and its body what the schema says, and writes the same bytes.
func TestFrameMatchesSchema(t *testing.T) {
	t.Parallel()
	file := schema(t)
	b := frame.NewBuilder("b1", "bridge-1", epoch, testKey())
	rapid.Check(t, func(t *rapid.T) {
		l := newLog()
		l.seq = rapid.SampledFrom([]uint64{1, 2, 1 << 40}).Draw(t, "first")
		for _, m := range rapid.SliceOfN(messages(), 0, 20).Draw(t, "messages") {
			l.add(t, b, &m)
		}
		b.Missing(frame.Range{First: l.seq + 5, Last: l.seq + 9})
		sealed, err := b.Seal(42)
		if err != nil {
			t.Fatalf("Seal: %v", err)
		}
		frameType := file.Messages().ByName("Frame")
		dynamic := decode(t, frameType, sealed)
		sameBytes(t, dynamic, sealed)
		compressed := dynamic.Get(frameType.Fields().ByName("body")).Bytes()
		body := decompress(compressed)
		sameBytes(t, decode(t, file.Messages().ByName("Body"), body), body)
	})
}

func sameBytes(t *rapid.T, m *dynamicpb.Message, want []byte) {
	got, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: library writes\n%x, we\n%x", m.Descriptor().Name(), got, want)
	}
}

// [F-6.1] A protobuf library finds in an acknowledgement what the schema says, and writes the same bytes.
func TestAckMatchesSchema(t *testing.T) {
	t.Parallel()
	d := schema(t).Messages().ByName("Ack")
	rapid.Check(t, func(t *rapid.T) {
		a := acks().Draw(t, "ack")
		b := a.Append(nil)
		sameBytes(t, decode(t, d, b), b)
		got, err := frame.ParseAck(b)
		if err != nil {
			t.Fatalf("ParseAck: %v", err)
		}
		if diff := cmp.Diff(a, got); diff != "" {
			t.Errorf("acknowledgement differs (-want +got):\n%s", diff)
		}
	})
}

func acks() *rapid.Generator[frame.Ack] {
	ranges := rapid.Custom(func(t *rapid.T) frame.Range {
		first := rapid.Uint64Range(1, 1<<63).Draw(t, "first")
		return frame.Range{First: first, Last: first + rapid.Uint64Range(0, 1<<40).Draw(t, "more")}
	})
	refusals := rapid.Custom(func(t *rapid.T) frame.Refusal {
		reasons := []string{
			frame.RefusedBadSignature, frame.RefusedUnknownBridge, frame.RefusedBadChain, frame.RefusedMalformed, frame.RefusedForked,
		}
		return frame.Refusal{Range: ranges.Draw(t, "range"), Reason: rapid.SampledFrom(reasons).Draw(t, "reason")}
	})
	return rapid.Custom(func(t *rapid.T) frame.Ack {
		a := frame.Ack{
			Epoch: rapid.Uint64Min(1).Draw(t, "epoch"), CollectorMs: rapid.Int64().Draw(t, "collector"),
			Stored: rapid.SliceOfN(ranges, 0, 5).Draw(t, "stored"), Refused: rapid.SliceOfN(refusals, 0, 5).Draw(t, "refused"),
		}
		if len(a.Stored) == 0 {
			a.Stored = nil
		}
		if len(a.Refused) == 0 {
			a.Refused = nil
		}
		return a
	})
}
