package mqtt

import (
	"errors"
	"net"
	"sync/atomic"

	"github.com/mochi-mqtt/server/v2/system"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type brokerMetrics struct {
	captured, acknowledged, oversized, wills, heldBack prometheus.Counter
	refused, disconnects                               *prometheus.CounterVec
}

// newBrokerMetrics registers what the broker counts itself and what mochi counts in info.
func newBrokerMetrics(reg prometheus.Registerer, info *system.Info) *brokerMetrics {
	auto := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return auto.NewCounter(prometheus.CounterOpts{Name: "jishi_mqtt_broker_" + name, Help: help})
	}
	auto.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "jishi_mqtt_broker_clients", Help: "Clients connected now.",
	}, func() float64 { return float64(atomic.LoadInt64(&info.ClientsConnected)) })
	for reason, value := range map[string]*int64{
		"slow_subscriber": &info.MessagesDropped, "inflight_full": &info.InflightDropped,
	} {
		auto.NewCounterFunc(prometheus.CounterOpts{
			Name:        "jishi_mqtt_broker_outbound_dropped_total",
			Help:        "Messages not sent to a subscriber that does not keep up.",
			ConstLabels: prometheus.Labels{"reason": reason},
		}, func() float64 { return float64(atomic.LoadInt64(value)) })
	}
	return &brokerMetrics{
		captured:     counter("captured_total", "Messages and wills taken from clients on captured topics."),
		acknowledged: counter("acknowledged_total", "Captured messages of QoS 1 and 2 acknowledged after they were durable."),
		oversized:    counter("oversized_total", "Messages over the payload limit, and packets that ended their connection."),
		heldBack:     counter("held_back_total", "Messages and subscriptions that had to wait for their client's turn."),
		wills:        counter("wills_total", "Wills of clients that went without a goodbye."),
		refused: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "jishi_mqtt_broker_refused_total", Help: "Connections, publishes and subscriptions refused.",
		}, []string{"reason"}),
		disconnects: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "jishi_mqtt_broker_disconnects_total", Help: "Ends of client connections.",
		}, []string{"reason"}),
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
