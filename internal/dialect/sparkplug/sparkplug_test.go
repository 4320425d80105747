package sparkplug_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/dialecttest"
	"github.com/jishi-telemetry/jishi/internal/dialect/sparkplug"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

var _ dialect.Announcer = (*sparkplug.Dialect)(nil)

func must(o sparkplug.Options) *sparkplug.Dialect {
	d, err := sparkplug.New(o)
	if err != nil {
		panic(err)
	}
	return d
}

func fresh() dialect.Dialect { return readable{must(sparkplug.Options{HostID: "jishi-base1"})} }

// readable is the dialect with its requests written as text, so that vectors can name them.
type readable struct{ *sparkplug.Dialect }

func (r readable) Decode(m dialect.Message) (dialect.Result, error) {
	res, err := r.Dialect.Decode(m)
	res.Requests = legible(res.Requests)
	return res, err
}

func (r readable) Poll(nowMs int64) []dialect.Request { return legible(r.Dialect.Poll(nowMs)) }

func legible(requests []dialect.Request) []dialect.Request {
	for i := range requests {
		if strings.Contains(requests[i].Topic, "/NCMD/") {
			requests[i].Payload = []byte(text(requests[i].Payload))
		}
	}
	return requests
}

func TestDialect(t *testing.T) { dialecttest.Run(t, fresh) }

// check says what is wrong with an answer whatever the message was, or "". A message that the broker did not retain may
// hold stored history, whose records are held to what dialecttest asks of retained ones.
func check(m dialect.Message, res dialect.Result, err error) string {
	now, then := split(res.Records, m.Retained)
	if problem := dialecttest.Check(m, dialect.Result{Records: now}, err); problem != "" {
		return problem
	}
	m.Retained = true
	return dialecttest.Check(m, dialect.Result{Records: then}, nil)
}

// split parts the records that are as retained as their message from those that are not.
func split(records []telemetry.Record, retained bool) (same, other []telemetry.Record) {
	for i := range records {
		if records[i].Retained == retained {
			same = append(same, records[i])
		} else {
			other = append(other, records[i])
		}
	}
	return same, other
}

// live answers as the dialect does, without the records of stored history, which it checks by itself.
type live struct{ *sparkplug.Dialect }

func (l live) Decode(m dialect.Message) (dialect.Result, error) {
	res, err := l.Dialect.Decode(m)
	if problem := check(m, res, err); problem != "" {
		panic(problem)
	}
	res.Records, _ = split(res.Records, m.Retained)
	return res, err
}

func FuzzDecode(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed.Topic, seed.Payload, seed.Retained)
	}
	dialecttest.Fuzz(f, func() dialect.Dialect {
		d := must(sparkplug.Options{HostID: "h"})
		// A node that has been born, so that aliases, numbers and deaths mean something.
		for _, m := range seeds()[:2] {
			if _, err := d.Decode(m); err != nil {
				panic(err)
			}
		}
		return live{d}
	})
}

func seeds() []dialect.Message {
	at := int64(1_736_603_800_000)
	return []dialect.Message{
		{Topic: "spBv1.0/g/NBIRTH/n", ReceivedMs: at, Payload: payload(at, 0, bdSeq(1), num("P", 1, 5).unit("kW"), word("E", 2, "ACTIVE"))},
		{Topic: "spBv1.0/g/DBIRTH/n/d", ReceivedMs: at, Payload: payload(at, 1, num("P", 7, 5).quality(192), flag("Relay", 8, true))},
		{Topic: "spBv1.0/g/NDATA/n", ReceivedMs: at, Payload: payload(at, 2, num("", 1, 6), word("", 2, "READY"))},
		{Topic: "spBv1.0/g/DDATA/n/d", ReceivedMs: at, Payload: payload(at, 3, num("P", 0, 6).past(), null("P", 7))},
		{Topic: "spBv1.0/g/DDEATH/n/d", ReceivedMs: at, Payload: payload(at, 9)},
		{Topic: "spBv1.0/g/NDEATH/n", ReceivedMs: at, Payload: payload(at, -1, bdSeq(1))},
		{Topic: "spBv1.0/STATE/h", ReceivedMs: at, Payload: []byte(`{"online":false,"timestamp":1}`)},
	}
}

func BenchmarkData(b *testing.B) {
	d := must(sparkplug.Options{})
	at := int64(1_736_603_811_000)
	if _, err := d.Decode(dialect.Message{Topic: "spBv1.0/g/NBIRTH/n", ReceivedMs: at, Payload: payload(at, 0, bdSeq(1), num("Power", 1, 5).unit("W"), word("Execution", 2, "ACTIVE"))}); err != nil {
		b.Fatal(err)
	}
	dialecttest.Bench(b, d, "spBv1.0/g/NDATA/n", string(payload(at, 1, num("", 1, 6), word("", 2, "READY"))))
}

func TestClaims(t *testing.T) {
	t.Parallel()
	dialecttest.Claims(t, fresh(), map[string]bool{
		"spBv1.0/g/NBIRTH/n": true, "spBv1.0/g/DDATA/n/d": true, "spBv1.0/STATE/h": true, "spBv1.0/other": true,
		"STATE/h": false, "spAv1.0/g/NDATA/n": false, "": false, "tele/x/SENSOR": false, "MTConnect/Probe/m": false,
	})
}

func TestTopicsThatAreNoSparkplug(t *testing.T) {
	t.Parallel()
	for _, topic := range []string{
		"spBv1.0/", "spBv1.0/g", "spBv1.0//NDATA/n", "spBv1.0/g/NDATA/", "spBv1.0/g/NDATA/n/d", "spBv1.0/g/DDATA/n",
		"spBv1.0/g/DDATA/n/", "spBv1.0/g/DDATA/n/d/e", "spBv1.0/g/XDATA/n", "spBv1.0/g/ndata/n", "spBv1.0/STATE/", "spBv1.0/g/h",
	} {
		_, err := must(sparkplug.Options{}).Decode(dialect.Message{Topic: topic, ReceivedMs: 1_736_603_811_000, Payload: payload(1, 1)})
		var e *dialect.Error
		if !errors.As(err, &e) || e.Reason != telemetry.ReasonUnknownTopic {
			t.Errorf("%q: %v", topic, err)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for field, o := range map[string]sparkplug.Options{
		"HostID":         {HostID: "a/b"},
		"ReorderTimeout": {ReorderTimeout: time.Millisecond},
		"RebirthEvery":   {RebirthEvery: time.Second},
		"MaxNodes":       {MaxNodes: -1},
		"Units":          {Units: map[string]string{"P": "horse"}},
	} {
		if _, err := sparkplug.New(o); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("New(%+v) = %v, want an error that names %s", o, err, field)
		}
	}
}
