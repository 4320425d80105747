package collector_test

import (
	"bytes"
	"crypto/ed25519"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/jishi-telemetry/jishi/collector"
	"github.com/jishi-telemetry/jishi/internal/frame"
)

// smallest is the smallest budget of a quarantine; one file takes a sixteenth of it.
const smallest = 16 << 20

func openQuarantine(t testing.TB, dir string, reg prometheus.Registerer) *collector.Quarantine {
	t.Helper()
	q, err := collector.OpenQuarantine(collector.QuarantineOptions{Dir: dir, MaxBytes: smallest, Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// refusing is a collector's options with a quarantine, in which only b1 of the test's base is enrolled.
func refusing(t testing.TB, q *collector.Quarantine, day string) collector.Options {
	t.Helper()
	now, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	enrolled := newSender(t, "b1").public()
	return collector.Options{
		Store: openStore(t), Quarantine: q, Now: func() time.Time { return now },
		BridgeKeys: func(base, id string, _ int64) []ed25519.PublicKey {
			if base == testBase && id == "b1" {
				return []ed25519.PublicKey{enrolled}
			}
			return nil
		},
	}
}

// framesOf returns the payloads in a quarantine, by file.
func framesOf(t testing.TB, dir string) map[string][][]byte {
	t.Helper()
	out := map[string][][]byte{}
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		reader := frame.NewFileReader(bytes.NewReader(b))
		for f, _, err := reader.Next(); err == nil; f, _, err = reader.Next() {
			out[filepath.Base(path)] = append(out[filepath.Base(path)], slices.Clone(f))
		}
	}
	return out
}

// TestRefusedFramesAreKept: the very bytes of what was refused stand in the file of their reason, once however often they
// came, and only an enrolled bridge has a file of its own.
func TestRefusedFramesAreKept(t *testing.T) {
	t.Parallel()
	dir, reg := t.TempDir(), prometheus.NewPedanticRegistry()
	b1, thief, stranger := newSender(t, "b1"), newSender(t, "b1"), newSender(t, "stranger")
	thief.key = stranger.key
	good, forged, foreign := b1.frame(2), thief.frame(2), stranger.frame(2)
	cut := good[:len(good)-1]
	broken := newSender(t, "b1")
	broken.chain = [32]byte{1}
	unchained := broken.frame(2)
	if err := play(t, refusing(t, openQuarantine(t, dir, reg), "2026-03-02"), func(c *city) {
		for range 3 {
			c.deliver(b1.topic(), good)
			<-c.said
			c.deliver(b1.topic(), forged)
			<-c.said
			c.deliver(stranger.topic(), foreign)
			<-c.said
			c.deliver(b1.topic(), unchained)
			<-c.said
			c.deliver(b1.topic(), cut)
			c.deliver(b1.topic(), []byte("too short for a frame"))
		}
		c.settled() // one more that is too short
	}); err != nil {
		t.Fatal(err)
	}
	want := map[string][][]byte{
		"2026-03-02@bad_signature@cq01@b1.frames": {forged},
		"2026-03-02@bad_chain@cq01@b1.frames":     {unchained},
		"2026-03-02@unknown_bridge.frames":        {foreign},
		"2026-03-02@malformed.frames":             {cut},
	}
	if diff := cmp.Diff(want, framesOf(t, dir)); diff != "" {
		t.Errorf("quarantine (-want +got):\n%s", diff)
	}
	files, err := collector.ReadQuarantine(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		wantSenders := map[collector.Sender]int{{Base: testBase, Bridge: "b1"}: 1}
		switch f.Reason {
		case frame.RefusedUnknownBridge:
			wantSenders = map[collector.Sender]int{{Base: testBase, Bridge: "stranger"}: 1}
		case frame.RefusedMalformed:
			wantSenders = map[collector.Sender]int{}
		}
		if diff := cmp.Diff(wantSenders, f.Senders); diff != "" || f.Frames != 1 {
			t.Errorf("%s has %d frames, senders (-want +got):\n%s", f.Path, f.Frames, diff)
		}
	}
	wantMetrics(t, reg, `
		# HELP jishi_collector_quarantine_dropped_frames_total Refused frames that the quarantine did not keep, or dropped to make room, by cause.
		# TYPE jishi_collector_quarantine_dropped_frames_total counter
		jishi_collector_quarantine_dropped_frames_total{cause="failed"} 0
		jishi_collector_quarantine_dropped_frames_total{cause="oldest"} 0
		jishi_collector_quarantine_dropped_frames_total{cause="share"} 0
		jishi_collector_quarantine_dropped_frames_total{cause="unstorable"} 4
		# HELP jishi_collector_quarantined_frames_total Refused frames kept in the quarantine, by reason.
		# TYPE jishi_collector_quarantined_frames_total counter
		jishi_collector_quarantined_frames_total{reason="bad_chain"} 1
		jishi_collector_quarantined_frames_total{reason="bad_signature"} 1
		jishi_collector_quarantined_frames_total{reason="forked"} 0
		jishi_collector_quarantined_frames_total{reason="malformed"} 1
		jishi_collector_quarantined_frames_total{reason="unknown_bridge"} 1
	`, "jishi_collector_quarantined_frames_total", "jishi_collector_quarantine_dropped_frames_total")
}

// noise is a payload that is no frame, unlike any other.
func noise(rng *rand.ChaCha8, n int) []byte {
	b := make([]byte, n)
	_, _ = rng.Read(b) // never fails
	return b
}

// TestFloodWithoutKeyFillsNothing: whoever has no key can neither fill the disk nor the log, nor push out what an
// enrolled key signed, under however many names he sends and for however many days.
func TestFloodWithoutKeyFillsNothing(t *testing.T) {
	t.Parallel()
	const floodDays = 12
	dir, reg := t.TempDir(), prometheus.NewPedanticRegistry()
	q := openQuarantine(t, dir, reg)
	signed := newSender(t, "b1")
	signed.chain = [32]byte{1}
	evidence := signed.frame(2)
	if err := play(t, refusing(t, q, "2026-03-01"), func(c *city) {
		c.deliver(signed.topic(), evidence)
		<-c.said
	}); err != nil {
		t.Fatal(err)
	}
	rng := rand.NewChaCha8([32]byte{1})
	var told strings.Builder
	for day := range floodDays {
		o := refusing(t, q, time.Date(2026, 3, 2+day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
		o.Logger = slog.New(slog.NewTextHandler(&told, nil))
		if err := play(t, o, func(c *city) {
			for i := range 10 {
				c.deliver("jishi/v1/x"+strings.Repeat("x", i)+"/y/frame", noise(rng, 256<<10))
			}
			for i := range 20 {
				s := newSender(t, "s"+strings.Repeat("s", i))
				c.deliver(s.topic(), s.frame(1))
				<-c.said
			}
			c.settled()
		}); err != nil {
			t.Fatal(err)
		}
	}
	var total int64
	files := framesOf(t, dir)
	for name, frames := range files {
		for _, f := range frames {
			total += int64(len(f))
		}
		if n := len(frames); strings.Contains(name, "malformed") && n != 3 {
			t.Errorf("%s has %d frames, want the three that fit into a file's share", name, n)
		}
	}
	if total > smallest/2+1<<20 {
		t.Errorf("the quarantine has %d bytes, want at most a half of %d from those without a key", total, smallest)
	}
	if got := files["2026-03-01@bad_chain@cq01@b1.frames"]; len(got) != 1 || !bytes.Equal(got[0], evidence) {
		t.Error("what an enrolled key signed was pushed out by those who have none")
	}
	if _, ok := files["2026-03-02@malformed.frames"]; ok {
		t.Error("the oldest file is still there, want it dropped for the newer ones")
	}
	if _, ok := files["2026-03-13@malformed.frames"]; !ok {
		t.Error("the newest file is not there")
	}
	if n := strings.Count(told.String(), "\n"); n != 2*floodDays {
		t.Errorf("the operator was told %d times of the flood, want once for each day's collector and reason", n)
	}
	wantMetrics(t, reg, `
		# HELP jishi_collector_quarantined_frames_total Refused frames kept in the quarantine, by reason.
		# TYPE jishi_collector_quarantined_frames_total counter
		jishi_collector_quarantined_frames_total{reason="bad_chain"} 1
		jishi_collector_quarantined_frames_total{reason="bad_signature"} 0
		jishi_collector_quarantined_frames_total{reason="forked"} 0
		jishi_collector_quarantined_frames_total{reason="malformed"} 36
		jishi_collector_quarantined_frames_total{reason="unknown_bridge"} 20
	`, "jishi_collector_quarantined_frames_total")
}

// TestOperatorHearsHowManyMore: what was not told of is told with the next line.
func TestOperatorHearsHowManyMore(t *testing.T) {
	t.Parallel()
	o := refusing(t, nil, "2026-03-02")
	now := o.Now()
	o.Now = func() time.Time { return now }
	var told strings.Builder
	o.Logger = slog.New(slog.NewTextHandler(&told, nil))
	s := newSender(t, "stranger")
	if err := play(t, o, func(c *city) {
		for range 5 {
			c.deliver(s.topic(), s.frame(1))
			<-c.said
		}
		now = now.Add(time.Minute) // nothing is on its way
		c.deliver(s.topic(), s.frame(1))
		<-c.said
	}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(told.String()), "\n")
	if len(lines) != 2 || !strings.HasSuffix(lines[0], "untold=0") || !strings.HasSuffix(lines[1], "untold=4") {
		t.Errorf("the operator was told\n%s\nwant the first and, a minute later, of four more", told.String())
	}
}

// TestTornQuarantineIsMended: what a crash left half-written costs itself and nothing that comes later; files that
// people removed make room.
func TestTornQuarantineIsMended(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newSender(t, "stranger")
	first, second, third := s.frame(1), s.frame(1), s.frame(1)
	one := func(q *collector.Quarantine, f []byte) {
		t.Helper()
		if err := play(t, refusing(t, q, "2026-03-02"), func(c *city) {
			c.deliver(s.topic(), f)
			<-c.said
		}); err != nil {
			t.Fatal(err)
		}
	}
	const name = "2026-03-02@unknown_bridge.frames"
	path := filepath.Join(dir, name)
	one(openQuarantine(t, dir, nil), first)
	one(openQuarantine(t, dir, nil), second)
	whole, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := whole.Size() - 1; cut > whole.Size()-int64(len(second))-3; cut -= 37 {
		if err := os.Truncate(path, cut); err != nil {
			t.Fatal(err)
		}
		q := openQuarantine(t, dir, nil)
		one(q, second)
		if diff := cmp.Diff(map[string][][]byte{name: {first, second}}, framesOf(t, dir)); diff != "" {
			t.Fatalf("cut at %d (-want +got):\n%s", cut, diff)
		}
	}
	q := openQuarantine(t, dir, nil)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	one(q, third)
	if diff := cmp.Diff(map[string][][]byte{name: {third}}, framesOf(t, dir)); diff != "" {
		t.Errorf("after its file was removed (-want +got):\n%s", diff)
	}
}

func TestQuarantineOptionsNameWhatIsWrong(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]collector.QuarantineOptions{
		"Dir is missing":   {},
		"MaxBytes is 4096": {Dir: t.TempDir(), MaxBytes: 4096},
		"open quarantine":  {Dir: filepath.Join(os.DevNull, "x")},
	} {
		if _, err := collector.OpenQuarantine(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("OpenQuarantine returned %v, want an error with %q", err, want)
		}
	}
	if files, err := collector.ReadQuarantine(filepath.Join(t.TempDir(), "none")); err != nil || len(files) > 0 {
		t.Errorf("a directory that is not there: %v, %v; want none", files, err)
	}
}

// Names that are read as a quarantine's name exactly what is in them.
func FuzzParseQuarantineName(f *testing.F) {
	f.Add("2026-03-02@unknown_bridge.frames")
	f.Add("2026-03-02@bad_chain@cq01@b1.frames")
	f.Add("2026-02-30@bad_chain@..@b1.frames")
	f.Fuzz(func(t *testing.T, name string) {
		n, ok := collector.ParseQuarantineName(name)
		if !ok {
			return
		}
		parts := []string{n.Day, n.Reason}
		if n.Bridge != "" {
			parts = append(parts, n.Base, n.Bridge)
		}
		if want := strings.Join(parts, "@") + ".frames"; want != filepath.Base(name) {
			t.Errorf("%q is read as %q", name, want)
		}
	})
}
