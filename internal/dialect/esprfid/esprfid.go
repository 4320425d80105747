// Package esprfid decodes what badge readers with the ESP-RFID firmware publish: cards, boots, heartbeats and the last
// will. docs/dialects/esprfid.md describes it. It refuses to repeat: a card's number goes into its token and nowhere
// else, and the holder's name, which the firmware sends beside it, is never read. It refuses to judge: whether the door
// opened is not presence, so that a card which was denied is a tap like any other.
package esprfid

import (
	"errors"
	"fmt"
	"time"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Name is the dialect's name.
const Name = "esprfid"

const (
	// DefaultHeartbeat is the firmware's own interval since version 1.3.
	DefaultHeartbeat = 180 * time.Second
	// BehindMs is how old a reader's time may be: a day, for a broker that held it for a bridge that was down. The reader
	// itself holds nothing back: cards that it sees while it is offline are never published.
	BehindMs = 24 * 3600 * 1000
)

// Options are the dialect's settings. The zero value is right for hexadecimal readers below the topic "esprfid".
type Options struct {
	// Topics are the readers' MQTT topic settings. Each may end in %device% where every reader has a topic of its own:
	// esprfid/%device%, or esprfid-%device% for the firmware's auto-topic. None means esprfid and esprfid/%device%. The
	// first that a message's topic fits counts.
	Topics []string
	// Heartbeat is the readers' interval of that name, 10 s to 24 h; 0 means DefaultHeartbeat. A sign of life holds for
	// 2.2 times as long.
	Heartbeat time.Duration
	// Notation is how the readers write a card's number: card.Hex, or card.Decimal for Wiegand readers; "" means
	// card.Hex. The rule of a single reader in Cards goes before it.
	Notation card.Notation
	// Cards make the tokens of the cards; nil refuses every card with telemetry.ReasonNoCardKey.
	Cards *card.Tokens
}

// Dialect implements dialect.Dialect. It remembers names only, so that decoding is a function of the message.
type Dialect struct {
	doc      jsondoc.Reader
	names    dialect.Names
	topics   []topicSetting
	clock    dialect.Clock
	validMs  int64
	notation card.Notation
	cards    *card.Tokens
}

// New returns the dialect, or an error that names every option which is wrong.
func New(o Options) (*Dialect, error) {
	var wrong []error
	if o.Heartbeat == 0 {
		o.Heartbeat = DefaultHeartbeat
	}
	if o.Heartbeat < 10*time.Second || o.Heartbeat > 24*time.Hour {
		wrong = append(wrong, fmt.Errorf("esprfid: Heartbeat is %v; 10s to 24h is right", o.Heartbeat))
	}
	if o.Notation == "" {
		o.Notation = card.Hex
	}
	if o.Notation != card.Hex && o.Notation != card.Decimal {
		wrong = append(wrong, fmt.Errorf("esprfid: Notation is %q; %s or %s is right", o.Notation, card.Hex, card.Decimal))
	}
	if len(o.Topics) == 0 {
		o.Topics = []string{"esprfid", "esprfid/" + devicePart}
	}
	topics := make([]topicSetting, 0, len(o.Topics))
	for _, text := range o.Topics {
		t, err := parseTopic(text)
		if err != nil {
			wrong = append(wrong, err)
		}
		topics = append(topics, t)
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return &Dialect{
		topics:   topics,
		clock:    dialect.Clock{BehindMs: BehindMs},
		validMs:  o.Heartbeat.Milliseconds() * 22 / 10,
		notation: o.Notation,
		cards:    o.Cards,
	}, nil
}

// Name implements dialect.Dialect.
func (d *Dialect) Name() string { return Name }

// Claims implements dialect.Dialect.
func (d *Dialect) Claims(topic string) bool {
	_, ok := d.split(topic)
	return ok
}

// Poll implements dialect.Dialect: the firmware knows no question that a reader answers with its state.
func (d *Dialect) Poll(int64) []dialect.Request { return nil }

// Decode implements dialect.Dialect. A message is private unless it has proved to be a boot, a heartbeat or a will:
// even the log that readers publish names cards.
func (d *Dialect) Decode(m dialect.Message) (dialect.Result, error) {
	r := reading{d: d, m: m, private: len(m.Payload) > 0}
	if err := r.decode(); err != nil {
		return dialect.Result{Private: r.private}, err
	}
	return dialect.Result{Records: r.records, Private: r.private}, nil
}

// reading is one message on its way to records.
type reading struct {
	d       *Dialect
	m       dialect.Message
	at      address
	timeMs  int64
	private bool
	records []telemetry.Record
}

func (r *reading) decode() *dialect.Error {
	var ok bool
	if r.at, ok = r.d.split(r.m.Topic); !ok {
		return dialect.Errorf(telemetry.ReasonUnknownTopic,
			"topic %s is none of a reader's below the configured Topics: send, sync, tag, avty, accesslist, cmd, io/…", dialect.Quote(r.m.Topic))
	}
	if len(r.m.Payload) == 0 {
		return nil
	}
	if err := dialect.CheckPayload(r.m.Payload); err != nil {
		return err
	}
	switch r.at.leaf {
	case leafSend, leafSync, leafBare:
		return r.document()
	case leafTag:
		return r.tag()
	case leafAvailability:
		return r.availability()
	}
	// What is asked of the readers, the lists of users that they answer with, and the words of door, lock and bell.
	return nil
}

// availability decodes the last will, which readers in the mode for Home Assistant have.
func (r *reading) availability() *dialect.Error {
	rec := telemetry.Record{Kind: telemetry.KindLink}
	switch string(r.m.Payload) {
	case "online":
		rec.Link = telemetry.LinkOnline
	case "offline":
		rec.Link = telemetry.LinkWill
	default:
		return dialect.Errorf(telemetry.ReasonMalformed, "payload is neither online nor offline")
	}
	r.private = false
	if err := dialect.CheckName("reader in the topic", r.at.device); err != nil {
		return err
	}
	r.add(r.at.device, rec)
	return nil
}

// add dates the record and keeps it, unless it replays an event of unknown age.
func (r *reading) add(device string, rec telemetry.Record) {
	rec.Device, rec.Retained = r.d.names.Own(device), r.m.Retained
	r.d.clock.Date(&rec, r.timeMs, r.m.ReceivedMs, false)
	if !dialect.Dateless(&rec) {
		r.records = append(r.records, rec)
	}
}
