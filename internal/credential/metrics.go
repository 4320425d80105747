package credential

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	checks, reloads            *prometheus.CounterVec
	devices                    *prometheus.GaugeVec
	current, certificates, end prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	auto := promauto.With(reg)
	return &metrics{
		checks: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "jishi_credentials_password_checks_total", Help: "Passwords looked at: remembered as right, or computed.",
		}, []string{"how"}),
		reloads: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "jishi_credentials_reloads_total", Help: "Times the credentials file had changed and was read.",
		}, []string{"result"}),
		certificates: auto.NewGauge(prometheus.GaugeOpts{
			Name: "jishi_credentials_certificate_ok", Help: "1 when the broker's certificate files as they are now are in use, 0 when they cannot be and older ones are, or without TLS.",
		}),
		devices: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "jishi_credentials_devices", Help: "Entries of the credentials in force.",
		}, []string{"state"}),
		current: auto.NewGauge(prometheus.GaugeOpts{
			Name: "jishi_credentials_file_ok", Help: "1 when the credentials file as it is now is in force, 0 when it has mistakes and an older content is.",
		}),
		end: auto.NewGauge(prometheus.GaugeOpts{
			Name: "jishi_credentials_certificate_not_after_seconds", Help: "Unix time at which the broker's certificate ends, 0 without one.",
		}),
	}
}

func (m *metrics) reloaded(err error, now *roll) {
	if err != nil {
		m.reloads.WithLabelValues("failed").Inc()
		m.current.Set(0)
		return
	}
	m.reloads.WithLabelValues("done").Inc()
	m.current.Set(1)
	admitted, disabled := 0, 0
	for _, e := range now.entries {
		if e.Disabled {
			disabled++
			continue
		}
		admitted++
	}
	m.devices.WithLabelValues("admitted").Set(float64(admitted))
	m.devices.WithLabelValues("disabled").Set(float64(disabled))
}

func (m *metrics) certificate(notAfter time.Time, err error) {
	m.certificates.Set(0)
	if err == nil {
		m.certificates.Set(1)
	}
	m.end.Set(float64(notAfter.Unix()))
}
