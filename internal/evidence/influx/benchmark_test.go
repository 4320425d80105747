package influx_test

import (
	"testing"

	"github.com/jishi-telemetry/jishi/internal/evidence/evidencetest"
	"github.com/jishi-telemetry/jishi/internal/evidence/influx"
	"github.com/jishi-telemetry/jishi/internal/evidence/influx/influxdtest"
)

func BenchmarkWrite(b *testing.B) {
	evidencetest.BenchmarkWrite(b, opener(influxdtest.Start(b), nil))
}

func BenchmarkWriteCompressed(b *testing.B) {
	evidencetest.BenchmarkWrite(b, opener(influxdtest.Start(b), func(o *influx.Options) { o.Compression = influx.CompressAlways }))
}

func BenchmarkReadDay(b *testing.B) {
	evidencetest.BenchmarkReadDay(b, opener(influxdtest.Start(b), nil))
}
