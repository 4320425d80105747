package influx_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/evidencetest"
	"github.com/jishi-telemetry/jishi/internal/evidence/influx"
	"github.com/jishi-telemetry/jishi/internal/evidence/influx/influxdtest"
	"github.com/jishi-telemetry/jishi/internal/obs"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// TestStoreInJSON runs the suite as against a server that speaks only JSON, and with compressed writes.
func TestStoreInJSON(t *testing.T) {
	t.Parallel()
	server := influxdtest.Start(t)
	evidencetest.Run(t, evidencetest.Traits{LastWriteWins: true}, opener(server, func(o *influx.Options) {
		o.Compression = influx.CompressAlways
		o.Transport = spy(func(req *http.Request) (*http.Response, error) {
			req.Header.Del("Accept")
			return http.DefaultTransport.RoundTrip(req)
		})
	}))
}

func newStore(t *testing.T, server *influxdtest.Server, bucket, token string) *influx.Store {
	t.Helper()
	s, err := influx.New(influx.Options{URL: server.URL(), Bucket: bucket, Token: obs.Secret(token)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func ensure(t *testing.T, s *influx.Store) {
	t.Helper()
	for range 2 { // it does no harm twice
		if err := s.EnsureBucket(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func countSamples(t *testing.T, s evidence.Store) (n int) {
	t.Helper()
	q := evidence.Query{Base: "base", Device: "d", Window: span.Span{StartMs: 0, EndMs: 1_000_000}}
	if err := s.Read(t.Context(), q, func(*evidence.Entry) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func countQuarantine(t *testing.T, s evidence.Store) (n int) {
	t.Helper()
	err := s.Quarantine(t.Context(), "base", span.Span{StartMs: 0, EndMs: 1_000_000}, func(e *evidence.Entry) error {
		n++
		if e.Reason != telemetry.ReasonStoreRejected || !strings.Contains(e.Detail, "conflict") || !strings.Contains(string(e.Payload), "bad") {
			t.Errorf("quarantine entry %+v", e.Record)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Somebody else's field of another type in the bucket costs the records that meet it, and nothing else.
func TestTypeConflictOnTheEngine(t *testing.T) {
	t.Parallel()
	server := influxdtest.Start(t)
	s := newStore(t, server, "conflict/autogen", "")
	ensure(t, s)
	poison, err := http.Post(server.URL()+"/api/v2/write?bucket=conflict/autogen", "text/plain",
		strings.NewReader("sample,base=x state=1 0\n"))
	if err != nil {
		t.Fatal(err)
	}
	_ = poison.Body.Close()
	out, err := s.Write(t.Context(), []evidence.Batch{frame(6_000, 3, 4_999, 5_000)})
	if err != nil {
		t.Fatal(err)
	}
	if len(out[0].Rejected) != 3 || out[0].Accepted != 5_997 {
		t.Errorf("%d rejected, %d accepted", len(out[0].Rejected), out[0].Accepted)
	}
	if n := countSamples(t, s); n != 5_997 {
		t.Errorf("%d samples, want 5,997", n)
	}
	if n := countQuarantine(t, s); n != 3 {
		t.Errorf("%d in quarantine, want 3", n)
	}
}

func TestSmallBodiesOnTheEngine(t *testing.T) {
	t.Parallel()
	server := influxdtest.StartWith(t, influxdtest.Options{HTTP: "max-body-size = 2000"})
	s := newStore(t, server, "small/autogen", "")
	ensure(t, s)
	out, err := s.Write(t.Context(), []evidence.Batch{frame(300)})
	if err != nil || out[0].Accepted != 300 {
		t.Fatalf("%+v, %v", out, err)
	}
	if n := countSamples(t, s); n != 300 {
		t.Errorf("%d samples, want 300", n)
	}
}

func TestSeriesLimitNeedsAPerson(t *testing.T) {
	t.Parallel()
	server := influxdtest.StartWith(t, influxdtest.Options{Data: "max-series-per-database = 1"})
	s := newStore(t, server, "limited/autogen", "")
	ensure(t, s)
	b := frame(2)
	b.Messages[1].Records[0].Device = "another"
	if _, err := s.Write(t.Context(), []evidence.Batch{b}); !errors.Is(err, evidence.ErrPermanent) {
		t.Errorf("%v, want ErrPermanent", err)
	}
}

func TestAccessOnTheEngine(t *testing.T) {
	t.Parallel()
	server := influxdtest.StartWith(t, influxdtest.Options{User: "jishi", Password: "right"})
	good := newStore(t, server, "city/autogen", server.Token())
	ensure(t, good)
	if _, err := good.Write(t.Context(), []evidence.Batch{frame(3)}); err != nil {
		t.Fatal(err)
	}
	if n := countSamples(t, good); n != 3 {
		t.Errorf("%d samples, want 3", n)
	}
	for name, s := range map[string]*influx.Store{
		"wrong password":      newStore(t, server, "city/autogen", "jishi:wrong"),
		"no token":            newStore(t, server, "city/autogen", ""),
		"no database":         newStore(t, server, "nowhere/autogen", server.Token()),
		"no retention policy": newStore(t, server, "city/nothing", server.Token()),
	} {
		_, write := s.Write(t.Context(), []evidence.Batch{frame(1)})
		_, read := s.Latest(t.Context(), "base", "d")
		for verb, err := range map[string]error{"write": write, "read": read, "ping": s.Ping(t.Context())} {
			if !errors.Is(err, evidence.ErrPermanent) {
				t.Errorf("%s: %s: %v, want ErrPermanent", name, verb, err)
			} else if strings.Contains(err.Error(), "wrong") {
				t.Errorf("%s: %s shows the password: %v", name, verb, err)
			}
		}
	}
	if _, err := influx.New(influx.Options{URL: server.URL(), Bucket: "city"}); err != nil {
		t.Error(err)
	}
	bare := newStore(t, server, "city", server.Token()) // 1.8 without a retention policy: the default one
	if n := countSamples(t, bare); n != 3 {
		t.Errorf("%d samples through the bare name, want 3", n)
	}
	other := newStore(t, server, "city/years", server.Token())
	ensure(t, other)
	if n := countSamples(t, other); n != 0 {
		t.Errorf("%d samples in another retention policy", n)
	}
}

func TestEngineComesAndGoes(t *testing.T) {
	t.Parallel()
	server := influxdtest.Start(t)
	s := newStore(t, server, "city/autogen", "")
	ensure(t, s)
	if _, err := s.Write(t.Context(), []evidence.Batch{frame(5_500)}); err != nil {
		t.Fatal(err)
	}
	server.Kill9()
	for verb, err := range map[string]error{
		"ping":  s.Ping(t.Context()),
		"write": func() error { _, err := s.Write(t.Context(), []evidence.Batch{frame(1)}); return err }(),
		"read":  func() error { _, err := s.Latest(t.Context(), "base", "d"); return err }(),
	} {
		if err == nil || errors.Is(err, evidence.ErrPermanent) {
			t.Errorf("%s on a dead server: %v, want an error that repeating may cure", verb, err)
		}
	}
	server.Restart()
	if n := countSamples(t, s); n != 5_500 {
		t.Errorf("%d of 5,500 acknowledged samples survived kill -9", n)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// A connection that breaks inside an answer must never look like the answer's end.
func TestBrokenAnswerIsAnError(t *testing.T) {
	t.Parallel()
	server := influxdtest.Start(t)
	whole := newStore(t, server, "city/autogen", "")
	ensure(t, whole)
	if _, err := whole.Write(t.Context(), []evidence.Batch{frame(30_000)}); err != nil {
		t.Fatal(err)
	}
	for _, accept := range []string{"application/x-msgpack", "application/json"} {
		for _, bytes := range []int64{0, 1, 100, 5_000, 300_000} {
			s, err := influx.New(influx.Options{URL: server.URL(), Bucket: "city/autogen", Transport: spy(func(req *http.Request) (*http.Response, error) {
				req.Header.Set("Accept", accept)
				res, err := http.DefaultTransport.RoundTrip(req)
				if err == nil && !strings.Contains(req.URL.RawQuery, "DISTINCT") {
					res.Body = &broken{Reader: io.LimitReader(res.Body, bytes), body: res.Body}
				}
				return res, err
			})})
			if err != nil {
				t.Fatal(err)
			}
			q := evidence.Query{Base: "base", Device: "d", Window: span.Span{EndMs: 1_000_000}, Kinds: []telemetry.Kind{telemetry.KindSample}}
			if err := s.Read(t.Context(), q, func(*evidence.Entry) error { return nil }); !errors.Is(err, errNoAnswer) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s broken after %d bytes: %v", accept, bytes, err)
			}
		}
	}
}

// broken is a body whose connection breaks.
type broken struct {
	io.Reader
	body io.Closer
}

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = errNoAnswer
	}
	return n, err
}

func (b *broken) Close() error { return b.body.Close() }
