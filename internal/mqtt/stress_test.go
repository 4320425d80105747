package mqtt_test

import (
	"sync"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// However a connection ends while others publish on it: every token ends, exactly once, and nobody waits long.
func TestEndsUnderLoad(t *testing.T) {
	b, in := captured(t)
	var committer sync.WaitGroup
	committer.Go(func() {
		for {
			select {
			case m := <-in:
				m.Ack()
			case <-t.Context().Done():
				return
			}
		}
	})
	t.Cleanup(committer.Wait)
	for round := range 20 {
		c := client(t, b, func(o *mqtt.ClientOptions) { o.MaxInFlight = 100 })
		var publishers sync.WaitGroup
		for range 4 {
			publishers.Go(func() {
				for end := time.Now().Add(patience); time.Now().Before(end); {
					token := c.PublishAsync("base/x", byte(round%2), false, []byte("a"))
					<-token.Done()
					if token.Err() != nil {
						return
					}
				}
				t.Error("publishes go on after the end of the connection")
			})
		}
		if err := c.Publish(t.Context(), "base/x", 1, false, nil); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if round%4 < 2 {
			_ = c.Close()
		} else { // taken over
			other := client(t, b, nil)
			closed(t, c.Lost(), "Lost")
			_ = c.Close()
			_ = other.Close()
		}
		publishers.Wait()
		if d := time.Since(begin); d > patience/2 {
			t.Errorf("round %d: the end took %v", round, d)
		}
	}
}
