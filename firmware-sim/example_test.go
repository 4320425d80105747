package sim_test

import (
	"context"
	"fmt"
	"os"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
)

// printer is a broker that prints what it acknowledges.
type printer struct{ done chan struct{} }

func (p printer) PublishAsync(topic string, _ byte, _ bool, payload []byte) sim.Token {
	_, _ = fmt.Fprintf(os.Stdout, "%s %s\n", topic, payload)
	return p
}
func (p printer) Done() <-chan struct{} { return p.done }
func (p printer) Err() error            { return nil }
func (p printer) Lost() <-chan struct{} { return nil }
func (p printer) Close()                {}

// A recording is replayed as the device would have published it, with the time at which it did.
func ExampleRecording_Replay() {
	recording, err := sim.OpenRecording([]string{"testdata/recordings/press-shelly-events.csv"}, sim.RecordingOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	broker := printer{make(chan struct{})}
	close(broker.done)
	dial := func(context.Context) (sim.Publisher, error) { return broker, nil }
	result, err := recording.Replay(context.Background(), sim.ReplayOptions{Dial: dial, Clock: true})
	fmt.Println(result.Acked, result.Clocks, result.Counts.Skipped, err)
	// Output:
	// jishi/sim/clock 1893571200626
	// shellies/shellyplug-s-press/online true
	// shellies/shellyplug-s-press/temperature 31.05
	// jishi/sim/clock 1893571200637
	// shellies/shellyplug-s-press/relay/0/power 0.0
	// jishi/sim/clock 1893571200655
	// shellies/shellyplug-s-press/relay/0/energy 41731
	// jishi/sim/clock 1893571230100
	// shellies/shellyplug-s-press/relay/0/power 812.55
	// shellies/shellyplug-s-press/relay/0/power 3
	// 6 4 map[bad_time:1 command:1 malformed:1 no_value:1 unknown_key:1] <nil>
}
