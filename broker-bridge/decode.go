package bridge

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// decodeAll turns the inbox into batches until ctx ends, and closes decoded. Between small batches it rests.
func (b *Bridge) decodeAll(ctx context.Context, decoded chan<- *batch) {
	defer close(decoded)
	poll := time.NewTicker(time.Second)
	defer poll.Stop()
	var hurry hurry
	queue, rested := b.inbox.queue, (<-chan time.Time)(nil) // one of them is nil
	for {
		next := b.batches.fresh()
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
			b.status.intake.tick(b.o.Now())
			next.requests = append(next.requests, b.poll()...)
		case ask := <-b.asks:
			ask()
		case <-rested:
			queue, rested = b.inbox.queue, nil
		case in := <-queue:
			b.decode(next, in)
			b.drain(next)
			if !hurry.among(next.messages) && !b.o.ReplayClock {
				queue, rested = nil, time.After(b.rest())
			}
		}
		if next.empty() {
			b.batches.done(next)
			continue
		}
		select {
		case decoded <- next:
		case <-ctx.Done():
			return
		}
	}
}

// drain adds what is already waiting, so that a group commit grows with the load and nothing waits for it to grow.
func (b *Bridge) drain(next *batch) {
	for len(next.messages) < maxBatchMessages && next.bytes < maxBatchBytes {
		select {
		case in := <-b.inbox.queue:
			b.decode(next, in)
		default:
			return
		}
	}
}

// decode adds one message to the batch.
func (b *Bridge) decode(next *batch, in mqtt.Inbound) {
	b.inbox.took(in)
	if b.o.ReplayClock && in.Topic == ClockTopic {
		b.setClock(next, in)
		return
	}
	receivedMs, ok := b.nowMs()
	if !ok {
		b.m.unclocked.Inc()
		return
	}
	m := telemetry.Message{ReceivedMs: receivedMs}
	result, err := b.interpret(&m, in)
	m.Records = result.Records
	kept := scrub(in, result.Private, err)
	if err != nil {
		m.Records = append(m.Records, quarantine(kept, receivedMs, err))
	}
	memory := appendCanonical(next.memory, &m, kept)
	b.observe(&m)
	next.add(in, kept, memory, receivedMs)
	next.requests = append(next.requests, result.Requests...)
}

// interpret finds the message's dialect and asks it what the message means.
func (b *Bridge) interpret(m *telemetry.Message, in mqtt.Inbound) (dialect.Result, error) {
	if len(in.Payload) > b.o.MaxPayloadBytes {
		return dialect.Result{}, &dialect.Error{
			Reason: telemetry.ReasonOversized,
			Detail: fmt.Sprintf("payload has %d bytes: at most %d are read", len(in.Payload), b.o.MaxPayloadBytes),
		}
	}
	name, result, err := b.o.Dialects.Decode(dialect.Message{
		Topic: in.Topic, Payload: in.Payload, Retained: in.Retained, ReceivedMs: m.ReceivedMs,
	})
	m.Dialect = name
	return result, err
}

// kept is what of a message may go to the disk and to the city.
type kept struct {
	topic    string
	payload  []byte
	retained bool
	private  bool
}

// scrub takes the numbers of cards and persons out of a message. A message that nobody could read may be a reader's.
func scrub(in mqtt.Inbound, private bool, err error) kept {
	k := kept{topic: in.Topic, payload: in.Payload, retained: in.Retained, private: private}
	if err != nil {
		k.private = k.private || card.Suspect(in.Topic, in.Payload)
		k.topic = card.ScrubText(in.Topic, k.private)
	}
	k.payload = card.Scrub(in.Payload, k.private)
	return k
}

// quarantine keeps a message that could not be read, with the reason. Its beginning goes to the city; as much of it as
// the log takes, which is all of an ordinary one, stays in the base's log.
func quarantine(k kept, receivedMs int64, err error) telemetry.Record {
	var why *dialect.Error
	if !errors.As(err, &why) {
		why = &dialect.Error{Reason: telemetry.ReasonMalformed, Detail: err.Error()}
	}
	return telemetry.Record{
		Kind: telemetry.KindRaw, Clock: telemetry.ClockReceived, Retained: k.retained,
		EventMs: receivedMs, Reason: why.Reason, Detail: cut(card.ScrubText(why.Detail, k.private), telemetry.MaxDetail),
		Topic: cut(k.topic, telemetry.MaxDetail), Payload: k.payload[:min(len(k.payload), telemetry.MaxRawPayload)],
	}
}

// appendCanonical appends the message's bytes for the log, which are sent as they are. When a decoder let pass what no
// frame can carry, the message becomes a raw record: logged as it was, it would come back unsent for ever.
func appendCanonical(dst []byte, m *telemetry.Message, k kept) []byte {
	out, err := frame.AppendChecked(dst, m)
	if err == nil {
		return out
	}
	why := &dialect.Error{Reason: telemetry.ReasonMalformed, Detail: err.Error()}
	if errors.Is(err, frame.ErrTooLarge) {
		why.Reason = telemetry.ReasonOversized
	}
	m.Dialect = cut(m.Dialect, telemetry.MaxName)
	m.Records = []telemetry.Record{quarantine(k, m.ReceivedMs, why)}
	return frame.AppendMessage(dst, m)
}

// poll asks the dialects which devices are to be asked for a sign of life.
func (b *Bridge) poll() []dialect.Request {
	nowMs, ok := b.nowMs()
	if !ok {
		return nil
	}
	return b.o.Dialects.Poll(nowMs)
}

// setClock obeys a replayer. A clock that goes back is left where it was, so that a repeated message does no harm.
func (b *Bridge) setClock(next *batch, in mqtt.Inbound) {
	ms, err := strconv.ParseInt(string(in.Payload), 10, 64)
	if err != nil {
		b.o.Logger.Warn("clock message is not a number", "topic", in.Topic, "payload", cut(string(in.Payload), 40))
	} else {
		b.simulatedMs.Store(max(ms, b.simulatedMs.Load()))
	}
	next.messages = append(next.messages, in)
}

// nowMs is the bridge's clock; it is not ok while a replayed clock has not been set.
func (b *Bridge) nowMs() (int64, bool) {
	if !b.o.ReplayClock {
		return b.o.Now().UnixMilli(), true
	}
	ms := b.simulatedMs.Load()
	return ms, ms != 0
}

// cut shortens a text to at most n bytes of valid UTF-8.
func cut(s string, n int) string {
	if !utf8.ValidString(s) {
		s = strconv.QuoteToASCII(s)
	}
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
