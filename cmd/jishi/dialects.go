package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/jishi-telemetry/jishi/internal/config"
	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/dialect/esphome"
	"github.com/jishi-telemetry/jishi/internal/dialect/esprfid"
	"github.com/jishi-telemetry/jishi/internal/dialect/mapping"
	"github.com/jishi-telemetry/jishi/internal/dialect/mtconnect"
	"github.com/jishi-telemetry/jishi/internal/dialect/native"
	"github.com/jishi-telemetry/jishi/internal/dialect/shelly"
	"github.com/jishi-telemetry/jishi/internal/dialect/sparkplug"
	"github.com/jishi-telemetry/jishi/internal/dialect/tasmota"
	"github.com/jishi-telemetry/jishi/internal/dialect/zigbee2mqtt"
	"github.com/jishi-telemetry/jishi/internal/enrol"
)

// dialectsName is the dialects file in the data directory.
const dialectsName = "dialects.yaml"

// maxDialectsFile is how large the file may be, in bytes.
const maxDialectsFile = 1 << 20

// dialectsFile says how a base's devices differ from what their dialects expect. docs/dialects/README.md describes it.
type dialectsFile struct {
	Off         []string          `yaml:"off"`  // dialects that are not read
	Pins        map[string]string `yaml:"pins"` // topic prefix: dialect
	Mappings    []string          `yaml:"mappings"`
	Cards       cardsSection      `yaml:"cards"`
	Sparkplug   sparkplugSection  `yaml:"sparkplug"`
	MTConnect   mtconnectSection  `yaml:"mtconnect"`
	Shelly      shellySection     `yaml:"shelly"`
	Tasmota     tasmotaSection    `yaml:"tasmota"`
	ESPHome     esphomeSection    `yaml:"esphome"`
	Zigbee2MQTT zigbeeSection     `yaml:"zigbee2mqtt"`
	ESPRFID     esprfidSection    `yaml:"esprfid"`

	dir string // what relative paths in it start from
}

type cardsSection struct {
	Default cardRule            `yaml:"default"` // of every reader that has no rule of its own
	Readers map[string]cardRule `yaml:"readers"`
}

type cardRule struct {
	Notation card.Notation `yaml:"notation"`
	Reversed bool          `yaml:"reversed"`
	Bits     int           `yaml:"bits"`
}

type sparkplugSection struct {
	HostID         string            `yaml:"host_id"`
	ReorderTimeout time.Duration     `yaml:"reorder_timeout"`
	RebirthEvery   time.Duration     `yaml:"rebirth_every"`
	Units          map[string]string `yaml:"units"`
}

type mtconnectSection struct {
	StaleAfter time.Duration `yaml:"stale_after"`
}

type shellySection struct {
	Poll time.Duration `yaml:"poll"`
	Ask  string        `yaml:"ask"`
}

type tasmotaSection struct {
	FullTopics       []string `yaml:"full_topics"`
	KeepPowerWhenOff bool     `yaml:"keep_power_when_off"`
}

type esphomeSection struct {
	UpdateInterval time.Duration     `yaml:"update_interval"`
	OnChange       time.Duration     `yaml:"on_change"`
	Quantities     map[string]string `yaml:"quantities"`
	Roots          []string          `yaml:"roots"`
}

type zigbeeSection struct {
	Bases     []string      `yaml:"bases"`
	ReportMax time.Duration `yaml:"report_max"`
	Uncached  bool          `yaml:"uncached"`
}

type esprfidSection struct {
	Topics    []string      `yaml:"topics"`
	Heartbeat time.Duration `yaml:"heartbeat"`
	Notation  card.Notation `yaml:"notation"`
}

// readDialectsFile reads the file that the settings name, or the one in the data directory when there is one.
func readDialectsFile(c *settings) (*dialectsFile, error) {
	path := c.path("dialects.path", dialectsName)
	f := &dialectsFile{dir: filepath.Dir(path)}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && c.String("dialects.path") == "" {
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read dialects file 读取方言文件 (--dialects.path): %w", err)
	}
	if info.Size() > maxDialectsFile {
		return nil, fmt.Errorf("read dialects file 读取方言文件: %s has %d bytes, at most %d are read", path, info.Size(), maxDialectsFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read dialects file 读取方言文件: %w", err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return f, nil
	}
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(f); err != nil {
		return nil, usageError{fmt.Errorf("dialects file 方言文件有误 %s:\n%w", path, err)}
	}
	return f, nil
}

// dialects makes all decoders of a base, those with a topic root of their own first. All that is wrong is said at once.
func dialects(c *settings, base string, cards []byte) (*dialect.Router, error) {
	f, err := readDialectsFile(c)
	if err != nil {
		return nil, err
	}
	tokens, err := f.tokens(cards)
	if err != nil {
		return nil, usageError{err}
	}
	var all []dialect.Dialect
	var wrong []error
	add := func(d dialect.Dialect, err error) {
		if err != nil {
			wrong = append(wrong, err)
			return
		}
		all = append(all, d)
	}
	add(native.New(native.Options{Base: base, Cards: tokens}), nil)
	add(sparkplug.New(f.Sparkplug.options()))
	add(mtconnect.NewWithOptions(mtconnect.Options{StaleAfter: f.MTConnect.StaleAfter}))
	add(f.Shelly.dialect())
	add(f.Tasmota.dialect(c, tokens))
	add(zigbee2mqtt.New(zigbee2mqtt.Options{Bases: f.Zigbee2MQTT.Bases, ReportMax: f.Zigbee2MQTT.ReportMax, Uncached: f.Zigbee2MQTT.Uncached}))
	add(esprfid.New(esprfid.Options{Topics: f.ESPRFID.Topics, Heartbeat: f.ESPRFID.Heartbeat, Notation: f.ESPRFID.Notation, Cards: tokens}))
	if len(f.Mappings) > 0 {
		add(f.mapping(tokens))
	}
	add(esphome.New(esphome.Options{
		UpdateInterval: f.ESPHome.UpdateInterval, OnChange: f.ESPHome.OnChange, Quantities: f.ESPHome.Quantities, Roots: f.ESPHome.Roots, Cards: tokens,
	}))
	if len(wrong) > 0 {
		return nil, usageError{fmt.Errorf("dialects 方言设置有误:\n%w", errors.Join(wrong...))}
	}
	return f.route(all)
}

// route drops what is off and pins what is pinned.
func (f *dialectsFile) route(all []dialect.Dialect) (*dialect.Router, error) {
	var wrong []error
	for _, name := range f.Off {
		i := slices.IndexFunc(all, func(d dialect.Dialect) bool { return d.Name() == name })
		if i < 0 {
			wrong = append(wrong, fmt.Errorf("off: no dialect is called %q", name))
			continue
		}
		all = slices.Delete(all, i, i+1)
	}
	router, err := dialect.NewRouter(all)
	if err != nil {
		return nil, usageError{errors.Join(append(wrong, err)...)}
	}
	for prefix, name := range f.Pins {
		if err := router.Pin(prefix, name); err != nil {
			wrong = append(wrong, err)
		}
	}
	if len(wrong) > 0 {
		return nil, usageError{fmt.Errorf("dialects 方言设置有误:\n%w", errors.Join(wrong...))}
	}
	return router, nil
}

func (f *dialectsFile) tokens(key []byte) (*card.Tokens, error) {
	if key == nil {
		return nil, nil //nolint:nilnil // no key: every card is refused
	}
	o := card.Options{Key: key, Default: f.Cards.Default.rule(), Readers: make(map[string]card.Rule, len(f.Cards.Readers))}
	for reader, r := range f.Cards.Readers {
		o.Readers[reader] = r.rule()
	}
	tokens, err := card.NewTokens(o)
	if err != nil {
		return nil, fmt.Errorf("cards 读卡设置有误: %w", err)
	}
	return tokens, nil
}

func (r cardRule) rule() card.Rule {
	return card.Rule{Notation: r.Notation, Reversed: r.Reversed, Bits: r.Bits}
}

// mapping reads the mapping files, whose paths start from where the dialects file is.
func (f *dialectsFile) mapping(tokens *card.Tokens) (dialect.Dialect, error) {
	paths := slices.Clone(f.Mappings)
	for i, path := range paths {
		if !filepath.IsAbs(path) {
			paths[i] = filepath.Join(f.dir, path)
		}
	}
	mappings, err := readMappings(paths)
	if err != nil {
		return nil, err
	}
	return mapping.New(mapping.Options{Mappings: mappings, Cards: tokens})
}

// rebirthEvery is how often a Sparkplug node is asked for its birth when the file does not say: a lost death is noticed
// within it.
const rebirthEvery = time.Hour

func (s sparkplugSection) options() sparkplug.Options {
	return sparkplug.Options{HostID: s.HostID, ReorderTimeout: s.ReorderTimeout, RebirthEvery: cmp.Or(s.RebirthEvery, rebirthEvery), Units: s.Units}
}

func (s shellySection) dialect() (dialect.Dialect, error) {
	ways := map[string]shelly.Ask{"": shelly.AskCommand, "command": shelly.AskCommand, "rpc": shelly.AskRPC, "never": shelly.AskNever}
	ask, ok := ways[s.Ask]
	if !ok {
		return nil, fmt.Errorf("shelly: ask is %q; command, rpc or never is right", s.Ask)
	}
	return shelly.New(shelly.Options{Poll: s.Poll, Ask: ask})
}

func (s tasmotaSection) dialect(c *settings, tokens *card.Tokens) (dialect.Dialect, error) {
	zone, err := time.LoadLocation(c.String("tasmota.zone"))
	if err != nil {
		return nil, config.Problems{c.Problem("tasmota.zone", "没有此时区，如 Asia/Shanghai", "no such zone; want one like Asia/Shanghai")}
	}
	return tasmota.New(tasmota.Options{
		Zone: zone, TelePeriod: c.Duration("tasmota.tele-period"), FullTopics: s.FullTopics, KeepPowerWhenOff: s.KeepPowerWhenOff, Cards: tokens,
	})
}

// dialects are the decoders of the process's bridge.
func (p *process) dialects() (*dialect.Router, error) {
	key, err := p.bridgeCardKey()
	if err != nil {
		return nil, err
	}
	return dialects(p.c, p.base, key)
}

// bridgeCardKey is the key for the tokens of cards: the city's, where it was given to this bridge. A bridge that has none
// makes its own, so that no tap is lost; the tokens name the key.
func (p *process) bridgeCardKey() ([]byte, error) {
	path := p.c.path("card.key", cardKeyName)
	key, err := enrol.ReadCardKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = enrol.NewCardKey(path); err != nil {
		return nil, err
	}
	p.log.Warn("no card key of the city, one of this base's own was made: tokens differ from those of other bases",
		"path", path, "key_id", card.KeyID(key), "next", "jishi bridge enroll")
	return key, nil
}
