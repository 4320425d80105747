package sparkplug_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/sparkplug"
)

// one decodes one metric of a birth and returns what it became, without the node's link.
func one(t *testing.T, o sparkplug.Options, m metric) string {
	t.Helper()
	s := play(t, o)
	s.send("NBIRTH", "n", payload(start, 0, m))
	return strings.Join(s.got[1:], "; ")
}

func TestUnits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, unit string
		number     float64
		want       string
	}{
		{"P", "W", 5, "power_w=5"},
		{"P", "kW", 5, "power_w=5000"},
		{"P", " KW ", 5, "power_w=5000"},
		{"P", "mW", 5, "power_w=0.005"},
		{"P", "MW", 5, "power_w=5e+06"},
		{"P", "mw", 5, "value=5"}, // mega or milli
		{"S", "kVA", 5, "apparent_va=5000"},
		{"Q", "kvar", 5, "reactive_var=5000"},
		{"E", "kWh", 1.5, "energy_wh=1500"},
		{"E", "MJ", 3.6, "energy_wh=1000"},
		{"I", "mA", 5, "current_a=0.005"},
		{"U", "V", 230, "voltage_v=230"},
		{"F", "Hz", 50, "frequency_hz=50"},
		{"S1", "r/min", 900, "speed_rpm=900"},
		{"T", "°C", 20, "temperature_c=20"},
		{"T", "K", 273.15, "temperature_c=0"},
		{"T", "°F", 212, "temperature_c=100"},
		{"Feed", "mm/min", 600, "feed_mm_s=10"},
		{"X", "mm", 5, "position_mm=5"},
		{"Spindle Load", "%", 40, "load_percent=40"},
		{"Feed Override", "%", 40, "override_percent=40"},
		{"Humidity", "%", 40, "value=40"},
		{"Parts", "件", 4, "count=4"},
		{"Run", "h", 2, "duration_s=7200"},
		{"P", "horse", 5, "value=5"},
		{"Power kW", "horse", 5, "value=5"}, // what the node says goes before the name
		{"Power (kW)", "", 5, "power_w=5000"},
		{"Power [W]", "", 5, "power_w=5"},
		{"Meter/power_kw", "", 5, "power_w=5000"},
		{"Meter/Power_W", "", 5, "power_w=5"},
		{"Meter/Current_A", "", 5, "current_a=5"},
		{"Total kWh", "", 5, "energy_wh=5000"},
		{"Spindle Load (%)", "", 5, "load_percent=5"},
		{"Power Factor", "", 0.9, "power_factor=0.9"},
		{"Part Count", "", 7, "count=7"},
		{"RPM", "", 7, "speed_rpm=7"},
		{"Power", "", 5, "value=5"}, // watts or kilowatts
		{"Energy", "", 5, "value=5"},
		{"Phase_A", "", 5, "value=5"},
		{"Axis C", "", 5, "value=5"},
		{"kW/Setpoint", "", 5, "value=5"},
		{"Configured", "", 5, "power_w=5000"},
		{"Configured", "W", 5, "power_w=5000"},
	} {
		m := num(c.name, 0, c.number)
		if c.unit != "" {
			m = m.unit(c.unit)
		}
		got := one(t, sparkplug.Options{Units: map[string]string{"Configured": "kW"}}, m)
		if want := fmt.Sprintf("n %s 0 %s", c.name, c.want); got != want {
			t.Errorf("%q in %q: %s, want %s", c.name, c.unit, got, want)
		}
	}
}

// A unit that a birth said holds for the data that follows, which does not repeat it.
func TestUnitOfTheBirthHolds(t *testing.T) {
	t.Parallel()
	s := play(t, sparkplug.Options{})
	s.send("NBIRTH", "n", payload(start, 0, num("P", 1, 1).unit("kW"))).want("n online 0", "n P 0 power_w=1000")
	s.at(1).send("NDATA", "n", payload(start+1, 1, num("", 1, 2))).want("n P 1 power_w=2000")
	s.at(2).send("NDATA", "n", payload(start+2, 2, num("P", 0, 3))).want("n P 2 power_w=3000")
}

// Encoders write negative integers in two ways; both mean the same, and what is neither is refused.
func TestIntegers(t *testing.T) {
	t.Parallel()
	const (
		inInt  = protowire.Number(10)
		inLong = protowire.Number(11)
	)
	for _, c := range []struct {
		datatype uint64
		field    protowire.Number
		bits     uint64
		want     string
	}{
		{1, inInt, 254, "value=-2"},
		{1, inInt, 0xffff_fffe, "value=-2"},
		{1, inInt, 127, "value=127"},
		{1, inInt, 300, ""},
		{1, inInt, 0xffff_ff00, ""},
		{1, inLong, math.MaxUint64 - 1, "value=-2"},
		{1, inLong, 254, "value=-2"},
		{2, inInt, 0x8000, "value=-32768"},
		{2, inInt, 0xffff_8000, "value=-32768"},
		{2, inInt, 0x1_0000, ""},
		{3, inInt, 0x8000_0000, "value=-2.147483648e+09"},
		{3, inLong, 0x8000_0000, "value=-2.147483648e+09"},
		{3, inInt, math.MaxUint64 - 1, "value=-2"}, // ten bytes, as protobuf writes a negative int32
		{4, inLong, math.MaxUint64 - 1, "value=-2"},
		{4, inInt, 0xffff_fffe, "value=-2"},
		{5, inInt, 255, "value=255"},
		{5, inInt, 256, ""},
		{6, inInt, 65_535, "value=65535"},
		{6, inInt, 65_536, ""},
		{7, inInt, 0xffff_ffff, "value=4.294967295e+09"},
		{7, inLong, 0xffff_ffff, "value=4.294967295e+09"},
		{7, inLong, 1 << 32, ""},
		{8, inLong, 1 << 40, "value=1.099511627776e+12"},
		{8, inInt, 7, "value=7"},
		{13, inLong, 1_750_000_000_000, "value=1.75e+12"},
		{13, inLong, math.MaxUint64, ""},
		{11, inInt, 1, ""},
		{12, inInt, 1, ""},
		{9, inInt, 1, ""},
		{10, inLong, 1, ""},
		{35, inInt, 1, ""},
		{99, inLong, 1, ""},
	} {
		got := one(t, sparkplug.Options{}, integer("I", c.datatype, c.field, c.bits))
		want := "n I 0 " + c.want
		if c.want == "" {
			want = "n I 0 UNAVAILABLE; error malformed"
		}
		if got != want && (c.want != "" || !strings.HasPrefix(got, want)) {
			t.Errorf("type %d, field %d, %#x: %s, want %s", c.datatype, c.field, c.bits, got, want)
		}
	}
}

// Every integer of every width is read back, in either way of writing it.
func TestIntegersOfEveryWidth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		datatype := rapid.Uint64Range(1, 7).Draw(r, "type")
		width := uint(8) << ((datatype - 1) & 3)
		var v int64
		if datatype > 4 {
			v = int64(rapid.Uint64Range(0, 1<<width-1).Draw(r, "value"))
		} else {
			low := int64(-1) << (min(width, 60) - 1) // values beyond 1e18 are out of every range
			v = rapid.Int64Range(low, -1-low).Draw(r, "value")
		}
		bits := uint64(v)
		field := protowire.Number(11)
		if width < 64 && rapid.Bool().Draw(r, "own width") {
			bits &= 1<<width - 1
		}
		if width <= 32 && rapid.Bool().Draw(r, "int_value") {
			field, bits = 10, uint64(uint32(bits))
		}
		if got, want := one(t, sparkplug.Options{}, integer("I", datatype, field, bits)), fmt.Sprintf("n I 0 value=%v", float64(v)); got != want {
			r.Errorf("type %d, field %d, %#x: %s, want %s", datatype, field, bits, got, want)
		}
	})
}

func TestBooleans(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Door": "TRUE value=1", "Main/Relay": "ON relay_on=1", "Main/relay_state": "ON relay_on=1", "Contactor": "ON relay_on=1",
		"Relays": "TRUE value=1",
	} {
		if got := one(t, sparkplug.Options{}, flag(name, 0, true)); got != "n "+name+" 0 "+want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := one(t, sparkplug.Options{}, flag("Relay", 0, false)); got != "n Relay 0 OFF relay_on=0" {
		t.Error(got)
	}
}

// What has no value, a bad one, or one that cannot be read is unknown from then on: the value before does not hold, and
// neither does the lack of one for longer than an instant.
func TestValuesThatMustNotBeUsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		m    metric
		want string
	}{
		"null":             {null("P", 0), "UNAVAILABLE"},
		"null with value":  {num("P", 0, 5).varint(7, 1), "UNAVAILABLE"},
		"nothing":          {typed("P", 0, 10), "UNAVAILABLE"},
		"bad":              {num("P", 0, 5).quality(0), "UNAVAILABLE"},
		"stale":            {num("P", 0, 5).quality(500), "STALE"},
		"uncertain":        {num("P", 0, 5).quality(64), "UNAVAILABLE"},
		"huge quality":     {num("P", 0, 5).quality(math.MaxUint64), "UNAVAILABLE"},
		"good":             {num("P", 0, 5).quality(192), "value=5"},
		"good, OPC":        {num("P", 0, 5).quality(216), "value=5"},
		"quality is null":  {num("P", 0, 5).property("Quality", metric(nil).varint(1, 3).varint(2, 1)), "value=5"},
		"empty text":       {word("P", 0, ""), "UNAVAILABLE"},
		"NaN":              {num("P", 0, math.NaN()), "UNAVAILABLE; error not_finite: metrics[0]: \"P\" is NaN"},
		"infinite":         {num("P", 0, math.Inf(-1)), "UNAVAILABLE; error not_finite"},
		"out of range":     {num("P", 0, 1e9).unit("W"), "UNAVAILABLE; error out_of_range"},
		"long text":        {word("P", 0, strings.Repeat("x", 257)), "UNAVAILABLE; error oversized"},
		"text, not UTF-8":  {word("P", 0, "\xff"), "UNAVAILABLE; error not_utf8"},
		"quality of text":  {num("P", 0, 5).property("Quality", metric(nil).varint(1, 12).bytes(8, "GOOD")), "error malformed"},
		"unit is a number": {num("P", 0, 5).property("engUnit", metric(nil).varint(1, 3).varint(3, 7)), "value=5"},
	} {
		got := one(t, sparkplug.Options{}, c.m)
		if got = strings.TrimPrefix(got, "n P 0 "); got != c.want && (!strings.Contains(c.want, "error") || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	s := play(t, sparkplug.Options{})
	res, err := s.d.Decode(dialect.Message{Topic: "spBv1.0/g/NBIRTH/n", ReceivedMs: start, Payload: payload(start, 0, num("P", 0, 1), null("Q", 0), num("R", 0, 1).quality(500))})
	if err != nil || len(res.Records) != 4 {
		t.Fatal(res, err)
	}
	for i, want := range []int64{0, 0, 1, 1} {
		if got := res.Records[i].ValidMs; got != want {
			t.Errorf("record %d is valid for %d ms, want %d", i, got, want)
		}
	}
}

// Stored history keeps its time, is marked, and moves nothing that is known of the present.
func TestHistoryDoesNotMoveThePresent(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.at(7_200_000).send("NDATA", "n", payload(start+7_200_000, 2, num("", 1, 8).past().time(start+3_600_000), num("", 1, 9))).
		want("n P 3600000 value=8 history", "n P 7200000 value=9")
	// History after a death stays in the past, also when it reads later than the death.
	s.at(7_200_001).send("NDEATH", "n", payload(start, -1, bdSeq(5))).want("n/d will 7200001r", "n will 7200001r")
	s.at(7_300_000).send("NBIRTH", "n", payload(start+7_300_000, 0, bdSeq(6), num("P", 1, 5), num("P", 1, 4).past().time(start+7_250_000))).
		want("n online 7300000", "n P 7300000 value=5", "n P 7250000 value=4 history")
	// Without a believable time of its own nobody knows where it belongs.
	s.send("NDATA", "n", payload(0, 1, num("", 1, 8).past())).want()
	s.send("NDATA", "n", payload(start, 2, num("", 1, 8).past().time(0))).want()
}

// Times: the metric's own, else the payload's, else the bridge's; what cannot be is suspect.
func TestTimes(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.at(5000).send("NDATA", "n", payload(start+4000, 2, num("", 1, 1).time(start+3000), word("E", 0, "A"))).want("n P 3000 value=1", "n E 4000 A")
	s.send("NDATA", "n", payload(0, 3, num("", 1, 2))).want("n P 5000r value=2")
	s.send("NDATA", "n", payload(start+300_000, 4, num("", 1, 3))).want("n P 5000s value=3")
	s.send("NDATA", "n", payload(1, 5, num("", 1, 3)))
	s.at(6000).send("NDATA", "n", metric(payload(0, 6, num("", 1, 4))).varint(1, math.MaxUint64)).want("n P 6000s value=4")
}

// The protocol's own metrics, and those that ask not to be stored, make no records.
func TestMetricsWithoutRecords(t *testing.T) {
	t.Parallel()
	for _, m := range []metric{
		bdSeq(1), flag("Node Control/Rebirth", 0, false), flag("Node Control/Reboot", 0, false), flag("Device Control/Rebirth", 0, false),
		num("P", 0, 1).transient(),
		named("B", 0).varint(4, 17).bytes(16, "\x00"), named("F", 0).varint(4, 18).bytes(16, "x"),
		named("T", 0).varint(4, 16).bytes(17, ""), named("T", 0).varint(4, 19).bytes(18, "\x08"), named("A", 0).varint(4, 25).bytes(16, "12345678"),
		named("X", 0).bytes(16, "no type"), named("X", 0).bytes(19, "extension"), named("B", 0).varint(4, 17).varint(7, 1),
	} {
		if got := one(t, sparkplug.Options{}, m); got != "" {
			t.Errorf("%q: %s", string(m), got)
		}
	}
}

// Bytes that are no payload are refused with a reason, and a bad metric does not take the good ones with it.
func TestMalformedPayloads(t *testing.T) {
	t.Parallel()
	for name, p := range map[string][]byte{
		"text": []byte("hello"), "torn": payload(start, 2, num("", 1, 1))[:9], "seq of 256": metric(nil).varint(3, 256),
		"seq as text": metric(nil).bytes(3, "1"), "metrics as number": metric(nil).varint(2, 1), "field 0": {0},
		"compressed": metric(nil).bytes(4, "SPBV1.0_COMPRESSED").bytes(5, "x"), "timestamp as text": metric(nil).bytes(1, "x"),
	} {
		s := born(t, sparkplug.Options{})
		s.send("NDATA", "n", p)
		if len(s.got) != 1 || !strings.HasPrefix(s.got[0], "error malformed") {
			t.Errorf("%s: %v", name, s.got)
		}
	}
	big := make([]byte, dialect.MaxPayload+1)
	play(t, sparkplug.Options{}).send("NDATA", "n", big).want("error oversized")

	keys := metric(nil)
	for range 300 {
		keys = keys.bytes(1, "k").bytes(2, "")
	}
	for name, bad := range map[string]metric{
		"name as number":      metric(nil).varint(1, 1),
		"torn":                {0x0a, 5, 'x'},
		"no name":             metric(nil).varint(4, 10),
		"name not UTF-8":      num("\xff", 0, 1),
		"name with newline":   num("a\nb", 0, 1),
		"long name":           num(strings.Repeat("n", 129), 0, 1),
		"value as text":       named("P", 0).varint(4, 10).bytes(13, "12345678"),
		"properties":          num("P", 0, 1).bytes(9, "\x08"),
		"key without value":   num("P", 0, 1).bytes(9, string(metric(nil).bytes(1, "Quality"))),
		"properties as key":   num("P", 0, 1).bytes(9, string(metric(nil).varint(1, 1))),
		"torn quality":        num("P", 0, 1).property("Quality", metric{0x08}),
		"too many properties": num("P", 0, 1).bytes(9, string(keys)),
	} {
		s := born(t, sparkplug.Options{})
		s.send("NDATA", "n", payload(start+1, 2, num("A", 0, 1), bad, num("Z", 0, 1)))
		if n := len(s.got); n != 3 || s.got[0] != "n A 1 value=1" || s.got[1] != "n Z 1 value=1" || !strings.HasPrefix(s.got[2], "error ") || !strings.Contains(s.got[2], "metrics[1]: ") {
			t.Errorf("%s: %v", name, s.got)
		}
	}
}

// Unknown fields, groups and fields that come twice are what protobuf says they are.
func TestProtobufLeniency(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	p := metric(payload(start+1, 9, num("", 1, 1)))
	p = protowire.AppendTag(p, 100, protowire.StartGroupType)
	p = protowire.AppendTag(p, 100, protowire.EndGroupType)
	p = p.varint(99, 1).bytes(98, "x").varint(3, 2)
	s.send("NDATA", "n", p).want("n P 1 value=1").at(3_600_000).poll()
	s.at(2).send("NDATA", "n", payload(start+2, 3, num("", 1, 7).varint(50, 1).varint(2, 1))).want("n P 2 value=7")
}
