package main_test

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/mapping"
	"github.com/jishi-telemetry/jishi/internal/recordingtest"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// trainingFactory is the mapping of the recorded factory.
const trainingFactory = "../../deploy/mappings/fischertechnik.yaml"

// within is how far a module's measured running time may be from the truth, for each action: one second.
const within = 1000

// action is one action of one module, as the ground truth says it.
type action struct {
	session, module, serial, command string
	span                             span.Span
}

// moduleActions are all actions of the ground truth, by session.
func moduleActions(t *testing.T, dir string) map[string][]action {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "module_actions_ground_truth.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := "session module serial command start_utc end_utc seconds result"; strings.Join(rows[0], " ") != want {
		t.Fatalf("columns %v, want %s", rows[0], want)
	}
	out := map[string][]action{}
	for _, row := range rows[1:] {
		out[row[0]] = append(out[row[0]], action{
			session: row[0], module: row[1], serial: row[2], command: row[3],
			span: span.Span{StartMs: instantMs(t, row[4]), EndMs: instantMs(t, row[5])},
		})
	}
	return out
}

func instantMs(t *testing.T, text string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMilli()
}

// played is what a session became.
type played struct {
	window   span.Span
	messages int
	points   map[string][]usage.Point // of the modules' actions and links, by serial number
	suspect  int                      // records of actions whose device time was not believed
}

// play decodes a recorded session with a mapping, as the bridge would have: nothing may be refused, and every topic of the
// factory is read or left alone on purpose.
func play(t *testing.T, file, text string) *played {
	t.Helper()
	m, err := mapping.Parse("fischertechnik.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d, err := mapping.New(mapping.Options{Mappings: []*mapping.Mapping{m}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	p := &played{points: map[string][]usage.Point{}}
	lines := bufio.NewScanner(unpacked)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Topic, Payload, Timestamp string
			Retain                    bool
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if line.Topic == "" {
			continue // the line about the session itself
		}
		msg := dialect.Message{Topic: line.Topic, Payload: []byte(line.Payload), Retained: line.Retain, ReceivedMs: instantMs(t, line.Timestamp)}
		if !d.Claims(msg.Topic) {
			t.Errorf("nothing reads %s", msg.Topic)
		}
		res, err := d.Decode(msg)
		if err != nil {
			t.Errorf("%s: %v", msg.Topic, err)
		}
		p.take(msg.ReceivedMs, res.Records)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for serial := range p.points {
		slices.SortStableFunc(p.points[serial], func(a, b usage.Point) int { return cmp.Compare(a.AtMs, b.AtMs) })
	}
	return p
}

func (p *played) take(receivedMs int64, records []telemetry.Record) {
	if p.messages++; p.messages == 1 {
		p.window.StartMs = receivedMs
	}
	p.window.EndMs = receivedMs
	for i := range records {
		r := &records[i]
		if r.Channel == "action" && r.Clock == telemetry.ClockSuspect {
			p.suspect++
		}
		if point, ok := usage.PointOf(r); ok && (r.Channel == "action" || r.Kind == telemetry.KindLink) {
			p.points[r.Device] = append(p.points[r.Device], point)
		}
	}
}

// run is a stretch in which a module works, and what is known just after it.
type run struct {
	span.Span
	after usage.State
	last  bool // it lasts to the end of the recording
}

// runs are derived as settle derives them.
func (p *played) runs(serial string) []run {
	var out []run
	segments := usage.Timeline(p.points[serial], usage.NewControllerRule(nil), p.window)
	for i, s := range segments {
		if s.State != usage.Running {
			continue
		}
		r := run{Span: s.Span, last: i+1 == len(segments)}
		if !r.last {
			r.after = segments[i+1].State
		}
		out = append(out, r)
	}
	return out
}

// differs is how far a span of running is from the action, in its beginning, its end or its length, whichever is worst.
func (a *action) differs(running span.Span) int64 {
	return max(abs(running.StartMs-a.span.StartMs), abs(running.EndMs-a.span.EndMs), abs(running.Ms()-a.span.Ms()))
}

// is reports whether a span of running is this action: more than half of each is the other's.
func (a *action) is(running span.Span) bool {
	return 2*running.Intersect(a.span).Ms() > max(running.Ms(), a.span.Ms())
}

func abs(n int64) int64 { return max(n, -n) }

// lost are the runs of one session that the ground truth does not list, because the recording lost their ends.
var lost = map[string]int{
	// From 09:30:35 to 09:31:16 the recorder heard nothing, and so not the end of the delivery station's DROP.
	"storage-production-ml-wrb_20260804_114227": 1,
	// From 11:27:42 to 11:28:23 it heard nothing, and so not the end of the store's DROP. From 11:31:42 to 11:31:59 it
	// heard nothing, and so not the end of the quality station's DROP: one heartbeat was missed, which is not a silence yet,
	// and the station says nothing more until the recording ends.
	"storage-production-ml-rrr_20260804_133245": 2,
}

// compare tells, for each action of a session, how far the module's running time is from it, in milliseconds. Every run is
// one action's. The runs that are left are those whose end the recording lost: they last no longer than the module was heard,
// and unknown follows.
func compare(t *testing.T, p *played, actions []action) (differences []int64, left int) {
	t.Helper()
	runs := map[string][]run{}
	for serial := range p.points {
		runs[serial] = p.runs(serial)
	}
	differences = make([]int64, len(actions))
	for i := range actions {
		a := &actions[i]
		n := slices.IndexFunc(runs[a.serial], func(r run) bool { return a.is(r.Span) })
		if n < 0 {
			t.Errorf("%s %s at %v: the module does not run then", a.module, a.command, a.span.Start())
			continue
		}
		differences[i] = a.differs(runs[a.serial][n].Span)
		runs[a.serial] = slices.Delete(runs[a.serial], n, n+1)
	}
	for serial, rest := range runs {
		for _, r := range rest {
			if !r.last && r.after != usage.Unknown {
				t.Errorf("%s runs at %v for %d ms, then is %s, and the truth knows no such action", serial, r.Start(), r.Ms(), r.after)
			}
			t.Logf("%s runs at %v for %d ms, last %v, then %s", serial, r.Start(), r.Ms(), r.last, r.after)
			left++
		}
	}
	return differences, left
}

// eachSession plays every session of the ground truth with a mapping and compares its actions.
func eachSession(t *testing.T, text string, check func(t *testing.T, p *played, a *action, ms int64)) {
	t.Helper()
	dir := recordingtest.Folder(t, "fischertechnik_aps_orbis")
	compared := 0
	for session, actions := range moduleActions(t, dir) {
		compared += len(actions)
		t.Run(session, func(t *testing.T) {
			p := play(t, filepath.Join(dir, "sessions", session+".log.gz"), text)
			differences, left := compare(t, p, actions)
			for i, ms := range differences {
				check(t, p, &actions[i], ms)
			}
			if left != lost[session] {
				t.Errorf("%d runs are no action of the truth, want %d", left, lost[session])
			}
			t.Logf("%d messages, %d actions, worst %d ms off; %d runs whose end is lost", p.messages, len(actions), slices.Max(differences), left)
		})
	}
	if compared != 129 {
		t.Errorf("compared %d actions, want 129", compared)
	}
}

func readMapping(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(trainingFactory)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The training factory's sessions go through its mapping and the derivation of usage: each module runs when the ground truth
// says that it acts, within a second per action, and at no other time.
func TestFischertechnikSessionsAgreeWithTheirTruth(t *testing.T) {
	t.Parallel()
	eachSession(t, readMapping(t), func(t *testing.T, _ *played, a *action, ms int64) {
		t.Helper()
		if ms > within {
			t.Errorf("%s %s at %v: %d ms off", a.module, a.command, a.span.Start(), ms)
		}
	})
}

// Why the mapping takes no time from the payload: with it, the delivery station's actions end a second early, because their
// end is a copy that its PLC forwards with the Raspberry Pi's time. These are all the exceptions that there would be.
func TestFischertechnikDeviceTimesWouldNotDo(t *testing.T) {
	t.Parallel()
	const at = "topic: module/v1/ff/{device}/state\n"
	text := readMapping(t)
	if strings.Count(text, at) != 1 {
		t.Fatalf("the mapping has no line %q", at)
	}
	text = strings.Replace(text, at, at+"    time: {path: $.timestamp, format: iso}\n", 1)
	exceptions := 0
	eachSession(t, text, func(t *testing.T, p *played, a *action, ms int64) {
		t.Helper()
		switch {
		case ms <= within:
		case a.module == "DPS" && ms < 1100 && p.suspect == 0:
			exceptions++
		default:
			t.Errorf("%s %s at %v: %d ms off", a.module, a.command, a.span.Start(), ms)
		}
	})
	// The other two of the delivery station's twenty actions are in the session whose clocks are days off and not believed.
	if !t.Skipped() && exceptions != 18 {
		t.Errorf("%d actions of the delivery station are over a second off, want 18", exceptions)
	}
}
