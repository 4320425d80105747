package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Live is a registry that follows its files: when they change and are good, it changes with them; when they are not good,
// it stays as it was and says so. It is for processes that must not be started again when a bridge is admitted or revoked.
type Live struct {
	current atomic.Pointer[Registry]
	path    string
	o       LiveOptions
	m       *liveMetrics
	state   string // of the files at the last load; "" when they must be looked at again in any case
	refused string // why they are not in force, "" when they are
}

// LiveOptions are what a Live may have.
type LiveOptions struct {
	// Every is how often the files are looked at; 0 is 3 s.
	Every time.Duration
	// Logger and Registerer may be nil.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

const (
	defaultEvery = 3 * time.Second

	// tick is how coarse a file system's clock may be: a file that was changed within it of being read may have changed
	// again since, without a new time.
	tick = 2 * time.Second
)

type liveMetrics struct {
	reloads *prometheus.CounterVec // by result
	refused prometheus.Gauge
}

func newLiveMetrics(reg prometheus.Registerer) *liveMetrics {
	f := promauto.With(reg)
	m := &liveMetrics{
		reloads: f.NewCounterVec(prometheus.CounterOpts{
			Name: "jishi_registry_reloads_total", Help: "Changes of the registry's files, by whether they were taken or refused.",
		}, []string{"result"}),
		refused: f.NewGauge(prometheus.GaugeOpts{
			Name: "jishi_registry_refused", Help: "1 while the registry's files are not good, and what they said before is in force.",
		}),
	}
	for _, result := range []string{"taken", "refused"} {
		m.reloads.WithLabelValues(result)
	}
	return m
}

// OpenLive loads the registry at the path like Open. It follows the files while Run runs.
func OpenLive(path string, o LiveOptions) (*Live, error) {
	if o.Every < 0 {
		return nil, fmt.Errorf("registry option Every is %v: want more than 0", o.Every)
	}
	if o.Every == 0 {
		o.Every = defaultEvery
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Live{path: path, o: o, m: newLiveMetrics(o.Registerer), state: stateOf(path, time.Now())}
	r, err := Open(path)
	if err != nil {
		return nil, err
	}
	l.current.Store(r)
	return l, nil
}

// Fixed returns a Live that stays what it is.
func Fixed(r *Registry) *Live {
	l := &Live{}
	l.current.Store(r)
	return l
}

// Current returns the registry that is in force. It may be called concurrently; who needs one answer to several questions
// asks once and keeps it.
func (l *Live) Current() *Registry { return l.current.Load() }

// Run follows the files until ctx ends, and returns nil.
func (l *Live) Run(ctx context.Context) error {
	if l.path == "" {
		return nil
	}
	ticker := time.NewTicker(l.o.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			l.look(time.Now())
		}
	}
}

// look takes the files over when they changed.
func (l *Live) look(now time.Time) {
	state := stateOf(l.path, now)
	if state != "" && state == l.state {
		return
	}
	l.state = state
	r, err := Open(l.path)
	if err != nil {
		l.refuse(err)
		return
	}
	l.m.refused.Set(0)
	if was := l.Current().Digest(); r.Digest() != was || l.refused != "" {
		l.m.reloads.WithLabelValues("taken").Inc()
		l.o.Logger.Info("registry changed", "digest", r.Digest(), "was", was)
	}
	l.refused = ""
	l.current.Store(r)
}

// refuse tells of a mistake once, however often it is met.
func (l *Live) refuse(err error) {
	l.m.refused.Set(1)
	if err.Error() == l.refused {
		return
	}
	l.refused = err.Error()
	l.m.reloads.WithLabelValues("refused").Inc()
	l.o.Logger.Error("changed registry is not good, what it said before stays in force", "err", err)
}

// stateOf says what the registry's files look like from outside, "" when that says too little: a file has only just been
// changed.
func stateOf(path string, now time.Time) string {
	var b strings.Builder
	fresh := false
	add := func(name string, info fs.FileInfo, err error) {
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", name, err)
			return
		}
		fresh = fresh || now.Sub(info.ModTime()).Abs() < tick
		fmt.Fprintf(&b, "%s: %d %d\n", name, info.Size(), info.ModTime().UnixNano())
	}
	info, err := os.Stat(path)
	add(path, info, err)
	dirs := []string{EventDir(path)}
	if err == nil && info.IsDir() {
		dirs = append(dirs, path)
	}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			add(dir, nil, err)
		}
		for _, e := range entries {
			if yamlFile(e) {
				info, err := os.Stat(filepath.Join(dir, e.Name())) // what a link leads to, not the link
				add(filepath.Join(dir, e.Name()), info, err)
			}
		}
	}
	if fresh {
		return ""
	}
	return b.String()
}
