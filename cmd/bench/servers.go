package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// mosquitto starts a mosquitto with limits out of the way, which logs subscriptions. The extra lines go to the end of its
// configuration, where they win.
func (b *bench) mosquitto(ctx context.Context, extra ...string) (p *process, addr string, err error) {
	dir, err := b.folder("mosquitto")
	if err != nil {
		return nil, "", err
	}
	return b.mosquittoIn(ctx, dir, extra...)
}

// mosquittoIn starts a mosquitto that goes on with what one before it has left in the folder.
func (b *bench) mosquittoIn(ctx context.Context, dir string, extra ...string) (p *process, addr string, err error) {
	binary, err := b.tool("mosquitto")
	if err != nil {
		return nil, "", err
	}
	if addr, err = freeAddr(); err != nil {
		return nil, "", err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", err
	}
	lines := []string{
		"listener " + port + " " + host, "allow_anonymous true", "persistence_location " + dir + "/",
		"log_dest stderr", "log_type error", "log_type warning", "log_type notice", "log_type subscribe",
		"max_inflight_messages 60000",
		"max_queued_messages 2000000", // 0, "no limit", stops delivery before 2.0.17
	}
	if os.Geteuid() == 0 {
		lines = append(lines, "user root") // or it gives up the right to write to the folder
	}
	conf := filepath.Join(dir, "mosquitto.conf")
	if err := os.WriteFile(conf, []byte(strings.Join(append(lines, extra...), "\n")+"\n"), 0o600); err != nil {
		return nil, "", fmt.Errorf("write configuration of mosquitto: %w", err)
	}
	p, err = start(ctx, exec.Command(binary, "-c", conf), "mosquitto", func(*process) bool { return answers(addr) })
	return p, addr, err
}

// influxd starts an InfluxDB 1.8 that syncs its log at every write, which is its default.
func (b *bench) influxd(ctx context.Context) (p *process, address string, err error) {
	binary, err := b.tool("influxd")
	if err != nil {
		return nil, "", err
	}
	dir, err := b.folder("influxd")
	if err != nil {
		return nil, "", err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, "", err
	}
	text := fmt.Sprintf("reporting-disabled = true\nbind-address = \"127.0.0.1:0\"\n[meta]\n  dir = %q\n"+
		"[data]\n  dir = %q\n  wal-dir = %q\n  query-log-enabled = false\n[monitor]\n  store-enabled = false\n"+
		"[http]\n  bind-address = %q\n  flux-enabled = true\n  log-enabled = false\n",
		filepath.Join(dir, "meta"), filepath.Join(dir, "data"), filepath.Join(dir, "wal"), addr)
	conf := filepath.Join(dir, "influxd.conf")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, "", fmt.Errorf("write configuration of influxd: %w", err)
	}
	cmd := exec.Command(binary, "-config", conf)
	cmd.Env = append(os.Environ(), "HOME="+dir)
	address = "http://" + addr
	p, err = start(ctx, cmd, "influxd", func(*process) bool {
		_, err := fetch(ctx, address+"/health")
		return err == nil
	})
	if err != nil {
		return nil, "", err
	}
	if _, err := influxQL(ctx, address, "", `CREATE DATABASE "`+database+`"`); err != nil {
		p.stop()
		return nil, "", err
	}
	return p, address, nil
}

// database is where both sides write, in its only retention policy.
const database, bucket = "jishi", "jishi/autogen"

// written returns how many points influxd says it has written, without asking its storage.
func written(ctx context.Context, address string) (float64, error) {
	body, err := fetch(ctx, address+"/debug/vars")
	if err != nil {
		return 0, err
	}
	var vars map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &vars); err != nil {
		return 0, fmt.Errorf("read what influxd counts: %w", err)
	}
	var write struct {
		Values struct {
			PointReq float64 `json:"pointReq"`
		} `json:"values"`
	}
	if raw, ok := vars["write"]; ok {
		if err := json.Unmarshal(raw, &write); err != nil {
			return 0, fmt.Errorf("read what influxd counts: %w", err)
		}
	}
	return write.Values.PointReq, nil
}

// countFields returns how many values each field of a measurement has, by "count_" and its name; none when there is no
// such measurement.
func countFields(ctx context.Context, address, measurement string) (map[string]float64, error) {
	body, err := influxQL(ctx, address, database, `SELECT COUNT(*) FROM "`+measurement+`"`)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Results []struct {
			Series []struct {
				Columns []string
				Values  [][]any
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, fmt.Errorf("read count: %w", err)
	}
	counts := map[string]float64{}
	for _, r := range answer.Results {
		for _, s := range r.Series {
			for i, column := range s.Columns {
				if n, ok := s.Values[0][i].(float64); ok && column != "time" {
					counts[column] = n
				}
			}
		}
	}
	return counts, nil
}

func influxQL(ctx context.Context, address, db, statement string) (string, error) {
	body, err := fetchWith(ctx, http.MethodPost, address+"/query?"+url.Values{"db": {db}, "q": {statement}}.Encode())
	if err == nil && strings.Contains(body, `"error"`) {
		err = errors.New(body)
	}
	if err != nil {
		return "", fmt.Errorf("ask influxd %q: %w", statement, err)
	}
	return body, nil
}

func fetch(ctx context.Context, address string) (string, error) {
	return fetchWith(ctx, http.MethodGet, address)
}

func fetchWith(ctx context.Context, method, address string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	var body strings.Builder
	if _, err := bufio.NewReader(res.Body).WriteTo(&body); err != nil {
		return "", err
	}
	if res.StatusCode/100 != 2 {
		return "", fmt.Errorf("%s: %s %.200s", address, res.Status, body.String())
	}
	return body.String(), nil
}

// metric returns a metric's value from a process's /metrics, summed over its labels.
func metric(ctx context.Context, adminAddr, name string) (float64, error) {
	body, err := fetch(ctx, "http://"+adminAddr+"/metrics")
	if err != nil {
		return 0, err
	}
	sum, found := 0.0, false
	for line := range strings.Lines(body) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), name)
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		v, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("read metric %s: %w", name, err)
		}
		sum, found = sum+v, true
	}
	if !found {
		return 0, fmt.Errorf("read metric %s: there is none", name)
	}
	return sum, nil
}
