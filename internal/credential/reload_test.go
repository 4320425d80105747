package credential_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/jishi-telemetry/jishi/internal/credential"
)

// A slip of the pen locks nobody out and lets nobody in.
func TestAFileWithMistakesChangesNothing(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	f := newFile(t, entry("plug", "", "right"))
	k := f.open(func(o *credential.Options) { o.Registerer = reg })
	f.write("  - name: [\n")
	for range 3 {
		if changed, err := k.Reload(); changed || err == nil {
			t.Errorf("reload: got %v, %v", changed, err)
		}
	}
	if _, ok := errors.AsType[credential.Problems](k.Problem()); !ok {
		t.Errorf("problem is %v", k.Problem())
	}
	if _, denied := k.Admit(t.Context(), login("plug", "right")); denied != "" {
		t.Errorf("got %v", denied)
	}
	expect := func(failed, ok int) {
		t.Helper()
		want := fmt.Sprintf(`
# HELP jishi_credentials_file_ok 1 when the credentials file as it is now is in force, 0 when it has mistakes and an older content is.
# TYPE jishi_credentials_file_ok gauge
jishi_credentials_file_ok %d
# HELP jishi_credentials_reloads_total Times the credentials file had changed and was read.
# TYPE jishi_credentials_reloads_total counter
jishi_credentials_reloads_total{result="done"} 1
jishi_credentials_reloads_total{result="failed"} %d
`, ok, failed)
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "jishi_credentials_file_ok", "jishi_credentials_reloads_total"); err != nil {
			t.Error(err)
		}
	}
	expect(1, 0)
	f.write(entry("plug", "", "right"))
	if _, err := k.Reload(); err != nil || k.Problem() != nil {
		t.Errorf("the mistake is gone, and still: %v, %v", err, k.Problem())
	}
	if v := testutil.ToFloat64(gauge{reg, "jishi_credentials_file_ok"}); v != 1 {
		t.Errorf("file_ok is %v after the mistake was mended", v)
	}
}

// gauge finds one metric of a registry.
type gauge struct {
	reg  *prometheus.Registry
	name string
}

func (g gauge) Describe(ch chan<- *prometheus.Desc) { ch <- prometheus.NewDesc(g.name, "x", nil, nil) }

func (g gauge) Collect(ch chan<- prometheus.Metric) {
	families, err := g.reg.Gather()
	if err != nil {
		return
	}
	for _, f := range families {
		if f.GetName() == g.name {
			ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(g.name, "x", nil, nil), prometheus.GaugeValue, f.GetMetric()[0].GetGauge().GetValue())
		}
	}
}

// Run follows the file, and has the broker look after every change.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFile(t, entry("plug", "", "right"))
		k := f.open()
		p, denied := k.Admit(t.Context(), login("plug", "right"))
		if denied != "" {
			t.Fatal(denied)
		}
		ctx, cancel := context.WithCancel(t.Context())
		reload, withdrawn, done := make(chan os.Signal), make(chan string, 100), make(chan error)
		go func() {
			done <- k.Run(ctx, reload, func() int {
				withdrawn <- p.Withdrawn()
				return 0
			})
		}()
		time.Sleep(2100 * time.Millisecond)
		f.write(entry("other", "", "right"))
		if why := <-withdrawn; why != "" {
			t.Errorf("withdrawn before the change: %s", why)
		}
		begin := time.Now()
		if why := <-withdrawn; why == "" || time.Since(begin) > 2*time.Second {
			t.Errorf("withdrawn %q %v after the change", why, time.Since(begin))
		}
		f.write(entry("plug", "", "right"))
		begin = time.Now()
		reload <- os.Interrupt
		if why := <-withdrawn; why == "" || time.Since(begin) != 0 { // its hash is another now
			t.Errorf("withdrawn %q %v after the signal", why, time.Since(begin))
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
