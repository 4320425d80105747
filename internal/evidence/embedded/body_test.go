package embedded

// In the package: the encoding never leaves it.

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// dictionary is a table of words in memory.
type dictionary struct{ list []string }

func (d *dictionary) id(text string) (int64, error) {
	for i, w := range d.list {
		if w == text {
			return int64(i + 1), nil
		}
	}
	d.list = append(d.list, text)
	return int64(len(d.list)), nil
}

func (d *dictionary) word(id uint64) (string, error) {
	if id == 0 || id > uint64(len(d.list)) {
		return "", errBody
	}
	return d.list[id-1], nil
}

func (d *dictionary) wants(string) bool { return true }

func (d *dictionary) intern(b []byte) string { return string(b) }

func TestNumbersAreShortAndExact(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		x    float64
		most int // bytes, without its key
	}{
		{0, 1},
		{1, 1},
		{-1, 1},
		{63, 1},
		{230.1, 2},
		{12.34, 2},
		{1234.5, 3},
		{98765.432, 4},
		{1 << 52, 8},
		{math.Copysign(0, -1), 8},
		{math.Pi, 8},
		{1.0 / 3, 8},
		{1e300, 8},
		{math.SmallestNonzeroFloat64, 8},
		{0.1 + 0.2, 8},
	} {
		b := appendNumber(nil, 1, test.x)
		if len(b)-1 > test.most {
			t.Errorf("%v takes %d bytes, want at most %d", test.x, len(b)-1, test.most)
		}
		d := decoder{b: b}
		key := d.unsigned()
		if y := d.number(int(key & 7)); d.bad || math.Float64bits(y) != math.Float64bits(test.x) {
			t.Errorf("%v came back as %v", test.x, y)
		}
	}
}

// FuzzBody feeds damaged bodies: never a panic, and what is understood is the same when it is written again.
func FuzzBody(f *testing.F) {
	words := &dictionary{}
	for _, r := range []telemetry.Record{
		{Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, EventMs: 5, DeviceMs: 5, ValidMs: 9, State: "ACTIVE", Values: []telemetry.Value{
			{Quantity: "a", Number: 1.5}, {Quantity: "b", Number: math.Pi},
		}},
		{Kind: telemetry.KindTap, Retained: true, DeviceMs: 7, Card: "x", Direction: telemetry.DirectionOut},
		{Kind: telemetry.KindLink, Link: telemetry.LinkWill},
		{Kind: telemetry.KindRaw, Reason: telemetry.ReasonMalformed, Detail: "d", Topic: "t", Payload: []byte{1}},
	} {
		b, err := appendBody(nil, &evidence.Entry{Record: r, ReceivedMs: 3, CollectedMs: math.MinInt64, Dialect: "native"}, words.id)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(r.Kind), int64(5), b)
	}
	f.Fuzz(func(t *testing.T, kind byte, eventMs int64, body []byte) {
		words := &dictionary{list: []string{"native", "a", "b", "c"}}
		e := evidence.Entry{Record: telemetry.Record{Kind: telemetry.Kind(kind), EventMs: eventMs}}
		if err := decodeBody(body, &e, words); err != nil {
			return
		}
		b, err := appendBody(nil, &e, words.id)
		if err != nil {
			t.Fatal(err)
		}
		again := evidence.Entry{Record: telemetry.Record{Kind: e.Kind, EventMs: eventMs}}
		if err := decodeBody(b, &again, words); err != nil {
			t.Fatalf("written again: %v", err)
		}
		if diff := cmp.Diff(e, again, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("written again (-want +got):\n%s", diff)
		}
	})
}

// The application's mark and the version are what another program sees of the file's format.
func TestMigrationsAreRecorded(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), t.TempDir()+"/e.db", Options{})
	if err != nil {
		t.Fatal(err)
	}
	version, err := schemaVersion(context.Background(), s.writer.conn)
	if err = errors.Join(err, s.Close()); err != nil || version != len(migrations()) {
		t.Errorf("version %d of %d, %v", version, len(migrations()), err)
	}
}
