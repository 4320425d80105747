package influx_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/influx"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// engine stands in for a server's way to write: answer looks at a request's lines and says what the server says, and
// which of them it keeps.
type engine struct {
	answer func(lines []string) reply

	mu       sync.Mutex
	requests int
	kept     []string
}

// reply is a server's answer. keep tells which lines the server has all the same.
type reply struct {
	status int
	body   string
	header http.Header
	keep   func(line string) bool
}

var errNoAnswer = errors.New("connection reset by peer")

func (e *engine) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	var body io.Reader = req.Body
	if req.Header.Get("Content-Encoding") == "gzip" {
		zipped, err := gzip.NewReader(req.Body)
		if err != nil {
			return nil, err
		}
		body = zipped
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	e.mu.Lock()
	defer e.mu.Unlock()
	e.requests++
	r := e.answer(lines)
	for _, l := range lines {
		if r.status == http.StatusNoContent || r.keep != nil && r.keep(l) {
			e.kept = append(e.kept, l)
		}
	}
	if r.status == 0 {
		return nil, errNoAnswer
	}
	if r.header == nil {
		r.header = http.Header{}
	}
	return &http.Response{
		StatusCode: r.status, Header: r.header, Body: io.NopCloser(bytes.NewBufferString(r.body)), Request: req,
	}, nil
}

// keptOf counts the kept lines of a measurement.
func (e *engine) keptOf(measurement string) int {
	n := 0
	seen := map[string]bool{}
	for _, l := range e.kept {
		if strings.HasPrefix(l, measurement+",") && !seen[l] {
			seen[l] = true
			n++
		}
	}
	return n
}

var fine = reply{status: http.StatusNoContent}

func storeOn(t *testing.T, e *engine, change func(*influx.Options)) *influx.Store {
	t.Helper()
	o := influx.Options{URL: "http://influx.example:8086", Org: "city", Bucket: "jishi", Token: "a secret token", Transport: e}
	if change != nil {
		change(&o)
	}
	s, err := influx.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// frame is a batch of n samples, of which those named in bad say "bad".
func frame(n int, bad ...int) evidence.Batch {
	b := evidence.Batch{Base: "base", Bridge: "bridge", Epoch: 1}
	for i := range n {
		r := telemetry.Record{
			Kind: telemetry.KindSample, Device: "d", EventMs: int64(i),
			Values: []telemetry.Value{{Quantity: telemetry.PowerW, Number: 1}},
		}
		for _, at := range bad {
			if at == i {
				r.State = "bad"
			}
		}
		b.Messages = append(b.Messages, telemetry.Message{Seq: uint64(i + 1), Records: []telemetry.Record{r}})
	}
	b.Receipts = []evidence.Receipt{{Epoch: 1, First: 1, Last: uint64(n), FirstMs: 1}}
	return b
}

func isBad(line string) bool {
	return strings.HasPrefix(line, "sample") && strings.Contains(line, `"bad"`)
}

func countBad(lines []string) (n int) {
	for _, l := range lines {
		if isBad(l) {
			n++
		}
	}
	return n
}

func TestRefusedLinesAreFoundAndQuarantined(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answer   func([]string) reply
		requests int // at most, for 3 bad lines of 12,000
	}{
		"whole request refused": {func(lines []string) reply {
			if countBad(lines) > 0 {
				return reply{status: http.StatusBadRequest, body: `{"code":"invalid","message":"unable to parse 'x'"}`}
			}
			return fine
		}, 110},
		"partial write": {func(lines []string) reply {
			if n := countBad(lines); n > 0 {
				return reply{
					status: http.StatusUnprocessableEntity,
					body:   fmt.Sprintf("partial write: field type conflict dropped=%d", n),
					keep:   func(l string) bool { return !isBad(l) },
				}
			}
			return fine
		}, 110},
		"too large": {func(lines []string) reply {
			if len(lines) > 100 || len(lines) > 0 && isBad(lines[0]) {
				return reply{status: http.StatusRequestEntityTooLarge, body: "too large"}
			}
			return reply{status: http.StatusNoContent}
		}, 420},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &engine{answer: test.answer}
			s := storeOn(t, e, nil)
			const n = 12_000
			out, err := s.Write(t.Context(), []evidence.Batch{frame(n, 0, 5_000, n-1)})
			if err != nil {
				t.Fatal(err)
			}
			want := []uint64{1, 5_001, n}
			if name == "too large" { // bad only where it stands alone: the engine above looks at the first line
				want = nil
				for _, r := range out[0].Rejected {
					want = append(want, r.Seq)
				}
			}
			var got []uint64
			for _, r := range out[0].Rejected {
				got = append(got, r.Seq)
				if r.Reason != telemetry.ReasonStoreRejected || r.Detail == "" {
					t.Errorf("rejection %+v", r)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("rejected (-want +got):\n%s", diff)
			}
			if out[0].Accepted != n-len(got) || e.keptOf("sample") != n-len(got) {
				t.Errorf("%d accepted, %d there, %d rejected", out[0].Accepted, e.keptOf("sample"), len(got))
			}
			if e.keptOf("quarantine") != len(got) || e.keptOf("receipt") != 1 {
				t.Errorf("%d in quarantine, %d receipts", e.keptOf("quarantine"), e.keptOf("receipt"))
			}
			if e.requests > test.requests {
				t.Errorf("%d requests, want at most %d", e.requests, test.requests)
			}
		})
	}
}

func TestAllLinesRefusedTakesOneRequest(t *testing.T) {
	t.Parallel()
	e := &engine{answer: func(lines []string) reply {
		if strings.HasPrefix(lines[0], "sample") {
			return reply{status: http.StatusBadRequest, body: fmt.Sprintf("partial write: x dropped=%d", len(lines))}
		}
		return fine
	}}
	out, err := storeOn(t, e, nil).Write(t.Context(), []evidence.Batch{frame(4_000)})
	if err != nil || len(out[0].Rejected) != 4_000 || out[0].Accepted != 0 {
		t.Fatalf("%d rejected, %v", len(out[0].Rejected), err)
	}
	if e.requests != 3 { // samples, quarantine, receipt
		t.Errorf("%d requests", e.requests)
	}
}

func TestServerAnswers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reply     reply
		permanent bool
		hint      string
	}{
		"401":                 {reply{status: 401, body: `{"code":"unauthorized","message":"no"}`}, true, "token"},
		"403":                 {reply{status: 403, body: "no"}, true, `"jishi"`},
		"404":                 {reply{status: 404, body: "bucket not found"}, true, `"jishi"`},
		"405":                 {reply{status: 405, body: "method"}, true, "URL"},
		"no retention policy": {reply{status: 500, body: "retention policy not found: x"}, true, "make it"},
		"series limit":        {reply{status: 400, body: "partial write: max-series-per-database limit exceeded: (1) dropped=1"}, true, "limit"},
		"values limit":        {reply{status: 400, body: "partial write: max-values-per-tag limit exceeded (1/1) dropped=1"}, true, "limit"},
		"500":                 {reply{status: 500, body: "engine: cache-max-memory-size exceeded"}, false, "cache-max"},
		"502":                 {reply{status: 502, body: "bad gateway"}, false, "502"},
		"no answer":           {reply{}, false, "reset"},
		"quarantine refused":  {reply{status: 400, body: "partial write: field type conflict dropped=1"}, true, "quarantine"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &engine{answer: func([]string) reply { return test.reply }}
			out, err := storeOn(t, e, nil).Write(t.Context(), []evidence.Batch{frame(1)})
			if err == nil || out != nil {
				t.Fatalf("outcome %v, error %v", out, err)
			}
			if errors.Is(err, evidence.ErrPermanent) != test.permanent {
				t.Errorf("permanent is not %t: %v", test.permanent, err)
			}
			if !strings.Contains(err.Error(), test.hint) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error %q, want %q in it and no secret", err, test.hint)
			}
		})
	}
}

// The next tests run in fake time: nothing waits for real.

func TestBusyServerIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status      int
		after       string
		least, most time.Duration // of all waits, for three busy answers
	}{
		"429 says how long":  {429, "7", 21 * time.Second, 21 * time.Second},
		"503 says how long":  {503, "1", 3 * time.Second, 3 * time.Second},
		"503 says nothing":   {503, "", 700 * time.Millisecond, 2100 * time.Millisecond},
		"503 asks too much":  {503, "86400", 90 * time.Second, 90 * time.Second},
		"429 says something": {429, "soon", 700 * time.Millisecond, 2100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				busy := 3
				e := &engine{}
				e.answer = func([]string) reply {
					if busy--; busy >= 0 {
						return reply{status: test.status, header: http.Header{"Retry-After": {test.after}}}
					}
					return fine
				}
				began := time.Now()
				out, err := storeOn(t, e, nil).Write(t.Context(), []evidence.Batch{frame(1)})
				if err != nil || out[0].Accepted != 1 {
					t.Fatalf("%+v, %v", out, err)
				}
				if took := time.Since(began); took < test.least || took > test.most {
					t.Errorf("waited %s, want %s to %s", took, test.least, test.most)
				}
			})
		})
	}
}

func TestBusyServerIsNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &engine{answer: func([]string) reply { return reply{status: 503} }}
		_, err := storeOn(t, e, nil).Write(t.Context(), []evidence.Batch{frame(1)})
		if err == nil || errors.Is(err, evidence.ErrPermanent) || e.requests != 6 {
			t.Errorf("%v after %d requests", err, e.requests)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err = storeOn(t, e, nil).Write(ctx, []evidence.Batch{frame(1)}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the context's error", err)
		}
	})
}

func TestCompressionFollowsTheAddress(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		url  string
		how  influx.Compression
		want bool
	}{
		"remote": {"https://influx.example", influx.CompressRemote, true}, "here": {"http://127.0.0.1:8086", influx.CompressRemote, false},
		"localhost": {"http://localhost:8086", influx.CompressRemote, false}, "here too": {"http://[::1]:8086", influx.CompressRemote, false},
		"always": {"http://127.0.0.1:8086", influx.CompressAlways, true}, "never": {"http://influx.example", influx.CompressNever, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zipped := false
			e := &engine{answer: func([]string) reply { return fine }}
			s := storeOn(t, e, func(o *influx.Options) {
				o.URL, o.Compression = test.url, test.how
				o.Transport = spy(func(req *http.Request) (*http.Response, error) {
					zipped = req.Header.Get("Content-Encoding") == "gzip"
					return e.RoundTrip(req)
				})
			})
			if _, err := s.Write(t.Context(), []evidence.Batch{frame(10)}); err != nil {
				t.Fatal(err)
			}
			if zipped != test.want || e.keptOf("sample") != 10 {
				t.Errorf("zipped: %t, %d lines arrived", zipped, e.keptOf("sample"))
			}
		})
	}
}

// spy is a transport that is a function.
type spy func(*http.Request) (*http.Response, error)

func (f spy) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
