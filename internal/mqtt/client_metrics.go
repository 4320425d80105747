package mqtt

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type clientMetrics struct {
	connects, connectFailures  prometheus.Counter
	published, publishFailures prometheus.Counter
	received, acknowledged     prometheus.Counter
	connected                  prometheus.Gauge
}

// newClientMetrics registers the metrics of clients, or finds those that an earlier client has registered: a process
// makes many clients, one after the other.
func newClientMetrics(reg prometheus.Registerer) *clientMetrics {
	counter := func(name, help string) prometheus.Counter {
		return registered(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "jishi_mqtt_client_" + name + "_total", Help: help,
		}))
	}
	return &clientMetrics{
		connects:        counter("connects", "Connections that the broker accepted."),
		connectFailures: counter("connect_failures", "Attempts to connect that failed or were refused."),
		published:       counter("published", "Messages sent to the broker."),
		publishFailures: counter("publish_failures", "Messages that ended without an acknowledgement."),
		received:        counter("received", "Messages received."),
		acknowledged:    counter("acknowledged", "Messages of QoS 1 and 2 acknowledged to the broker."),
		connected: registered(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "jishi_mqtt_client_connected", Help: "Connections that are up.",
		})),
	}
}

func registered[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	if reg == nil {
		return c
	}
	err := reg.Register(c)
	if before, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if same, ok := before.ExistingCollector.(C); ok {
			return same
		}
	}
	if err != nil {
		panic(err) // two different metrics with one name: a mistake of the program, as in promauto
	}
	return c
}
