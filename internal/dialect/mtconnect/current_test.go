package mtconnect_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/mtconnect"
)

// said decodes an execution value stamped at one time of day and received at another, and returns the times of day of the
// records that it became.
func said(t *testing.T, d *mtconnect.Dialect, word, stamped, received string) string {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04:05Z", received)
	if err != nil {
		t.Fatal(err)
	}
	result, err := d.Decode(dialect.Message{
		Topic:      "MTConnect/Devices/m/Observations/exec",
		Payload:    fmt.Appendf(nil, `{"type":"EXECUTION","category":"EVENT","timestamp":%q,"result":%q}`, stamped, word),
		ReceivedMs: at.UnixMilli(),
	})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range result.Records {
		out = append(out, r.State+"@"+time.UnixMilli(r.EventMs).UTC().Format("02T15:04:05"))
	}
	return strings.Join(out, " ")
}

// The nights of the NIST recordings: the adapter's clock is ahead, so its last word is later than the agent's UNAVAILABLE;
// what the agent says in the morning settles it.
func TestCurrentValueIsRestated(t *testing.T) {
	t.Parallel()
	d := mtconnect.New()
	for _, step := range []struct{ word, stamped, received, want string }{
		{"READY", "2018-12-10T20:04:09Z", "2018-12-10T20:04:09Z", "READY@10T20:04:09"},
		{"UNAVAILABLE", "2018-12-10T20:04:02Z", "2018-12-10T20:04:09Z", "UNAVAILABLE@10T20:04:02"},
		{"UNAVAILABLE", "2018-12-10T20:04:02Z", "2018-12-11T00:00:00Z", "UNAVAILABLE@10T20:04:02 UNAVAILABLE@11T00:00:00"},
	} {
		if got := said(t, d, step.word, step.stamped, step.received); got != step.want {
			t.Errorf("%s stamped %s received %s: got %s, want %s", step.word, step.stamped, step.received, got, step.want)
		}
	}
}

// A bridge that starts while an agent restates its values hears old ones first. They are no news of a slow clock: each is
// restated, or the adapter's last word would hold all night (found by killing the bridge at just that moment).
func TestRestatementIsTheFirstThatIsHeard(t *testing.T) {
	t.Parallel()
	d := mtconnect.New()
	const stamped, received = "2018-12-12T19:18:55Z", "2018-12-13T00:00:00Z"
	for i := range 3 {
		if got := said(t, d, "UNAVAILABLE", stamped, received); got != "UNAVAILABLE@12T19:18:55 UNAVAILABLE@13T00:00:00" {
			t.Errorf("observation %d: got %s", i, got)
		}
	}
}

// A clock that is slow by an hour makes every observation look old; once an hour has shown it, none is a current value
// restated.
func TestSlowClockIsNoRestatement(t *testing.T) {
	t.Parallel()
	d := mtconnect.New()
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	format := "2006-01-02T15:04:05Z"
	for i := range 200 {
		received := at.Add(time.Duration(i) * time.Minute)
		got := said(t, d, "ACTIVE", received.Add(-time.Hour).Format(format), received.Format(format))
		if strings.Contains(got, " ") && i > 60 {
			t.Fatalf("minute %d: %s", i, got)
		}
	}
}
