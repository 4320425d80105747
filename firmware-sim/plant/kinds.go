package plant

import (
	"slices"
	"time"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// Figures lists the figures of a kind's model. docs/simulator-models.md says where each comes from.
func Figures(kind scenario.Kind) []Figure {
	f := figures(kind)
	if f == nil {
		return nil
	}
	shared := []Figure{
		{"noise", "", 0.03, 0, 0.08, "part by which a level varies, either way"},
		{"forget_off", "", 0.04, 0, 1, "share of days on which nobody switches it off in the evening"},
	}
	if kind.HasController() {
		shared = append(shared, Figure{"alarm_share", "", 0.004, 0, 1, "share of runs that end in an alarm"})
	}
	return slices.Concat(f, shared)
}

// tool are the figures that machine tools share.
func tool(idle, standby, start, air, run float64) []Figure {
	return []Figure{
		{"idle_w", "W", idle, 5, 20_000, "switched on and ready"},
		{"standby_w", "W", standby, 5, 20_000, "ready but unused for ten minutes"},
		{"start_w", "W", start, 5, 20_000, "while it starts up"},
		{"air_w", "W", air, 20, 100_000, "working without load: the least power of a run"},
		{"run_w", "W", run, 20, 100_000, "working as usual"},
	}
}

func lengths(start, run, pause float64) []Figure {
	return []Figure{
		{"start_s", "s", start, 0, 3600, "from switching on to ready"},
		{"run_s", "s", run, 2, 14_400, "median length of a run"},
		{"pause_s", "s", pause, 2, 14_400, "median length of the pause after it"},
	}
}

func figures(kind scenario.Kind) []Figure {
	switch kind {
	case scenario.Lathe:
		return append(tool(65, 65, 65, 700, 1900), lengths(2, 30, 45)...)
	case scenario.CNCMill:
		return append(tool(620, 420, 300, 1500, 3600), lengths(45, 40, 50)...)
	case scenario.CNCLathe:
		return append(tool(540, 380, 280, 1400, 3100), lengths(40, 28, 35)...)
	case scenario.Welder:
		return append([]Figure{
			{"idle_w", "W", 38, 5, 500, "switched on, no arc: fan and electronics"},
			{"run_w", "W", 4600, 200, 40_000, "arc burning"},
		}, lengths(1, 11, 18)...)
	case scenario.RobotCell:
		return append([]Figure{
			{"idle_w", "W", 230, 20, 5000, "controller on, brakes closed; also between two movements"},
			{"start_w", "W", 180, 20, 5000, "while the controller starts"},
			{"run_w", "W", 950, 60, 50_000, "moving, on average"},
			{"cycle_s", "s", 38, 10, 600, "length of every cycle"},
		}, lengths(70, 300, 60)...)
	case scenario.InjectionPress:
		return append([]Figure{
			{"idle_w", "W", 450, 50, 10_000, "control and cooling"},
			{"heat_w", "W", 2800, 100, 50_000, "barrel heaters, switched on and off by their thermostat"},
			{"run_w", "W", 9500, 500, 200_000, "pump at work in a shot, besides heaters and control"},
			{"cycle_s", "s", 26, 12, 300, "length of every shot"},
		}, lengths(1200, 900, 120)...)
	case scenario.Compressor:
		return []Figure{
			{"standby_w", "W", 40, 5, 1000, "control on, motor stopped"},
			{"idle_w", "W", 2000, 50, 50_000, "motor turning unloaded"},
			{"run_w", "W", 5500, 100, 200_000, "loaded"},
			{"band_s", "s", 80, 10, 3600, "loaded time from cut-in to cut-out pressure when no air is taken"},
			{"stop_s", "s", 416, 30, 3600, "unloaded time after which the motor stops"},
			{"demand", "", 0.19, 0.05, 0.9, "share of its air that a base in class takes, on average"},
		}
	case scenario.Oven:
		return append([]Figure{
			{"idle_w", "W", 25, 2, 1000, "controller on, door contact, no program"},
			{"run_w", "W", 12_000, 200, 200_000, "heating up; holding takes 0.45 of it"},
		}, lengths(5, 10_800, 600)...)
	case scenario.Printer3D:
		return append([]Figure{
			{"idle_w", "W", 10, 1, 200, "main board, display and fan"},
			{"run_w", "W", 120, 20, 5000, "printing, on average; the bed switches on and off"},
			{"heat_w", "W", 270, 40, 10_000, "heating up before a print"},
		}, lengths(8, 9000, 420)...)
	case scenario.PLCBench:
		return []Figure{
			{"idle_w", "W", 45, 2, 2000, "switched on: power supply, controller, panel"},
			{"start_s", "s", 12, 0, 600, "from switching on to ready"},
		}
	case scenario.ComputerRoom:
		return []Figure{
			{"idle_w", "W", 120, 10, 5000, "network and displays of the room while its breaker is on"},
			{"each_w", "W", 85, 5, 1000, "one computer"},
			{"computers", "", 40, 1, 500, "how many there are"},
		}
	case scenario.HandBench:
		return nil
	}
	return nil
}

// build makes the model of a kind from its resolved figures.
func build(kind scenario.Kind, v map[string]float64) model {
	tenths := func(name string) int64 { return int64(v[name]*10 + 0.5) }
	ms := func(name string) int64 { return int64(v[name]*1000 + 0.5) }
	m := model{
		kind: kind, idle: tenths("idle_w"), standby: tenths("standby_w"), start: tenths("start_w"), run: tenths("run_w"),
		least: tenths("air_w"), noise: int64(v["noise"]*1000 + 0.5), startMs: ms("start_s"), standbyAfterMs: 10 * minute,
		cycleMs: ms("cycle_s"), forgets: v["forget_off"], alarms: v["alarm_share"], demand: v["demand"],
		stopMs: ms("stop_s"), bandMs: ms("band_s"), each: tenths("each_w"), count: int(v["computers"]),
		controller: kind.HasController(),
	}
	if m.standby == 0 {
		m.standby = m.idle
	}
	if m.start == 0 {
		m.start = m.idle
	}
	m.work(tenths("heat_w"), ms("run_s"), ms("pause_s"))
	return m
}

// work sets how the machine works: the shape, the lengths of its runs and pauses, and the least power of a run.
func (m *model) work(heat, runMs, pauseMs int64) {
	dwell := func(off time.Duration) { m.signature.DwellOn, m.signature.DwellOff = time.Second, off }
	// Controllers of machine tools: half of the runs under 45 s, one in seven under 5 s, the longest twenty minutes.
	runs := seconds(1.1, 2.8, 8, 30, 125, 300, 800, 1300)
	pauses := seconds(1.5, 3, 8, 45, 150, 400, 1100, 1800)
	switch m.kind {
	case scenario.Lathe, scenario.CNCMill, scenario.CNCLathe:
		m.shape, m.rpm = cutting, 3000
		dwell(time.Second)
		m.length, m.pause = runs.median(runMs, second), pauses.median(pauseMs, second)
	case scenario.Welder:
		m.shape, m.least = arcs, m.run*8/10
		dwell(2 * time.Second)
		m.length = seconds(1.2, 2, 4, 9, 18, 30, 55, 70).median(runMs, second)
		m.pause = seconds(2.5, 5, 9, 18, 38, 75, 160, 200).median(pauseMs, 2*second)
		m.series, m.rest = seconds(120, 180, 240, 400, 600, 800, 1100, 1200), seconds(40, 50, 80, 120, 180, 300, 480, 600)
	case scenario.RobotCell:
		m.shape, m.least = cycles, m.run*8/10
		dwell(m.cyclePart(4) + 4*time.Second)
		m.length = seconds(40, 80, 160, 300, 600, 1200, 2400, 3000).median(runMs, m.cycleMs)
		m.pause = seconds(8, 15, 30, 60, 150, 300, 700, 900).median(pauseMs, m.signature.DwellOff.Milliseconds()+second)
	case scenario.InjectionPress:
		m.shape, m.heated = cycles, true
		dwell(m.cyclePart(40) + 5*time.Second)
		m.start, m.standby = m.idle+heat, m.idle
		m.least, m.run = m.idle+m.run*7/10, m.idle+m.run
		m.length = seconds(60, 180, 400, 900, 1800, 3000, 6000, 7200).median(runMs, m.cycleMs)
		m.pause = seconds(30, 40, 70, 120, 240, 600, 1200, 1500).median(pauseMs, m.signature.DwellOff.Milliseconds()+second)
	case scenario.Compressor:
		m.shape, m.least = pressure, m.run*93/100
		dwell(time.Second)
	case scenario.Oven:
		m.shape, m.least = soaking, m.run*45/100
		dwell(time.Second)
		m.length = seconds(0.5, 0.6, 0.75, 1, 1.4, 1.8, 2.3, 2.5).median(runMs, minute)
		m.pause = seconds(0.4, 0.5, 0.7, 1, 1.5, 2, 3, 4).median(pauseMs, 10*second)
	case scenario.Printer3D:
		m.shape, m.least, m.heat = printing, m.run*7/10, heat
		dwell(time.Second)
		m.length = seconds(0.15, 0.3, 0.6, 1, 1.6, 2, 2.4, 2.6).median(runMs, minute)
		m.pause = seconds(0.4, 0.5, 0.7, 1, 1.5, 2, 3, 4).median(pauseMs, 10*second)
	case scenario.PLCBench, scenario.ComputerRoom:
		m.shape = switchedOn
	case scenario.HandBench:
		m.shape = powerless
	}
}

// cyclePart is some hundredths of a cycle: of a robot the grip, of a press the cooling, in which it rests.
func (m *model) cyclePart(hundredths int64) time.Duration {
	return time.Duration(m.cycleMs*hundredths/100) * time.Millisecond
}
