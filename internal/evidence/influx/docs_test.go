package influx_test

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/influx/influxdtest"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

var codeBlock = regexp.MustCompile("(?s)```(influxql|flux)\n(.*?)```")

// TestQueriesOfTheDocumentation runs every query of docs/evidence.md as it stands there, and demands an answer of each;
// of the one for running seconds, the right one.
func TestQueriesOfTheDocumentation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "evidence.md"))
	if err != nil {
		t.Fatal(err)
	}
	server := influxdtest.Start(t)
	s := newStore(t, server, "jishi/autogen", "")
	ensure(t, s)
	running := writeDocumentedDay(t, s)
	blocks := codeBlock.FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 10 {
		t.Fatalf("%d queries on the page", len(blocks))
	}
	said := false
	for _, b := range blocks {
		if b[1] == "influxql" {
			if rows := askInfluxQL(t, server, b[2]); rows == 0 {
				t.Errorf("no row answers\n%s", b[2])
			}
			continue
		}
		rows := askFlux(t, server, b[2])
		if len(rows) == 0 {
			t.Errorf("no row answers\n%s", b[2])
		}
		for _, row := range rows {
			if text, ok := row["running_s"]; ok {
				said = true
				if got, err := strconv.ParseFloat(text, 64); err != nil || got != running {
					t.Errorf("running seconds %s, want %v (%v)", text, running, err)
				}
			}
			if row["state"] == "ACTIVE" && row["seconds"] != strconv.FormatFloat(running, 'f', -1, 64) {
				t.Errorf("seconds of ACTIVE %s, want %v", row["seconds"], running)
			}
		}
	}
	if !said {
		t.Error("no query says running seconds")
	}
}

// writeDocumentedDay writes the day that the page speaks of and returns the running seconds in it, counted here.
func writeDocumentedDay(t *testing.T, s evidence.Store) float64 {
	t.Helper()
	day := time.Date(2016, 11, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	b := evidence.Batch{Base: "demo", Bridge: "bridge-1", Epoch: 7, CollectedMs: day}
	add := func(r telemetry.Record) {
		r.Clock, r.DeviceMs = telemetry.ClockDevice, r.EventMs
		m := telemetry.Message{Seq: uint64(len(b.Messages) + 1), ReceivedMs: r.EventMs + 100, Dialect: "mtconnect"}
		m.Records = []telemetry.Record{r}
		b.Messages = append(b.Messages, m)
	}
	words := []string{"ACTIVE", "READY", "UNAVAILABLE", "ACTIVE", "INTERRUPTED"}
	const dayMs = 24 * 3_600_000
	at, runningMs := int64(-1_000_000), int64(0) // before the day: the first ACTIVE is carried into it
	for i := 0; at < dayMs+3_600_000; i++ {
		length := int64(1_234_567 + i*98_765%3_000_000)
		add(telemetry.Record{Kind: telemetry.KindSample, Device: "Mazak01", Channel: "execution", EventMs: day + at, State: words[i%len(words)]})
		if words[i%len(words)] == "ACTIVE" {
			runningMs += max(0, min(at+length, dayMs)-max(at, 0))
		}
		at += length
	}
	for i := range int64(100) {
		add(telemetry.Record{
			Kind: telemetry.KindSample, Device: "meter-07", EventMs: day + i*60_000,
			Values: []telemetry.Value{{Quantity: telemetry.PowerW, Number: float64(i)}, {Quantity: telemetry.EnergyWh, Number: float64(10 * i)}},
		})
	}
	add(telemetry.Record{Kind: telemetry.KindTap, Device: "reader-01", EventMs: day + 1, Card: "token", Direction: telemetry.DirectionIn})
	add(telemetry.Record{Kind: telemetry.KindLink, Device: "Mazak01", EventMs: day + 2, Link: telemetry.LinkWill})
	add(telemetry.Record{Kind: telemetry.KindRaw, EventMs: day, Reason: telemetry.ReasonMalformed, Topic: "a/b", Detail: "d", Payload: []byte("{")})
	b.Receipts = []evidence.Receipt{
		{Epoch: 7, First: 1, Last: uint64(len(b.Messages)), FirstMs: day, LastMs: day + dayMs},
		{Epoch: 7, First: 900, Last: 950, FirstMs: day, LastMs: day, Missing: true},
	}
	if out, err := s.Write(t.Context(), []evidence.Batch{b}); err != nil || len(out[0].Rejected) > 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	return float64(runningMs) / 1000
}

// askInfluxQL returns how many rows answer.
func askInfluxQL(t *testing.T, server *influxdtest.Server, query string) int {
	t.Helper()
	res, err := http.PostForm(server.URL()+"/query", url.Values{"db": {"jishi"}, "q": {query}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Error   string
		Results []struct {
			Error  string
			Series []struct{ Values [][]any }
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, r := range answer.Results {
		if r.Error != "" {
			t.Errorf("%s\n%s", r.Error, query)
		}
		for _, s := range r.Series {
			rows += len(s.Values)
		}
	}
	if answer.Error != "" {
		t.Errorf("%s\n%s", answer.Error, query)
	}
	return rows
}

// askFlux returns the rows of all tables by column.
func askFlux(t *testing.T, server *influxdtest.Server, query string) []map[string]string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL()+"/api/v2/query", strings.NewReader(query))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/vnd.flux")
	req.Header.Set("Accept", "application/csv")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v\n%s", res.Status, body, err, query)
	}
	reader := csv.NewReader(strings.NewReader(string(body)))
	reader.Comment, reader.FieldsPerRecord = '#', -1
	lines, err := reader.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	var columns []string
	for _, line := range lines {
		switch {
		case slices.Contains(line, "error"):
			t.Errorf("error %v\n%s", lines, query)
			return nil
		case slices.Contains(line, "table"):
			columns = line
		default:
			row := map[string]string{}
			for i, c := range columns {
				row[c] = line[i]
			}
			rows = append(rows, row)
		}
	}
	return rows
}
