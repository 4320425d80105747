package mqtt_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// ours are the packages whose goroutines must be gone when everything is closed.
var ours = []string{"jishi/internal/mqtt.", "paho.mqtt.golang", "mochi-mqtt"}

// stacks returns the goroutines that run code of ours, tests apart.
func stacks() []string {
	buf := make([]byte, 4<<20)
	all := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	var found []string
	for _, g := range all[1:] { // the first is the caller
		for _, name := range ours {
			if strings.Contains(g, name) && !strings.Contains(g, "testing.tRunner") {
				found = append(found, g)
				break
			}
		}
	}
	return found
}

// Not parallel: it counts the goroutines of the whole process.
func TestNothingRunsAfterClose(t *testing.T) {
	expectNoGoroutines(t) // of earlier tests
	b, in := captured(t)
	var publishing []interface{ Close() error }
	for i := range 5 {
		d := device(t, b, func(c *packets.ConnectPacket) { c.ClientIdentifier = fmt.Sprint("meter-", i) })
		d.publish(1, "base/x", "never acknowledged")
		receive(t, in, "captured message")
		c := client(t, b, nil) // the same client id: each takes over from the one before
		c.PublishAsync("base/x", 1, false, []byte("never acknowledged"))
		publishing = append(publishing, c)
	}
	for _, c := range publishing[1:] { // the first ends with the broker
		_ = c.Close()
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	_ = publishing[0].Close()
	expectNoGoroutines(t)
}

// expectNoGoroutines waits: paho's and mochi's last goroutines end soon after their Close.
func expectNoGoroutines(t *testing.T) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for end := time.Now().Add(patience); ; <-poll.C {
		left := stacks()
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
		}
	}
}
