package dialect_test

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const received = int64(1_736_603_811_000)

func TestClockDate(t *testing.T) {
	t.Parallel()
	hour := int64(3_600_000)
	tests := map[string]struct {
		behindMs, deviceMs int64
		corrected          bool
		wantMs             int64
		want               telemetry.Clock
	}{
		"none said":             {hour, 0, false, received, telemetry.ClockReceived},
		"none said, corrected":  {hour, 0, true, received, telemetry.ClockReceived},
		"plausible":             {hour, received - 5, false, received - 5, telemetry.ClockDevice},
		"local":                 {hour, received - 5, true, received - 5, telemetry.ClockCorrected},
		"just ahead enough":     {hour, received + dialect.AheadMs, false, received + dialect.AheadMs, telemetry.ClockDevice},
		"too far ahead":         {hour, received + dialect.AheadMs + 1, false, received, telemetry.ClockSuspect},
		"just behind enough":    {hour, received - hour, false, received - hour, telemetry.ClockDevice},
		"too far behind":        {hour, received - hour - 1, true, received, telemetry.ClockSuspect},
		"any age":               {0, dialect.EarliestMs, false, dialect.EarliestMs, telemetry.ClockDevice},
		"before any clock":      {0, dialect.EarliestMs - 1, false, received, telemetry.ClockSuspect},
		"before the epoch":      {0, -1, false, received, telemetry.ClockSuspect},
		"the end of all times":  {0, math.MaxInt64, false, received, telemetry.ClockSuspect},
		"the start of all time": {hour, math.MinInt64, false, received, telemetry.ClockSuspect},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r telemetry.Record
			dialect.Clock{BehindMs: tt.behindMs}.Date(&r, tt.deviceMs, received, tt.corrected)
			if r.EventMs != tt.wantMs || r.Clock != tt.want || r.DeviceMs != tt.deviceMs {
				t.Errorf("event %d, clock %v, device %d; want %d, %v, %d", r.EventMs, r.Clock, r.DeviceMs, tt.wantMs, tt.want, tt.deviceMs)
			}
		})
	}
}

func TestDateless(t *testing.T) {
	t.Parallel()
	for _, kind := range []telemetry.Kind{telemetry.KindSample, telemetry.KindTap, telemetry.KindLink} {
		for _, clock := range []telemetry.Clock{telemetry.ClockDevice, telemetry.ClockCorrected, telemetry.ClockReceived, telemetry.ClockSuspect} {
			for _, retained := range []bool{false, true} {
				r := telemetry.Record{Kind: kind, Clock: clock, Retained: retained}
				want := retained && kind != telemetry.KindLink && clock >= telemetry.ClockReceived
				if got := dialect.Dateless(&r); got != want {
					t.Errorf("%v %v retained %v: %v, want %v", kind, clock, retained, got, want)
				}
			}
		}
	}
}

func TestParseInstant(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		ms    int64
		zoned bool
	}{
		"1970-01-01T00:00:00Z":                {0, true},
		"2018-12-10T20:04:02.661300Z":         {1_544_472_242_661, true},
		"2018-12-10T20:04:02.661999999Z":      {1_544_472_242_661, true},
		"2018-12-10t20:04:02.6z":              {1_544_472_242_600, true},
		"2018-12-11 04:04:02+08:00":           {1_544_472_242_000, true},
		"2018-12-10T14:34:02-0530":            {1_544_472_242_000, true},
		"2018-12-10T20:04:02":                 {1_544_472_242_000, false},
		"2024-02-29T00:00:00Z":                {1_709_164_800_000, true},
		"0000-01-01T00:00:00Z":                {-62_167_219_200_000, true},
		"1969-12-31T23:59:59.9Z":              {-100, true},
		"9999-12-31T23:59:59.999999999+00:00": {253_402_300_799_999, true},
	}
	for text, want := range tests {
		got, ok := dialect.ParseInstant(text)
		if !ok || got.Ms != want.ms || got.Zoned != want.zoned {
			t.Errorf("ParseInstant(%q) = %+v, %v; want %+v", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "now", "2018-12-10", "2018-12-10T20:04", "2018-13-10T20:04:02Z", "2018-02-29T20:04:02Z", "1900-02-29T00:00:00Z",
		"2018-04-31T00:00:00Z", "2018-12-00T20:04:02Z", "2018-12-10T24:00:00Z", "2018-12-10T20:60:00Z", "2018-12-10T23:59:60Z",
		"2018-12-10T20:04:02.Z", "2018-12-10T20:04:02.1234567890Z", "2018-12-10T20:04:02+8", "2018-12-10T20:04:02+24:00",
		"2018-12-10T20:04:02+08:60", "2018-12-10T20:04:02Zulu", "2018/12/10T20:04:02Z", "2018-12-10X20:04:02Z", "-018-12-10T20:04:02Z",
	} {
		if got, ok := dialect.ParseInstant(text); ok {
			t.Errorf("ParseInstant(%q) = %+v, want refused", text, got)
		}
	}
}

// ParseInstant agrees with package time for every instant and zone.
func TestParseInstantAgrees(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sec := rapid.Int64Range(-62_135_596_800, 253_402_214_400).Draw(t, "second")
		nano := rapid.Int64Range(0, 999_999_999).Draw(t, "nano")
		zone := time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "minutes"))
		at := time.Unix(sec, nano).In(zone)
		if at.Year() < 0 || at.Year() > 9999 {
			t.Skip("no four-digit year")
		}
		got, ok := dialect.ParseInstant(at.Format(time.RFC3339Nano))
		if want := at.UnixMilli(); !ok || got.Ms != want || !got.Zoned {
			t.Fatalf("ParseInstant(%s) = %+v, %v; want %d", at.Format(time.RFC3339Nano), got, ok, want)
		}
	})
}

var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

func FuzzParseInstant(f *testing.F) {
	f.Add("2018-12-10T20:04:02.661300Z")
	f.Add("2018-12-11 04:04:02+0800")
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := dialect.ParseInstant(text)
		want, err := time.Parse(time.RFC3339Nano, text)
		if rfc3339.MatchString(text) && (err == nil) != ok || ok && err == nil && got.Ms != want.UnixMilli() {
			t.Fatalf("ParseInstant(%q) = %+v, %v; package time says %v, %v", text, got, ok, want, err)
		}
	})
}

func TestCheckNumber(t *testing.T) {
	t.Parallel()
	for _, q := range dialect.Quantities() {
		for _, n := range []float64{q.Min, q.Max, (q.Min + q.Max) / 2} {
			if err := dialect.CheckNumber(q.Name, n, "$"); err != nil {
				t.Errorf("%s = %v: %v", q.Name, n, err)
			}
		}
		for n, want := range map[float64]telemetry.Reason{
			math.Nextafter(q.Min, math.Inf(-1)): telemetry.ReasonOutOfRange,
			math.Nextafter(q.Max, math.Inf(1)):  telemetry.ReasonOutOfRange,
			math.Inf(1):                         telemetry.ReasonNotFinite,
			math.Inf(-1):                        telemetry.ReasonNotFinite,
		} {
			if err := dialect.CheckNumber(q.Name, n, "$"); err == nil || err.Reason != want {
				t.Errorf("%s = %v: %v, want %s", q.Name, n, err, want)
			}
		}
		if err := dialect.CheckNumber(q.Name, math.NaN(), "$"); err == nil || err.Reason != telemetry.ReasonNotFinite {
			t.Errorf("%s = NaN: %v", q.Name, err)
		}
	}
	if err := dialect.CheckNumber("power_kw", 1, "$"); err == nil || err.Reason != telemetry.ReasonMalformed {
		t.Errorf("unknown quantity: %v", err)
	}
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]telemetry.Reason{
		"lathe-3": telemetry.ReasonNone, "车床 3": telemetry.ReasonNone, strings.Repeat("a", telemetry.MaxName): telemetry.ReasonNone,
		"": telemetry.ReasonMalformed, "a\nb": telemetry.ReasonMalformed, "a\x7f": telemetry.ReasonMalformed,
		"a\xff": telemetry.ReasonNotUTF8, strings.Repeat("a", telemetry.MaxName+1): telemetry.ReasonOversized,
	} {
		got := telemetry.ReasonNone
		if err := dialect.CheckName("device", name); err != nil {
			got = err.Reason
		}
		if got != want {
			t.Errorf("CheckName(%.20q) = %q, want %q", name, got, want)
		}
	}
}

// Whatever a message holds, an error's detail can be stored.
func TestErrorfIsBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var faults dialect.Faults
		for range rapid.IntRange(1, 20).Draw(t, "faults") {
			raw := rapid.SliceOfN(rapid.Byte(), 0, 800).Draw(t, "raw")
			faults.Add(dialect.Errorf(telemetry.ReasonMalformed, "车床 %s %s", raw, dialect.Quote(string(raw))))
		}
		e, ok := faults.Err().(*dialect.Error) //nolint:errorlint // Err promises the type itself, unwrapped.
		if !ok || len(e.Detail) > telemetry.MaxDetail || !utf8.ValidString(e.Detail) || e.Reason != telemetry.ReasonMalformed {
			t.Fatalf("%d bytes: %q", len(e.Detail), e.Detail)
		}
	})
}

func TestFaultsWithoutFault(t *testing.T) {
	t.Parallel()
	var faults dialect.Faults
	faults.Add(nil)
	if err := faults.Err(); err != nil {
		t.Errorf("Err() = %v (%T), want a nil error", err, err)
	}
}

func TestMemoryForgetsTheOneHeardLongestAgo(t *testing.T) {
	t.Parallel()
	m := dialect.NewMemory[int](2)
	for i, device := range []string{"a", "b", "a", "c"} {
		_, state := m.Heard(device)
		*state = i
	}
	var order []string
	for device := range m.All() {
		order = append(order, device)
	}
	if want := []string{"a", "c"}; !slices.Equal(order, want) || m.Len() != 2 || m.Forgotten() != 1 {
		t.Errorf("remembers %v, forgot %d; want %v, 1", order, m.Forgotten(), want)
	}
	if a := m.Find("a"); a == nil || *a != 2 {
		t.Errorf("a is %v, want 2", a)
	}
	if m.Find("b") != nil {
		t.Error("b is remembered")
	}
	if _, b := m.Heard("b"); *b != 0 {
		t.Errorf("b came back with %d", *b)
	}
}

// A memory behaves as a list of devices in the order in which they were heard, cut to its limit.
func TestMemoryModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		m := dialect.NewMemory[string](limit)
		var want []string
		for _, device := range rapid.SliceOf(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g"})).Draw(t, "heard") {
			_, state := m.Heard(device)
			if known := slices.Contains(want, device); known != (*state == device) {
				t.Fatalf("%s known %v, state %q", device, known, *state)
			}
			*state = device
			want = append(slices.DeleteFunc(want, func(d string) bool { return d == device }), device)
			want = want[max(0, len(want)-limit):]
		}
		var got []string
		for device := range m.All() {
			got = append(got, device)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("remembers %v, want %v", got, want)
		}
	})
}

func TestNamesOwnTheirTexts(t *testing.T) {
	t.Parallel()
	var names dialect.Names
	for i := range 200_000 {
		text := fmt.Sprintf("device-%d", i)
		if got := names.Own(text); got != text {
			t.Fatalf("Own(%q) = %q", text, got)
		}
	}
	long := strings.Repeat("x", 10_000)
	if names.Own(long) != long || names.Own("") != "" {
		t.Error("long or empty text changed")
	}
}
