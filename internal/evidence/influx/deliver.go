package influx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"
	"github.com/klauspost/compress/gzip"

	"github.com/jishi-telemetry/jishi/internal/evidence"
)

const (
	writeTries = 6                      // of a request that the server asks to send later
	firstWait  = 200 * time.Millisecond // doubled each time, with jitter, when the server does not say how long
	maxWait    = 30 * time.Second
)

// line is where a line ends in its request, and what it is of.
type line struct {
	end int
	origin
}

// request gathers lines.
type request struct {
	buf   []byte
	lines []line
}

// requests are used again: a full one is megabytes.
var requests = sync.Pool{New: func() any { return new(request) }}

func newRequest() *request { return requests.Get().(*request) }

func (r *request) reset() { r.buf, r.lines = r.buf[:0], r.lines[:0] }

func (r *request) free() {
	r.reset()
	requests.Put(r)
}

// bytes returns the text of lines [from, to).
func (r *request) bytes(from, to int) []byte {
	start := 0
	if from > 0 {
		start = r.lines[from-1].end
	}
	return r.buf[start:r.lines[to-1].end]
}

// deliver writes lines [from, to) and returns those that the server will never take. To find them it halves what the
// server does not take whole, in order, so that of two lines of one point the later is still written later; what is
// written twice on the way is one point.
func (s *Store) deliver(ctx context.Context, r *request, from, to int) ([]refusal, error) {
	if from == to {
		return nil, nil
	}
	answer, err := s.post(ctx, r.bytes(from, to))
	if err != nil {
		return nil, err
	}
	n := to - from
	switch {
	case answer == nil:
		s.m.lines.Add(float64(n))
		return nil, nil
	case n == 1 || answer.dropped == n:
		s.m.refused.Add(float64(n))
		all := make([]refusal, 0, n)
		for _, l := range r.lines[from:to] {
			all = append(all, refusal{l.origin, answer.text})
		}
		return all, nil
	}
	middle := from + n/2
	first, err := s.deliver(ctx, r, from, middle)
	if err != nil {
		return nil, err
	}
	second, err := s.deliver(ctx, r, middle, to)
	return append(first, second...), err
}

// refusedWrite is the server's answer to lines of which it will never take some, or never so many at once.
type refusedWrite struct {
	text    string
	dropped int // how many the server says it dropped, 0 when it does not say
}

// post sends one body and returns nil when the server has all of it. It waits and sends again as often as the server
// asks it to, within bounds; every other failure is the caller's to repeat or a person's to cure.
func (s *Store) post(ctx context.Context, body []byte) (*refusedWrite, error) {
	wait := firstWait
	for try := 1; ; try++ {
		refused, after, err := s.postOnce(ctx, body)
		if err == nil || !errors.Is(err, errLater) || try == writeTries {
			return refused, err
		}
		s.m.waits.Inc()
		length := wait/2 + rand.N(wait)
		if after > 0 {
			length = after
		}
		wait *= 2
		if stopped := pause(ctx, min(length, maxWait)); stopped != nil {
			return nil, fmt.Errorf("%w; %w", err, stopped)
		}
	}
}

// pause returns after a while, or with the context's error when that ends first.
func pause(ctx context.Context, length time.Duration) error {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errLater marks an answer that asks to send the same later.
var errLater = errors.New("the server asks to try later")

func (s *Store) postOnce(ctx context.Context, body []byte) (*refusedWrite, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.WriteTimeout)
	defer cancel()
	headers := func(req *http.Request) { req.Header.Set("Content-Type", "text/plain; charset=utf-8") }
	if s.gzip {
		zipped := compress(body)
		defer zipped.free()
		body = zipped.buf.Bytes()
		headers = func(req *http.Request) {
			req.Header.Set("Content-Type", "text/plain; charset=utf-8")
			req.Header.Set("Content-Encoding", "gzip")
		}
	}
	began := time.Now()
	failure := s.http.DoPostRequest(ctx, s.writeURL(), bytes.NewReader(body), headers, nil)
	s.m.writeSeconds.Observe(time.Since(began).Seconds())
	s.m.bytes.Add(float64(len(body)))
	return s.judgeWrite(ctx, failure)
}

func (s *Store) writeURL() string {
	q := url.Values{"org": {s.o.Org}, "bucket": {s.o.Bucket}, "precision": {"ns"}}
	return strings.TrimSuffix(s.o.URL, "/") + "/api/v2/write?" + q.Encode()
}

// judgeWrite is the table of the server's answers.
func (s *Store) judgeWrite(ctx context.Context, failure *influxhttp.Error) (*refusedWrite, time.Duration, error) {
	if failure == nil {
		s.m.requests.WithLabelValues("ok").Inc()
		return nil, 0, nil
	}
	text := errorText(failure)
	switch code := failure.StatusCode; {
	case code == 0: // no answer at all: the outcome is unknown
		s.m.requests.WithLabelValues("none").Inc()
		if err := ctx.Err(); err != nil {
			return nil, 0, fmt.Errorf("send to %s: %w", s.o.URL, err)
		}
		return nil, 0, fmt.Errorf("send to %s: %w", s.o.URL, failure)
	case code == http.StatusBadRequest && limited(text):
		s.m.requests.WithLabelValues("limit").Inc()
		return nil, 0, s.permanent(failure, "raise the limit in the server's configuration, it counts series and not evidence")
	case code == http.StatusBadRequest && !missing(text), code == http.StatusUnprocessableEntity,
		code == http.StatusRequestEntityTooLarge:
		s.m.requests.WithLabelValues("refused").Inc()
		return &refusedWrite{text, droppedLines(failure.Message)}, 0, nil
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		s.m.requests.WithLabelValues("later").Inc()
		after := time.Duration(min(failure.RetryAfter, uint(maxWait/time.Second))) * time.Second
		return nil, after, fmt.Errorf("%s: %w (%d %s)", s.o.URL, errLater, code, text)
	case code >= http.StatusInternalServerError && !missing(text), code == http.StatusRequestTimeout:
		s.m.requests.WithLabelValues("failed").Inc()
		return nil, 0, fmt.Errorf("%s answers %d %s", s.o.URL, code, text)
	}
	s.m.requests.WithLabelValues("denied").Inc()
	return nil, 0, s.permanent(failure, s.hint(failure.StatusCode))
}

// permanent returns an error that says what a person has to do.
func (s *Store) permanent(failure *influxhttp.Error, hint string) error {
	return fmt.Errorf("%s answers %d %s: %s: %w", s.o.URL, failure.StatusCode, errorText(failure), hint, evidence.ErrPermanent)
}

func (s *Store) hint(code int) string {
	switch code {
	case http.StatusUnauthorized:
		return "check the token (user:password for InfluxDB 1.8)"
	case http.StatusForbidden:
		return fmt.Sprintf("the token may not use bucket %q: give it read and write access", s.o.Bucket)
	case http.StatusNotFound, http.StatusBadRequest, http.StatusInternalServerError:
		return fmt.Sprintf("bucket %q or organisation %q is not there: make it, or correct the name", s.o.Bucket, s.o.Org)
	}
	return "check that the URL is an InfluxDB's"
}

func errorText(e *influxhttp.Error) string {
	text := e.Message
	if text == "" {
		text = e.Error()
	}
	const enough = 400 // some messages quote the whole line
	return strings.TrimSpace(text[:min(len(text), enough)])
}

// limited reports whether the server refuses because of a limit on its series, which has nothing to do with the line.
func limited(text string) bool {
	return strings.Contains(text, "max-series-per-database") || strings.Contains(text, "max-values-per-tag")
}

// missing reports whether the server says in words that the place to write to is not there.
func missing(text string) bool {
	return strings.Contains(text, "retention policy not found") || strings.Contains(text, "database not found") ||
		strings.Contains(text, "database is required")
}

var droppedCount = regexp.MustCompile(`dropped=(\d+)\s*$`)

func droppedLines(text string) int {
	m := droppedCount.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return n
}

// compressed is a body with gzip, and the writer that made it.
type compressed struct {
	buf bytes.Buffer
	w   *gzip.Writer
}

var compressors = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant that exists
	}
	return &compressed{w: w}
}}

func compress(body []byte) *compressed {
	c := compressors.Get().(*compressed)
	c.buf.Reset()
	c.w.Reset(&c.buf)
	_, _ = c.w.Write(body) //nolint:errcheck // a bytes.Buffer takes everything
	_ = c.w.Close()        // likewise
	return c
}

func (c *compressed) free() { compressors.Put(c) }
