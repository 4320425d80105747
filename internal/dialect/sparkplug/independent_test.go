package sparkplug_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/sparkplug"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// theirs is what testdata/pysparkplug/make.py writes: payloads by an encoder that is not this project's.
type theirs struct {
	Rebirth string `json:"rebirth"`
	Story   []struct {
		Topic    string     `json:"topic"`
		Received int64      `json:"received"`
		Payload  string     `json:"payload"`
		Expect   []expected `json:"expect"`
		Error    string     `json:"error"`
	} `json:"story"`
}

// expected is a record as the encoder's inputs promise it.
type expected struct {
	Device   string             `json:"device"`
	Channel  string             `json:"channel"`
	At       int64              `json:"at"`
	State    string             `json:"state"`
	Values   map[string]float64 `json:"values"`
	Retained bool               `json:"retained"`
	Link     string             `json:"link"`
}

const pysparkplug = "testdata/pysparkplug/"

func parseTheirs(t *testing.T, raw []byte) theirs {
	t.Helper()
	var story theirs
	if err := json.Unmarshal(raw, &story); err != nil || len(story.Story) == 0 {
		t.Fatalf("%d messages, %v", len(story.Story), err)
	}
	return story
}

// decodeTheirs holds a fresh decoder to a story.
func decodeTheirs(t *testing.T, story theirs) {
	t.Helper()
	d := must(sparkplug.Options{})
	for i, step := range story.Story {
		raw, err := hex.DecodeString(step.Payload)
		if err != nil {
			t.Fatal(err)
		}
		res, err := d.Decode(dialect.Message{Topic: step.Topic, Payload: raw, ReceivedMs: step.Received})
		var fault *dialect.Error
		if reason := step.Error; errors.As(err, &fault) != (reason != "") || fault != nil && string(fault.Reason) != reason {
			t.Errorf("message %d of %s: error %v, want %q", i, step.Topic, err, reason)
		}
		got := make([]expected, 0, len(res.Records))
		for j := range res.Records {
			got = append(got, asExpected(&res.Records[j]))
		}
		if diff := cmp.Diff(step.Expect, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("message %d of %s (-want +got):\n%s", i, step.Topic, diff)
		}
		if len(res.Requests) != 0 {
			t.Errorf("message %d of %s asks for %v", i, step.Topic, res.Requests)
		}
	}
}

func asExpected(r *telemetry.Record) expected {
	e := expected{Device: r.Device, Channel: r.Channel, At: r.EventMs, State: r.State, Retained: r.Retained}
	if r.Kind == telemetry.KindLink {
		e.Link = r.Link.String()
	}
	for _, v := range r.Values {
		if e.Values == nil {
			e.Values = make(map[string]float64)
		}
		e.Values[v.Quantity] = v.Number
	}
	return e
}

func committed(t *testing.T) []byte {
	t.Helper()
	raw, err := os.ReadFile(pysparkplug + "payloads.json")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Payloads of pysparkplug decode to what was put in, to the last bit.
func TestIndependentPayloadsDecodeEqual(t *testing.T) {
	t.Parallel()
	decodeTheirs(t, parseTheirs(t, committed(t)))
}

// The one command that is ever sent is byte for byte what pysparkplug writes.
func TestRebirthRequestIsWhatAnIndependentEncoderWrites(t *testing.T) {
	t.Parallel()
	d := must(sparkplug.Options{})
	res, err := d.Decode(dialect.Message{Topic: "spBv1.0/g/NDATA/n", Payload: payload(start, 4), ReceivedMs: start})
	if err != nil || len(res.Requests) != 1 {
		t.Fatalf("%d requests, %v", len(res.Requests), err)
	}
	q := res.Requests[0]
	if got, want := hex.EncodeToString(q.Payload), parseTheirs(t, committed(t)).Rebirth; got != want {
		t.Errorf("payload %s, want %s", got, want)
	}
	if q.Topic != "spBv1.0/g/NCMD/n" || q.QoS != 0 || q.Retain {
		t.Errorf("topic %s, QoS %d, retain %v", q.Topic, q.QoS, q.Retain)
	}
}

// Where pysparkplug is installed, it writes the committed file again, and new stories that nobody has seen.
func TestIndependentEncoderLive(t *testing.T) {
	t.Parallel()
	python := os.Getenv("JISHI_PYSPARKPLUG")
	if python == "" {
		python = "python3"
	}
	run := func(args ...string) ([]byte, error) {
		return exec.CommandContext(t.Context(), python, args...).Output()
	}
	if version, err := run("-c", "import pysparkplug; print(pysparkplug.__version__, end='')"); err != nil || string(version) != "0.6.1" {
		t.Skipf("skipped: %s has no pysparkplug 0.6.1 (%q, %v); see %smake.py, and set JISHI_PYSPARKPLUG to a Python that has it",
			python, version, err, pysparkplug)
	}
	again, err := run(pysparkplug + "make.py")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(committed(t)), string(again)); diff != "" {
		t.Errorf("the committed payloads are not what make.py writes (-committed +made):\n%s", diff)
	}
	for seed := range 5 {
		random, err := run(pysparkplug+"make.py", strconv.Itoa(seed))
		if err != nil {
			t.Fatal(err)
		}
		decodeTheirs(t, parseTheirs(t, random))
	}
}
