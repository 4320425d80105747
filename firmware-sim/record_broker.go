package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// RecordOptions say what of a broker is recorded.
type RecordOptions struct {
	// Broker is how to connect; the session is always clean.
	Broker mqtt.ClientOptions
	// Filters are what to subscribe to, QoS 1. Required.
	Filters []string
	// Progress, if set, is called about every second, from the recording goroutine.
	Progress func(RecordProgress)
	// Logger gets lost connections; nil is silent.
	Logger *slog.Logger
}

// RecordProgress is the state of a running recording.
type RecordProgress struct {
	Messages, Bytes int64 // of payloads
	Reconnects      int64
	Elapsed         time.Duration
}

// reconnectAfter is how long a recorder waits before it connects again.
const reconnectAfter = time.Second

// Record subscribes to a broker and writes what comes until ctx is done; then it returns nil. The first connection is tried
// once only; one that is lost later is made again for as long as it takes, and the recording says from when to when nothing
// was heard. Messages are acknowledged when they are written.
func Record(ctx context.Context, to *Recorder, o RecordOptions) (RecordProgress, error) {
	if len(o.Filters) == 0 {
		return RecordProgress{}, errors.New("record: option Filters is required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Broker.CleanSession = true
	t := tap{o: o, to: to, began: time.Now()}
	err := t.run(ctx)
	t.progress.Elapsed = time.Since(t.began)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = nil
	}
	if err != nil {
		return t.progress, fmt.Errorf("record: %w", err)
	}
	return t.progress, nil
}

// tap is a recording under way.
type tap struct {
	o        RecordOptions
	to       *Recorder
	began    time.Time
	progress RecordProgress
}

// writeError is an error of the file, after which connecting again is no use.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

func (t *tap) run(ctx context.Context) error {
	client, err := t.connect(ctx)
	for {
		if err != nil {
			return err
		}
		err := t.listen(ctx, client)
		_ = client.Close()
		if _, ok := errors.AsType[writeError](err); ok || ctx.Err() != nil {
			return err
		}
		lostMs := time.Now().UnixMilli()
		t.o.Logger.WarnContext(ctx, "connection lost", "err", err)
		if client, err = t.connectAgain(ctx); err != nil {
			return err
		}
		t.progress.Reconnects++
		if err := t.to.about(&aboutRecording{LostMs: lostMs, BackMs: time.Now().UnixMilli()}); err != nil {
			return err
		}
	}
}

func (t *tap) connect(ctx context.Context) (*mqtt.Client, error) {
	client, err := mqtt.Dial(ctx, t.o.Broker)
	if err != nil {
		return nil, err
	}
	for _, filter := range t.o.Filters {
		if err := client.Subscribe(ctx, filter, qos); err != nil {
			return nil, errors.Join(err, client.Close())
		}
	}
	return client, nil
}

func (t *tap) connectAgain(ctx context.Context) (*mqtt.Client, error) {
	for {
		select {
		case <-time.After(reconnectAfter):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		client, err := t.connect(ctx)
		if err == nil {
			return client, nil
		}
		t.o.Logger.DebugContext(ctx, "connect to broker", "err", err)
	}
}

// listen writes what comes until the connection or ctx ends.
func (t *tap) listen(ctx context.Context, client *mqtt.Client) error {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case in, ok := <-client.Messages():
			if !ok {
				return client.Err()
			}
			if err := t.write(&in); err != nil {
				return writeError{err}
			}
		case <-second.C:
			if err := t.tell(); err != nil {
				return writeError{err}
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (t *tap) write(in *mqtt.Inbound) error {
	if in.Topic == ClockTopic {
		in.Ack()
		return nil // the time of a replay: it would fight with that of another
	}
	t.progress.Messages++
	t.progress.Bytes += int64(len(in.Payload))
	err := t.to.Write(&Recorded{
		AtMs: time.Now().UnixMilli(), Topic: in.Topic, Payload: in.Payload, Retained: in.Retained, QoS: in.QoS,
	})
	if err == nil {
		in.Ack()
	}
	return err
}

// tell flushes a recording that has fallen silent, and reports.
func (t *tap) tell() error {
	t.progress.Elapsed = time.Since(t.began)
	if t.o.Progress != nil {
		t.o.Progress(t.progress)
	}
	return t.to.Flush()
}
