// Package mapping decodes what devices publish that no other dialect knows, by mapping files: strict YAML that says which
// topics and JSON paths mean which channels, quantities, states, links and taps. docs/dialects/mapping.md describes the
// language. It is for bases that add a device nobody here has seen, and for jishi map, which shows what a message becomes.
//
// It refuses to be a programming language: there are no expressions, no loops but over one array, and no memory but of
// what a heartbeat affirms. A rule that applies and finds nothing of what it names is an error, never silence.
package mapping

import (
	"fmt"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Name is the dialect's name.
const Name = "mapping"

// Options are the dialect's settings.
type Options struct {
	// Mappings are what the files say, at least one. When two read a topic, the earlier one gets it.
	Mappings []*Mapping
	// Cards make the tokens of taps; nil refuses every card.
	Cards *card.Tokens
	// MaxDevices is how many devices with a heartbeat are remembered; 0 means dialect.MaxDevices.
	MaxDevices int
}

// Dialect implements dialect.Dialect. Of a device with a heartbeat it remembers what the heartbeat affirms; other devices
// are decoded message by message.
type Dialect struct {
	mappings []*Mapping
	devices  *dialect.Memory[device]
	cards    *card.Tokens
	doc      jsondoc.Reader
	names    dialect.Names
}

// New returns the dialect, or an error that names the option which is wrong.
func New(o Options) (*Dialect, error) {
	if len(o.Mappings) == 0 {
		return nil, fmt.Errorf("mapping: Mappings is empty; at least one is right")
	}
	seen := make(map[string]bool, len(o.Mappings))
	for i, m := range o.Mappings {
		if m == nil {
			return nil, fmt.Errorf("mapping: Mappings[%d] is nil", i)
		}
		if seen[m.name] {
			return nil, fmt.Errorf("mapping: Mappings has %q twice", m.name)
		}
		seen[m.name] = true
	}
	if o.MaxDevices < 0 {
		return nil, fmt.Errorf("mapping: MaxDevices is %d; 1 or more is right, or 0 for %d", o.MaxDevices, dialect.MaxDevices)
	}
	return &Dialect{mappings: o.Mappings, cards: o.Cards, devices: dialect.NewMemory[device](o.MaxDevices)}, nil
}

// Name implements dialect.Dialect.
func (d *Dialect) Name() string { return Name }

// Poll implements dialect.Dialect: the devices are never asked.
func (d *Dialect) Poll(int64) []dialect.Request { return nil }

// Claims implements dialect.Dialect.
func (d *Dialect) Claims(topic string) bool { return d.of(topic) != nil }

// of returns the mapping that reads the topic, or nil.
func (d *Dialect) of(topic string) *Mapping {
	for _, m := range d.mappings {
		if m.claims(topic) {
			return m
		}
	}
	return nil
}

func (m *Mapping) claims(topic string) bool {
	for i := range m.rules {
		if m.rules[i].topic.match(topic, nil) {
			return true
		}
	}
	return m.ignored(topic) != nil
}

// ignored returns the pattern by which the mapping leaves the topic alone, or nil.
func (m *Mapping) ignored(topic string) *pattern {
	for i := range m.ignore {
		if m.ignore[i].match(topic, nil) {
			return &m.ignore[i]
		}
	}
	return nil
}

// Decode implements dialect.Dialect.
func (d *Dialect) Decode(m dialect.Message) (dialect.Result, error) { return d.decode(m, nil) }

// Explain decodes the message and says beside that what each rule made of it, for people who write mappings. The notes
// repeat nothing of a private message but the names of its members.
func (d *Dialect) Explain(m dialect.Message) (dialect.Result, []Note, error) {
	var notes notes
	res, err := d.decode(m, &notes)
	return res, notes.list, err
}

func (d *Dialect) decode(m dialect.Message, notes *notes) (dialect.Result, error) {
	by := d.of(m.Topic)
	if by == nil {
		return dialect.Result{}, dialect.Errorf(telemetry.ReasonUnknownTopic, "no rule of %s reads the topic %s", d.files(), dialect.Quote(m.Topic))
	}
	r := reading{d: d, m: m, by: by, notes: notes}
	r.choose()
	if len(r.rules) == 0 {
		notes.add(by.name, 0, "该主题列在 ignore 中："+by.ignored(m.Topic).text, "the topic is listed under ignore: "+by.ignored(m.Topic).text)
		return dialect.Result{}, nil
	}
	if len(m.Payload) == 0 {
		// An empty payload is how MQTT clears a retained message.
		notes.add(by.name, 0, "空报文：MQTT 以此清除保留消息", "empty payload, which is how MQTT clears a retained message")
		return dialect.Result{}, nil
	}
	err := r.read()
	return dialect.Result{Records: r.records, Private: r.private}, err
}

// files names the mappings for an error.
func (d *Dialect) files() string {
	if len(d.mappings) == 1 {
		return d.mappings[0].name
	}
	return fmt.Sprintf("%s and %d more", d.mappings[0].name, len(d.mappings)-1)
}

// Note says what became of one rule at one message, in both languages.
type Note struct {
	File   string
	Line   int // of the rule; 0 for the file as a whole
	Zh, En string
}

// notes gathers them; a nil *notes gathers none.
type notes struct{ list []Note }

// maxNotes bounds the notes of one message.
const maxNotes = 100

func (n *notes) add(file string, line int, zh, en string) {
	if n != nil && len(n.list) < maxNotes {
		n.list = append(n.list, Note{file, line, zh, en})
	}
}
