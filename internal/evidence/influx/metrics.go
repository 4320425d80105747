package influx

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	requests     *prometheus.CounterVec
	lines, bytes prometheus.Counter
	refused      prometheus.Counter
	waits        prometheus.Counter
	writeSeconds prometheus.Histogram
	querySeconds prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	seconds := prometheus.ExponentialBuckets(0.001, 2, 16)
	return &metrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "jishi_influx_write_requests_total", Help: "Requests to write, by what the server answered.",
		}, []string{"answer"}),
		lines: f.NewCounter(prometheus.CounterOpts{
			Name: "jishi_influx_written_lines_total", Help: "Lines that the server has taken.",
		}),
		bytes: f.NewCounter(prometheus.CounterOpts{
			Name: "jishi_influx_sent_bytes_total", Help: "Bytes sent to write, as they were on the wire.",
		}),
		refused: f.NewCounter(prometheus.CounterOpts{
			Name: "jishi_influx_refused_lines_total", Help: "Lines that the server refused and that went to quarantine.",
		}),
		waits: f.NewCounter(prometheus.CounterOpts{
			Name: "jishi_influx_write_waits_total", Help: "Times that a write waited because the server asked for it.",
		}),
		writeSeconds: f.NewHistogram(prometheus.HistogramOpts{
			Name: "jishi_influx_write_seconds", Help: "Time of one request to write.", Buckets: seconds,
		}),
		querySeconds: f.NewHistogram(prometheus.HistogramOpts{
			Name: "jishi_influx_query_seconds", Help: "Time until the first byte of an answer to a query.", Buckets: seconds,
		}),
	}
}
