package sparkplug_test

import (
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/sparkplug"
	"github.com/jishi-telemetry/jishi/internal/recordingtest"
)

// captured is one header of a real plant's messages; the payloads were not kept.
type captured struct {
	topic, node   string
	seq           int // -1 without one
	saidMs        int64
	metrics       int
	afterMs       int64 // since the capture began
	nodeHasDevice bool  // a node's message that names a device, which Sparkplug does not have
}

func capture(t *testing.T) []captured {
	t.Helper()
	f, err := os.Open(filepath.Join(recordingtest.Folder(t, "sparkplug_umh"), "pcap_patterns.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	var all []captured
	for _, row := range rows[1:] {
		seconds, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		c := captured{
			topic: row[2], node: row[5], seq: -1, metrics: int(number(row[9])), afterMs: int64(seconds * 1000),
			nodeHasDevice: row[4] == "NDATA" && row[6] != "",
		}
		if row[7] != "" {
			c.seq = int(number(row[7]))
		}
		if row[8] != "" {
			c.saidMs = number(row[8])
		}
		all = append(all, c)
	}
	return all
}

const capturedMs = int64(1_761_142_033_904)

func (c captured) message(named bool) dialect.Message {
	var metrics []metric
	for i := range c.metrics {
		if named {
			metrics = append(metrics, num(fmt.Sprint("m", i), 0, 1))
		} else {
			metrics = append(metrics, num("", uint64(i+1), 1))
		}
	}
	return dialect.Message{Topic: c.topic, Payload: payload(c.saidMs, c.seq, metrics...), ReceivedMs: capturedMs + c.afterMs}
}

// A bridge that starts in the middle of a real plant's day: no birth has been seen. What has names is kept whole at its own time; what has aliases only is set aside, every message with its
// reason; the nodes are asked, and no more often than they may be.
func TestCapturedHeadersBeforeAnyBirth(t *testing.T) {
	t.Parallel()
	all := capture(t)
	if len(all) != 522 {
		t.Fatalf("%d headers", len(all))
	}
	for _, named := range []bool{true, false} {
		d := must(sparkplug.Options{})
		got, asks := map[string]int{}, map[string]int{}
		for _, c := range all {
			m := c.message(named)
			res, err := d.Decode(m)
			if problem := check(m, res, err); problem != "" {
				t.Fatal(problem)
			}
			for _, q := range append(res.Requests, d.Poll(m.ReceivedMs)...) {
				asks[q.Topic[strings.LastIndexByte(q.Topic, '/')+1:]]++
			}
			got["metrics"] += c.metrics
			got["records"] += len(res.Records)
			for i := range res.Records {
				if r := &res.Records[i]; r.EventMs != c.saidMs || !named {
					t.Errorf("%s at %d, said %d", c.topic, r.EventMs, c.saidMs)
				}
			}
			if c.nodeHasDevice != (err != nil && strings.Contains(err.Error(), "is not Sparkplug's")) {
				t.Errorf("%s: %v", c.topic, err)
			}
			if err != nil && !c.nodeHasDevice {
				got["set aside"]++
			}
		}
		want := map[string]int{"metrics": 2530, "records": 2530}
		if !named {
			// Five messages hold no metric at all.
			want = map[string]int{"metrics": 2530, "records": 0, "set aside": 507}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("named %v (-want +got):\n%s", named, diff)
		}
		// At 0, 10, 30 and 70 s after the first message of each, within the 95 s of the capture.
		if diff := cmp.Diff(map[string]int{"702": 4, "node_7": 4, "node_13": 3, "node_18": 1}, asks); diff != "" {
			t.Errorf("requests by node (-want +got):\n%s", diff)
		}
	}
}

// The same day with the birth of the busy node before it: the gaps that are in the capture, and no others, are noticed;
// the numbers that come twice because the count has gone around are no fault, and neither is the number that is left out
// where 0 is due.
func TestCapturedSequenceFaults(t *testing.T) {
	t.Parallel()
	d := must(sparkplug.Options{})
	birth := func(seq int, ms int64) {
		var metrics []metric
		for i := range 12 {
			metrics = append(metrics, num(fmt.Sprint("m", i), uint64(i+1), 1))
		}
		group := "spBv1.0/org_A/"
		for _, m := range []dialect.Message{
			{Topic: group + "NBIRTH/702", Payload: payload(ms, seq, append(metrics, bdSeq(1))...)},
			{Topic: group + "DBIRTH/702/device_3", Payload: payload(ms, -1, metrics...)},
			{Topic: group + "DBIRTH/702/device_4", Payload: payload(ms, -1, metrics...)},
			{Topic: group + "DBIRTH/702/device_5", Payload: payload(ms, -1, metrics...)},
			{Topic: group + "DBIRTH/702/device_9", Payload: payload(ms, -1, metrics...)},
			{Topic: group + "DBIRTH/702/device_10", Payload: payload(ms, -1, metrics...)},
		} {
			m.ReceivedMs = ms
			if _, err := d.Decode(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	records, metrics, missing, faults, zeros := 0, 0, 0, 0, 0
	next, overdueMs, asks := -1, int64(0), []int64(nil)
	for _, c := range capture(t) {
		if c.node != "702" {
			continue
		}
		m := c.message(false)
		if next < 0 {
			next = c.seq
			birth((c.seq-1)&0xff, m.ReceivedMs-1)
		}
		seq := c.seq
		if seq < 0 && next == 0 && c.saidMs != 0 {
			seq, zeros = 0, zeros+1
		}
		if gap := (seq - next) & 0xff; gap != 0 && seq >= 0 {
			faults++
			if missing += gap; overdueMs == 0 {
				overdueMs = m.ReceivedMs + sparkplug.DefaultReorderTimeout.Milliseconds()
			}
		}
		if seq >= 0 {
			next = (seq + 1) & 0xff
		}
		res, err := d.Decode(m)
		if err != nil {
			t.Errorf("%s seq %d: %v", c.topic, c.seq, err)
		}
		records, metrics = records+len(res.Records), metrics+c.metrics
		if got := d.Poll(m.ReceivedMs); len(got) > 0 {
			asks = append(asks, m.ReceivedMs)
		}
	}
	if records != metrics || records != 2524 {
		t.Errorf("%d records of %d metrics", records, metrics)
	}
	if missing != 16 || faults != 14 || zeros != 2 {
		t.Errorf("%d missing in %d gaps, %d zeros left out: the capture is another one", missing, faults, zeros)
	}
	if len(asks) != 4 || asks[0] < overdueMs || asks[0] > overdueMs+1000 {
		t.Errorf("asked at %v, and was to ask from %d on", asks, overdueMs)
	}
}

// The payloads of the same source, which their own encoder has written.
func TestRecordedPayloads(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(recordingtest.Folder(t, "sparkplug_umh"), "test_vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct{ Name, Base64, Type string }
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	payloads := make(map[string][]byte)
	for _, v := range vectors {
		if payloads[v.Name], err = base64.StdEncoding.DecodeString(v.Base64); err != nil {
			t.Fatal(err)
		}
	}
	used := make(map[string]bool)
	const saidMs = 1_750_855_643_474 - start
	at := fmt.Sprintf(" %d ", int64(saidMs))
	send := func(s *stage, verb, name string) *stage {
		t.Helper()
		if payloads[name] == nil {
			t.Fatalf("no vector %s", name)
		}
		used[name] = true
		return s.send(verb, "n", payloads[name])
	}
	s := play(t, sparkplug.Options{}).at(saidMs)
	send(s, "NDATA", "NDATA_BEFORE_BIRTH").want("ask n", "error malformed: metrics[0]: has the alias 100 and no name")
	send(s, "NBIRTH", "NBIRTH_V1").want("n online"+strings.TrimRight(at, " "), "n Temperature"+at+"value=21.5")
	send(s, "NDATA", "NDATA_V1").want("n Temperature" + at + "value=22.5")
	send(s, "NDEATH", "NDEATH_V1").want() // bdSeq 0, and the session is 88
	send(s, "NDATA", "NDATA_GAP").want("n Temperature" + at + "value=27")
	s.at(saidMs + 10_000).poll("n")
	send(s, "NBIRTH", "NBIRTH_V1")
	for seq := 1; seq < 256; seq++ {
		s.send("NDATA", "n", payload(start+saidMs, seq))
	}
	send(s, "NDATA", "NDATA_WRAPAROUND").want("n Temperature" + at + "value=30")
	s.at(saidMs + 600_000).poll()
	send(s, "NBIRTH", "NBIRTH_LARGE")
	if len(s.got) != 101 || s.got[1] != "n Metric_1"+at+"value=1.5" || s.got[100] != "n Metric_100"+at+"value=150" {
		t.Errorf("%d records, from %s to %s", len(s.got), s.got[1], s.got[len(s.got)-1])
	}
	if len(used) != len(payloads) {
		t.Errorf("%d of %d vectors were used", len(used), len(payloads))
	}
}
