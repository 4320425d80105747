package bridge_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/native"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/spool"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// The words in which the tests of this package tell their stories. Stories run in bubbles of synctest: a wait of minutes
// costs nothing, and a goroutine that outlives its owner fails the test.

const testBase, testBridge = "cq01", "b1"

func testKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) }

func publicKey() ed25519.PublicKey { return testKey().Public().(ed25519.PublicKey) }

// disk is the real file system with a say in every sync of a segment. It does not really sync: what these tests look at
// is whether the bridge waits for it.
type disk struct {
	spool.FS
	sync func() error // nil: at once
}

func (d *disk) OpenFile(name string, flag int, perm fs.FileMode) (spool.File, error) {
	f, err := d.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &diskFile{f, d}, nil
}

func (*disk) SyncDir(string) error { return nil }

func (*disk) ReplaceFile(name string, data []byte, perm fs.FileMode) error {
	if err := os.WriteFile(name+".new", data, perm); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

type diskFile struct {
	spool.File
	disk *disk
}

func (f *diskFile) Sync() error {
	if f.disk.sync == nil {
		return nil
	}
	return f.disk.sync()
}

var errInjected = errors.New("injected")

// openLog opens a log, by default in a new directory, and closes it when the test ends.
func openLog(t *testing.T, dir string, o spool.Options) *spool.Log {
	t.Helper()
	if o.FS == nil {
		o.FS = &disk{FS: spool.RealFS()}
	}
	log, err := spool.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil && !errors.Is(err, errInjected) {
			t.Error(err)
		}
	})
	return log
}

// newBridge returns a bridge over the log that reads the native dialect.
func newBridge(t *testing.T, log *spool.Log, set func(*bridge.Options)) *bridge.Bridge {
	t.Helper()
	router, err := dialect.NewRouter([]dialect.Dialect{native.New(native.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	o := bridge.Options{Base: testBase, ID: testBridge, Log: log, Key: testKey(), Dialects: router}
	if set != nil {
		set(&o)
	}
	b, err := bridge.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// body is the canonical message that a test puts under a number.
func body(seq uint64) []byte {
	return frame.AppendMessage(nil, &telemetry.Message{
		ReceivedMs: 1_772_409_600_000 + int64(seq)*1000, Dialect: native.Name, Records: []telemetry.Record{{
			Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: "meter-" + strconv.FormatUint(seq%5, 10),
			EventMs: 1_772_409_600_000 + int64(seq)*1000, DeviceMs: 1_772_409_600_000 + int64(seq)*1000, ValidMs: 60_000,
			Values: []telemetry.Value{{Quantity: telemetry.PowerW, Number: float64(seq*seq%4096) / 10}},
		}},
	})
}

// bulky is a message so large that two or three fill a frame.
func bulky(seq uint64) []byte {
	m := telemetry.Message{ReceivedMs: int64(seq), Dialect: native.Name}
	for i := range 25 {
		payload := make([]byte, telemetry.MaxRawPayload)
		for j := range payload {
			payload[j] = byte(seq*31 + uint64(i*7+j)*2654435761>>7)
		}
		m.Records = append(m.Records, telemetry.Record{
			Kind: telemetry.KindRaw, Clock: telemetry.ClockReceived, EventMs: int64(seq), Reason: telemetry.ReasonMalformed, Payload: payload,
		})
	}
	return frame.AppendMessage(nil, &m)
}

// put appends messages under the next n numbers, made by make.
func put(t testing.TB, log *spool.Log, n int, make func(seq uint64) []byte) {
	t.Helper()
	var entries []spool.Entry
	for seq := log.End(); len(entries) < n; seq++ {
		entries = append(entries, spool.Entry{Body: make(seq)})
	}
	if _, err := log.Append(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

// scene is a bridge with its log and one connection to the city, in a bubble.
type scene struct {
	t   *testing.T
	log *spool.Log
	b   *bridge.Bridge
	up  *uplink

	cancel context.CancelFunc
	wg     sync.WaitGroup
	err    error // of the last Forward that ended
}

// story tells of a bridge that forwards.
func story(t *testing.T, set func(*bridge.Options), tell func(s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := openLog(t, t.TempDir(), spool.Options{})
		s := &scene{t: t, log: log, b: newBridge(t, log, set)}
		s.connect()
		tell(s)
		_ = s.disconnect() // the stories that care look
	})
}

// connect begins a Forward over a new connection.
func (s *scene) connect() {
	ctx, cancel := context.WithCancel(s.t.Context())
	up := newUplink()
	s.cancel, s.up = cancel, up
	s.wg.Go(func() { s.err = s.b.Forward(ctx, up) })
	synctest.Wait()
}

// disconnect ends the Forward by its context and returns its error.
func (s *scene) disconnect() error {
	s.cancel()
	s.wg.Wait()
	return s.err
}

// put appends n messages and lets the bridge notice.
func (s *scene) put(n int) {
	s.t.Helper()
	put(s.t, s.log, n, body)
	synctest.Wait()
}

func (s *scene) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// ack acknowledges ranges as stored.
func (s *scene) ack(ranges ...frame.Range) {
	s.answer(&frame.Ack{Epoch: s.log.Epoch(), CollectorMs: 1, Stored: ranges})
}

func (s *scene) answer(a *frame.Ack) { s.say(a.Append(nil)) }

// say puts a message on the ack topic and lets the bridge obey it.
func (s *scene) say(payload []byte) {
	s.up.acks <- mqtt.Inbound{Topic: frame.AckTopic(testBase, testBridge), Payload: payload, QoS: 1, Ack: func() {}}
	synctest.Wait()
}

// sent is one call of Send.
type sent struct {
	at    time.Time
	bytes string
	frame *frame.Frame
}

// uplink is a connection to a city that the test plays.
type uplink struct {
	acks chan mqtt.Inbound

	mu     sync.Mutex // guards the rest
	frames []sent
	refuse error // what Send returns
}

func newUplink() *uplink { return &uplink{acks: make(chan mqtt.Inbound, 16)} }

// Send implements bridge.Uplink.
func (u *uplink) Send(_ context.Context, bytes []byte) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.refuse != nil {
		return u.refuse
	}
	f, err := frame.Parse(bytes)
	if err == nil {
		err = f.Verify(publicKey())
	}
	if err != nil {
		return err
	}
	u.frames = append(u.frames, sent{time.Now(), string(bytes), f})
	return nil
}

// Acks implements bridge.Uplink.
func (u *uplink) Acks() <-chan mqtt.Inbound { return u.acks }

// all returns what was sent so far.
func (u *uplink) all() []sent {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clip(u.frames)
}

// ranges returns the numbers of every frame sent so far, in order of sending.
func (u *uplink) ranges() []frame.Range {
	var out []frame.Range
	for _, s := range u.all() {
		out = append(out, frame.Range{First: s.frame.First, Last: s.frame.Last()})
	}
	return out
}

// span is one range, written shortly.
func span(first, last uint64) frame.Range { return frame.Range{First: first, Last: last} }

// segments returns the paths of the log's segments, the oldest first.
func segments(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// errorsTo returns a logger that writes what an operator must see.
func errorsTo(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelError}))
}

// emptyMessage is the smallest message that a frame carries.
var emptyMessage = telemetry.Message{ReceivedMs: 1, Dialect: native.Name}
