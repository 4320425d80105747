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

	// What every message counts is looked up once; the decoder is the only user.
	ofDialect map[string]prometheus.Counter
	ofKind    [telemetry.KindRaw + 1]prometheus.Counter
}

// message counts a message of a dialect, record a record of a kind.
func (m *metrics) message(dialect string) {
	c := m.ofDialect[dialect]
	if c == nil {
		c = m.messages.WithLabelValues(dialect)
		m.ofDialect[dialect] = c
	}
	c.Inc()
}

func (m *metrics) record(kind telemetry.Kind) {
	if int(kind) >= len(m.ofKind) {
		m.records.WithLabelValues(kind.String()).Inc()
		return
	}
	if m.ofKind[kind] == nil {
		m.ofKind[kind] = m.records.WithLabelValues(kind.String())
	}
	m.ofKind[kind].Inc()
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
	m.ofDialect = make(map[string]prometheus.Counter)
	for _, r := range telemetry.Reasons() {
		m.quarantined.WithLabelValues(string(r))
	}
	m.gauges(f, b)
	return m
}

// gauges are what alarms watch; each is asked for when it is scraped.
func (m *metrics) gauges(f promauto.Factory, b *Bridge) {
	gauge := func(name, help string, value func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: "jishi_bridge_" + name, Help: help}, value)
	}
	labelled := func(name, help, label, of string, value func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "jishi_bridge_" + name, Help: help, ConstLabels: prometheus.Labels{label: of},
		}, value)
	}
	uplink := func() UplinkStatus {
		s, _ := b.status.link.status(0, b.o.Window)
		return s
	}
	receiveMs := func() int64 { ms, _ := b.nowMs(); return ms }

	gauge("uplink_connected", "1 while a connection to the city is up.", func() float64 { return truth(b.Connected()) })
	gauge("frames_out", "Frames sent and not yet acknowledged by the city.", func() float64 { return float64(uplink().FramesOut) })
	gauge("window_frames", "Most frames that may be out.", func() float64 { return float64(b.o.Window) })
	gauge("last_ack_timestamp_seconds", "When the city last said that it had stored something; 0 since the start never.", func() float64 {
		return seconds(uplink().LastAckMs)
	})
	gauge("city_clock_offset_seconds", "The city's clock minus the bridge's at the last acknowledgement.", func() float64 {
		return seconds(uplink().CityOffsetMs)
	})
	gauge("oldest_pending_seconds", "Age of the oldest record that waits for the city; 0 when none waits.", func() float64 {
		_, known := b.status.link.status(0, 0)
		return age(b.oldestMs(known), receiveMs())
	})
	gauge("log_full", "1 while the log is full and devices are not acknowledged.", func() float64 { return truth(b.status.fullSinceMs.Load() != 0) })
	gauge("inbox_messages", "Device messages waiting to be decoded.", func() float64 { return float64(len(b.inbox.queue)) })
	gauge("device_clock_offset_max_seconds", "How far the clock is off that is farthest from the bridge's, of the devices online.", func() float64 {
		_, farthestMs := b.status.seen.sum(receiveMs())
		return seconds(farthestMs)
	})
	for _, state := range []DeviceState{DeviceOnline, DeviceSilent, DeviceOffline} {
		labelled("devices", "Devices heard since the start, by how they are.", "state", string(state), func() float64 {
			states, _ := b.status.seen.sum(receiveMs())
			return float64(states[state])
		})
	}
	for _, reason := range refusalLabels() {
		m.refused.WithLabelValues(reason)
		labelled("refused_frames", "Frames that are out and refused by the city, by reason.", "reason", reason, func() float64 {
			for _, r := range uplink().Refused {
				if r.Reason == reason {
					return float64(r.FramesOut)
				}
			}
			return 0
		})
	}
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func seconds(ms int64) float64 { return float64(ms) / 1000 }

// age is how long ago an instant was, in seconds; 0 for none, and for one that is still to come.
func age(ms, nowMs int64) float64 {
	if ms == 0 {
		return 0
	}
	return seconds(max(0, nowMs-ms))
}
