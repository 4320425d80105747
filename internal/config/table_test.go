package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"

	"github.com/jishi-telemetry/jishi/internal/config"
)

// table has every kind of setting.
var table = []config.Setting{
	{Name: "base", Kind: config.String, Required: true, Commands: []string{"bridge"}, Help: "Code of the base.", HelpZh: "基地编码。"},
	{Name: "broker.addr", Kind: config.Addr, Default: "127.0.0.1:1883", Help: "Address of the broker.", HelpZh: "消息代理地址。"},
	{Name: "broker.password", Kind: config.Secret, Help: "Password at the broker.", HelpZh: "消息代理密码。"},
	{Name: "broker.topics", Kind: config.List, Default: "#", Help: "Topics to read.", HelpZh: "订阅的主题。"},
	{Name: "spool.dir", Kind: config.Path, Default: "data/spool", Help: "Directory of the log.", HelpZh: "日志目录。"},
	{Name: "spool.max-bytes", Kind: config.Size, Default: "8GiB", Min: "64MiB", Max: "1TiB", Help: "Largest size of the log.", HelpZh: "日志上限。"},
	{Name: "spool.keep", Kind: config.Duration, Default: "30d", Min: "1h", Help: "How long raw messages are kept.", HelpZh: "原始报文保留时间。"},
	{Name: "window", Kind: config.Int, Default: "16", Min: "1", Max: "1024", Help: "Frames on their way at once.", HelpZh: "在途帧数。"},
	{Name: "influx.url", Kind: config.URL, Commands: []string{"collect"}, Help: "Address of InfluxDB.", HelpZh: "InfluxDB 地址。"},
	{Name: "influx.token", Kind: config.Secret, Required: true, Commands: []string{"collect"}, Help: "Token of InfluxDB.", HelpZh: "InfluxDB 令牌。"},
	{Name: "log.level", Kind: config.Enum, Default: "info", Choices: []string{"debug", "info", "warn", "error"}, Help: "Least level that is logged.", HelpZh: "日志级别。"},
	{Name: "demo", Kind: config.Bool, Default: "false", Help: "Make a plausible day.", HelpZh: "演示数据。"},
}

// scene is what a user gave.
type scene struct {
	command string
	args    []string
	env     []string
	file    string // content of the YAML file, "" for none
}

// load runs a scene. The file is jishi.yaml in the working directory of the message, so that texts do not depend on
// where the test runs.
func (s scene) load(t testing.TB) (*config.Config, error) {
	t.Helper()
	c, err := config.New(table, s.command)
	if err != nil {
		t.Fatal(err)
	}
	fs := pflag.NewFlagSet("jishi", pflag.ContinueOnError)
	c.BindFlags(fs)
	if err := fs.Parse(s.args); err != nil {
		return c, err
	}
	file := ""
	if s.file != "" {
		file = filepath.Join(t.TempDir(), "jishi.yaml")
		write(t, file, s.file)
	}
	return c, c.Load(s.env, file)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
