package collector

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/jishi-telemetry/jishi/internal/frame"
)

type metrics struct {
	frames       *prometheus.CounterVec // by verdict
	records      *prometheus.CounterVec // by verdict
	unregistered prometheus.Counter
	storeErrors  *prometheus.CounterVec
	writeSeconds prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		frames: f.NewCounterVec(prometheus.CounterOpts{
			Name: "jishi_collector_frames_total", Help: "Frames taken, by verdict.",
		}, []string{"verdict"}),
		records: f.NewCounterVec(prometheus.CounterOpts{
			Name: "jishi_collector_records_total", Help: "Records written to the evidence store, by verdict.",
		}, []string{"verdict"}),
		unregistered: f.NewCounter(prometheus.CounterOpts{
			Name: "jishi_collector_unregistered_records_total",
			Help: "Records of devices that the registry does not know; they are stored all the same.",
		}),
		storeErrors: f.NewCounterVec(prometheus.CounterOpts{
			Name: "jishi_collector_store_errors_total", Help: "Calls of the evidence store that had to be repeated, by what was asked.",
		}, []string{"verb"}),
		writeSeconds: f.NewHistogram(prometheus.HistogramOpts{
			Name: "jishi_collector_write_seconds", Help: "Time of one successful write to the evidence store.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
	}
	for _, v := range []string{
		"verified", "repeated", frame.RefusedMalformed, frame.RefusedBadChain, frame.RefusedBadSignature, frame.RefusedUnknownBridge,
		frame.RefusedForked,
	} {
		m.frames.WithLabelValues(v)
	}
	for _, v := range []string{"accepted", "duplicate", "rejected"} {
		m.records.WithLabelValues(v)
	}
	return m
}
