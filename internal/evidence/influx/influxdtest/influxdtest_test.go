package influxdtest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/evidence/influx/influxdtest"
)

func TestKilledServerKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	s := influxdtest.Start(t)
	s.Do("CREATE DATABASE d")
	res, err := http.Post(s.URL()+"/api/v2/write?bucket=d/autogen&precision=ns", "text/plain", strings.NewReader("m v=1 1"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		t.Fatalf("write: %s", res.Status)
	}

	s.Kill9()
	if s.Running() {
		t.Fatal("a killed server still runs")
	}
	s.Restart()

	res, err = http.Get(s.URL() + "/query?db=d&epoch=ns&q=SELECT+v+FROM+m")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(body), "[[1,1]]") {
		t.Errorf("after kill -9 the row is gone: %s", body)
	}
}

func TestAuthenticationRefusesStrangers(t *testing.T) {
	t.Parallel()
	s := influxdtest.StartWith(t, influxdtest.Options{User: "jishi", Password: "secret"})
	s.Do("CREATE DATABASE d")
	res, err := http.Get(s.URL() + "/query?q=SHOW+DATABASES")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger got %s, want 401", res.Status)
	}
	if got := s.Token(); got != "jishi:secret" {
		t.Errorf("token %q", got)
	}
}
