package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// LiveReference is reference data that follows the ledger: when it changes and can be read, the current Reference is the new
// one; when it cannot, it stays as it was and says so. It is for processes that must not be started again when a timetable
// is imported.
type LiveReference struct {
	current atomic.Pointer[Reference]
	ledger  *Ledger
	o       LiveOptions
	loads   *prometheus.CounterVec // by result
	failed  string                 // why the last load did not succeed, "" when it did; of Run alone
}

// LiveOptions are what a LiveReference may have.
type LiveOptions struct {
	// Every is how often the ledger is asked whether anything changed; 0 is 3 s.
	Every time.Duration
	// Changed is called after a change with what was before and what is now, one call at a time; nil for nobody.
	Changed func(was, now *Reference)
	// Logger and Registerer may be nil.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

const defaultEvery = 3 * time.Second

// OpenLive loads the reference data. It follows the ledger while Run runs.
func OpenLive(ctx context.Context, l *Ledger, o LiveOptions) (*LiveReference, error) {
	if o.Every < 0 {
		return nil, fmt.Errorf("reference option Every is %v: want more than 0", o.Every)
	}
	if o.Every == 0 {
		o.Every = defaultEvery
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r, err := l.Reference(ctx, nil)
	if err != nil {
		return nil, err
	}
	live := &LiveReference{ledger: l, o: o, loads: promauto.With(o.Registerer).NewCounterVec(prometheus.CounterOpts{
		Name: "jishi_reference_loads_total", Help: "Changes of the reference data in the ledger, by whether they were taken or could not be read.",
	}, []string{"result"})}
	for _, result := range []string{"taken", "failed"} {
		live.loads.WithLabelValues(result)
	}
	live.current.Store(r)
	return live, nil
}

// Current returns the reference data that is in force. It may be called concurrently; who needs one answer to several questions asks
// once and keeps it.
func (l *LiveReference) Current() *Reference { return l.current.Load() }

// Run follows the ledger until ctx ends, and returns nil.
func (l *LiveReference) Run(ctx context.Context) error {
	ticker := time.NewTicker(l.o.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			l.look(ctx)
		}
	}
}

// look takes the reference data over when it changed.
func (l *LiveReference) look(ctx context.Context) {
	was := l.Current()
	version, err := l.ledger.ReferenceVersion(ctx)
	if err == nil && version == was.Version && l.failed == "" {
		return
	}
	var now *Reference
	if err == nil {
		now, err = l.ledger.Reference(ctx, was)
	}
	if err != nil {
		l.fail(err)
		return
	}
	l.failed = ""
	l.current.Store(now)
	if now.Version == was.Version {
		return
	}
	l.loads.WithLabelValues("taken").Inc()
	l.o.Logger.Info("reference data changed", "version", now.Version, "was", was.Version)
	if l.o.Changed != nil {
		l.o.Changed(was, now)
	}
}

// fail tells of a mistake once, however often it is met.
func (l *LiveReference) fail(err error) {
	if errors.Is(err, context.Canceled) || err.Error() == l.failed {
		return
	}
	l.failed = err.Error()
	l.loads.WithLabelValues("failed").Inc()
	l.o.Logger.Error("changed reference data cannot be read, what it was before stays in force", "err", err)
}
