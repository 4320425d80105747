package influx_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/influx"
)

// What a dashboard and the alerts look at, as it is exposed.
func TestMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, checkMetrics) // it waits once
}

func checkMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	e := &engine{}
	e.answer = func(lines []string) reply {
		switch {
		case e.requests == 1:
			return reply{status: 503}
		case countBad(lines) > 0:
			return reply{status: 400, body: "unable to parse"}
		}
		return fine
	}
	s := storeOn(t, e, func(o *influx.Options) { o.Registerer = reg })
	if _, err := s.Write(t.Context(), []evidence.Batch{frame(4, 2)}); err != nil {
		t.Fatal(err)
	}
	want := `
# HELP jishi_influx_refused_lines_total Lines that the server refused and that went to quarantine.
# TYPE jishi_influx_refused_lines_total counter
jishi_influx_refused_lines_total 1
# HELP jishi_influx_write_requests_total Requests to write, by what the server answered.
# TYPE jishi_influx_write_requests_total counter
jishi_influx_write_requests_total{answer="later"} 1
jishi_influx_write_requests_total{answer="ok"} 4
jishi_influx_write_requests_total{answer="refused"} 3
# HELP jishi_influx_write_waits_total Times that a write waited because the server asked for it.
# TYPE jishi_influx_write_waits_total counter
jishi_influx_write_waits_total 1
# HELP jishi_influx_written_lines_total Lines that the server has taken.
# TYPE jishi_influx_written_lines_total counter
jishi_influx_written_lines_total 5
`
	err := testutil.GatherAndCompare(reg, strings.NewReader(want), "jishi_influx_refused_lines_total",
		"jishi_influx_write_requests_total", "jishi_influx_write_waits_total", "jishi_influx_written_lines_total")
	if err != nil {
		t.Error(err)
	}
}
