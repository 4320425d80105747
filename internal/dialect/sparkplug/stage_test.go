package sparkplug_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/sparkplug"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// stage is a decoder with a clock. A line of a test publishes something and says what must come of it: records as
//
//	n/d online 1000          the link of the device n/d of group g, 1000 ms after the start by its own clock
//	n Power 1000 power_w=5   a sample of the channel Power
//	n/d Execution 1000r ACTIVE           by the bridge's clock: r received, s suspect, c corrected
//	n Power 500 power_w=5 history        retained
//	ask n                    a rebirth request
//	error malformed: …       compared up to the end of what the test says
type stage struct {
	t     *testing.T
	d     *sparkplug.Dialect
	nowMs int64
	got   []string
}

const start = int64(1_750_000_000_000)

func play(t *testing.T, o sparkplug.Options) *stage {
	t.Helper()
	return &stage{t: t, d: must(o), nowMs: start}
}

// at sets the bridge's clock to milliseconds after the start.
func (s *stage) at(ms int64) *stage {
	s.nowMs = start + ms
	return s
}

// send publishes a payload under a verb: ids is the node, or the node and the device.
func (s *stage) send(verb, ids string, p []byte) *stage {
	s.t.Helper()
	return s.publish(dialect.Message{Topic: "spBv1.0/g/" + verb + "/" + ids, Payload: p})
}

func (s *stage) publish(m dialect.Message) *stage {
	s.t.Helper()
	m.ReceivedMs = s.nowMs
	res, err := s.d.Decode(m)
	if problem := check(m, res, err); problem != "" {
		s.t.Error(problem)
	}
	s.got = nil
	for i := range res.Records {
		s.got = append(s.got, line(&res.Records[i]))
	}
	s.got = append(s.got, asked(res.Requests)...)
	if err != nil {
		s.got = append(s.got, "error "+err.Error())
	}
	return s
}

func line(r *telemetry.Record) string {
	device := strings.TrimPrefix(r.Device, "g/")
	at := fmt.Sprintf("%d%s", r.EventMs-start, map[telemetry.Clock]string{
		telemetry.ClockReceived: "r", telemetry.ClockSuspect: "s", telemetry.ClockCorrected: "c",
	}[r.Clock])
	if r.Kind == telemetry.KindLink {
		return strings.Join([]string{device, r.Link.String(), at}, " ")
	}
	parts := []string{device, r.Channel, at}
	if r.State != "" {
		parts = append(parts, r.State)
	}
	for _, v := range r.Values {
		parts = append(parts, fmt.Sprintf("%s=%v", v.Quantity, v.Number))
	}
	if r.Retained {
		parts = append(parts, "history")
	}
	return strings.Join(parts, " ")
}

func asked(requests []dialect.Request) []string {
	var lines []string
	for _, q := range requests {
		lines = append(lines, "ask "+q.Topic[strings.LastIndexByte(q.Topic, '/')+1:])
	}
	return lines
}

// want compares what the last message became.
func (s *stage) want(lines ...string) *stage {
	s.t.Helper()
	for i := range s.got {
		if i < len(lines) && strings.HasPrefix(lines[i], "error ") && strings.HasPrefix(s.got[i], lines[i]) {
			s.got[i] = lines[i]
		}
	}
	if diff := cmp.Diff(lines, s.got, cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("%d ms after the start (-want +got):\n%s", s.nowMs-start, diff)
	}
	return s
}

// poll compares which nodes are asked for their birth now.
func (s *stage) poll(nodes ...string) *stage {
	s.t.Helper()
	var want []string
	for _, n := range nodes {
		want = append(want, "ask "+n)
	}
	if diff := cmp.Diff(want, asked(s.d.Poll(s.nowMs)), cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("polled %d ms after the start (-want +got):\n%s", s.nowMs-start, diff)
	}
	return s
}

// born plays the birth of a node n with one metric, and of its device n/d with one.
func born(t *testing.T, o sparkplug.Options) *stage {
	t.Helper()
	s := play(t, o)
	s.send("NBIRTH", "n", payload(start, 0, bdSeq(5), num("P", 1, 1))).want("n online 0", "n P 0 value=1")
	s.send("DBIRTH", "n/d", payload(start, 1, num("Q", 2, 1))).want("n/d online 0", "n/d Q 0 value=1")
	return s
}
