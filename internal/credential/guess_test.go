package credential_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jishi-telemetry/jishi/internal/credential"
)

// Guessing is slow for the guesser, and stops nobody else: a device whose password was right before passes, from the same
// address too.
func TestGuessing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newFile(t, entry("plug", "", "right")+entry("late", "", "right")).open()
		if _, denied := k.Admit(t.Context(), login("plug", "right")); denied != "" {
			t.Fatal(denied)
		}
		guess := func(n int) (looked, throttled int) {
			var mu sync.Mutex
			var all sync.WaitGroup
			for i := range n {
				all.Go(func() {
					_, denied := k.Admit(t.Context(), login(fmt.Sprintf("guess-%d", i), "x"))
					mu.Lock()
					defer mu.Unlock()
					if denied == credential.DeniedThrottled {
						throttled++
					} else {
						looked++
					}
				})
			}
			all.Wait()
			return looked, throttled
		}
		if looked, throttled := guess(200); looked != 64 || throttled != 136 {
			t.Errorf("of 200 guesses at once %d were looked at and %d refused at once, want 64 and 136", looked, throttled)
		}
		if _, denied := k.Admit(t.Context(), login("plug", "right")); denied != "" {
			t.Errorf("a device that was there before: got %q", denied)
		}
		if _, denied := k.Admit(t.Context(), login("late", "right")); denied != credential.DeniedThrottled {
			t.Errorf("a new one from that address: got %q", denied)
		}
		elsewhere := login("late", "right")
		elsewhere.Remote = netip.MustParseAddr("10.0.0.2")
		if _, denied := k.Admit(t.Context(), elsewhere); denied != "" {
			t.Errorf("the same from another address: got %q", denied)
		}
		time.Sleep(time.Minute)
		if looked, _ := guess(50); looked < 8 || looked > 12 {
			t.Errorf("%d guesses were looked at after a minute, want about 10", looked)
		}
	})
}

// A house of devices that come at once is not a guesser.
func TestManyDevicesOfOneAddress(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 300 {
		text.WriteString(entry(fmt.Sprintf("plug-%d", i), "", "right"))
	}
	k := newFile(t, text.String()).open()
	for i := range 300 {
		if _, denied := k.Admit(t.Context(), login(fmt.Sprintf("plug-%d", i), "right")); denied != "" {
			t.Fatalf("device %d: %q", i, denied)
		}
	}
}
