package sparkplug_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

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

// live answers as the dialect does, without the records of stored history: a message that the broker did not retain may
// hold them, and they are held here to what dialecttest asks of retained ones.
type live struct {
	*sparkplug.Dialect
	complain func(string)
}

func (l live) Decode(m dialect.Message) (dialect.Result, error) {
	res, err := l.Dialect.Decode(m)
	if m.Retained {
		return res, err
	}
	var now, then []telemetry.Record
	for i := range res.Records {
		if res.Records[i].Retained {
			then = append(then, res.Records[i])
		} else {
			now = append(now, res.Records[i])
		}
	}
	m.Retained = true
	if problem := dialecttest.Check(m, dialect.Result{Records: then}, nil); problem != "" {
		l.complain(problem)
	}
	res.Records = now
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
		return live{Dialect: d, complain: func(problem string) { panic(problem) }}
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

// stage is a decoder with a clock: each line of a test publishes something and says what must come of it.
type stage struct {
	t       *testing.T
	d       *sparkplug.Dialect
	nowMs   int64
	base    int64
	hearing []string // what the last message became
}

func play(t *testing.T, o sparkplug.Options) *stage {
	t.Helper()
	return &stage{t: t, d: must(o), nowMs: start, base: start}
}

const start = int64(1_750_000_000_000)

// at sets the bridge's clock to milliseconds after the start.
func (s *stage) at(ms int64) *stage {
	s.nowMs = s.base + ms
	return s
}

// send publishes a payload to the topic of a verb and ids, and returns the records and requests, and the error's detail.
func (s *stage) send(verb, ids string, p []byte) *stage {
	s.t.Helper()
	m := dialect.Message{Topic: "spBv1.0/g/" + verb + "/" + ids, Payload: p, ReceivedMs: s.nowMs}
	res, err := live{Dialect: s.d, complain: func(problem string) { s.t.Error(problem) }}.Decode(m)
	if problem := dialecttest.Check(m, res, err); problem != "" {
		s.t.Error(problem)
	}
	// Decoded once: the records of history are what live leaves out, so they are asked for in their own tests.
	s.hearing = s.lines(res, err)
	return s
}

// hear publishes as send does, without leaving history out.
func (s *stage) hear(verb, ids string, p []byte) *stage {
	s.t.Helper()
	res, err := s.d.Decode(dialect.Message{Topic: "spBv1.0/g/" + verb + "/" + ids, Payload: p, ReceivedMs: s.nowMs})
	s.hearing = s.lines(res, err)
	return s
}

// lines writes an answer with times in milliseconds after the start.
func (s *stage) lines(res dialect.Result, err error) []string {
	var out []string
	for i := range res.Records {
		out = append(out, s.line(&res.Records[i]))
	}
	for _, q := range res.Requests {
		out = append(out, "ask "+q.Topic[strings.LastIndexByte(q.Topic, '/')+1:])
	}
	if err != nil {
		out = append(out, "error "+err.Error())
	}
	return out
}

func (s *stage) line(r *telemetry.Record) string {
	line := dialecttest.Line(r)
	fields := strings.Fields(line)
	for i, f := range fields {
		f, said := strings.CutPrefix(f, "said=")
		if at, err := time.Parse("2006-01-02T15:04:05.000Z", f); err == nil {
			fields[i] = "@" + time.Duration(at.UnixMilli()-s.base).String()
			fields[i] = strings.ReplaceAll(time.Duration((at.UnixMilli()-s.base)*1e6).String(), "0s", "0s")
			if said {
				fields[i] = "said=" + fields[i]
			}
		}
	}
	return strings.Join(fields, " ")
}

// want compares what the last message became; an error line need only begin as wanted.
func (s *stage) want(lines ...string) *stage {
	s.t.Helper()
	got := slices.Clone(s.hearing)
	for i := range got {
		if i < len(lines) && strings.HasPrefix(got[i], "error ") && strings.HasPrefix(got[i], lines[i]) {
			got[i] = lines[i]
		}
	}
	if diff := cmp.Diff(lines, got, cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("at %v (-want +got):\n%s", time.Duration((s.nowMs-s.base)*1e6), diff)
	}
	return s
}

// poll says which nodes must be asked now.
func (s *stage) poll(nodes ...string) *stage {
	s.t.Helper()
	var got []string
	for _, q := range s.d.Poll(s.nowMs) {
		got = append(got, q.Topic[strings.LastIndexByte(q.Topic, '/')+1:])
	}
	if diff := cmp.Diff(nodes, got, cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("polled at %v (-want +got):\n%s", time.Duration((s.nowMs-s.base)*1e6), diff)
	}
	return s
}
