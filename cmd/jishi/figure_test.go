package main_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/recordingtest"
)

// TestOneFigureEverywhere asks for the running time of one machine on one day in three ways, and wants one answer: of
// jishi usage, of the API, and of the query that docs/evidence.md gives to whoever reads the bucket by hand.
func TestOneFigureEverywhere(t *testing.T) {
	data := recordingtest.Folder(t, "nist_sms_testbed")
	c := newCity(t, onInflux, nistBase(), "")
	c.startCollector()
	c.startBridge()
	var days []string
	for _, day := range []string{"20161103", "20161104", "20161105"} {
		found, err := filepath.Glob(filepath.Join(data, "raw", "Mazak01", "Mazak01-"+day+"-*"))
		if err != nil || len(found) != 1 {
			t.Fatalf("log of %s: %v %v", day, found, err)
		}
		days = append(days, found[0])
	}
	c.replay(append([]string{"--devices", filepath.Join(data, "Devices.xml")}, days...)...).wait(5 * time.Minute)
	c.drained(2 * time.Minute)

	byCommand := c.usage("--equipment", "Mazak01", "--from", "2016-11-04")[0].RunningS
	byAPI := c.runningByAPI("Mazak01", "2016-11-04")
	byHand := c.runningByHand("mtc_adapter002", "Mazak01-path_13", "2016-11-03T16:00:00Z", "2016-11-04T16:00:00Z")
	t.Logf("running on 2016-11-04 (Asia/Shanghai): jishi usage %v s, API %v s, bucket by hand %v s", byCommand, byAPI, byHand)
	if byCommand == 0 || byAPI != byCommand || byHand != byCommand {
		t.Errorf("three ways, not one figure: jishi usage %v s, API %v s, bucket by hand %v s", byCommand, byAPI, byHand)
	}
}

// runningByAPI starts the server and asks it.
func (c *city) runningByAPI(equipment, day string) float64 {
	c.t.Helper()
	addr := freeAddr(c.t)
	start(c.t, "server", "board", append([]string{"serve", "--http.addr", addr, "--log.level", "warn", "--access.required=false"}, c.storeArgs()...)...)
	var answer struct{ Items []plugRow }
	body := c.request(http.MethodGet, "http://"+addr+"/api/v1/bases/"+testBase+"/usage?from="+day+"&equipment="+equipment, "", "")
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Items) != 1 {
		c.t.Fatalf("API: %v\n%s", err, body)
	}
	return answer.Items[0].RunningS
}

// runningByHand runs the query of the manual with this base's names in place of the example's.
func (c *city) runningByHand(device, channel, from, to string) float64 {
	c.t.Helper()
	manual, err := os.ReadFile(filepath.Join("..", "..", "docs", "evidence.md"))
	if err != nil {
		c.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(manual), "The running seconds of one machine-day, by hand")
	_, rest, _ = strings.Cut(rest, "```flux\n")
	query, _, ok := strings.Cut(rest, "```")
	if !ok {
		c.t.Fatal("docs/evidence.md has no query for the running seconds of one machine-day")
	}
	for example, ours := range map[string]string{
		`r.base == "demo"`: `r.base == "` + testBase + `"`, `r.device == "Mazak01"`: `r.device == "` + device + `"`,
		`r.channel == "execution"`:     `r.channel == "` + channel + `"`,
		"start = 2016-11-01T00:00:00Z": "start = " + from, "stop = 2016-11-02T00:00:00Z": "stop = " + to,
	} {
		if !strings.Contains(query, example) {
			c.t.Fatalf("the manual's query has no %s", example)
		}
		query = strings.ReplaceAll(query, example, ours)
	}
	body := c.request(http.MethodPost, c.influxd.URL()+"/api/v2/query", "application/vnd.flux", query)
	return number(c.t, body, "running_s")
}

// number reads one column of Flux's annotated CSV.
func number(t testing.TB, text, column string) float64 {
	t.Helper()
	rows := csv.NewReader(strings.NewReader(text))
	rows.Comment, rows.FieldsPerRecord = '#', -1
	all, err := rows.ReadAll()
	if err != nil || len(all) < 2 {
		t.Fatalf("no table: %v\n%s", err, text)
	}
	for i, name := range all[0] {
		if name == column {
			v, err := strconv.ParseFloat(all[1][i], 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no column %s in\n%s", column, text)
	return 0
}

func (c *city) request(method, url, contentType, body string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		c.t.Fatalf("%s %s: %s %v\n%s", method, url, resp.Status, err, answer)
	}
	return string(answer)
}
