package main_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/firmware-sim/voice"
	"github.com/jishi-telemetry/jishi/firmware-sim/voice/voicetest"
	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/dialect/esprfid"
	"github.com/jishi-telemetry/jishi/internal/dialect/mtconnect"
	"github.com/jishi-telemetry/jishi/internal/dialect/native"
	"github.com/jishi-telemetry/jishi/internal/dialect/sparkplug"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// speaking is a voice with the product's decoder that is to understand it.
type speaking struct {
	name    string
	spec    voice.Spec
	decoder func(t *testing.T) dialect.Dialect
	// off is the controller's word for a machine that is switched off; "" when nothing is known of it then.
	off string
	// alarm is its word while there is an alarm; "" when execution goes on.
	alarm string
	// notation is how a reader writes cards, leastMs how coarse a reader's time is.
	notation card.Notation
	coarseMs int64
}

func meterOf(d scenario.Dialect, options map[string]string) voice.Spec {
	return voicetest.Device(scenario.Device{ID: "dev-1", Dialect: d, Role: scenario.Meter, Options: options})
}

func controllerOf(d scenario.Dialect, options map[string]string) voice.Spec {
	return voicetest.Device(scenario.Device{ID: "dev-1", Dialect: d, Role: scenario.Controller, Options: options})
}

func readerOf(r scenario.Reader) voice.Spec {
	r.ID = "gate-1"
	return voicetest.Reader(r)
}

func speakings() []speaking {
	type options = map[string]string
	nativeD := func(t *testing.T) dialect.Dialect {
		return native.New(native.Options{Base: "base-1", Cards: cardTokens(t)})
	}
	mtc := func(*testing.T) dialect.Dialect { return mtconnect.New() }
	sparkD := func(t *testing.T) dialect.Dialect {
		d, err := sparkplug.New(sparkplug.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	rfid := func(n card.Notation) func(*testing.T) dialect.Dialect {
		return func(t *testing.T) dialect.Dialect {
			d, err := esprfid.New(esprfid.Options{Cards: cardTokens(t), Notation: n})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
	}
	list := []speaking{
		{name: "native meter", spec: meterOf(scenario.Native, nil), decoder: nativeD},
		{name: "native meter that stores", spec: meterOf(scenario.Native, options{"store": "yes", "channel": "main"}), decoder: nativeD},
		{name: "native controller", spec: controllerOf(scenario.Native, options{"will": "at_once"}), decoder: nativeD, off: "OFF", alarm: "FAULT"},
		{name: "native controller that stores", spec: controllerOf(scenario.Native, options{"store": "yes"}), decoder: nativeD, off: "OFF", alarm: "FAULT"},
		{name: "sparkplug meter", spec: meterOf(scenario.Sparkplug, nil), decoder: sparkD},
		{name: "sparkplug meter that stores", spec: meterOf(scenario.Sparkplug, options{"store": "yes", "alias": "off", "node": "n"}), decoder: sparkD},
		{name: "sparkplug controller", spec: controllerOf(scenario.Sparkplug, nil), decoder: sparkD},
		{name: "sparkplug controller that stores", spec: controllerOf(scenario.Sparkplug, options{"store": "yes"}), decoder: sparkD},
		{name: "esprfid", spec: readerOf(scenario.Reader{Dialect: scenario.ESPRFID}), decoder: rfid(card.Hex), notation: card.Hex, coarseMs: 999},
		{name: "esprfid 1.3", spec: readerOf(scenario.Reader{Dialect: scenario.ESPRFID, Options: options{"version": "1.3"}}), decoder: rfid(card.Hex), notation: card.Hex, coarseMs: 999},
		{name: "esprfid 1.0", spec: readerOf(scenario.Reader{Dialect: scenario.ESPRFID, Options: options{"version": "1.0"}}), decoder: rfid(card.Hex), notation: card.Hex, coarseMs: 999},
		{name: "esprfid wiegand", spec: readerOf(scenario.Reader{Dialect: scenario.ESPRFID, Type: "wiegand", Options: options{"mode": "ha"}}), decoder: rfid(card.Decimal), notation: card.Hex, coarseMs: 999},
	}
	for _, role := range []scenario.Role{scenario.Meter, scenario.Controller} {
		for _, o := range []options{{}, {"loses": "link"}, {"agent": "shared", "retain": "no"}} {
			spec := voicetest.Device(scenario.Device{ID: "dev-1", Dialect: scenario.MTConnect, Role: role, Options: o})
			list = append(list, speaking{name: fmt.Sprint("mtconnect ", role, " ", o), spec: spec, decoder: mtc})
		}
		for _, o := range []options{{"json": "1"}, {"loses": "link"}, {"agent": "shared"}} {
			spec := voicetest.Device(scenario.Device{ID: "dev-1", Dialect: scenario.MTConnectDocument, Role: role, Options: o})
			list = append(list, speaking{name: fmt.Sprint("documents ", role, " ", o), spec: spec, decoder: mtc, coarseMs: 999})
		}
	}
	for _, n := range []string{"hex", "colon", "decimal"} {
		list = append(list, speaking{
			name: "native reader " + n, decoder: nativeD, notation: card.Hex,
			spec: readerOf(scenario.Reader{Dialect: scenario.Native, Direction: "in", Options: options{"notation": n, "store": "yes"}}),
		})
	}
	return list
}

func cardTokens(t *testing.T) *card.Tokens {
	t.Helper()
	tokens, err := card.NewTokens(card.Options{Key: []byte("0123456789abcdef0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// days is how many days a voice speaks in each test, and brief which days those are.
const days = 2

var brief = voicetest.Brief()

// heard is a message with what the product made of it.
type heard struct {
	voice.Message
	records []telemetry.Record
}

// listen lets a voice speak for some days, and the product listen. Messages that the decoder refuses end the test.
func listen(t *testing.T, s *speaking, wrong func(n int) voice.Conditions) (voice.Identity, []heard) {
	t.Helper()
	v, identity, err := voice.New(s.spec)
	if err != nil {
		t.Fatal(err)
	}
	d := s.decoder(t)
	if identity.Dialect != d.Name() {
		t.Errorf("the registry is told the dialect %q, it is %q", identity.Dialect, d.Name())
	}
	var all []heard
	for n := range days {
		in := brief.Input(&s.spec, n, wrong(n))
		lastMs := in.StartMs
		for _, m := range v.Day(in) {
			if m.AtMs < lastMs || m.AtMs >= in.EndMs {
				t.Fatalf("%s at %d comes after one at %d, in the day %v", m.Topic, m.AtMs, lastMs, in.Span)
			}
			lastMs = m.AtMs
			if !d.Claims(m.Topic) {
				t.Fatalf("%s is not claimed", m.Topic)
			}
			res, err := d.Decode(dialect.Message{Topic: m.Topic, Payload: m.Payload, ReceivedMs: m.AtMs})
			if err != nil {
				t.Fatalf("%s %s: %v", m.Topic, m.Payload, err)
			}
			for _, q := range append(res.Requests, d.Poll(m.AtMs)...) {
				t.Fatalf("%s %x: the product asks %s", m.Topic, m.Payload, q.Topic)
			}
			all = append(all, heard{m, slices.Clone(res.Records)})
		}
	}
	return identity, all
}

// truthAt is what the machine truly did, over all days.
type truthAt struct {
	s     *speaking
	steps []plant.Step
	words []plant.Words
}

func truthOf(s *speaking) truthAt {
	t := truthAt{s: s}
	for n := range days {
		day := brief.Input(&s.spec, n, voice.Conditions{}).Machine
		t.steps, t.words = append(t.steps, day.Power...), append(t.words, day.Words...)
	}
	return t
}

// check says what is wrong with a record of the channel that tells the state, or "". A voice that tells the time in whole
// seconds may say what became so within its second.
func (t *truthAt) check(r *telemetry.Record, meter bool) string {
	problem := t.checkAt(r, meter, r.EventMs)
	if problem != "" && t.s.coarseMs > 0 && t.checkAt(r, meter, r.EventMs+t.s.coarseMs) == "" {
		return ""
	}
	return problem
}

// checkWithin is check for any instant of the span.
func (t *truthAt) checkWithin(r *telemetry.Record, meter bool, within span.Span) string {
	problem := t.checkAt(r, meter, within.StartMs)
	for i := range t.steps {
		if at := t.steps[i].AtMs; within.Contains(at) && t.checkAt(r, meter, at) == "" {
			return ""
		}
	}
	for i := range t.words {
		if at := t.words[i].AtMs; within.Contains(at) && t.checkAt(r, meter, at) == "" {
			return ""
		}
	}
	return problem
}

func (t *truthAt) checkAt(r *telemetry.Record, meter bool, atMs int64) string {
	if meter {
		i, _ := slices.BinarySearchFunc(t.steps, atMs+1, func(s plant.Step, ms int64) int { return cmp.Compare(s.AtMs, ms) })
		got, ok := r.Value(telemetry.PowerW)
		if want := t.steps[i-1].PowerW; !ok || math.Abs(got-want) > 1e-6 {
			return fmt.Sprintf("%v W (%v), was %v W", got, ok, want)
		}
		return ""
	}
	i, _ := slices.BinarySearchFunc(t.words, atMs+1, func(w plant.Words, ms int64) int { return cmp.Compare(w.AtMs, ms) })
	w := t.words[i-1]
	want := w.Execution
	switch {
	case !w.Available && t.s.off == "":
		want = telemetry.StateUnavailable
	case !w.Available:
		want = t.s.off
	case w.Alarm != "" && t.s.alarm != "":
		want = t.s.alarm
	}
	if r.State != want {
		return fmt.Sprintf("state %q, was %q", r.State, want)
	}
	return ""
}

// A healthy device's messages decode without an error, and give back the device, the channel, the times and the values
// that the model had; what a message is said to tell, it tells, and nothing else tells the state.
func TestVoicesDecodeToWhatWas(t *testing.T) {
	t.Parallel()
	for _, s := range speakings() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			identity, all := listen(t, &s, func(int) voice.Conditions { return voice.Conditions{} })
			if s.spec.Reader != nil {
				checkTaps(t, &s, identity, all)
				return
			}
			truth, energy, states, lastMs := truthOf(&s), -1.0, 0, int64(0)
			for i := range all {
				m := &all[i]
				if m.Tells.Has(voice.Wrong) {
					t.Fatalf("%s: wrong, and nothing is wrong with the device", m.Topic)
				}
				told := stateRecords(identity, m)
				if len(told) == 0 && s.coarseMs > 0 && m.EventMs-lastMs <= s.coarseMs {
					continue // what became so within the document's second, another document has said
				}
				if m.Tells.Has(voice.State) != (len(told) > 0) && !m.Tells.Has(voice.Death) {
					t.Errorf("%s at %d tells %b, and yields %d records of the state", m.Topic, m.AtMs, m.Tells, len(told))
				}
				for _, r := range told {
					states, lastMs = states+1, r.EventMs
					if problem := truth.check(r, s.spec.Device.Role == scenario.Meter); problem != "" {
						t.Errorf("%s at %d, record of %d: %s", m.Topic, m.AtMs, r.EventMs, problem)
					}
				}
				if m.Tells.Has(voice.State) && len(told) > 0 && !slices.ContainsFunc(told, func(r *telemetry.Record) bool {
					return max(r.EventMs-m.EventMs, m.EventMs-r.EventMs) <= s.coarseMs && (r.ValidMs == m.ValidMs || r.ValidMs > 0 && m.ValidMs > 0)
				}) {
					t.Errorf("%s at %d: no record of %d, valid for %d", m.Topic, m.AtMs, m.EventMs, m.ValidMs)
				}
				if m.Tells.Has(voice.Birth) && len(m.records) == 0 {
					t.Errorf("%s: a birth without a record", m.Topic)
				}
				for j := range m.records {
					if wh, ok := m.records[j].Value(telemetry.EnergyWh); ok {
						if wh < energy {
							t.Errorf("%s at %d: the register goes back from %v to %v", m.Topic, m.AtMs, energy, wh)
						}
						energy = wh
					}
				}
			}
			if states < 60 {
				t.Errorf("only %d records of the state", states)
			}
			if want := truth.wattHours(); energy >= 0 && math.Abs(energy-want) > 0.001*want {
				t.Errorf("the register ends at %v Wh, %v Wh have flown", energy, want)
			}
		})
	}
}

// stateRecords are a message's records of the channel that tells the state, with its state or its power.
func stateRecords(identity voice.Identity, m *heard) []*telemetry.Record {
	var out []*telemetry.Record
	for i := range m.records {
		if r := &m.records[i]; r.Kind == telemetry.KindSample && r.Device == identity.Device && r.Channel == identity.Channel {
			out = append(out, r)
		}
	}
	return out
}

// wattHours is what has flown over all days.
func (t *truthAt) wattHours() float64 {
	sum := 0.0
	for i := range t.steps {
		end := brief.Span(days - 1).EndMs
		if i+1 < len(t.steps) {
			end = t.steps[i+1].AtMs
		}
		sum += t.steps[i].PowerW * float64(end-t.steps[i].AtMs)
	}
	return sum / 3_600_000
}

// checkTaps compares a reader's records with the cards that were held to it.
func checkTaps(t *testing.T, s *speaking, identity voice.Identity, all []heard) {
	t.Helper()
	tokens, direction := cardTokens(t), map[string]telemetry.Direction{"in": telemetry.DirectionIn}[s.spec.Reader.Direction]
	var want, got []string
	for n := range days {
		for _, tap := range brief.Taps(n, s.spec.Reader) {
			token, err := tokens.Token("", s.notation, tap.Card)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprint(tap.AtMs-tap.AtMs%(s.coarseMs+1), identity.Device, token, direction))
		}
	}
	life := 0
	for i := range all {
		m := &all[i]
		taps := 0
		for _, r := range m.records {
			if r.Device != identity.Device && s.spec.Reader.Options["version"] != "1.0" {
				t.Errorf("%s is of %q, the registry knows %q", m.Topic, r.Device, identity.Device)
			}
			if r.Kind == telemetry.KindTap {
				taps++
				got = append(got, fmt.Sprint(r.EventMs, r.Device, r.Card, r.Direction))
			} else {
				life++
			}
		}
		if m.Tells.Has(voice.Tapped) != (taps == 1) {
			t.Errorf("%s tells %b, and yields %d taps", m.Topic, m.Tells, taps)
		}
	}
	if !slices.Equal(want, got) {
		t.Errorf("taps\n%q, want\n%q", got, want)
	}
	if life < 100 {
		t.Errorf("only %d signs of life in %d days", life, days)
	}
}
