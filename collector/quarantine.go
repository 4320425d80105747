package collector

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/frame"
)

// Quarantine keeps the bytes of frames that collectors refused, so that a person can look at them: files of frames
// (docs/frame.md §10), one for each day, reason and enrolled bridge, and one for each day and reason for all senders that
// are not enrolled, whose names anybody can invent.
//
// It is bounded, whatever is sent: one file takes at most a sixteenth of the budget, and what an enrolled key signed has
// one half for itself, out of which nobody without a key can push it. When a half is full, its oldest files go. A frame
// that comes again is kept once. What is not kept, and what is dropped, is counted. The evidence itself is not at stake:
// a base keeps what the city refuses.
//
// All methods may be called concurrently. One process owns the directory.
type Quarantine struct {
	dir string
	max int64
	m   *quarantineMetrics

	mu   sync.Mutex // guards the rest
	held map[string]int64
	seen ring[[sha256.Size]byte]
}

// QuarantineOptions are what a quarantine needs.
type QuarantineOptions struct {
	// Dir is where the files are; it is made when it is not there. Required.
	Dir string
	// MaxBytes bounds all files together, at least 16 MiB; 0 is 256 MiB.
	MaxBytes int64
	// Registerer may be nil.
	Registerer prometheus.Registerer
}

const (
	defaultQuarantineBytes = 256 << 20
	minQuarantineBytes     = 16 << 20

	// fileShare is how many files fill the budget.
	fileShare = 16
	// leastKept is the smallest payload that is kept: nothing shorter can be a frame, and a file that begins with a length
	// below it could be taken for one frame without a length [F-10.3].
	leastKept = 64
)

// Why a refused frame is not kept, or no longer.
const (
	dropOldest     = "oldest"     // its file made room for newer ones
	dropShare      = "share"      // its file has its share for the day
	dropUnstorable = "unstorable" // it is too short or too long for a file of frames
	dropFailed     = "failed"     // the disk did not take it
)

type quarantineMetrics struct {
	kept    *prometheus.CounterVec // by reason
	dropped *prometheus.CounterVec // by cause
	bytes   prometheus.Gauge
}

func newQuarantineMetrics(reg prometheus.Registerer) *quarantineMetrics {
	f := promauto.With(reg)
	m := &quarantineMetrics{
		kept: f.NewCounterVec(prometheus.CounterOpts{
			Name: "jishi_collector_quarantined_frames_total", Help: "Refused frames kept in the quarantine, by reason.",
		}, []string{"reason"}),
		dropped: f.NewCounterVec(prometheus.CounterOpts{
			Name: "jishi_collector_quarantine_dropped_frames_total",
			Help: "Refused frames that the quarantine did not keep, or dropped to make room, by cause.",
		}, []string{"cause"}),
		bytes: f.NewGauge(prometheus.GaugeOpts{
			Name: "jishi_collector_quarantine_bytes", Help: "Size of the quarantine's files.",
		}),
	}
	for _, reason := range []string{
		frame.RefusedMalformed, frame.RefusedBadChain, frame.RefusedBadSignature, frame.RefusedUnknownBridge, frame.RefusedForked,
	} {
		m.kept.WithLabelValues(reason)
	}
	for _, cause := range []string{dropOldest, dropShare, dropUnstorable, dropFailed} {
		m.dropped.WithLabelValues(cause)
	}
	return m
}

// OpenQuarantine opens the quarantine in a directory, and cuts off what a crash left of an unfinished frame.
func OpenQuarantine(o QuarantineOptions) (*Quarantine, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultQuarantineBytes
	}
	if o.Dir == "" {
		return nil, errors.New("quarantine option Dir is missing")
	}
	if o.MaxBytes < minQuarantineBytes {
		return nil, fmt.Errorf("quarantine option MaxBytes is %d: want at least %d", o.MaxBytes, minQuarantineBytes)
	}
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("open quarantine: %w", err)
	}
	q := &Quarantine{dir: o.Dir, max: o.MaxBytes, m: newQuarantineMetrics(o.Registerer)}
	if err := q.rescan(); err != nil {
		return nil, fmt.Errorf("open quarantine: %w", err)
	}
	for name := range q.held {
		if err := q.mend(name); err != nil {
			return nil, fmt.Errorf("open quarantine: %w", err)
		}
	}
	return q, nil
}

// mend cuts a file after its last whole frame: what is appended behind a torn one could not be read.
func (q *Quarantine) mend(name string) error {
	held, err := readHeld(filepath.Join(q.dir, name))
	if err != nil || held.whole == q.held[name] {
		return err
	}
	if err := os.Truncate(filepath.Join(q.dir, name), held.whole); err != nil {
		return err
	}
	q.held[name] = held.whole
	return nil
}

// rescan takes the sizes of the files from the directory.
func (q *Quarantine) rescan() error {
	entries, err := os.ReadDir(q.dir)
	if err != nil {
		return err
	}
	q.held = make(map[string]int64)
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if _, ok := ParseQuarantineName(e.Name()); ok && info.Mode().IsRegular() {
			q.held[e.Name()] = info.Size()
		}
	}
	q.m.bytes.Set(float64(q.total(func(QuarantineName) bool { return true })))
	return nil
}

func (q *Quarantine) total(in func(QuarantineName) bool) (n int64) {
	for name, size := range q.held {
		if parsed, ok := ParseQuarantineName(name); ok && in(parsed) {
			n += size
		}
	}
	return n
}

// keep takes the bytes of a refused frame. f is nil when it could not be read as one. The error is the disk's; the frame
// is then counted as not kept.
func (q *Quarantine) keep(name QuarantineName, payload []byte, f *frame.Frame) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(payload) < leastKept || len(payload) > frame.MaxFrame {
		q.m.dropped.WithLabelValues(dropUnstorable).Inc()
		return nil
	}
	digest := digestOf(name, payload, f)
	if q.seen.has(digest) {
		return nil
	}
	b := frame.AppendDelimited(make([]byte, 0, len(payload)+4), payload)
	if q.full(name.file(), int64(len(b))) {
		q.m.dropped.WithLabelValues(dropShare).Inc()
		return nil
	}
	err := q.makeRoom(name, int64(len(b)))
	if err == nil {
		err = q.append(name.file(), b)
	}
	if err != nil {
		q.m.dropped.WithLabelValues(dropFailed).Inc()
		return fmt.Errorf("quarantine frame: %w", err)
	}
	q.seen.add(digest)
	q.m.kept.WithLabelValues(name.Reason).Inc()
	return nil
}

// full reports whether a file has no room for so many bytes. It asks the disk before it says so: people remove files they
// have looked at.
func (q *Quarantine) full(file string, size int64) bool {
	share := q.max / fileShare
	if q.held[file]+size <= share {
		return false
	}
	info, err := os.Stat(filepath.Join(q.dir, file))
	return err == nil && info.Size()+size > share
}

// digestOf is what a frame says whose, and not when and in which signature: a bridge signs a refused frame anew over each
// connection.
func digestOf(name QuarantineName, payload []byte, f *frame.Frame) [sha256.Size]byte {
	if f == nil {
		return sha256.Sum256(payload)
	}
	h := f.Header
	h.SentMs = 0
	return sha256.Sum256(fmt.Appendf(nil, "%s %v", name.Reason, h))
}

// makeRoom removes the oldest files of the frame's half until it fits.
func (q *Quarantine) makeRoom(name QuarantineName, size int64) error {
	half := func(n QuarantineName) bool { return n.signed() == name.signed() }
	if q.total(half)+size <= q.max/2 {
		return nil
	}
	if err := q.rescan(); err != nil {
		return err
	}
	var files []string
	for file := range q.held {
		if parsed, ok := ParseQuarantineName(file); ok && half(parsed) && parsed != name {
			files = append(files, file)
		}
	}
	slices.Sort(files) // by day
	for _, file := range files {
		if q.total(half)+size <= q.max/2 {
			break
		}
		if err := q.remove(file); err != nil {
			return err
		}
	}
	return nil
}

func (q *Quarantine) remove(file string) error {
	path := filepath.Join(q.dir, file)
	held, err := readHeld(path)
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	q.m.dropped.WithLabelValues(dropOldest).Add(float64(held.frames))
	q.m.bytes.Sub(float64(q.held[file]))
	delete(q.held, file)
	return nil
}

// append writes at the end of a file, all or nothing as far as the disk lets it.
func (q *Quarantine) append(file string, b []byte) (err error) {
	f, err := os.OpenFile(filepath.Join(q.dir, file), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Truncate(info.Size()))
	}
	q.m.bytes.Add(float64(info.Size() + int64(len(b)) - q.held[file]))
	q.held[file] = info.Size() + int64(len(b))
	return nil
}

// QuarantineName says what a file of a quarantine holds.
type QuarantineName struct {
	// Day is the day in Asia/Shanghai on which the frames came, as 2006-01-02.
	Day string
	// Reason is why they were refused, as in an acknowledgement.
	Reason string
	// Base and Bridge name the sender as enrolled; both are "" for senders that are not.
	Base, Bridge string
}

// between stands between the parts of a file's name. No part can hold it.
const between = "@"

func quarantineName(now time.Time, reason string, f *frame.Frame) QuarantineName {
	n := QuarantineName{Day: calendar.DateOf(now).String(), Reason: reason}
	if f != nil && reason != frame.RefusedUnknownBridge {
		n.Base, n.Bridge = f.Base, f.Bridge
	}
	return n
}

// signed reports whether an enrolled key signed what is in the file.
func (n QuarantineName) signed() bool {
	return n.Bridge != "" && n.Reason != frame.RefusedBadSignature
}

func (n QuarantineName) file() string {
	parts := []string{n.Day, n.Reason}
	if n.Bridge != "" {
		parts = append(parts, n.Base, n.Bridge)
	}
	return strings.Join(parts, between) + frame.FileSuffix
}

// ParseQuarantineName reads the name of a file, with or without its directory, and whether it is one of a quarantine's.
func ParseQuarantineName(path string) (QuarantineName, bool) {
	name, ok := strings.CutSuffix(filepath.Base(path), frame.FileSuffix)
	parts := strings.Split(name, between)
	if !ok || len(parts) != 2 && len(parts) != 4 {
		return QuarantineName{}, false
	}
	if _, err := calendar.ParseDate(parts[0]); err != nil {
		return QuarantineName{}, false
	}
	for _, part := range parts[1:] {
		if frame.ValidName(part) != nil {
			return QuarantineName{}, false
		}
	}
	n := QuarantineName{Day: parts[0], Reason: parts[1]}
	if len(parts) == 4 {
		n.Base, n.Bridge = parts[2], parts[3]
	}
	return n, true
}
