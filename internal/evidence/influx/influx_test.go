package influx_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/evidencetest"
	"github.com/jishi-telemetry/jishi/internal/evidence/influx"
	"github.com/jishi-telemetry/jishi/internal/evidence/influx/influxdtest"
)

// opener makes stores on one server, each in a database of its own.
func opener(server *influxdtest.Server, change func(*influx.Options)) func(testing.TB) evidence.Store {
	var databases atomic.Int64
	return func(tb testing.TB) evidence.Store {
		tb.Helper()
		o := influx.Options{
			URL: server.URL(), Token: "", Bucket: fmt.Sprintf("evidence %d/autogen", databases.Add(1)),
		}
		if change != nil {
			change(&o)
		}
		s, err := influx.New(o)
		if err != nil {
			tb.Fatal(err)
		}
		if err := s.EnsureBucket(tb.Context()); err != nil {
			tb.Fatal(err)
		}
		return s
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	server := influxdtest.Start(t)
	evidencetest.Run(t, evidencetest.Traits{LastWriteWins: true}, opener(server, nil))
}
