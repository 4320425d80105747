package credential

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// pollEvery is how soon a change of the file takes effect, without a signal.
const pollEvery = 2 * time.Second

// Options are what a Keeper needs.
type Options struct {
	// Path is the file. Required.
	Path string
	// MayBeMissing lets a Keeper start without the file; it takes effect as soon as it appears, and for good.
	MayBeMissing bool
	// Anonymous lets everyone do everything that Reserved leaves them, while there is no file. Otherwise nobody gets in.
	Anonymous bool
	// Base is the base's code, for {base} in topics; "" stands for every base.
	Base string
	// Reserved says which topics, and filters of as many levels, are for links alone, whatever the file says. Nil is none.
	Reserved func(topic string) bool
	// Serving is looked after together with the file; nil is none.
	Serving *Serving
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Logger and Registerer may be nil.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (o Options) complete() (Options, error) {
	if o.Path == "" {
		return o, errors.New("credential option Path is missing")
	}
	if o.Reserved == nil {
		o.Reserved = func(string) bool { return false }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// Keeper knows who may connect. It follows the file: what changes there is in force within seconds, also for those who are
// connected. Its methods may be called concurrently.
type Keeper struct {
	o     Options
	m     *metrics
	guess guesses
	key   [32]byte // of the digests of passwords that were right; it lives as long as the process

	current atomic.Pointer[roll] // nil while there was no file

	mu      sync.Mutex // guards what follows, and changes of current
	links   map[string]link
	stamp   stamp // of the file that was looked at last
	problem error
}

// stamp tells whether a file is another than before.
type stamp struct {
	info fs.FileInfo
	seen time.Time
}

// same reports whether the file has not changed. A file that was changed within a moment before it was read may have
// changed again within the same tick of the file system's clock.
func (s stamp) same(info fs.FileInfo) bool {
	const tick = 2 * time.Second
	return s.info != nil && os.SameFile(s.info, info) && s.info.Size() == info.Size() &&
		s.info.ModTime().Equal(info.ModTime()) && s.seen.Sub(info.ModTime()).Abs() > tick
}

// Open reads the file. The error is Problems when the file has mistakes.
func Open(o Options) (*Keeper, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	k := &Keeper{o: o, m: newMetrics(o.Registerer), links: make(map[string]link)}
	k.guess.prepare()
	if o.Serving != nil {
		k.m.certificate(o.Serving.NotAfter(), nil)
	}
	_, _ = rand.Read(k.key[:]) // it never returns an error
	if _, err := k.Reload(); err != nil {
		return nil, err
	}
	return k, nil
}

// Configured reports whether there is a file in force.
func (k *Keeper) Configured() bool { return k.current.Load() != nil }

// Problem returns what is wrong with the file as it is now, nil when nothing is. The content in force is then the last
// that had no mistake.
func (k *Keeper) Problem() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.problem
}

// Reload reads the file if it has changed, and reports whether a new content is in force. With an error the old one stays.
func (k *Keeper) Reload() (changed bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	changed, err = k.reloadLocked()
	if changed || err != nil && (k.problem == nil || k.problem.Error() != err.Error()) {
		k.m.reloaded(err, k.current.Load())
	}
	if err == nil && k.current.Load() != nil {
		k.m.current.Set(1) // also when a mistake was taken back
	}
	k.problem = err
	return changed, err
}

func (k *Keeper) reloadLocked() (changed bool, err error) {
	info, err := os.Stat(k.o.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && k.o.MayBeMissing && k.current.Load() == nil:
		return false, nil
	case err != nil:
		k.stamp = stamp{}
		return false, fmt.Errorf("read credentials: %w", err)
	case k.stamp.same(info):
		return false, k.problem
	}
	f, err := Read(k.o.Path)
	k.stamp = stamp{info: info, seen: time.Now()}
	if err != nil {
		return false, err
	}
	next := newRoll(f, k.current.Load())
	if old := k.current.Load(); old != nil && old.digest == next.digest {
		return false, nil
	}
	k.current.Store(next)
	return true, nil
}

// Read reads and parses a file. The error is Problems when it has mistakes.
func Read(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	if info.Size() > strictyaml.MaxBytes {
		return nil, fmt.Errorf("read credentials: %s has %d bytes, at most %d", path, info.Size(), strictyaml.MaxBytes)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	return Parse(path, text)
}

// Run follows the file, and the certificates of Options.Serving, until ctx ends. It looks every two seconds, and at once
// when reload receives, such as SIGHUP; nil is for none. After each look it calls review, which is Broker.Review: also
// what ends by the clock ends then.
func (k *Keeper) Run(ctx context.Context, reload <-chan os.Signal, review func() int) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-reload:
		}
		k.look()
		if ended := review(); ended > 0 {
			k.o.Logger.Info("connections ended", "count", ended)
		}
	}
}

// look reloads what has changed, and tells of each problem once.
func (k *Keeper) look() {
	before := k.Problem()
	changed, err := k.Reload()
	switch {
	case changed:
		k.o.Logger.Info("credentials reloaded", "path", k.o.Path, "devices", len(k.current.Load().entries))
	case err != nil && (before == nil || before.Error() != err.Error()):
		k.o.Logger.Error("credentials not reloaded, the old ones stay in force", "path", k.o.Path, "err", err)
	}
	if k.o.Serving == nil {
		return
	}
	before = k.o.Serving.Problem()
	changed, err = k.o.Serving.Reload()
	switch {
	case changed:
		k.o.Logger.Info("certificate reloaded")
	case err != nil && (before == nil || before.Error() != err.Error()):
		k.o.Logger.Error("certificate not reloaded, the old one stays in use", "err", err)
	}
	k.m.certificate(k.o.Serving.NotAfter(), err)
}
