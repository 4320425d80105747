package frame_test

import (
	"fmt"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// A bridge seals what its log holds; the collector opens it with the key that the city enrolled.
func Example() {
	key := testKey()
	b := frame.NewBuilder("b1", "bridge-1", epoch, key)
	m := telemetry.Message{ReceivedMs: 1_772_409_600_020, Dialect: "native", Records: []telemetry.Record{{
		Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: "mill-1",
		EventMs: 1_772_409_600_000, DeviceMs: 1_772_409_600_000, Values: []telemetry.Value{{Quantity: telemetry.PowerW, Number: 142.7}},
	}}}
	body := frame.AppendMessage(nil, &m) // what the log keeps
	before := frame.ChainStart(epoch)
	if _, err := b.Add(1, body, before, frame.ChainNext(before, 1, body)); err != nil {
		fmt.Println(err)
		return
	}
	sealed, err := b.Seal(1_772_409_601_000)
	if err != nil {
		fmt.Println(err)
		return
	}

	f, err := frame.Parse(sealed)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := f.Verify(public()); err != nil {
		fmt.Println(err)
		return
	}
	all, err := f.Messages(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	r := all[0].Records[0]
	fmt.Println(f.Base, f.Bridge, all[0].Seq, r.Device, r.Values[0].Quantity, r.Values[0].Number)
	// Output: b1 bridge-1 1 mill-1 power_w 142.7
}
