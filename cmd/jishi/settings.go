package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/config"
)

//go:generate go test . -run TestManualHasTheSettings -update-manual

// settingsFile is read from the working directory when no other is named.
const settingsFile = "jishi.yaml"

// settingsTable is every setting of every command; docs/config.md is made from it.
func settingsTable() []config.Setting {
	var (
		edge    = []string{"up", "bridge", "doctor"}
		guarded = []string{"up", "bridge", "doctor", "device"}
		sealer  = []string{"up", "bridge", "frames", "doctor"}
		city    = []string{"up", "collect", "doctor"}
		web     = []string{"up", "serve", "doctor"}
		kept    = append([]string{"account", "rates", "hours", "explain", "import", "period", "correct", "clues", "usage", "calibrate"}, web...)
		stores  = []string{"up", "collect", "serve", "usage", "rates", "hours", "explain", "period", "correct", "clues", "calibrate", "doctor"}
		places  = []string{"up", "collect", "serve", "usage", "rates", "hours", "explain", "import", "period", "correct", "clues", "calibrate", "frames", "doctor"}
		lone    = []string{"up", "bridge", "collect"}
		live    = []string{"up", "bridge", "collect", "serve"}
		rated   = []string{"up", "serve", "usage", "rates", "doctor"}
		people  = []string{"people", "import", "up", "serve"}
	)
	return []config.Setting{
		{Name: "data.dir", Kind: config.Path, Default: "jishi-data", Help: "Directory for everything that is kept.", HelpZh: "存放全部数据的目录。"},
		{Name: "registry.path", Kind: config.Path, Commands: places, Help: "YAML file or directory with the reference data; default registry in the data directory.", HelpZh: "登记数据（YAML 文件或目录）；默认为数据目录下的 registry。"},
		{Name: "base.code", Kind: config.String, Default: "base1", Commands: sealer, Help: "Code of the base the bridge stands at.", HelpZh: "网桥所在基地的编码。"},
		{Name: "bridge.id", Kind: config.String, Default: "b1", Commands: sealer, Help: "Identity of the bridge at its base.", HelpZh: "网桥在本基地的标识。"},
		{Name: "bridge.key", Kind: config.Path, Commands: sealer, Help: "The bridge's signing key (PEM), made at the first start; default bridge.key in the data directory.", HelpZh: "网桥签名密钥（PEM），首次启动时生成；默认为数据目录下的 bridge.key。"},
		{Name: "bridge.window", Kind: config.Int, Default: "64", Min: "1", Max: "1024", Commands: edge, Help: "Frames that may be out unacknowledged.", HelpZh: "允许同时未确认的帧数。"},
		{Name: "bridge.linger", Kind: config.Duration, Min: "1ms", Max: "10s", Commands: edge, Help: "How long a frame that is not full waits for more: longer saves bytes on the uplink and is less fresh; default 1s, in jishi up 100ms.", HelpZh: "未满的帧等待更多记录的时间：越长越省流量，越短越实时；默认 1s，jishi up 为 100ms。"},
		{Name: "bridge.ack-timeout", Kind: config.Duration, Default: "10s", Min: "100ms", Max: "2m", Commands: edge, Help: "How long a frame waits for its acknowledgement before it is sent again.", HelpZh: "帧等待确认的时间，超时重发。"},
		{Name: "bridge.max-payload-bytes", Kind: config.Size, Default: "256KiB", Min: "1KiB", Max: "1MiB", Commands: edge, Help: "Largest device payload that is decoded; a larger one is quarantined.", HelpZh: "可解析的最大设备消息；超出者隔离。"},
		{Name: "bridge.replay-clock", Kind: config.Bool, Default: "false", Commands: edge, Help: "Take the receive time from a replayer (jishi/sim/clock). Never at a real base.", HelpZh: "以回放时钟作为接收时间；正式基地禁用。"},
		{Name: "broker.addr", Kind: config.Addr, Default: "127.0.0.1:1883", Commands: edge, Help: "Where the base's own broker listens for devices.", HelpZh: "基地内置 MQTT 服务的监听地址。"},
		{Name: "broker.credentials", Kind: config.Path, Commands: guarded, Help: "YAML file of who may connect to the base's broker; default credentials.yaml in the data directory. Without the file only this machine may reach the broker.", HelpZh: "谁可连接基地 MQTT 服务（YAML 文件）；默认为数据目录下的 credentials.yaml。无此文件时只允许本机访问。"},
		{Name: "broker.anonymous", Kind: config.Bool, Default: "false", Commands: edge, Help: "Let anyone connect, from other machines too. For trials only.", HelpZh: "允许任何人（含其他机器）匿名连接；仅限试验。"},
		{Name: "broker.tls-addr", Kind: config.Addr, Commands: edge, Help: "Where the base's broker listens for devices over TLS, beside broker.addr.", HelpZh: "基地 MQTT 服务的 TLS 监听地址，与 broker.addr 并存。"},
		{Name: "broker.tls-cert", Kind: config.Path, Commands: edge, Help: "The broker's certificate with its chain (PEM); a new one is taken up while running.", HelpZh: "MQTT 服务证书及证书链（PEM），更换后自动生效。"},
		{Name: "broker.tls-key", Kind: config.Path, Commands: edge, Help: "The key of broker.tls-cert (PEM).", HelpZh: "broker.tls-cert 的私钥（PEM）。"},
		{Name: "broker.client-ca", Kind: config.Path, Commands: edge, Help: "Authorities whose client certificates devices may show instead of a password (PEM).", HelpZh: "设备客户端证书的签发机构（PEM）；设备可出示证书代替密码。"},
		{Name: "broker.client-cert", Kind: config.Enum, Choices: []string{"optional", "required"}, Default: "optional", Commands: edge, Help: "Whether every TLS client must show a certificate.", HelpZh: "TLS 客户端是否必须出示证书。"},
		{Name: "spool.dir", Kind: config.Path, Commands: sealer, Help: "Directory of the base's log; default log in the data directory.", HelpZh: "基地日志目录；默认为数据目录下的 log。"},
		{Name: "spool.max-bytes", Kind: config.Size, Default: "20GiB", Min: "64MiB", Commands: edge, Help: "Most that the log may take on disk.", HelpZh: "日志最大占用空间。"},
		{Name: "spool.min-free-bytes", Kind: config.Size, Default: "512MiB", Commands: edge, Help: "What must stay free on the log's disk.", HelpZh: "日志所在磁盘须保留的空间。"},
		{Name: "spool.audit", Kind: config.Duration, Default: "30d", Commands: edge, Help: "How long acknowledged records stay, with their raw messages.", HelpZh: "已确认记录（含原始报文）的保留期。"},
		{Name: "spool.drop-oldest", Kind: config.Bool, Default: "false", Commands: edge, Help: "When the log is full, drop the oldest records the city does not have, and report them missing, instead of refusing new ones.", HelpZh: "日志满时丢弃最旧的未送达记录并上报缺失，而不是拒收新记录。"},
		{Name: "dialects.path", Kind: config.Path, Commands: edge, Help: "YAML file that says how this base's devices differ from what their dialects expect; default dialects.yaml in the data directory, if there is one.", HelpZh: "方言文件（YAML），说明本基地设备与默认方言的差异；默认为数据目录下的 dialects.yaml（如有）。"},
		{Name: "card.key", Kind: config.Path, Commands: edge, Help: "The city's key for card tokens; default card.key in the data directory, where one of the base's own is made if there is none.", HelpZh: "卡号令牌密钥（由市级下发）；默认为数据目录下的 card.key，没有时生成本基地自用密钥。"},
		{Name: "source.url", Kind: config.URL, Commands: []string{"bridge", "doctor"}, Help: "A broker that the base already has, to subscribe to instead of listening on broker.addr.", HelpZh: "基地已有的 MQTT 服务；设置后改为订阅它，不再启动内置服务。"},
		{Name: "source.username", Kind: config.String, Commands: []string{"bridge", "doctor"}, Help: "User name at that broker.", HelpZh: "该服务的用户名。"},
		{Name: "source.password", Kind: config.Secret, Commands: []string{"bridge", "doctor"}, Help: "Password at that broker.", HelpZh: "该服务的密码。"},
		{Name: "source.topics", Kind: config.String, Default: "#", Commands: []string{"bridge", "doctor"}, Help: "Topic filters to subscribe to there, by comma.", HelpZh: "在该服务上订阅的主题过滤器，以逗号分隔。"},
		{Name: "tasmota.zone", Kind: config.String, Default: "Asia/Shanghai", Commands: edge, Help: "Zone of Tasmota devices whose times name none.", HelpZh: "未标明时区的 Tasmota 设备所在时区。"},
		{Name: "tasmota.tele-period", Kind: config.Duration, Default: "300s", Min: "10s", Max: "1h", Commands: edge, Help: "TelePeriod that the Tasmota devices are set to.", HelpZh: "Tasmota 设备的 TelePeriod 设置。"},
		{Name: "uplink.url", Kind: config.URL, Commands: []string{"bridge", "doctor"}, Help: "The city's MQTT broker.", HelpZh: "市级 MQTT 服务地址。"},
		{Name: "uplink.username", Kind: config.String, Commands: []string{"bridge", "doctor"}, Help: "User name at the city's broker.", HelpZh: "市级 MQTT 服务用户名。"},
		{Name: "uplink.password", Kind: config.Secret, Commands: []string{"bridge", "doctor"}, Help: "Password at the city's broker.", HelpZh: "市级 MQTT 服务密码。"},
		{Name: "city.url", Kind: config.URL, Commands: []string{"collect", "doctor"}, Help: "The MQTT broker to collect from.", HelpZh: "采集所连接的 MQTT 服务地址。"},
		{Name: "city.username", Kind: config.String, Commands: []string{"collect", "doctor"}, Help: "User name at that broker.", HelpZh: "该服务的用户名。"},
		{Name: "city.password", Kind: config.Secret, Commands: []string{"collect", "doctor"}, Help: "Password at that broker.", HelpZh: "该服务的密码。"},
		{Name: "city.share-group", Kind: config.String, Commands: city, Help: "Group in which several collectors share the frames ($share).", HelpZh: "多个采集进程共享订阅的组名（$share）。"},
		{Name: "evidence.kind", Kind: config.Enum, Choices: []string{"embedded", "influx"}, Default: "embedded", Commands: stores, Help: "The evidence store.", HelpZh: "证据库类型。"},
		{Name: "evidence.path", Kind: config.Path, Commands: stores, Help: "File of the embedded store; default evidence.db in the data directory.", HelpZh: "内置证据库文件；默认为数据目录下的 evidence.db。"},
		{Name: "influx.url", Kind: config.URL, Default: "http://127.0.0.1:8086", Commands: stores, Help: "InfluxDB 2.x or 1.8.", HelpZh: "InfluxDB 2.x 或 1.8 的地址。"},
		{Name: "influx.org", Kind: config.String, Commands: stores, Help: "Organisation (2.x).", HelpZh: "组织（2.x）。"},
		{Name: "influx.bucket", Kind: config.String, Default: "jishi", Commands: stores, Help: "Bucket (2.x), or database/retention-policy (1.8).", HelpZh: "存储桶（2.x），或 数据库/保留策略（1.8）。"},
		{Name: "influx.token", Kind: config.Secret, Commands: stores, Help: "Token (2.x), or user:password (1.8).", HelpZh: "令牌（2.x），或 用户:密码（1.8）。"},
		{Name: "ledger.path", Kind: config.Path, Commands: kept, Help: "SQLite file of the ledger; default ledger.db in the data directory.", HelpZh: "结算台账（SQLite）文件；默认为数据目录下的 ledger.db。"},
		{Name: "identity.key", Kind: config.Path, Commands: people, Help: "The keys for names and ID numbers, made at the first import of people; default identity.key in the data directory. Back it up apart from the ledger.", HelpZh: "姓名与证件号的加密密钥，首次导入人员时生成；默认为数据目录下的 identity.key。请与台账分开备份。"},
		{Name: "identity.keyring", Kind: config.Secret, Commands: people, Help: "The text of those keys, in place of the file: for a vault that hands secrets out as environment variables or mounted files.", HelpZh: "上述密钥的内容，代替密钥文件；用于由密钥管理系统以环境变量或挂载文件下发的场合。"},
		{Name: "identity.years-with-hours", Kind: config.Int, Default: "10", Min: "1", Max: "100", Commands: people, Help: "Years after the last session that the identity of who took part is kept.", HelpZh: "上过课的人员，身份信息自最后一次课起保存的年数。"},
		{Name: "identity.years-without-hours", Kind: config.Int, Default: "3", Min: "1", Max: "100", Commands: people, Help: "Years that the identity of who never took part is kept.", HelpZh: "从未上课的人员，身份信息自登记起保存的年数。"},
		{Name: "usage.min-coverage-percent", Kind: config.Int, Default: "90", Min: "0", Max: "100", Commands: rated, Help: "Coverage below which a rate is withheld.", HelpZh: "数据完整率低于此值（%）时不给出使用率。"},
		{Name: "http.addr", Kind: config.Addr, Default: "127.0.0.1:8080", Commands: web, Help: "Where the API and the board are served.", HelpZh: "接口与看板的监听地址。"},
		{Name: "access.required", Kind: config.Bool, Commands: web, Help: "Whether the API and the board ask who calls; default true for serve, and for up where http.addr is off the loopback. Once there are accounts they always do.", HelpZh: "接口与看板是否要求登录；serve 默认要求，up 仅在 http.addr 对外时默认要求。有账号之后一律要求。"},
		{Name: "admin.addr", Kind: config.Addr, Commands: lone, Help: "Where /healthz, /readyz, /metrics and a bridge's status page are served, without a password: keep it on the loopback, or behind something that asks for one; unset: nowhere.", HelpZh: "健康检查、指标与网桥状态页的监听地址，无口令：请只监听本机，或置于有认证的代理之后；不设则不提供。"},
		{Name: "admin.pprof", Kind: config.Bool, Default: "false", Commands: lone, Help: "Serve Go's profiles under /debug/pprof/ beside the metrics, to see where time goes.", HelpZh: "在指标地址上同时提供 Go 性能剖析（/debug/pprof/）。"},
		{Name: "log.level", Kind: config.Enum, Choices: []string{"debug", "info", "warn", "error"}, Default: "info", Commands: live, Help: "What is logged.", HelpZh: "日志级别。"},
		{Name: "log.format", Kind: config.Enum, Choices: []string{"text", "json"}, Default: "text", Commands: live, Help: "How it is logged.", HelpZh: "日志格式。"},
	}
}

// settings are one command's, bound to its flags.
type settings struct {
	*config.Config
	dir string // the data directory; the demo has one of its own
}

// withSettings gives a command the flags of its settings.
func withSettings(cmd *cobra.Command) *settings {
	c, err := config.New(settingsTable(), cmd.Name())
	if err != nil {
		panic(err) // the table is part of the program, and a test holds it
	}
	c.BindFlags(cmd.Flags())
	return &settings{Config: c}
}

// run loads the settings, prints them when that is what was asked, or does what the command does.
func (s *settings) run(cmd *cobra.Command, do func(ctx context.Context) error) error {
	if err := s.Load(os.Environ(), settingsFile); err != nil {
		return usageError{fmt.Errorf("settings 设置有误:\n%w", err)}
	}
	if s.PrintRequested() {
		return s.Print(cmd.OutOrStdout())
	}
	s.dir = s.String("data.dir")
	return do(cmd.Context())
}

// path is the path that a setting names, or else a name in the data directory.
func (s *settings) path(setting, name string) string {
	if path := s.String(setting); path != "" {
		return path
	}
	return filepath.Join(s.dir, name)
}

// floor is the coverage below which a rate is withheld, 0 to 1.
func (s *settings) floor() float64 { return float64(s.Int("usage.min-coverage-percent")) / 100 }
