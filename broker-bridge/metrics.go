package bridge

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// metrics are the bridge's own; the log has its own.
type metrics struct {
	messages      *prometheus.CounterVec // by dialect
	records       *prometheus.CounterVec // by kind
	quarantined   *prometheus.CounterVec // by reason
	suspect       prometheus.Counter
	unclocked     prometheus.Counter
	full          prometheus.Counter
	requestErrors prometheus.Counter
	unsendable    prometheus.Counter
	frames        prometheus.Counter
	frameBytes    prometheus.Counter
	repeats       prometheus.Counter
	refused       *prometheus.CounterVec // by reason
	badAcks       prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, b *Bridge) *metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "jishi_bridge_" + name, Help: help})
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: "jishi_bridge_" + name, Help: help}, []string{label})
	}
	m := &metrics{
		messages:      vec("messages_total", "Device messages decoded or quarantined, by dialect.", "dialect"),
		records:       vec("records_total", "Records that the messages yielded, by kind.", "kind"),
		quarantined:   vec("quarantined_total", "Messages or parts of messages that could not be read, by reason.", "reason"),
		suspect:       counter("clock_suspect_total", "Records whose device time was implausible; the receive time stands in."),
		unclocked:     counter("unclocked_total", "Messages not taken because the replayed clock was not set yet."),
		full:          counter("log_full_waits_total", "Waits of a second for room in the log; devices are not acknowledged meanwhile."),
		requestErrors: counter("request_errors_total", "Requests to devices that could not be published."),
		unsendable:    counter("unsendable_records_total", "Records of the log that no frame can carry; the city is told that they are missing."),
		frames:        counter("frames_sent_total", "Frames sent for the first time on a connection."),
		frameBytes:    counter("frame_bytes_total", "Bytes of the frames sent for the first time on a connection."),
		repeats:       counter("frames_repeated_total", "Frames sent again because their acknowledgement was late."),
		refused:       vec("frames_refused_total", "Refusals by the city, by reason.", "reason"),
		badAcks:       counter("bad_acks_total", "Acknowledgements that could not be read or belong to another epoch."),
	}
	for _, r := range telemetry.Reasons() {
		m.quarantined.WithLabelValues(string(r))
	}
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "jishi_bridge_uplink_connected", Help: "1 while a connection to the city is up.",
	}, func() float64 {
		if b.status.connected.Load() {
			return 1
		}
		return 0
	})
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "jishi_bridge_inbox_messages", Help: "Device messages waiting to be decoded.",
	}, func() float64 { return float64(len(b.inbox.queue)) })
	return m
}
