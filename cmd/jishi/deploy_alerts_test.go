package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/jishi-telemetry/jishi/api"
	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/collector"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/credential"
	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/native"
	"github.com/jishi-telemetry/jishi/internal/evidence/embedded"
	"github.com/jishi-telemetry/jishi/internal/evidence/influx"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/spool"
)

const alertsPath = "../../deploy/alerts/jishi.rules.yml"

// alertRule is one alert, with no fields but those that Prometheus has.
type alertRule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func readAlerts(t *testing.T) []alertRule {
	t.Helper()
	text, err := os.ReadFile(alertsPath)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string      `yaml:"name"`
			Rules []alertRule `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&file); err != nil {
		t.Fatal(err)
	}
	var all []alertRule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 25 {
		t.Fatalf("only %d alerts are read", len(all))
	}
	return all
}

// TestAlertsAreWhole: each says how bad it is, in Chinese what it is, in English what that means, and where the section of
// the runbook is, which is there.
func TestAlertsAreWhole(t *testing.T) {
	t.Parallel()
	runbook, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for part := range strings.SplitSeq(string(runbook), "\n### ") {
		name, text, _ := strings.Cut(part, "\n")
		sections[name] = text
	}
	const url = "https://github.com/jishi-telemetry/jishi/blob/main/docs/runbook.md#"
	chinese := regexp.MustCompile(`\p{Han}{2}`)
	seen := map[string]bool{}
	for _, a := range readAlerts(t) {
		section, ok := sections[a.Alert]
		title, _, _ := strings.Cut(section, "\n")
		switch {
		case seen[a.Alert]:
			t.Errorf("%s is there twice", a.Alert)
		case a.Labels["severity"] != string(critical) && a.Labels["severity"] != string(attend):
			t.Errorf("%s has severity %q", a.Alert, a.Labels["severity"])
		case !chinese.MatchString(a.Annotations["summary"]) || a.Annotations["description"] == "":
			t.Errorf("%s has summary %q and description %q", a.Alert, a.Annotations["summary"], a.Annotations["description"])
		case a.Annotations["runbook_url"] != url+strings.ToLower(a.Alert):
			t.Errorf("%s has runbook_url %q", a.Alert, a.Annotations["runbook_url"])
		case !ok:
			t.Errorf("docs/runbook.md has no section for %s", a.Alert)
		case !chinese.MatchString(title) || !strings.HasSuffix(title, "· "+a.Labels["severity"]):
			t.Errorf("the section of %s begins with %q, want its Chinese name and severity %s", a.Alert, title, a.Labels["severity"])
		case !strings.Contains(section, "- Means:") || !strings.Contains(section, "- Do:") && !strings.Contains(section, "- Check"):
			t.Errorf("the section of %s does not say what it means or what to do", a.Alert)
		}
		if _, err := time.ParseDuration(a.For); a.For != "" && err != nil {
			t.Errorf("%s: %v", a.Alert, err)
		}
		seen[a.Alert] = true
		delete(sections, a.Alert)
	}
	for name := range sections {
		if strings.HasPrefix(name, "Jishi") {
			t.Errorf("docs/runbook.md has a section %s, and there is no such alert", name)
		}
	}
	for _, code := range concernCodes(t) {
		if !seen[code] {
			t.Errorf("the status speaks of %s, and there is no such alert", code)
		}
	}
}

// concernCodes are the codes that the status gives its concerns.
func concernCodes(t *testing.T) []string {
	t.Helper()
	source, err := os.ReadFile("bridge_status_concerns.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`"Jishi[A-Za-z]+"`).FindAllString(string(source), -1)
	for i := range codes {
		codes[i] = strings.Trim(codes[i], `"`)
	}
	if len(codes) < 10 {
		t.Fatalf("only %v found", codes)
	}
	return codes
}

// catalogue is a registerer that notes which metrics exist, and their labels. It takes everything.
type catalogue map[string]map[string]bool

var (
	descName   = regexp.MustCompile(`fqName: "([^"]+)"`)
	descLabels = regexp.MustCompile(`constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)
)

// Register implements prometheus.Registerer.
func (c catalogue) Register(collector prometheus.Collector) error {
	descs := make(chan *prometheus.Desc, 100)
	collector.Describe(descs)
	close(descs)
	for d := range descs {
		name, labels := descName.FindStringSubmatch(d.String()), descLabels.FindStringSubmatch(d.String())
		if name == nil || labels == nil {
			return fmt.Errorf("%s: the form of a description has changed", d)
		}
		if c[name[1]] == nil {
			c[name[1]] = map[string]bool{}
		}
		for label := range strings.SplitSeq(labels[1]+","+labels[2], ",") {
			label, _, _ = strings.Cut(label, "=")
			c[name[1]][strings.TrimSpace(label)] = true
		}
	}
	return nil
}

// MustRegister implements prometheus.Registerer.
func (c catalogue) MustRegister(collectors ...prometheus.Collector) {
	for _, each := range collectors {
		if err := c.Register(each); err != nil {
			panic(err)
		}
	}
}

// Unregister implements prometheus.Registerer.
func (catalogue) Unregister(prometheus.Collector) bool { return true }

// everyMetric sets up every part that has metrics, and returns what they registered.
func everyMetric(t *testing.T) catalogue {
	t.Helper()
	c, dir := catalogue{}, t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	log, err := spool.Open(filepath.Join(dir, "log"), spool.Options{Registerer: c})
	must(err)
	defer func() { must(log.Close()) }()
	key, err := frame.GenerateKey()
	must(err)
	router, err := dialect.NewRouter([]dialect.Dialect{native.New(native.Options{})})
	must(err)
	_, err = bridge.New(bridge.Options{Base: "cq01", ID: "b1", Log: log, Key: key, Dialects: router, Registerer: c})
	must(err)
	_, err = mqtt.NewBroker(mqtt.BrokerOptions{Addr: "127.0.0.1:0", Registerer: c})
	must(err)
	ended, end := context.WithCancel(t.Context())
	end()
	must(mqtt.Maintain(ended, mqtt.ClientOptions{
		URL: "tcp://127.0.0.1:1", ClientID: "c", Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"link": "city"}, c),
	}, nil))
	_, err = credential.Open(credential.Options{Path: filepath.Join(dir, "credentials.yaml"), MayBeMissing: true, Registerer: c})
	must(err)
	store, err := embedded.Open(t.Context(), filepath.Join(dir, "evidence.db"), embedded.Options{})
	must(err)
	defer func() { must(store.Close()) }()
	_, err = collector.OpenQuarantine(collector.QuarantineOptions{Dir: filepath.Join(dir, "quarantine"), Registerer: c})
	must(err)
	_, err = collector.New(collector.Options{Store: store, BridgeKeys: bridgeKeys(nil, nil), Registerer: c})
	must(err)
	_, err = influx.New(influx.Options{URL: "http://127.0.0.1:1", Bucket: "b", Token: "t", Registerer: c})
	must(err)
	path := filepath.Join(dir, "registry.yaml")
	must(os.WriteFile(path, []byte("bases:\n  - {code: cq01, name: 基地, tier: N, districts: [{code: \"500112\"}], hours: [{workday: \"08:00-18:00\", restday: closed}]}\n"), 0o600))
	live, err := registry.OpenLive(path, registry.LiveOptions{Registerer: c})
	must(err)
	cal, err := calendar.New()
	must(err)
	_, err = api.New(api.Options{
		Settler: settle.New(store, live.Current(), cal), Registry: live.Current(), Calendar: cal, Store: store, Registerer: c,
	})
	must(err)
	return c
}

// TestAlertsAskForWhatExists: every metric that a rule names is one that a process has, with every label that the rule asks
// for or sums away; and the alerts watch what they are there for.
func TestAlertsAskForWhatExists(t *testing.T) {
	t.Parallel()
	metrics := everyMetric(t)
	// What Prometheus and its client library have themselves.
	metrics["up"], metrics["process_start_time_seconds"] = map[string]bool{}, map[string]bool{}
	selector := regexp.MustCompile(`\b((?:jishi|process)_[a-z0-9_]+|up)\b(?:\{([^}]*)\})?`)
	label := regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	without := regexp.MustCompile(`without \(([^)]*)\) \([a-z]+\((jishi_[a-z_]+)`)
	watched := map[string]bool{}
	for _, a := range readAlerts(t) {
		found := selector.FindAllStringSubmatch(a.Expr, -1)
		if len(found) == 0 {
			t.Errorf("%s asks for no metric", a.Alert)
		}
		for _, m := range found {
			labels, ok := metrics[m[1]]
			if !ok {
				t.Errorf("%s asks for %s, which no process has", a.Alert, m[1])
			}
			for _, l := range label.FindAllStringSubmatch(m[2], -1) {
				if !labels[l[1]] && l[1] != "job" {
					t.Errorf("%s asks for the label %s of %s, which has %v", a.Alert, l[1], m[1], labels)
				}
			}
			watched[m[1]] = true
		}
		for _, m := range without.FindAllStringSubmatch(a.Expr, -1) {
			for l := range strings.SplitSeq(m[1], ",") {
				if !metrics[m[2]][strings.TrimSpace(l)] {
					t.Errorf("%s sums %s over %s, which it has not", a.Alert, m[2], l)
				}
			}
		}
		if strings.Count(a.Expr, "(") != strings.Count(a.Expr, ")") || strings.Count(a.Expr, "{") != strings.Count(a.Expr, "}") {
			t.Errorf("%s: brackets do not match", a.Alert)
		}
	}
	for _, want := range []string{
		"jishi_bridge_oldest_pending_seconds", "jishi_log_room_bytes", "jishi_bridge_log_full", "jishi_bridge_uplink_connected",
		"jishi_bridge_refused_frames", "jishi_bridge_device_clock_offset_max_seconds", "jishi_bridge_devices", "jishi_bridge_quarantined_total",
		"jishi_mqtt_broker_refused_total", "jishi_log_failed", "jishi_log_dropped_records_total", "jishi_log_corrupt_records_total", "jishi_log_pending_records",
	} {
		if !watched[want] {
			t.Errorf("no alert watches %s", want)
		}
	}
}

// TestMetricsHaveBaseUnits holds the names of all metrics to what Prometheus users expect.
func TestMetricsHaveBaseUnits(t *testing.T) {
	t.Parallel()
	for name := range everyMetric(t) {
		if !strings.HasPrefix(name, "jishi_") {
			t.Errorf("%s is not one of ours", name)
		}
		for _, unit := range []string{"_ms", "_millis", "_milliseconds", "_minutes", "_hours", "_kb", "_mib", "_percent"} {
			if strings.Contains(name+"_", unit+"_") {
				t.Errorf("%s is not in a base unit", name)
			}
		}
	}
}

// TestAlertsParse asks Prometheus' own tool, where there is one.
func TestAlertsParse(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed: the expressions are only looked at by the other tests")
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", alertsPath).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
