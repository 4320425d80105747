package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// telegrafConfig is Telegraf at its best in this setting: acknowledged after the write (persistent session), batches and
// window as large as it was found to profit from, and its faster JSON parser.
const telegrafConfig = `[agent]
  interval = "1s"
  round_interval = false
  flush_interval = "1s"
  flush_jitter = "0s"
  metric_batch_size = 5000
  metric_buffer_limit = 200000
  omit_hostname = true
[[inputs.mqtt_consumer]]
  servers = ["tcp://%s"]
  topics = ["jishi/v1/+/dev/+/sample"]
  topic_tag = "topic"
  client_id = "bench-telegraf"
  qos = 1
  persistent_session = true
  max_undelivered_messages = 20000
  name_override = "sample"
  data_format = "json"
  json_time_key = "t"
  json_time_format = "unix_ms"
[[outputs.influxdb_v2]]
  urls = ["%s"]
  token = ""
  organization = ""
  bucket = "%s"
`

// telegrafPassage sends the loads through mosquitto, Telegraf and InfluxDB.
func (b *bench) telegrafPassage(ctx context.Context, loads []load) (p passage, err error) {
	ctx, cancel := context.WithTimeout(ctx, cityLimit)
	defer cancel()
	binary, err := b.tool("telegraf")
	if err != nil {
		return p, err
	}
	broker, brokerAddr, err := b.mosquitto(ctx)
	if err != nil {
		return p, err
	}
	defer broker.stop()
	influxd, influx, err := b.influxd(ctx)
	if err != nil {
		return p, err
	}
	defer influxd.stop()
	dir, err := b.folder("telegraf")
	if err != nil {
		return p, err
	}
	conf := filepath.Join(dir, "telegraf.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, telegrafConfig, brokerAddr, influx, bucket), 0o600); err != nil {
		return p, fmt.Errorf("write configuration of telegraf: %w", err)
	}
	telegraf, err := start(ctx, exec.Command(binary, "--config", conf), "telegraf", func(*process) bool {
		return strings.Contains(broker.output.String(), "bench-telegraf 1 ")
	})
	if err != nil {
		return p, err
	}
	defer telegraf.stop()
	t := transfer{addr: brokerAddr, influx: influx, measurement: "sample", prefix: "count_v_", loads: loads}
	t.side, t.broker, t.influxd = []*process{telegraf}, broker, influxd
	return t.run(ctx)
}
