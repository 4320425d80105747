package shelly_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/shelly"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// meter is a generation 2 meter: its true register at every second since its clock's minute 0.
type meter struct{ wh []float64 }

const meterStart = int64(1_736_603_760) // the second of the meter's minute 0

// energy is what the meter says of its energy in a second, printed as the firmware prints.
func (m meter) energy(second int) string {
	minute := second / 60
	by := make([]string, 3)
	for i := range by {
		spent := 0.0
		if to := minute - i; to > 0 {
			spent = m.wh[to*60] - m.wh[to*60-60]
		}
		by[i] = fmt.Sprintf("%.3f", spent*1000)
	}
	return fmt.Sprintf(`{"total":%.3f,"by_minute":[%s],"minute_ts":%d}`, m.wh[second], strings.Join(by, ","), meterStart+int64(minute)*60)
}

// Whatever the load and wherever the link is lost: what is filled in is the meter's true register at a minute's boundary
// within the silence, in order, marked as replayed, and never on the channel of the meter itself.
func TestFilledMinutesAreTrue(t *testing.T) {
	t.Parallel()
	filled := 0
	rapid.Check(t, func(t *rapid.T) {
		m := meter{wh: []float64{rapid.Float64Range(0, 1e5).Draw(t, "register")}}
		const minutes = 14
		for range minutes {
			watts := rapid.SampledFrom([]float64{0, 0.4, 60, 3600}).Draw(t, "watts")
			for range 60 {
				m.wh = append(m.wh, m.wh[len(m.wh)-1]+watts/3600)
			}
		}
		lost := rapid.IntRange(4*60, 8*60).Draw(t, "lost")
		back := lost + rapid.IntRange(1, 5*60).Draw(t, "for")
		d := must(shelly.Options{})
		lastBoundary := int64(0)
		say := func(second int) {
			at := meterStart + int64(second)
			payload := fmt.Sprintf(`{"method":"NotifyStatus","params":{"ts":%d.05,"switch:0":{"apower":1,"aenergy":%s}}}`, at, m.energy(second))
			message := dialect.Message{Topic: "plug/events/rpc", Payload: []byte(payload), ReceivedMs: at*1000 + 200}
			result, err := d.Decode(message)
			if err != nil {
				t.Fatal(err)
			}
			for i := range result.Records {
				r := &result.Records[i]
				if r.Channel == "switch:0" {
					if r.Retained || i != len(result.Records)-1 {
						t.Fatalf("the meter's own record is %+v at %d of %d", r, i, len(result.Records))
					}
					continue
				}
				filled++
				wh, _ := r.Value(telemetry.EnergyWh)
				second := int(r.EventMs/1000 - meterStart)
				switch {
				case r.Channel != "switch:0"+shelly.MinuteChannel || !r.Retained || len(r.Values) != 1 || r.State != "":
					t.Fatalf("filled %+v", r)
				case r.EventMs%60_000 != 0 || r.EventMs <= lastBoundary || second < lost || second > back:
					t.Fatalf("filled at second %d of a silence from %d to %d", second, lost, back)
				case math.Abs(wh-m.wh[second]) > 0.004:
					t.Fatalf("filled %v at second %d, the register was %v", wh, second, m.wh[second])
				}
				lastBoundary = r.EventMs
			}
		}
		for second := range minutes * 60 {
			// A notification at each boundary, and an answer at any time after the link came back.
			if (second < lost || second >= back) && second%60 == 0 || second == back {
				say(second)
			}
		}
	})
	if filled == 0 {
		t.Error("no silence was filled")
	}
}
