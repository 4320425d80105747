package frame_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// faults are ways in which a decoder may get a record wrong.
var faults = map[string]func(r *telemetry.Record){
	"none":              func(*telemetry.Record) {},
	"no kind":           func(r *telemetry.Record) { r.Kind = 0 },
	"unknown kind":      func(r *telemetry.Record) { r.Kind = 5 },
	"no clock":          func(r *telemetry.Record) { r.Clock = 0 },
	"unknown clock":     func(r *telemetry.Record) { r.Clock = 5 },
	"no device":         func(r *telemetry.Record) { r.Device = "" },
	"long device":       func(r *telemetry.Record) { r.Device = strings.Repeat("d", telemetry.MaxName+1) },
	"device not UTF-8":  func(r *telemetry.Record) { r.Device = "mill\xff" },
	"channel not UTF-8": func(r *telemetry.Record) { r.Channel = "\xc3" },
	"long channel":      func(r *telemetry.Record) { r.Channel = strings.Repeat("c", telemetry.MaxName+1) },
	"negative validity": func(r *telemetry.Record) { r.ValidMs = -1 },
	"long state":        func(r *telemetry.Record) { r.State = strings.Repeat("s", telemetry.MaxState+1) },
	"state not UTF-8":   func(r *telemetry.Record) { r.State = "\xf0" },
	"quantity twice": func(r *telemetry.Record) {
		r.Values = []telemetry.Value{{Quantity: "a"}, {Quantity: "b"}, {Quantity: "a"}}
	},
	"quantity without":   func(r *telemetry.Record) { r.Values = []telemetry.Value{{Number: 1}} },
	"quantity not UTF-8": func(r *telemetry.Record) { r.Values = []telemetry.Value{{Quantity: "\xed\xa0\x80"}} },
	"long quantity": func(r *telemetry.Record) {
		r.Values = []telemetry.Value{{Quantity: strings.Repeat("q", telemetry.MaxName+1)}}
	},
	"not a number":        func(r *telemetry.Record) { r.Values = []telemetry.Value{{Quantity: "a", Number: math.NaN()}} },
	"infinite":            func(r *telemetry.Record) { r.Values = []telemetry.Value{{Quantity: "a", Number: math.Inf(-1)}} },
	"most values":         func(r *telemetry.Record) { r.Values = manyValues(frame.MaxValues) },
	"too many values":     func(r *telemetry.Record) { r.Values = manyValues(frame.MaxValues + 1) },
	"card":                func(r *telemetry.Record) { r.Card = "token" },
	"direction":           func(r *telemetry.Record) { r.Direction = telemetry.DirectionIn },
	"link":                func(r *telemetry.Record) { r.Link = telemetry.LinkWill },
	"unknown link":        func(r *telemetry.Record) { r.Link = 9 },
	"reason":              func(r *telemetry.Record) { r.Reason = telemetry.ReasonMalformed },
	"detail":              func(r *telemetry.Record) { r.Detail = "detail" },
	"topic":               func(r *telemetry.Record) { r.Topic = "topic" },
	"payload":             func(r *telemetry.Record) { r.Payload = []byte{0} },
	"empty payload":       func(r *telemetry.Record) { r.Payload = []byte{} },
	"largest raw message": func(r *telemetry.Record) { r.Payload = make([]byte, telemetry.MaxRawPayload+1) },
}

func manyValues(n int) []telemetry.Value {
	values := make([]telemetry.Value, n)
	for i := range values {
		values[i].Quantity = fmt.Sprint("q", i)
	}
	return values
}

// TestAppendCheckedIsCheckMessage: the short way to the verdict is never another verdict.
func TestAppendCheckedIsCheckMessage(t *testing.T) {
	t.Parallel()
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				m := messages().Draw(t, "message")
				if len(m.Records) > 0 {
					fault(&m.Records[rapid.IntRange(0, len(m.Records)-1).Draw(t, "at")])
				}
				sameVerdict(t, &m)
			})
		})
	}
}

// TestAppendCheckedKnowsTheLimits: a message that is as large as allowed, and one that is larger.
func TestAppendCheckedKnowsTheLimits(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]telemetry.Message{
		"long dialect":      {Dialect: strings.Repeat("d", telemetry.MaxName+1)},
		"dialect not UTF-8": {Dialect: "\xff"},
		"most records":      {Records: manyRecords(telemetry.MaxRecords, 0)},
		"too many records":  {Records: manyRecords(telemetry.MaxRecords+1, 0)},
		"too many bytes":    {Records: manyRecords(telemetry.MaxRecords, frame.MaxValues)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameVerdict(t, &m)
		})
	}
}

func manyRecords(n, values int) []telemetry.Record {
	records := make([]telemetry.Record, n)
	for i := range records {
		records[i] = telemetry.Record{Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: "mill", Values: manyValues(values)}
	}
	return records
}

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
}

func sameVerdict(t tester, m *telemetry.Message) {
	t.Helper()
	before := []byte("before")
	got, verdict := frame.AppendChecked(before, m)
	body := frame.AppendMessage(nil, m)
	if !bytes.Equal(got, append(before, body...)) {
		t.Errorf("AppendChecked appends other bytes than AppendMessage")
	}
	if want := frame.CheckMessage(body); fmt.Sprint(verdict) != fmt.Sprint(want) {
		t.Errorf("AppendChecked says %v, CheckMessage %v", verdict, want)
	}
}
