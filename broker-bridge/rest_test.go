package bridge_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/spool"
)

// TestDevicesShareSyncs: devices that speak in turn share their syncs, and none waits long for its PUBACK.
func TestDevicesShareSyncs(t *testing.T) {
	t.Parallel()
	ingest(t, spool.Options{}, nil, func(s *intake) {
		const devices, rounds = 500, 2
		var syncs, acked atomic.Int64
		s.disk.sync = func() error { syncs.Add(1); return nil }
		for i := range rounds * devices {
			said := time.Now()
			s.b.Deliver(mqtt.Inbound{
				Client: fmt.Sprint("meter-", i%devices), Topic: meterTopic, Payload: []byte(sample(dawn, i)), QoS: 1,
				Ack: func() {
					acked.Add(1)
					if late := time.Since(said); late > 50*time.Millisecond {
						t.Errorf("message %d was acknowledged after %v, want 50 ms at most", i, late)
					}
				},
			})
			time.Sleep(time.Second / devices)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if acked.Load() != rounds*devices {
			t.Errorf("%d messages were acknowledged, want %d", acked.Load(), rounds*devices)
		}
		if n := syncs.Load(); n > rounds*25 {
			t.Errorf("the disk was synced %d times in %d s, want 25 times a second at most", n, rounds)
		}
	})
}

// TestWhoWaitsForEachAckIsNotHeldUp: a device that publishes what it kept, each message after the PUBACK of the last.
func TestWhoWaitsForEachAckIsNotHeldUp(t *testing.T) {
	t.Parallel()
	ingest(t, spool.Options{}, nil, func(s *intake) {
		const messages = 1000
		acked := make(chan struct{})
		began := time.Now()
		for i := range messages {
			s.b.Deliver(mqtt.Inbound{
				Client: "meter", Topic: meterTopic, Payload: []byte(sample(dawn, i)), QoS: 1, Ack: func() { acked <- struct{}{} },
			})
			<-acked
		}
		if took := time.Since(began); took > 50*time.Millisecond {
			t.Errorf("%d messages took %v beside the disk's time, want 50 ms at most", messages, took)
		}
	})
}
