package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/mtconnect"
	"github.com/jishi-telemetry/jishi/internal/dialect/native"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// timedMessage is a message with the time at which the bridge receives it.
type timedMessage struct {
	message
	atMs int64
}

// recordedMessages bounds how much of the recording is framed.
const recordedMessages = 250_000

// measureUplink measures how much smaller the uplink's bytes are than what the devices sent, at the pace of a base: what
// waits no longer than the bridge lets it wait compresses less than a frame that is full.
func measureUplink(ctx context.Context, b *bench) error {
	const perSecond = devices * 1000 / stepMs
	messages := deviceMessages(min(b.messages, 50_000), b.began)
	what := fmt.Sprintf("four readings each, %d msg/s", perSecond)
	if err := b.framed(ctx, what, []time.Duration{100 * time.Millisecond, time.Second}, paced(messages, perSecond)); err != nil {
		return err
	}
	raw := filepath.Join(b.data, "nist_sms_testbed", "raw")
	if _, err := os.Stat(raw); errors.Is(err, fs.ErrNotExist) {
		b.note("No recording at %s (set JISHI_DATA or -data): the rows of the NIST test bed are missing.", filepath.Dir(raw))
		return nil
	}
	recording, err := sim.OpenRecording([]string{raw}, sim.RecordingOptions{})
	if err != nil {
		return err
	}
	what = grouped(recordedMessages) + " messages of the NIST test bed in MTConnect, as recorded"
	return b.framed(ctx, what, []time.Duration{100 * time.Millisecond, time.Second, 0}, recorded(recording))
}

// uplinkBytes returns what a bridge has put on its uplink for the first time, MQTT included.
func uplinkBytes(ctx context.Context, admin string) (float64, error) {
	bytes, err := metric(ctx, admin, "jishi_bridge_frame_bytes_total")
	if err != nil {
		return 0, err
	}
	frames, err := metric(ctx, admin, "jishi_bridge_frames_sent_total")
	if err != nil {
		return 0, err
	}
	return bytes + frames*float64(frameOverhead(int(bytes/max(frames, 1)))), nil
}

// frameOverhead is what MQTT adds to a frame of so many bytes.
func frameOverhead(frameBytes int) int {
	empty := message{topic: frame.FrameTopic(baseCode, bridgeID), payload: make([]byte, frameBytes)}
	return len(appendPublish(nil, &empty, 1)) - frameBytes
}

func (b *bench) reportUplink(what string, raw int, uplink series) {
	const mb = 1e6
	goal := atMost(1.0/8, "≤ 1/8 of the raw bytes")
	for i := range uplink {
		uplink[i] /= mb
	}
	part := uplink.median() / (float64(raw) / mb)
	b.add(row{
		what: "uplink bytes: " + what, ours: uplink.show("MB"), peer: "raw MQTT: " + number(float64(raw)/mb) + " MB",
		ratio: fmt.Sprintf("1/%.1f", 1/part), target: goal.text, verdict: goal.verdict(part),
	})
}

// paced gives messages out at an even pace.
func paced(messages []message, perSecond int) iter.Seq2[timedMessage, error] {
	return func(yield func(timedMessage, error) bool) {
		for i, m := range messages {
			if !yield(timedMessage{m, 1_700_000_000_000 + int64(i)*1000/int64(perSecond)}, nil) {
				return
			}
		}
	}
}

// recorded gives a recording out at the time it was recorded.
func recorded(r *sim.Recording) iter.Seq2[timedMessage, error] {
	return func(yield func(timedMessage, error) bool) {
		n := 0
		for m, err := range r.Messages() {
			if n++; n > recordedMessages {
				return
			}
			if !yield(timedMessage{message{m.Topic, m.Payload}, m.AtMs}, err) || err != nil {
				return
			}
		}
	}
}

// framed decodes messages and puts them into frames as a bridge does, with each of the lingers, and reports the bytes. A
// linger of 0 waits until a frame is full.
func (b *bench) framed(ctx context.Context, what string, lingers []time.Duration, messages iter.Seq2[timedMessage, error]) error {
	router, err := newRouter()
	if err != nil {
		return err
	}
	key, err := frame.GenerateKey()
	if err != nil {
		return err
	}
	bridges := make([]framing, len(lingers))
	for i, linger := range lingers {
		bridges[i] = framing{builder: frame.NewBuilder(baseCode, bridgeID, 1, key), lingerMs: linger.Milliseconds()}
	}
	raw := 0
	var body []byte
	for m, err := range messages {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		raw += len(appendPublish(nil, &m.message, 1))
		body = frame.AppendMessage(body[:0], decoded(router, &m))
		for i := range bridges {
			if err := bridges[i].add(m.atMs, body); err != nil {
				return err
			}
		}
	}
	for i, linger := range lingers {
		if err := bridges[i].seal(); err != nil {
			return err
		}
		frames := fmt.Sprintf("frames wait %s", linger)
		if linger == 0 {
			frames = "full frames"
		}
		b.reportUplink(what+", "+frames, raw, series{float64(bridges[i].sent)})
	}
	return nil
}

// newRouter has the dialects of the messages that the bench knows.
func newRouter() (*dialect.Router, error) {
	return dialect.NewRouter([]dialect.Dialect{native.New(native.Options{}), mtconnect.New()})
}

// decoded is what a bridge makes of a message; what it cannot read travels as far as its quarantine keeps it.
func decoded(router *dialect.Router, m *timedMessage) *telemetry.Message {
	name, result, err := router.Decode(dialect.Message{Topic: m.topic, Payload: m.payload, ReceivedMs: m.atMs})
	if err != nil {
		r := telemetry.Record{
			Kind: telemetry.KindRaw, Clock: telemetry.ClockReceived, EventMs: m.atMs, Reason: telemetry.ReasonMalformed,
			Detail: err.Error(), Topic: m.topic, Payload: m.payload[:min(len(m.payload), telemetry.MaxRawPayload)],
		}
		if why, ok := errors.AsType[*dialect.Error](err); ok {
			r.Reason, r.Detail = why.Reason, why.Detail
		}
		result.Records = append(result.Records, r)
	}
	return &telemetry.Message{ReceivedMs: m.atMs, Dialect: name, Records: result.Records}
}

// framing counts the bytes of one bridge's frames.
type framing struct {
	builder  *frame.Builder
	lingerMs int64
	beganMs  int64 // when the builder got its first message
	seq      uint64
	chain    [32]byte
	sent     int
}

func (w *framing) add(atMs int64, body []byte) error {
	if w.lingerMs > 0 && w.builder.Len() > 0 && atMs >= w.beganMs+w.lingerMs {
		if err := w.seal(); err != nil {
			return err
		}
	}
	if w.builder.Len() == 0 {
		w.beganMs = atMs
	}
	w.seq++
	before := w.chain
	w.chain = sha256.Sum256(binary.BigEndian.AppendUint64(before[:], w.seq)) // as incompressible as the log's
	full, err := w.builder.Add(w.seq, body, before, w.chain)
	if err == nil && full {
		err = w.seal()
	}
	return err
}

func (w *framing) seal() error {
	if w.builder.Len() == 0 {
		return nil
	}
	bytes, err := w.builder.Seal(w.beganMs)
	if err != nil {
		return err
	}
	w.sent += len(bytes) + frameOverhead(len(bytes))
	return nil
}
