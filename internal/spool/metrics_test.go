package spool_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	dir := t.TempDir()
	var fail error
	fsys := newFaultFS(func(s step) verdict {
		if s.Op == "sync" {
			return verdict{err: fail}
		}
		return verdict{free: 5_000_000}
	})
	o := small(spool.Options{Registerer: reg, FS: fsys})
	for range 2 { // a log that is opened again registers again
		log := open(t, dir, o)
		put(t, log, 20)
		closeAll(t, log)
	}
	damage(t, segmentFiles(t, dir)[0], segmentHeader+blockHeader)
	log := open(t, dir, o)
	put(t, log, 7)
	if err := log.Acknowledge(spool.Range{First: 21, Last: 25}); err != nil {
		t.Fatal(err)
	}
	fail = errInjected
	if _, err := tryPut(t, log, 1); !errors.Is(err, spool.ErrFailed) {
		t.Fatal(err)
	}
	want := `
# HELP jishi_log_appended_records_total Records made durable.
# TYPE jishi_log_appended_records_total counter
jishi_log_appended_records_total 7
# HELP jishi_log_corrupt_records_total Numbers found without a readable record, by cause.
# TYPE jishi_log_corrupt_records_total counter
jishi_log_corrupt_records_total{cause="corrupt"} 20
jishi_log_corrupt_records_total{cause="torn"} 0
jishi_log_corrupt_records_total{cause="vanished"} 0
# HELP jishi_log_failed 1 after a failed write or sync, until the log is opened again.
# TYPE jishi_log_failed gauge
jishi_log_failed 1
# HELP jishi_log_missing_records Lost records that the city does not know of.
# TYPE jishi_log_missing_records gauge
jishi_log_missing_records 20
# HELP jishi_log_pending_records Records that wait for the city.
# TYPE jishi_log_pending_records gauge
jishi_log_pending_records 22
# HELP jishi_log_refused_appends_total Appends that were refused, by reason.
# TYPE jishi_log_refused_appends_total counter
jishi_log_refused_appends_total{reason="failed"} 1
jishi_log_refused_appends_total{reason="full"} 0
# HELP jishi_log_disk_free_bytes Bytes free on the log's disk; -1 when unknown.
# TYPE jishi_log_disk_free_bytes gauge
jishi_log_disk_free_bytes 5e+06
`
	err := testutil.GatherAndCompare(reg, strings.NewReader(want),
		"jishi_log_appended_records_total", "jishi_log_corrupt_records_total", "jishi_log_failed",
		"jishi_log_missing_records", "jishi_log_pending_records", "jishi_log_refused_appends_total",
		"jishi_log_disk_free_bytes")
	if err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	closeAll(t, log)
	if left, err := reg.Gather(); err != nil || len(left) > 0 {
		t.Errorf("%d metrics are left after Close, %v", len(left), err)
	}
}
