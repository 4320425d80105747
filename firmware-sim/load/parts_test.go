package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A quantile is never too short, and at most 1.6 % too long; merging and writing change nothing.
func TestHistogram(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Int64Range(0, int64(20*time.Hour/time.Microsecond)), 1, 200).Draw(t, "us")
		var halves [2]recorder
		for i, us := range all {
			halves[i%2].record(us)
		}
		sum := halves[0].snapshot()
		sum.Add(halves[1].snapshot())
		text, err := json.Marshal(sum)
		if err != nil {
			t.Fatal(err)
		}
		var h Histogram
		if err := json.Unmarshal(text, &h); err != nil {
			t.Fatal(err)
		}
		slices.Sort(all)
		for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999, 1} {
			want := all[min(int(q*float64(len(all))), len(all)-1)]
			got := h.Quantile(q).Microseconds()
			if got < want || float64(got) > math.Ceil(float64(want)*1.016) {
				t.Fatalf("quantile %g is %d µs, want %d", q, got, want)
			}
		}
		if h.MaxUs != all[len(all)-1] || h.Quantile(1).Microseconds() != h.MaxUs || h.Count() != int64(len(all)) {
			t.Fatalf("max %d, count %d: want %d, %d", h.MaxUs, h.Count(), all[len(all)-1], len(all))
		}
	})
}

// Buckets touch: each begins where the one before ends.
func TestHistogramBuckets(t *testing.T) {
	t.Parallel()
	for b := range buckets - 1 {
		if got := bucketOf(upperUs(b)); got != b {
			t.Fatalf("%d µs is in bucket %d, want %d", upperUs(b), got, b)
		}
		if got := bucketOf(upperUs(b) + 1); got != b+1 {
			t.Fatalf("%d µs is in bucket %d, want %d", upperUs(b)+1, got, b+1)
		}
	}
	if bucketOf(math.MaxInt64) != buckets-1 || bucketOf(-5) != 0 {
		t.Error("what no bucket is for is not in the last and first")
	}
	var empty Histogram
	if empty.Quantile(0.5) != 0 || empty.Count() != 0 {
		t.Error("an empty histogram has a median")
	}
}

func TestHistogramRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"max_us":1,"counts":[1]}`, `{"max_us":1,"counts":[9999,1]}`, `{"max_us":1,"counts":[-1,1]}`,
		`{"max_us":1,"counts":[1,0]}`, `{"max_us":-1}`, `[]`,
	} {
		var h Histogram
		if err := json.Unmarshal([]byte(text), &h); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

func TestHistogramAbove(t *testing.T) {
	t.Parallel()
	var r recorder
	for us := range int64(100) {
		r.record(us * 1000)
	}
	if got := r.snapshot().Above(50 * time.Millisecond); got < 48 || got > 49 {
		t.Errorf("%d above 50 ms, want 49 or one fewer", got)
	}
}

// Every message of a schedule comes due exactly once, whatever the instants at which one looks.
func TestScheduleIsComplete(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := schedule{
			startUs: rapid.Int64Range(1, 1e6).Draw(t, "start"), everyUs: rapid.Int64Range(1000, 100_000).Draw(t, "every"),
			devices: rapid.Int64Range(1, 50).Draw(t, "devices"),
		}
		s.endUs = s.startUs + rapid.Int64Range(1, 500_000).Draw(t, "duration")
		device := rapid.IntRange(0, int(s.devices)-1).Draw(t, "device")
		want := int64(0)
		for s.dueUs(device, want) < s.endUs {
			want++
		}
		next, now := int64(0), int64(0)
		for now < s.endUs {
			now += rapid.Int64Range(0, 100_000).Draw(t, "step")
			due := s.due(device, next, now)
			next += due
			if next > 0 && s.dueUs(device, next-1) > now {
				t.Fatalf("message %d is due before its instant", next-1)
			}
			if s.dueUs(device, next) <= now && s.dueUs(device, next) < s.endUs {
				t.Fatalf("message %d is not due at its instant", next)
			}
		}
		if next != want {
			t.Fatalf("%d messages came due, want %d", next, want)
		}
	})
}

// Acknowledgements in any order find their messages, and memory does not grow with what has passed.
func TestFlight(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var f flight
		var held []sent
		for id := range uint16(300) {
			s := sent{dueUs: int64(id) * 7, id: id}
			f.push(s)
			held = append(held, s)
			for len(held) > 0 && (len(held) > 8 || rapid.Bool().Draw(t, "take")) {
				n := rapid.IntRange(0, len(held)-1).Draw(t, "which")
				got, ok := f.take(held[n].id)
				if !ok || got != held[n] {
					t.Fatalf("take %d: %v, %v", held[n].id, got, ok)
				}
				held = slices.Delete(held, n, n+1)
			}
			if f.len() != len(held) {
				t.Fatalf("%d in flight, want %d", f.len(), len(held))
			}
		}
		if _, ok := f.take(60000); ok {
			t.Fatal("takes what was never sent")
		}
		if cap(f.sent) > 64 {
			t.Fatalf("capacity %d for at most 9", cap(f.sent))
		}
	})
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	at := occasion{device: 7, name: "load-000007", n: 3, ms: 1772438400123}
	for _, row := range []struct {
		o              TemplateOptions
		topic, payload string
	}{
		{TemplateOptions{Every: 10 * time.Second}, "jishi/v1/load/dev/load-000007/sample", `{"t":1772438400123,"v":{"power_w":666.4,"energy_wh":4.2},"valid_s":22}`},
		{TemplateOptions{Dialect: "tasmota"}, "tele/load-000007/SENSOR", `{"Time":"2026-03-02T16:00:00","ENERGY":{"Total":4.2,"Power":666.4,"Voltage":230}}`},
		{TemplateOptions{Dialect: "shelly"}, "shellies/load-000007/relay/0/power", "666.4"},
		{
			TemplateOptions{Topic: "a/{base}/{device}", Base: "cq01", Payload: `{"n":{n},"x":{},"y":{A},"s":{s},"at":"{time}"} {valid}`},
			"a/cq01/load-000007", `{"n":3,"x":{},"y":{A},"s":1772438400.123,"at":"2026-03-02T08:00:00.123Z"} 1`,
		},
	} {
		m := mustTemplate(t, row.o)
		if diff := cmp.Diff(row.topic, string(m.appendPieces(nil, m.topic, &at))); diff != "" {
			t.Errorf("topic (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(row.payload, string(m.appendPieces(nil, m.payload, &at))); diff != "" {
			t.Errorf("payload (-want +got):\n%s", diff)
		}
	}
	for _, row := range []struct {
		o    TemplateOptions
		want string
	}{
		{TemplateOptions{Dialect: "sparkplug"}, "want one of native, shelly, tasmota"},
		{TemplateOptions{Payload: "{when}"}, "Payload: placeholder {when} is unknown: want one of {base} {device}"},
		{TemplateOptions{Topic: "a/+/{device}"}, "without + and #"},
		{TemplateOptions{Topic: strings.Repeat("t", 2000)}, "at most 1024 bytes"},
		{TemplateOptions{Payload: strings.Repeat("t", 300<<10)}, "at most 262144"},
	} {
		if _, err := NewTemplate(row.o); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("error %v: want %q", err, row.want)
		}
	}
}

// script is a device's whole life on the wire.
func script(t testing.TB) []byte {
	m := mustTemplate(t, TemplateOptions{})
	b := appendConnect(nil, "load-000001", "user", "secret", 60)
	at := occasion{name: "load-000001", n: 1}
	b, scratch := m.appendPublish(b, nil, &at, 1, 0x1234)
	b, scratch = m.appendPublish(b, scratch, &at, 0, 0)
	b = append(b, packetPingreq, 0)
	b, _ = m.appendPublish(b, scratch, &at, 1, 0x1235)
	return append(b, packetDisconnect, 0)
}

var scriptAnswers = []byte{packetConnack, 2, 0, 0, packetPuback, 2, 0x12, 0x34, packetPingresp, 0, packetPuback, 2, 0x12, 0x35}

// However the network cuts the bytes, the stub answers the same, and so does the device's side understand.
func TestPacketsInPieces(t *testing.T) {
	t.Parallel()
	all := script(t)
	rapid.Check(t, func(t *rapid.T) {
		var p requests
		var out []byte
		var messages int64
		for rest := all; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			var got int64
			var err error
			out, got, err = p.feed(rest[:n], out)
			messages += got
			if rest = rest[n:]; (err != nil) != (len(rest) == 0) || err != nil && !errors.Is(err, io.EOF) {
				t.Fatalf("error %v with %d bytes to come", err, len(rest))
			}
		}
		if !bytes.Equal(out, scriptAnswers) || messages != 3 {
			t.Fatalf("%d messages, answers %x", messages, out)
		}
		var in answers
		var ids []uint16
		for rest := out[4:]; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			if err := in.feed(rest[:n], func(id uint16) { ids = append(ids, id) }); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if !slices.Equal(ids, []uint16{0x1234, 0x1235}) {
			t.Fatalf("acknowledged %x", ids)
		}
	})
}

// Whatever comes, the stub neither panics nor answers differently when it comes byte by byte.
func FuzzRequests(f *testing.F) {
	f.Add(script(f))
	f.Add([]byte{0x32, 0x03, 0xff, 0xff, 0x01})
	f.Add([]byte{0x32, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0x30, 0x02, 0x00, 0x00, 0x36, 0x05})
	f.Fuzz(func(t *testing.T, b []byte) {
		var whole, single requests
		want, n, err := whole.feed(b, nil)
		var got []byte
		var m int64
		var err2 error
		for i := 0; i < len(b) && err2 == nil; i++ {
			var one int64
			got, one, err2 = single.feed(b[i:i+1], got)
			m += one
		}
		if !bytes.Equal(want, got) || n != m || (err == nil) != (err2 == nil) {
			t.Errorf("at once: %x, %d, %v; byte by byte: %x, %d, %v", want, n, err, got, m, err2)
		}
	})
}

func FuzzAnswers(f *testing.F) {
	f.Add(scriptAnswers[4:])
	f.Add([]byte{0x40, 0x03})
	f.Add([]byte{0xd0, 0x00, 0x40})
	f.Fuzz(func(t *testing.T, b []byte) {
		var in answers
		n := 0
		if err := in.feed(b, func(uint16) { n++ }); err == nil && n > len(b)/4 {
			t.Errorf("%d acknowledgements in %d bytes", n, len(b))
		}
	})
}

func TestReportAdd(t *testing.T) {
	t.Parallel()
	part := func(n int64) Report {
		var late recorder
		late.record(n)
		return Report{Devices: n, Sent: 10 * n, Acked: 9 * n, Sending: time.Second, Ramp: time.Duration(n), Late: late.snapshot(), Faults: map[string]int64{"timed out": n}, PeakBytes: n << 20}
	}
	var sum Report
	sum.Add(part(1))
	sum.Add(part(2))
	if sum.Devices != 3 || sum.Rate() != 30 || sum.AckRate() != 27 || sum.Ramp != 2 || sum.Late.Count() != 2 || sum.Late.MaxUs != 2 || sum.Faults["timed out"] != 3 {
		t.Errorf("%+v", sum)
	}
	if (Report{}).Rate() != 0 || (Report{}).BytesPerDevice() != 0 {
		t.Error("a report of nothing has a rate")
	}
}

// A limit that nobody can reach is an error that says what would help.
func TestFileLimit(t *testing.T) {
	t.Parallel()
	if err := RaiseFileLimit(1); err != nil {
		t.Error(err)
	}
	err := error(&FileLimitError{Need: 100_064, Have: 20_000})
	if !strings.Contains(err.Error(), "open 100064 files: the limit of this process is 20000") {
		t.Error(err)
	}
	if limit, ok := errors.AsType[*FileLimitError](err); !ok || limit.Room() != 20_000-spareFiles {
		t.Error("room")
	}
}
