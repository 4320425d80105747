package calibrate_test

import (
	"fmt"
	"os"
	"time"

	"github.com/jishi-telemetry/jishi/internal/calibrate"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// A milling machine's morning, one reading in ten seconds: off, switched on and waiting for twenty minutes, then at work.
func ExamplePropose() {
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	power := func(minute int) float64 {
		switch {
		case minute < 60:
			return 0
		case minute < 80 || minute%10 >= 7:
			return 300
		}
		return 2500
	}
	var points []usage.Point
	for s := 0; s < 240*60; s += 10 {
		at := start.Add(time.Duration(s) * time.Second)
		points = append(points, usage.Point{AtMs: at.UnixMilli(), ValidMs: 60_000, PowerW: power(s / 60), HasPower: true})
	}
	window := span.Of(start, start.Add(4*time.Hour))

	p, err := calibrate.Propose(points, window, calibrate.Options{Profile: "machine"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	fmt.Printf("off below %.0f W, running from %.0f W, confidence %s\n", p.Rule.OffW, p.Rule.RunW, p.Confidence)
	for _, l := range p.Levels {
		fmt.Printf("%6.0f W  %3.0f %%  %s\n", l.MeanW, 100*l.Share, l.State)
	}
	for _, n := range p.Notes {
		fmt.Println(n.Zh)
		fmt.Println(n.En)
	}
	// Output:
	// off below 30 W, running from 870 W, confidence medium
	//      0 W   25 %  off
	//    300 W   28 %  idle
	//   2500 W   47 %  running
	// 待机约 300 W：17 段平稳，最长 20 min 0 s（持续时间长）。
	// Idle at about 300 W: held steady 17 times, for up to 20 min 0 s (they last long).
	// 数据不足一天（已知 4 h 0 min）：没有出现的状态没有水平。
	// Less than a day of data (4 h 0 min known): a state that did not occur has no level.
}
