package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// RecordLogOptions say what of a base's log is recorded.
type RecordLogOptions struct {
	// Filters keep the topics that match one of them, by MQTT's rules; none keeps all.
	Filters []string
	// From and To keep the messages received in [From, To); zero is open.
	From, To time.Time
	// Progress, if set, is called about every second.
	Progress func(RecordProgress)
}

// RecordedLog is what became of a log's records.
type RecordedLog struct {
	RecordProgress
	Records    int64 // that the log has
	WithoutRaw int64 // whose message was not kept, or is no longer: only its meaning is in the log
	Gaps       int64 // stretches of numbers that have no record
}

// RecordLog writes the messages in a base's log (docs/log.md) as they were received. The log may be in use; nothing of it
// is changed. Numbers of cards and persons that the bridge took out stay out. The log does not say whether a message was
// retained.
func RecordLog(ctx context.Context, to *Recorder, dir string, o RecordLogOptions) (RecordedLog, error) {
	log, err := spool.Inspect(dir)
	if err != nil {
		return RecordedLog{}, fmt.Errorf("record log: %w", err)
	}
	c := copying{o: o, to: to, began: time.Now(), told: time.Now()}
	err = c.all(ctx, log)
	c.result.Elapsed = time.Since(c.began)
	if err = errors.Join(err, log.Close()); err != nil {
		return c.result, fmt.Errorf("record log in %s: %w", dir, err)
	}
	return c.result, nil
}

// copying is the recording of a log.
type copying struct {
	o           RecordLogOptions
	to          *Recorder
	result      RecordedLog
	began, told time.Time
}

func (c *copying) all(ctx context.Context, log *spool.Inspection) error {
	var rec spool.Record
	for ctx.Err() == nil {
		var gap *spool.GapError
		err := log.Next(&rec)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &gap):
			c.result.Gaps++
			err = c.to.about(&aboutRecording{MissingFirst: gap.First, MissingLast: gap.Last, Cause: fmt.Sprint(gap.Cause)})
		case err == nil:
			err = c.record(&rec)
		}
		if err != nil {
			return err
		}
		if c.o.Progress != nil && time.Since(c.told) >= time.Second {
			c.told = time.Now()
			c.result.Elapsed = time.Since(c.began)
			c.o.Progress(c.result.RecordProgress)
		}
	}
	return ctx.Err()
}

func (c *copying) record(rec *spool.Record) error {
	c.result.Records++
	at := time.UnixMilli(rec.ReceivedMs)
	if !c.o.From.IsZero() && at.Before(c.o.From) || !c.o.To.IsZero() && !at.Before(c.o.To) {
		return nil
	}
	topic, payload, ok := bytes.Cut(rec.Raw, []byte{0})
	if !ok {
		c.result.WithoutRaw++
		return nil
	}
	m := Recorded{AtMs: rec.ReceivedMs, Topic: string(topic), Payload: payload, QoS: qos}
	if len(c.o.Filters) > 0 && !matchesAny(m.Topic, c.o.Filters) {
		return nil
	}
	c.result.Messages++
	c.result.Bytes += int64(len(payload))
	return c.to.Write(&m)
}

func matchesAny(topic string, filters []string) bool {
	for _, f := range filters {
		if matchesFilter(topic, f) {
			return true
		}
	}
	return false
}

// matchesFilter is MQTT's rule of filters (MQTT 3.1.1, section 4.7).
func matchesFilter(topic, filter string) bool {
	if strings.HasPrefix(topic, "$") && (strings.HasPrefix(filter, "+") || strings.HasPrefix(filter, "#")) {
		return false
	}
	for {
		want, restFilter, moreFilter := strings.Cut(filter, "/")
		if want == "#" {
			return true
		}
		level, restTopic, moreTopic := strings.Cut(topic, "/")
		if want != "+" && want != level {
			return false
		}
		if !moreFilter || !moreTopic {
			return moreFilter == moreTopic || moreFilter && restFilter == "#"
		}
		filter, topic = restFilter, restTopic
	}
}

// CheckFilter says what is wrong with a topic filter, by MQTT's rules.
func CheckFilter(filter string) error {
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		if len(level) > 1 && strings.ContainsAny(level, "+#") || level == "#" && i < len(levels)-1 {
			return fmt.Errorf("filter %q: want + and # alone between slashes, and # at the end", filter)
		}
	}
	if filter == "" || len(filter) > maxTopic || strings.Contains(filter, "\x00") {
		return fmt.Errorf("filter %.80q: want 1 to %d bytes", filter, maxTopic)
	}
	return nil
}
