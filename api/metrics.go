package api

import (
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are the API's own. Their labels are bounded: a route is a pattern of the API, never an address that was asked
// for.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
	routes   map[string]bool // written before the server serves
}

func newMetrics(reg prometheus.Registerer) *metrics {
	auto := promauto.With(reg)
	return &metrics{
		requests: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "jishi_http_requests_total",
			Help: "Requests answered, by method, pattern of the route (other: no route) and status.",
		}, []string{"method", "route", "status"}),
		seconds: auto.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "jishi_http_request_seconds",
			Help:    "Time from a request's arrival to its answer, by pattern of the route.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{"route"}),
		inFlight: auto.NewGauge(prometheus.GaugeOpts{
			Name: "jishi_http_requests_in_flight",
			Help: "Requests being answered now.",
		}),
		routes: make(map[string]bool),
	}
}

// learn takes the routes that may be labels.
func (m *metrics) learn(app *fiber.App) {
	for _, r := range app.GetRoutes(true) {
		m.routes[r.Path] = true
	}
}

func (m *metrics) observe(c *fiber.Ctx, took time.Duration) {
	route := c.Route().Path
	// What no route matches ends in the outermost handler, whose pattern is that of the board.
	if !m.routes[route] || (route == "/" && c.Path() != "/") {
		route = "other"
	}
	m.requests.WithLabelValues(c.Method(), route, strconv.Itoa(c.Response().StatusCode())).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}
