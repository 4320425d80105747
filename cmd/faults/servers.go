package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

var (
	errNoTool  = errors.New("a program is missing")
	errNoMount = errors.New("no small file system can be mounted here")
)

// tool finds a program.
func (h *harness) tool(name string) (string, error) {
	for _, candidate := range []string{filepath.Join(h.tools, name), name, filepath.Join("/usr/sbin", name)} {
		if path, err := exec.LookPath(candidate); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", fmt.Errorf("%s is not installed: `make setup` obtains it, or name its folder with -tools: %w", name, errNoTool)
}

// mosquitto is the city's broker, with persistence, at an address that stays.
func (h *harness) mosquitto(dir, addr string) (*server, error) {
	binary, err := h.tool("mosquitto")
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	lines := []string{
		"listener " + port + " " + host, "allow_anonymous true", "persistence true", "persistence_location " + dir + "/",
		"log_dest stderr", "log_type error", "log_type warning", "log_type notice",
		"max_inflight_messages 65535",
		"max_queued_messages 1000000", // 0, "no limit", stops delivery before 2.0.17
	}
	if os.Geteuid() == 0 {
		lines = append(lines, "user root") // or it gives up the right to write to the folder
	}
	conf := filepath.Join(dir, "mosquitto.conf")
	if err := os.WriteFile(conf, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("write configuration of mosquitto: %w", err)
	}
	return &server{
		name: "mosquitto", make: func() *exec.Cmd { return exec.Command(binary, "-c", conf) },
		ready: func(context.Context, *server) bool { return answers(addr) },
	}, nil
}

// influxd is an InfluxDB 1.8 that syncs its log at every write, which is its default, at an address that stays. It is
// without Flux, which nothing here asks for and which takes seconds to start.
func (h *harness) influxd(dir, addr string) (*server, error) {
	binary, err := h.tool("influxd")
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("reporting-disabled = true\nbind-address = \"127.0.0.1:0\"\n[meta]\n  dir = %q\n"+
		"[data]\n  dir = %q\n  wal-dir = %q\n  query-log-enabled = false\n[monitor]\n  store-enabled = false\n"+
		"[subscriber]\n  enabled = false\n[continuous_queries]\n  enabled = false\n"+
		"[http]\n  bind-address = %q\n  flux-enabled = false\n  log-enabled = false\n",
		filepath.Join(dir, "meta"), filepath.Join(dir, "data"), filepath.Join(dir, "wal"), addr)
	conf := filepath.Join(dir, "influxd.conf")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write configuration of influxd: %w", err)
	}
	return &server{
		name: "influxd",
		make: func() *exec.Cmd {
			cmd := exec.Command(binary, "-config", conf)
			cmd.Env = append(os.Environ(), "HOME="+dir)
			return cmd
		},
		ready: func(ctx context.Context, _ *server) bool {
			_, err := fetch(ctx, "http://"+addr+"/health")
			return err == nil
		},
	}, nil
}

// service is one of the binary's own processes, which says a word when it is ready.
func (h *harness) service(name, readyWord string, args func() []string) (*server, error) {
	binary, err := filepath.Abs(h.jishi)
	if err != nil {
		return nil, fmt.Errorf("find jishi: %w", err)
	}
	if _, err := os.Stat(binary); err != nil {
		return nil, fmt.Errorf("find jishi (-jishi, `make build` makes it): %w", err)
	}
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "JISHI_") {
			env = append(env, v)
		}
	}
	return &server{
		name: name,
		make: func() *exec.Cmd {
			cmd := exec.Command(binary, args()...)
			cmd.Dir, cmd.Env = h.temp, env // where no settings file lies
			return cmd
		},
		ready: func(_ context.Context, s *server) bool { return strings.Contains(s.output.String(), readyWord) },
	}, nil
}

func fetch(ctx context.Context, address string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
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
