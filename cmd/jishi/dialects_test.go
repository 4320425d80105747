package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/dialect"
)

// exampleDialects is the file that people begin with.
const exampleDialects = "../../deploy/dialects.yaml"

func loadDialects(t *testing.T, path string) (*dialect.Router, error) {
	t.Helper()
	c := withSettings(&cobra.Command{Use: "bridge"})
	if err := c.Load([]string{"JISHI_DIALECTS_PATH=" + path}, settingsFile); err != nil {
		t.Fatal(err)
	}
	return dialects(c, "cq01", bytes.Repeat([]byte{7}, 32))
}

// TestExampleDialects: the example is read, names every key that there is, and leaves nothing without effect.
func TestExampleDialects(t *testing.T) {
	t.Parallel()
	router, err := loadDialects(t, exampleDialects)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range router.Dialects() {
		names = append(names, d.Name())
	}
	if got, want := strings.Join(names, " "), "native sparkplug mtconnect shelly tasmota zigbee2mqtt mapping esphome"; got != want {
		t.Errorf("dialects are %s, want %s", got, want)
	}
	if d, ok := router.Find("factory/x/tele/y/SENSOR"); !ok || d.Name() != "mapping" {
		t.Errorf("the pinned topic belongs to %v", d)
	}
	text, err := os.ReadFile(exampleDialects)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range yamlKeys(reflect.TypeFor[dialectsFile]()) {
		if !strings.Contains(string(text), key+":") {
			t.Errorf("the example does not show %s", key)
		}
	}
}

// yamlKeys are the keys of a struct and of those in it.
func yamlKeys(s reflect.Type) []string {
	var keys []string
	for f := range s.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name != "" {
			keys = append(keys, name)
		}
		switch f.Type.Kind() {
		case reflect.Struct:
			keys = append(keys, yamlKeys(f.Type)...)
		case reflect.Map:
			if f.Type.Elem().Kind() == reflect.Struct {
				keys = append(keys, yamlKeys(f.Type.Elem())...)
			}
		}
	}
	return keys
}

// TestWrongDialectsFile: every mistake names what is wrong and what would be right.
func TestWrongDialectsFile(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"tasmota: {zone: Asia/Shanghai}":            "unknown field \"zone\"",
		"shelly: {poll: 1s}":                        "10s to 1h is right",
		"shelly: {ask: politely}":                   "command, rpc or never is right",
		"cards: {default: {bits: 12}}":              "want 16 to 80",
		"cards: {readers: {gate: {notation: bin}}}": `reader "gate"`,
		"pins: {x/: nobody}":                        `no dialect is called "nobody"`,
		"off: [nobody]":                             `no dialect is called "nobody"`,
		"mappings: [nowhere.yaml]":                  "nowhere.yaml",
		"off: tasmota: x":                           "[1:",
	} {
		path := filepath.Join(t.TempDir(), "dialects.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadDialects(t, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant it to say %s", text, err, want)
		}
	}
}

// FuzzDialectsFile: no file makes the reader panic.
func FuzzDialectsFile(f *testing.F) {
	text, err := os.ReadFile(exampleDialects)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("cards: {readers: {gate: {bits: 24}}}"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		if len(text) > 1<<16 {
			return
		}
		// It may be anything but a panic.
		_ = yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(new(dialectsFile))
	})
}
