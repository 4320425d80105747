package spool

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are the log's own, from Open to Close: a log that is opened again registers them again.
type metrics struct {
	reg        prometheus.Registerer
	collectors []prometheus.Collector

	appended prometheus.Counter
	refused  *prometheus.CounterVec
	dropped  *prometheus.CounterVec
	lost     *prometheus.CounterVec
	breaks   prometheus.Counter
	seconds  prometheus.Histogram
	records  prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{reg: reg}
	f := promauto.With(m.reg)
	m.appended = f.NewCounter(prometheus.CounterOpts{
		Name: "jishi_log_appended_records_total", Help: "Records made durable.",
	})
	m.refused = f.NewCounterVec(prometheus.CounterOpts{
		Name: "jishi_log_refused_appends_total", Help: "Appends that were refused, by reason.",
	}, []string{"reason"})
	m.dropped = f.NewCounterVec(prometheus.CounterOpts{
		Name: "jishi_log_dropped_records_total",
		Help: "Records deleted with their segments: expired after the audit period, audit before its end; by the bound passed when unacknowledged.",
	}, []string{"reason"})
	m.lost = f.NewCounterVec(prometheus.CounterOpts{
		Name: "jishi_log_corrupt_records_total", Help: "Numbers found without a readable record, by cause.",
	}, []string{"cause"})
	m.breaks = f.NewCounter(prometheus.CounterOpts{
		Name: "jishi_log_chain_breaks_total", Help: "Blocks that do not continue the chain of the block before.",
	})
	m.seconds = f.NewHistogram(prometheus.HistogramOpts{
		Name: "jishi_log_commit_seconds", Help: "Time of one group commit: write and sync.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
	})
	m.records = f.NewHistogram(prometheus.HistogramOpts{
		Name: "jishi_log_commit_records", Help: "Records in one group commit.",
		Buckets: prometheus.ExponentialBuckets(1, 4, 10),
	})
	m.collectors = []prometheus.Collector{m.appended, m.refused, m.dropped, m.lost, m.breaks, m.seconds, m.records}
	for _, cause := range []Cause{CauseCorrupt, CauseTorn, CauseVanished} {
		m.lost.WithLabelValues(cause.String())
	}
	for _, reason := range []string{"expired", "audit", boundBytes, boundAge, boundFree} {
		m.dropped.WithLabelValues(reason)
	}
	for _, err := range []error{ErrFull, ErrFailed} {
		m.refused.WithLabelValues(refusal(err))
	}
	return m
}

// gauges computes each from the log when it is scraped; so the log must be whole.
func (m *metrics) gauges(l *Log) {
	f := promauto.With(m.reg)
	gauge := func(name, help string, value func(Stats) float64) {
		m.collectors = append(m.collectors, f.NewGaugeFunc(prometheus.GaugeOpts{Name: "jishi_log_" + name, Help: help},
			func() float64 { return value(l.Stats()) }))
	}
	gauge("pending_records", "Records that wait for the city.", func(s Stats) float64 { return float64(s.UnackedRecords) })
	gauge("pending_bytes", "Bytes that wait for the city.", func(s Stats) float64 { return float64(s.UnackedBytes) })
	gauge("missing_records", "Lost records that the city does not know of.", func(s Stats) float64 { return float64(s.MissingRecords) })
	gauge("held_bytes", "Bytes in segments.", func(s Stats) float64 { return float64(s.Bytes) })
	gauge("disk_free_bytes", "Bytes free on the log's disk; -1 when unknown.", func(s Stats) float64 { return float64(s.FreeBytes) })
	m.collectors = append(m.collectors, f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "jishi_log_room_bytes", Help: "Bytes that the log can still take within its bounds; -1 when unknown.",
	}, func() float64 { return float64(l.Room()) }))
	gauge("failed", "1 after a failed write or sync, until the log is opened again.", func(s Stats) float64 {
		if s.Failed != nil {
			return 1
		}
		return 0
	})
}

func (m *metrics) unregister() {
	if m.reg == nil {
		return
	}
	for _, c := range m.collectors {
		m.reg.Unregister(c)
	}
}

func (m *metrics) commit(took time.Duration, records uint64) {
	m.seconds.Observe(took.Seconds())
	m.records.Observe(float64(records))
	m.appended.Add(float64(records))
}

func (m *metrics) drop(reason string, records uint64) {
	m.dropped.WithLabelValues(reason).Add(float64(records))
}

func (m *metrics) lose(cause Cause, records uint64) {
	if cause != CauseDropped { // counted by its reason when the segment is deleted
		m.lost.WithLabelValues(cause.String()).Add(float64(records))
	}
}

func (m *metrics) refuse(err error) { m.refused.WithLabelValues(refusal(err)).Inc() }

// refusal keeps the label bounded.
func refusal(err error) string {
	switch {
	case errors.Is(err, ErrFull):
		return "full"
	case errors.Is(err, ErrFailed):
		return "failed"
	}
	return "other"
}
