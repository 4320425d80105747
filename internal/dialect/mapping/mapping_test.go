package mapping_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/dialect/dialecttest"
	"github.com/jishi-telemetry/jishi/internal/dialect/mapping"
)

// tokens are of a key that is nobody's.
var tokens = func() *card.Tokens {
	t, err := card.NewTokens(card.Options{Key: bytes.Repeat([]byte{7}, card.KeyBytes)})
	if err != nil {
		panic(err)
	}
	return t
}()

func parse(name, text string) *mapping.Mapping {
	m, err := mapping.Parse(name, []byte(text))
	if err != nil {
		panic(err)
	}
	return m
}

func must(o mapping.Options) *mapping.Dialect {
	d, err := mapping.New(o)
	if err != nil {
		panic(err)
	}
	return d
}

// exampleText is the example that comes with the program: the vectors are messages of its devices.
var exampleText = func() string {
	text, err := os.ReadFile(filepath.Join(examples, "example.yaml"))
	if err != nil {
		panic(err)
	}
	return string(text)
}()

func fresh() dialect.Dialect {
	return must(mapping.Options{Mappings: []*mapping.Mapping{parse("example.yaml", exampleText)}, Cards: tokens})
}

func TestDialect(t *testing.T) { dialecttest.Run(t, fresh) }

func FuzzDecode(f *testing.F) { dialecttest.Fuzz(f, fresh) }

func TestClaims(t *testing.T) {
	t.Parallel()
	dialecttest.Claims(t, fresh(), map[string]bool{
		"plant/press-1/status":       true,
		"plant/press-1/debug":        true, // ignored
		"gw/3/log":                   true,
		"gw/3/log/a/b":               true,
		"gw//data":                   true,
		"plant//status":              false, // a capture is never empty
		"plant/press-1/status/x":     false,
		"plant/press-1":              false,
		"/plant/press-1/status":      false,
		"sensors/oven/humidity":      false,
		"$SYS/broker/uptime":         false,
		"jishi/v1/base/dev/d/sample": false,
	})
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	const rule = "version: 1\nvalid: 60s\nrules:\n  - {topic: \"%\", device: d, payload: text, samples: [{channel: c, state: $}]}\n"
	for pattern, topics := range map[string]map[string]bool{
		"a/#":             {"a": true, "a/b": true, "a/b/c": true, "b": false, "ab": false, "a/": true},
		"+/x":             {"a/x": true, "/x": true, "$SYS/x": false, "a/b/x": false},
		"$SYS/+":          {"$SYS/x": true},
		"{n}/x":           {"a/x": true, "/x": false, "$SYS/x": false},
		"line-{n}/m{k}.s": {"line-1/mA.s": true, "line-/mA.s": false, "line-1/m.s": false, "line-1/mA.t": false},
		"/a/{n}":          {"/a/b": true, "a/b": false, "//a/b": false},
		"车间/{n}":          {"车间/一": true},
	} {
		d := must(mapping.Options{Mappings: []*mapping.Mapping{parse("p", strings.Replace(rule, "%", pattern, 1))}})
		for topic, want := range topics {
			if got := d.Claims(topic); got != want {
				t.Errorf("%s claims %q = %v", pattern, topic, got)
			}
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	m := parse("a.yaml", exampleText)
	for want, o := range map[string]mapping.Options{
		"Mappings is empty":            {},
		"Mappings[1] is nil":           {Mappings: []*mapping.Mapping{m, nil}},
		`Mappings has "a.yaml" twice`:  {Mappings: []*mapping.Mapping{m, m}},
		"MaxDevices is -1; 1 or more ": {Mappings: []*mapping.Mapping{m}, MaxDevices: -1},
	} {
		if _, err := mapping.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// Of two mappings that read a topic, the earlier one decodes it.
func TestEarlierMappingWins(t *testing.T) {
	t.Parallel()
	one := parse("one", "version: 1\nvalid: 1m\nrules:\n  - {topic: \"m/{device}\", payload: text, samples: [{channel: one, state: $}]}\n")
	two := parse("two", "version: 1\nvalid: 1m\nrules:\n  - {topic: \"m/#\", device: d, payload: text, samples: [{channel: two, state: $}]}\n")
	d := must(mapping.Options{Mappings: []*mapping.Mapping{one, two}})
	for topic, want := range map[string]string{"m/a": "one", "m/a/b": "two"} {
		res, err := d.Decode(dialect.Message{Topic: topic, Payload: []byte("x"), ReceivedMs: 1_767_225_600_000})
		if err != nil || len(res.Records) != 1 || res.Records[0].Channel != want {
			t.Errorf("%s: %v, %v; want channel %s", topic, res.Records, err, want)
		}
	}
}

// What a badge reader's message says of the card is nowhere but in the token, whatever is wrong with the message.
func TestCardsAreSecret(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string]string{
		"right":           `{"uid":"BA839D07","dir":"entry"}`,
		"wrong direction": `{"uid":"BA839D07","dir":"BA839D07"}`,
		"wrong time":      `{"uid":"BA839D07","at":"BA839D07"}`,
		"wrong notation":  `{"uid":"BA839D07zz"}`,
		"object":          `{"uid":{"BA839D07":1}}`,
		"elsewhere":       `{"BA839D07":1}`,
		"not JSON":        `{"uid":BA839D07}`,
		"bare":            `BA839D07`,
		"number":          `{"uid":83907071}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := dialect.Message{Topic: "doors/d1/badge", Payload: []byte(payload), ReceivedMs: 1_767_225_600_000}
			for _, cards := range []*card.Tokens{tokens, nil} {
				d := must(mapping.Options{Mappings: []*mapping.Mapping{parse("m", exampleText)}, Cards: cards})
				res, notes, err := d.Explain(m)
				if !res.Private {
					t.Error("not private")
				}
				if want := name != "right" || cards == nil; (err != nil) != want {
					t.Errorf("error %v, want one: %v", err, want)
				}
				said := fmt.Sprint(err, notes)
				for i := range res.Records {
					said += dialecttest.Line(&res.Records[i])
				}
				if lower := strings.ToLower(said); strings.Contains(lower, "ba839d07") || strings.Contains(lower, "83907071") {
					t.Errorf("the number is repeated: %s", said)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	dialecttest.Bench(b, fresh(), "plant/press-1/status", `{"ts":1736603810490,"power":1.5,"energy":6.294,"mode":"RUN"}`)
}
