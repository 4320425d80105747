package frame_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

func cmpSorted(less func(a, b string) bool) cmp.Option { return cmpopts.SortSlices(less) }

// story is a few messages of every kind.
func story() []telemetry.Message {
	const at = 1_772_409_600_000
	sample := func(ms int64, w float64, state string) telemetry.Message {
		return telemetry.Message{ReceivedMs: at + ms + 20, Dialect: "native", Records: []telemetry.Record{{
			Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: "mill-1", Channel: "main",
			EventMs: at + ms, DeviceMs: at + ms, ValidMs: 22_000, State: state,
			Values: []telemetry.Value{{Quantity: telemetry.PowerW, Number: w}, {Quantity: telemetry.VoltageV, Number: 230.5}},
		}}}
	}
	odd := sample(30_000, 1.0/3, "running")
	odd.Records[0].Values[1].Number = float64(float32(12.1))
	return []telemetry.Message{
		sample(0, 142.7, "running"), sample(10_000, 139.25, "running"), sample(20_000, 0, "idle"), odd,
		{ReceivedMs: at + 31_000, Dialect: "tasmota", Records: []telemetry.Record{
			{
				Kind: telemetry.KindTap, Clock: telemetry.ClockSuspect, Device: "door-2", EventMs: at + 31_000, DeviceMs: 1000,
				Card: "0b2c7d", Direction: telemetry.DirectionIn,
			},
			{Kind: telemetry.KindLink, Clock: telemetry.ClockReceived, Retained: true, Device: "door-2", EventMs: at + 31_000, Link: telemetry.LinkWill},
		}},
		{ReceivedMs: at + 31_001, Records: []telemetry.Record{{
			Kind: telemetry.KindRaw, Clock: telemetry.ClockReceived, EventMs: at + 31_001, Reason: telemetry.ReasonUnknownTopic,
			Detail: "no dialect reads this topic", Topic: "设备/7", Payload: []byte{0, 1, 2},
		}}},
		{ReceivedMs: at + 31_002, Dialect: "tasmota"},
	}
}

func sealStory(t testing.TB, first uint64, missing ...frame.Range) []byte {
	t.Helper()
	b := frame.NewBuilder("b1", "bridge-1", epoch, testKey())
	l := newLog()
	if first > 1 {
		l.seq, l.chain = first, [32]byte{7}
	}
	for _, m := range story() {
		l.add(t, b, &m)
	}
	b.Missing(missing...)
	sealed, err := b.Seal(1_772_409_632_000)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// Field numbers that the tests tamper with.
const (
	fFormat, fBase, fEpoch, fFirst, fCount, fBefore, fCheck, fFirstMs = 1, 2, 4, 5, 6, 7, 8, 9
	fMissing, fBody, fSignature                                       = 12, 13, 14
)

// edit walks the fields of a protobuf message and replaces each by what change returns for it.
func edit(b []byte, change func(n protowire.Number, field []byte) []byte) []byte {
	var out []byte
	for len(b) > 0 {
		n, _, size := protowire.ConsumeField(b)
		if size < 0 {
			panic("test edits a message that is none")
		}
		out = append(out, change(n, b[:size:size])...)
		b = b[size:]
	}
	return out
}

// replace puts another field, or none, in place of the field with this number.
func replace(b []byte, n protowire.Number, field []byte) []byte {
	return edit(b, func(m protowire.Number, old []byte) []byte {
		if m == n {
			return field
		}
		return old
	})
}

func varintField(n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
}

func bytesField(n protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), v)
}

func rangeField(n protowire.Number, first, last uint64) []byte {
	return bytesField(n, append(varintField(1, first), varintField(2, last)...))
}

// resign signs a frame again, as a bridge with a valid key and broken software would.
func resign(b []byte) []byte {
	b = slices.Clone(b[:len(b)-2-ed25519.SignatureSize])
	return append(b, bytesField(fSignature, ed25519.Sign(testKey(), b))...)
}

// rebody opens the frame's body, changes it and signs the frame again.
func rebody(b []byte, change func(body []byte) []byte) []byte {
	return resign(edit(b, func(n protowire.Number, field []byte) []byte {
		if n != fBody {
			return field
		}
		_, _, tag := protowire.ConsumeTag(field)
		compressed, _ := protowire.ConsumeBytes(field[tag:])
		return bytesField(fBody, compress(change(decompress(compressed))))
	}))
}

// zstdBoth are shared, because making them costs more than using them.
var zstdBoth = sync.OnceValues(func() (*zstd.Encoder, *zstd.Decoder) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(2), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		panic(err)
	}
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2))
	if err != nil {
		panic(err)
	}
	return w, r
})

func compress(b []byte) []byte {
	w, _ := zstdBoth()
	return w.EncodeAll(b, nil)
}

// compressStream compresses without saying the size in front.
func compressStream(b []byte) []byte {
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(64<<10))
	if err != nil {
		panic(err)
	}
	if _, err := w.Write(b); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func decompress(b []byte) []byte {
	_, r := zstdBoth()
	out, err := r.DecodeAll(b, nil)
	if err != nil {
		panic(err)
	}
	return out
}

// makeVectors makes every vector: the good ones with the package, the bad ones by damage.
func makeVectors(t testing.TB) []vector {
	t.Helper()
	var all []vector
	add := func(what, name, expect, note string, b []byte) {
		v := vector{name: what + "_" + name, what: what, expect: expect, note: note, bytes: b}
		if expect == "ok" {
			_, holds := judge(what, b)
			want, err := json.Marshal(holds)
			if err != nil {
				t.Fatal(err)
			}
			v.want = string(want)
		}
		all = append(all, v)
	}
	frameVectors(t, add)
	bodyVectors(t, add)
	messageVectors(add)
	ackVectors(add)
	return append(all, vector{
		name: "frame_oversized", what: "frame", expect: "too_large", note: "more than 512 KiB",
		bytes: sealStory(t, 1), pad: frame.MaxFrame,
	})
}

type addVector func(what, name, expect, note string, b []byte)

func frameVectors(t testing.TB, add addVector) {
	good := sealStory(t, 1)
	later := sealStory(t, 100, frame.Range{First: 90, Last: 99}, frame.Range{First: 200, Last: 200})
	only := frame.NewBuilder("b1", "bridge-1", epoch, testKey())
	only.Missing(frame.Range{First: 7, Last: 8})
	announcement, err := only.Seal(1)
	if err != nil {
		t.Fatal(err)
	}
	add("frame", "first", "ok", "the first messages of a log, of every kind", good)
	add("frame", "later", "ok", "messages from 100 on, with missing ranges", later)
	add("frame", "missing_only", "ok", "no message, one missing range", announcement)

	flipped := slices.Clone(good)
	flipped[len(flipped)-1] ^= 1
	add("frame", "signature_flipped", "bad_signature", "one bit of the signature", flipped)
	body := slices.Clone(good)
	body[len(body)-100] ^= 1
	add("frame", "body_flipped", "bad_signature", "one bit of the body", body)
	add("frame", "base_changed", "bad_signature", "base renamed after signing", replace(good, fBase, bytesField(fBase, []byte("b2"))))

	add("frame", "chain_check", "bad_chain", "hash after the last message is another", resign(replace(good, fCheck, bytesField(fCheck, make([]byte, 8)))))
	add("frame", "chain_before", "bad_chain", "hash before the first message is another", resign(replace(later, fBefore, bytesField(fBefore, make([]byte, 32)))))
	add("frame", "chain_start", "bad_chain", "first message of the log does not start at the epoch's hash", resign(replace(good, fEpoch, protowire.AppendFixed64([]byte{fEpoch<<3 | 1}, 5))))
	add("frame", "chain_shifted", "bad_chain", "messages renumbered", resign(replace(later, fFirst, varintField(fFirst, 101))))

	for name, n := range map[string]int{"none": 0, "header": 80, "half": len(good) / 2, "last": len(good) - 1} {
		add("frame", "truncated_"+name, "malformed", "cut", good[:n])
	}
	malformed := func(name, note string, b []byte) { add("frame", name, "malformed", note, b) }
	malformed("version", "format is that of version 2", resign(replace(good, fFormat, bytesField(fFormat, []byte("jishi frame 2")))))
	malformed("trailing", "one byte after the signature", append(slices.Clone(good), 0))
	malformed("unknown_field", "field 15 before the signature", resign(replace(good, fBody, varintField(15, 1))))
	malformed("order", "epoch before base", resign(append(protowire.AppendFixed64([]byte{fEpoch<<3 | 1}, epoch), good...)))
	malformed("twice", "count stands twice", resign(replace(good, fCount, append(varintField(fCount, 7), varintField(fCount, 7)...))))
	malformed("long_varint", "count is not the shortest varint", resign(replace(good, fCount, []byte{fCount << 3, 0x87, 0})))
	malformed("zero_field", "count is written as zero", resign(replace(good, fCount, varintField(fCount, 0))))
	malformed("base_name", "base holds a slash", resign(replace(good, fBase, bytesField(fBase, []byte("b/1")))))
	malformed("no_epoch", "epoch is left out", resign(replace(good, fEpoch, nil)))
	malformed("no_body", "body is left out", resign(replace(good, fBody, nil)))
	malformed("count_more", "one message more than the body holds", resign(replace(good, fCount, varintField(fCount, 8))))
	malformed("count_fewer", "one message fewer than the body holds", resign(replace(good, fCount, varintField(fCount, 6))))
	malformed("count_many", "more than 65536 messages", resign(replace(good, fCount, varintField(fCount, frame.MaxCount+1))))
	malformed("numbers_end", "messages beyond 2^64", resign(replace(later, fFirst, varintField(fFirst, math.MaxUint64-3))))
	malformed("times", "first receive time is another", resign(replace(good, fFirstMs, varintField(fFirstMs, 1))))
	malformed("missing_range", "missing range ends before it begins", resign(replace(announcement, fMissing, rangeField(fMissing, 9, 8))))
	inFrame := func(n protowire.Number, field []byte) []byte {
		if n == fBody {
			return append(rangeField(fMissing, 7, 9), field...)
		}
		return field
	}
	malformed("missing_inside", "missing range holds a message of the frame", resign(edit(good, inFrame)))
	malformed("missing_order", "missing ranges descend", resign(replace(announcement, fMissing, append(rangeField(fMissing, 7, 8), rangeField(fMissing, 1, 2)...))))
	malformed("empty", "neither message nor missing range", resign(replace(announcement, fMissing, nil)))
	malformed("short_signature", "signature of 63 bytes", replace(good, fSignature, bytesField(fSignature, make([]byte, 63))))
	var many []byte
	for i := range uint64(frame.MaxRanges + 1) {
		many = append(many, rangeField(fMissing, 2*i+1, 2*i+1)...)
	}
	add("frame", "missing_many", "too_large", "more missing ranges than allowed", resign(replace(announcement, fMissing, many)))
}

// Field numbers of the body that the tests tamper with.
const (
	bText, bFlags, bDevice, bQuantity, bColumn, bSeries, bShape, bMantissa, bException, bBits = 1, 3, 4, 8, 9, 12, 13, 20, 21, 22
)

func bodyVectors(t testing.TB, add addVector) {
	good := sealStory(t, 1)
	damage := func(name, expect, note string, n protowire.Number, change func(value []byte) []byte) {
		add("frame", "body_"+name, expect, note, rebody(good, func(body []byte) []byte {
			return edit(body, func(m protowire.Number, field []byte) []byte {
				if m != n {
					return field
				}
				_, _, tag := protowire.ConsumeTag(field)
				value, _ := protowire.ConsumeBytes(field[tag:])
				return bytesField(n, change(slices.Clone(value)))
			})
		}))
	}
	first := func(b byte) func([]byte) []byte {
		return func(v []byte) []byte { v[0] = b; return v }
	}
	longer := func(v []byte) []byte { return append(v, 0) }
	shorter := func(v []byte) []byte { return v[:len(v)-1] }
	damage("text_utf8", "malformed", "text is not UTF-8", bText, func(v []byte) []byte { v[0] = 0xff; return v })
	damage("text_empty", "malformed", "text is empty", bText, func([]byte) []byte { return nil })
	damage("flags_short", "malformed", "one series fewer in one column", bFlags, shorter)
	damage("device_unknown", "malformed", "device's text does not exist", bDevice, func(v []byte) []byte { return append([]byte{0xfe, 0x7f}, v[1:]...) })
	damage("quantity_twice", "malformed", "series has a quantity twice", bQuantity, func(v []byte) []byte { v[1] = v[0]; return v })
	damage("places", "malformed", "column has 31 decimal places", bColumn, first(31))
	damage("series_unknown", "malformed", "shape's series does not exist", bSeries, func(v []byte) []byte { return append([]byte{0xfe, 0x7f}, v[1:]...) })
	damage("shape_unknown", "malformed", "message's shape does not exist", bShape, first(0x7f))
	damage("mantissa_more", "malformed", "one number more than the series hold", bMantissa, longer)
	damage("mantissa_fewer", "malformed", "one number fewer than the series hold", bMantissa, shorter)
	damage("mantissa_other", "bad_chain", "one number is another", bMantissa, func(v []byte) []byte { v[len(v)-1] ^= 2; return v })
	damage("exception_place", "malformed", "exception stands beyond the numbers", bException, first(0x7f))
	damage("exception_nan", "malformed", "number is not a number", bBits, func(v []byte) []byte { v[6], v[7] = 0xf8, 0x7f; return v })
	damage("exception_cut", "malformed", "exception has seven bytes", bBits, shorter)
	add("frame", "body_unknown_field", "malformed", "body has a field 23", rebody(good, func(b []byte) []byte { return append(b, bytesField(23, []byte{1})...) }))
	add("frame", "body_no_zstd", "malformed", "body is not compressed", resign(replace(good, fBody, bytesField(fBody, []byte("plain")))))

	zeros := make([]byte, 20<<20)
	add("frame", "bomb", "too_large", "body of 20 MiB, size said in front", resign(replace(good, fBody, bytesField(fBody, compress(zeros)))))
	add("frame", "bomb_stream", "too_large", "body of 20 MiB, size not said", resign(replace(good, fBody, bytesField(fBody, compressStream(zeros)))))
	add("frame", "bomb_many", "too_large", "body of many compressed parts, 2 MiB together",
		resign(replace(good, fBody, bytesField(fBody, bytes.Repeat(compress(zeros[:256<<10]), 8)))))
	add("frame", "bomb_records", "too_large", "a few bytes that mean 65536 times 4096 records", recordBomb(good))
}

// recordBomb is a frame of 65536 messages that all have the same shape of 4096 records: few bytes, many records.
func recordBomb(good []byte) []byte {
	ones := func(n int, b byte) []byte { return bytes.Repeat([]byte{b}, n) }
	body := bytesField(bText, []byte("x"))
	body = append(body, bytesField(bFlags, []byte{0x8a, 0x02})...) // link, clock received, online
	body = append(body, bytesField(bDevice, ones(1, 0x70))...)
	body = append(body, bytesField(5, ones(1, 0))...)
	body = append(body, bytesField(6, ones(1, 0))...)
	body = append(body, bytesField(7, ones(1, 0))...)
	body = append(body, bytesField(10, ones(1, 1))...)
	body = append(body, bytesField(11, protowire.AppendVarint(nil, telemetry.MaxRecords))...)
	body = append(body, bytesField(bSeries, append([]byte{0}, ones(telemetry.MaxRecords-1, 1)...))...)
	body = append(body, bytesField(bShape, ones(frame.MaxCount, 1))...)
	body = append(body, bytesField(14, ones(frame.MaxCount, 0))...)
	b := rebody(good, func([]byte) []byte { return body })
	return resign(replace(b, fCount, varintField(fCount, frame.MaxCount)))
}

func messageVectors(add addVector) {
	all := story()
	for i, name := range []string{"sample", "sample_short_decimal", "sample_zero", "sample_float", "tap_and_link", "raw", "nothing"} {
		add("message", name, "ok", "canonical", frame.AppendMessage(nil, &all[i]))
	}
	change := func(i int, f func(r *telemetry.Record)) []byte {
		m := story()[i]
		f(&m.Records[0])
		return frame.AppendMessage(nil, &m)
	}
	bad := func(name, expect, note string, b []byte) { add("message", name, expect, note, b) }
	good := frame.AppendMessage(nil, &all[0])
	bad("nan", "malformed", "number is not a number", change(0, func(r *telemetry.Record) { r.Values[0].Number = math.NaN() }))
	bad("infinite", "malformed", "number is infinite", change(0, func(r *telemetry.Record) { r.Values[1].Number = math.Inf(-1) }))
	bad("quantity_twice", "malformed", "quantity stands twice", change(0, func(r *telemetry.Record) { r.Values[1].Quantity = r.Values[0].Quantity }))
	bad("no_device", "malformed", "sample without a device", change(0, func(r *telemetry.Record) { r.Device = "" }))
	bad("no_kind", "malformed", "record without a kind", change(0, func(r *telemetry.Record) { r.Kind = 0 }))
	bad("kind", "malformed", "kind 5", change(0, func(r *telemetry.Record) { r.Kind = 5 }))
	bad("no_clock", "malformed", "record without a clock quality", change(0, func(r *telemetry.Record) { r.Clock = 0 }))
	bad("card_on_sample", "malformed", "sample with a card", change(0, func(r *telemetry.Record) { r.Card = "x" }))
	bad("valid", "malformed", "valid for a negative time", change(0, func(r *telemetry.Record) { r.ValidMs = -1 }))
	bad("utf8", "malformed", "device is not UTF-8", change(0, func(r *telemetry.Record) { r.Device = "\xff" }))
	bad("name", "too_large", "device of 129 bytes", change(0, func(r *telemetry.Record) { r.Device = string(bytes.Repeat([]byte("x"), 129)) }))
	bad("state", "too_large", "state of 257 bytes", change(0, func(r *telemetry.Record) { r.State = string(bytes.Repeat([]byte("x"), 257)) }))
	bad("payload", "too_large", "payload of 4097 bytes", change(5, func(r *telemetry.Record) { r.Payload = make([]byte, telemetry.MaxRawPayload+1) }))
	bad("trailing", "malformed", "one byte after the message", append(slices.Clone(good), 0))
	bad("unknown_field", "malformed", "field 4", append(slices.Clone(good), varintField(4, 1)...))
	bad("truncated", "malformed", "cut", good[:len(good)-1])
	bad("order", "malformed", "dialect after the records", append(slices.Clone(good), bytesField(1, []byte("native"))...))
}

func ackVectors(add addVector) {
	good := frame.Ack{
		Epoch: epoch, CollectorMs: 1_772_409_633_000, Stored: []frame.Range{{First: 1, Last: 7}, {First: 100, Last: 106}},
		Refused: []frame.Refusal{{Range: frame.Range{First: 8, Last: 9}, Reason: frame.RefusedBadChain}},
	}
	b := good.Append(nil)
	add("ack", "full", "ok", "two ranges stored, one refused", b)
	none := frame.Ack{Epoch: 1}
	add("ack", "empty", "ok", "nothing stored, nothing refused", none.Append(nil))
	add("ack", "version", "malformed", "format is that of version 2", replace(b, 1, bytesField(1, []byte("jishi ack 2"))))
	add("ack", "no_epoch", "malformed", "epoch is left out", replace(b, 2, nil))
	add("ack", "range", "malformed", "range ends before it begins", replace(b, 4, rangeField(4, 9, 8)))
	add("ack", "no_reason", "malformed", "refusal without a reason", replace(b, 5, rangeField(5, 8, 9)))
	add("ack", "truncated", "malformed", "cut", b[:len(b)-1])
	add("ack", "trailing", "malformed", "one byte after it", append(slices.Clone(b), 0))
	add("ack", "many", "too_large", "more ranges than allowed", append(none.Append(nil), bytes.Repeat(rangeField(4, 1, 1), frame.MaxRanges+1)...))
}
