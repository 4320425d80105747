// Package dialecttest holds what the tests of all dialects share: self-describing vectors (a topic, a payload and the
// records that they mean), and the promises that every decoder keeps for every message. It refuses to know any dialect.
package dialecttest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Step is one message of a vector and what it must mean.
type Step struct {
	// PollMs is the instant of a poll; a step with one has no message.
	PollMs  int64
	Message dialect.Message
	// Want are the expected records and requests, as Line and RequestLine write them.
	Want []string
	// Reason and Details are the expected error's; Details are texts that its detail holds.
	Reason  telemetry.Reason
	Details []string
}

// Vector is a story of one or more steps for a fresh decoder, read from a file of testdata/vectors:
//
//	# a comment
//	received: 2025-01-11T13:56:51Z
//	topic: tele/lathe-3/SENSOR
//	retained: true                      (optional)
//	payload: {"Time":"…"}               (Go escapes when it starts with a double quote and is followed by nothing else)
//	want: sample lathe-3 energy …       (one line a record, as Line writes it; none: the message says nothing)
//	error: out_of_range $.v.power_w     (optional: the reason, and texts of the detail separated by " & ")
//	---                                 (between steps)
//	poll: 2025-01-11T13:58:00Z          (instead of received, topic and payload)
//
// received may be left out from the second step on: it is then the step's before.
type Vector struct {
	Name  string
	Steps []Step
}

// Vectors is the directory of a dialect's vectors, as its own tests see it.
const Vectors = "testdata/vectors"

// Load reads the vectors of a directory, in the order of their names.
func Load(t testing.TB, dir string) []Vector {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors in %s (%v)", dir, err)
	}
	vectors := make([]Vector, 0, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		steps, err := parse(string(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		vectors = append(vectors, Vector{Name: strings.TrimSuffix(filepath.Base(file), ".txt"), Steps: steps})
	}
	return vectors
}

func parse(text string) ([]Step, error) {
	var steps []Step
	var received int64
	for i, part := range strings.Split("\n"+text, "\n---") {
		step := Step{Message: dialect.Message{ReceivedMs: received}}
		for line := range strings.SplitSeq(part, "\n") {
			if line == "" || line[0] == '#' {
				continue
			}
			if err := step.set(line); err != nil {
				return nil, fmt.Errorf("step %d: %q: %w", i+1, line, err)
			}
		}
		if step.PollMs == 0 && (step.Message.Topic == "" || step.Message.ReceivedMs == 0) {
			return nil, fmt.Errorf("step %d: topic or received is missing", i+1)
		}
		received = step.Message.ReceivedMs
		steps = append(steps, step)
	}
	return steps, nil
}

func (s *Step) set(line string) error {
	key, value, ok := strings.Cut(line, ":")
	if !ok {
		return fmt.Errorf("no key")
	}
	value = strings.TrimPrefix(value, " ")
	var err error
	switch key {
	case "poll":
		s.PollMs, err = instant(value)
	case "received":
		s.Message.ReceivedMs, err = instant(value)
	case "topic":
		s.Message.Topic = value
	case "retained":
		s.Message.Retained, err = strconv.ParseBool(value)
	case "payload":
		s.Message.Payload = []byte(value)
		if unquoted, err := strconv.Unquote(value); err == nil {
			s.Message.Payload = []byte(unquoted)
		}
	case "want":
		s.Want = append(s.Want, value)
	case "error":
		reason, details, _ := strings.Cut(value, " ")
		s.Reason, s.Details = telemetry.Reason(reason), strings.Split(details, " & ")
	default:
		return fmt.Errorf("unknown key")
	}
	return err
}

func instant(text string) (int64, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	return t.UnixMilli(), err
}

// Run holds a dialect to its own vectors, each with a fresh decoder, and to its own topics.
func Run(t *testing.T, fresh func() dialect.Dialect) {
	t.Helper()
	t.Parallel()
	t.Run("vectors", func(t *testing.T) {
		t.Parallel()
		runVectors(t, fresh)
	})
	t.Run("topics", func(t *testing.T) {
		t.Parallel()
		checkTopics(t, fresh())
	})
}

// runVectors decodes every vector and compares what came out with what it says.
func runVectors(t *testing.T, fresh func() dialect.Dialect) {
	t.Helper()
	for _, v := range Load(t, Vectors) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			d := fresh()
			for i, step := range v.Steps {
				t.Run(strconv.Itoa(i+1), func(t *testing.T) { step.check(t, d) })
			}
		})
	}
}

func (s Step) check(t *testing.T, d dialect.Dialect) {
	t.Helper()
	if s.PollMs != 0 {
		if diff := cmp.Diff(s.Want, requestLines(d.Poll(s.PollMs)), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		return
	}
	if !d.Claims(s.Message.Topic) {
		t.Errorf("Claims(%q) = false", s.Message.Topic)
	}
	res, err := d.Decode(s.Message)
	got := make([]string, 0, len(res.Records))
	for i := range res.Records {
		got = append(got, Line(&res.Records[i]))
	}
	got = append(got, requestLines(res.Requests)...)
	if diff := cmp.Diff(s.Want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	s.checkError(t, err)
	if problem := Check(s.Message, res, err); problem != "" {
		t.Error(problem)
	}
}

func (s Step) checkError(t *testing.T, err error) {
	t.Helper()
	if s.Reason == "" {
		if err != nil {
			t.Errorf("error %v, want none", err)
		}
		return
	}
	e, ok := err.(*dialect.Error) //nolint:errorlint // Decode promises the type itself, unwrapped.
	if !ok {
		t.Errorf("error %v, want reason %s", err, s.Reason)
		return
	}
	if e.Reason != s.Reason {
		t.Errorf("error %v, want reason %s", e, s.Reason)
	}
	for _, detail := range s.Details {
		if !strings.Contains(e.Detail, detail) {
			t.Errorf("detail %q lacks %q", e.Detail, detail)
		}
	}
}

// Line writes a record as a vector's want line does:
//
//	kind device channel event-time clock [retained] [said=device-time] [valid=…] [state=…] [quantity=number …]
//
// An empty channel is written "-"; said is written when it differs from the event time.
func Line(r *telemetry.Record) string {
	parts := []string{r.Kind.String(), r.Device, r.Channel, stamp(r.EventMs), r.Clock.String()}
	if r.Channel == "" {
		parts[2] = "-"
	}
	if r.Retained {
		parts = append(parts, "retained")
	}
	if r.DeviceMs != 0 && r.DeviceMs != r.EventMs {
		parts = append(parts, "said="+stamp(r.DeviceMs))
	}
	if r.ValidMs != 0 {
		parts = append(parts, "valid="+(time.Duration(r.ValidMs)*time.Millisecond).String())
	}
	switch r.Kind {
	case telemetry.KindTap:
		parts = append(parts, "card="+r.Card, "dir="+r.Direction.String())
	case telemetry.KindLink:
		parts = append(parts, r.Link.String())
	}
	if r.State != "" {
		parts = append(parts, "state="+r.State)
	}
	for _, v := range r.Values {
		parts = append(parts, v.Quantity+"="+strconv.FormatFloat(v.Number, 'g', -1, 64))
	}
	return strings.Join(parts, " ")
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

func requestLines(requests []dialect.Request) []string {
	lines := make([]string, 0, len(requests))
	for _, r := range requests {
		lines = append(lines, "request "+r.Topic+" "+string(r.Payload))
	}
	return lines
}
