package calibrate

import (
	"fmt"
	"time"
)

// findings are what the notes are written from.
type findings struct {
	r       *recording
	noise   noise
	levels  []level
	split   split
	holds   holds
	profile string
	p       *Proposal
}

// notes returns what was found, the most important first.
func (f findings) notes() []Note {
	var out []Note
	out = append(out, f.about()...)
	out = append(out, f.aboutOff()...)
	out = append(out, f.aboutDwell()...)
	out = append(out, f.aboutRecording()...)
	return out
}

// about says what was made of the levels.
func (f findings) about() []Note {
	s := f.split
	switch {
	case s.found && s.why == byProfile:
		return []Note{{
			"burst_tool",
			fmt.Sprintf("工具成段工作，段间约 %s W；按证据类型“burst”划分。", watts(s.idleW)),
			fmt.Sprintf("The tool works in bursts and draws about %s W between them; split because its profile is burst.", watts(s.idleW)), Medium,
		}}
	case s.found:
		return []Note{f.idleNote()}
	case f.profile == "computer":
		return []Note{{
			"only_on", "该类设备的功率只说明开机，不说明是否在用。",
			"Power of this kind of equipment shows that it is on, not that it is used.", Low,
		}}
	case s.watts > 0 && len(s.waits) > 0:
		return []Note{{
			"pauses_are_work",
			fmt.Sprintf("功率在约 %s W 处平稳停留 %d 次，最长 %s，但不足以说明是人在等待：按程序内停顿计为运行。若其实是等待，请采用备选运行阈值 %s W。",
				watts(s.idleW), len(s.waits), length(longestMs(s.waits)), watts(s.watts)),
			fmt.Sprintf("Power rests at about %s W %s, for up to %s, which is too little to be a person waiting: counted as work, as pauses within a programme. If it is waiting, take the alternative running threshold of %s W.",
				watts(s.idleW), times(len(s.waits)), length(longestMs(s.waits)), watts(s.watts)), Medium,
		}}
	case s.watts > 0:
		return []Note{{
			"short_pauses_are_work",
			fmt.Sprintf("开机时间的 %s 低于 %s W，都是短停顿：按程序内停顿计为运行。若其实是人工操作的间歇，请采用备选运行阈值 %s W。",
				percent(s.share), watts(s.watts), watts(s.watts)),
			fmt.Sprintf("%s of the switched-on time lies below %s W, all in short pauses: counted as work, as pauses within a programme. If a person works in these pauses, take the alternative running threshold of %s W.",
				percent(s.share), watts(s.watts), watts(s.watts)), Medium,
		}}
	}
	return f.oneRegime()
}

func (f findings) idleNote() Note {
	s := f.split
	zh := map[evidence]string{byDuration: "持续时间长", byPosition: "开机后先等待", byRegularity: "长短不一，像人在等待"}[s.why]
	en := map[evidence]string{byDuration: "they last long", byPosition: "they follow switching on", byRegularity: "they are as irregular as people"}[s.why]
	return Note{
		"idle_level",
		fmt.Sprintf("待机约 %s W：%d 段平稳，最长 %s（%s）。", watts(s.idleW), len(s.waits), length(longestMs(s.waits)), zh),
		fmt.Sprintf("Idle at about %s W: held steady %s, for up to %s (%s).", watts(s.idleW), times(len(s.waits)), length(longestMs(s.waits)), en), High,
	}
}

// oneRegime says which of the reasons there may be for seeing only off and on.
func (f findings) oneRegime() []Note {
	if waits := f.r.waits(f.p.Rule.OffW, f.levels[len(f.levels)-1].highW, 0); longestMs(waits) >= longMs {
		return []Note{{
			"constant_load",
			"开机后功率基本恒定：恒定负载设备无法由功率区分待机与运行，或录制期间只出现了一种状态。开机即计为运行；如需区分，请用控制器信号。",
			"Power is constant while on: a constant-load machine cannot be split into idle and working by power, or only one of the two was recorded. On counts as running; to split them, use the controller's signal.", Low,
		}}
	}
	return []Note{{
		"one_regime",
		"没有见到待机：开机即计为运行。若设备有待机状态，请录制包含待机的一天。",
		"No waiting was seen: on counts as running. If the machine has an idle state, record a day with it.", High,
	}}
}

func (f findings) aboutOff() []Note {
	var out []Note
	switch zero := f.r.powers.below(f.noise.watts).ms(); {
	case f.noise.standing:
		out = append(out, Note{
			"off_is_not_zero",
			fmt.Sprintf("功率从不为零；最低水平（至 %s W）不到工作功率的 1%%，按关机计。", watts(f.noise.watts)),
			fmt.Sprintf("Power is never zero; the lowest level (up to %s W) is below 1 %% of the working power and counts as off.", watts(f.noise.watts)), Medium,
		})
	case zero == 0:
		out = append(out, Note{
			"off_not_seen",
			fmt.Sprintf("录制中没有关机；关机阈值 %s W 由最低水平推出。", watts(f.p.Rule.OffW)),
			fmt.Sprintf("The machine was never off; the off threshold of %s W is inferred from the lowest level.", watts(f.p.Rule.OffW)), Medium,
		})
	case f.noise.blips > 0:
		out = append(out, Note{
			"meter_noise",
			fmt.Sprintf("电表在零附近跳动（%d 次，至 %s W）：计为关机。", f.noise.blips, watts(f.noise.watts)),
			fmt.Sprintf("The meter flickers near zero (%d times, up to %s W): counted as off.", f.noise.blips, watts(f.noise.watts)), High,
		})
	}
	if f.r.negativeMs*20 > f.r.knownMs {
		out = append(out, Note{
			"negative_power",
			"功率常为负值：互感器可能接反，请检查接线。", "Power is often negative: the current transformer may be the wrong way round; check the wiring.", Low,
		})
	}
	return out
}

func (f findings) aboutDwell() []Note {
	var out []Note
	if f.holds.pauses > 0 {
		out = append(out, Note{
			"short_pauses",
			fmt.Sprintf("有 %d 次短暂停顿，退出保持取 %s，使其计入运行。", f.holds.pauses, length(f.p.Rule.DwellOff.Milliseconds())),
			fmt.Sprintf("%d short pauses; DwellOff of %s lets them count as work.", f.holds.pauses, length(f.p.Rule.DwellOff.Milliseconds())), High,
		})
	}
	if f.holds.shortRuns {
		out = append(out, Note{
			"short_runs",
			fmt.Sprintf("运行常短于 5 秒，进入保持取 %s，以免漏计。", length(f.p.Rule.DwellOn.Milliseconds())),
			fmt.Sprintf("Runs are often shorter than 5 s; DwellOn of %s keeps them.", length(f.p.Rule.DwellOn.Milliseconds())), High,
		})
	}
	if f.profile == "bench" || f.profile == "kitchen" {
		out = append(out, Note{"weak_evidence", "该类设备的功率不足以证明使用。", "Power proves little about the use of this kind of equipment.", Low})
	}
	return out
}

const (
	littleMs = 30 * 60 * 1000
	dayMs    = 23 * 60 * 60 * 1000 // a day's file may begin late and end early
	slowMs   = 30 * 1000
)

func (f findings) aboutRecording() []Note {
	var out []Note
	p := f.p
	switch {
	case p.KnownMs < littleMs || p.OnMs < 60_000:
		out = append(out, Note{
			"too_little",
			fmt.Sprintf("数据太少：已知 %s，其中开机 %s。", length(p.KnownMs), length(p.OnMs)),
			fmt.Sprintf("Too little data: %s known, %s of it on.", length(p.KnownMs), length(p.OnMs)), Low,
		})
	case p.KnownMs < dayMs:
		out = append(out, Note{
			"less_than_a_day",
			fmt.Sprintf("数据不足一天（已知 %s）：没有出现的状态没有水平。", length(p.KnownMs)),
			fmt.Sprintf("Less than a day of data (%s known): a state that did not occur has no level.", length(p.KnownMs)), Medium,
		})
	}
	if p.KnownMs*2 < p.WindowMs {
		out = append(out, Note{
			"many_gaps",
			fmt.Sprintf("时段内只有 %s 已知，其余未知。", percent(float64(p.KnownMs)/float64(p.WindowMs))),
			fmt.Sprintf("Only %s of the window is known.", percent(float64(p.KnownMs)/float64(p.WindowMs))), Medium,
		})
	}
	if f.r.everyMs > slowMs {
		out = append(out, Note{
			"slow_meter",
			fmt.Sprintf("电表约每 %s 报一次：更短的运行看不到。", length(f.r.everyMs)),
			fmt.Sprintf("The meter reports about every %s: shorter runs are not seen.", length(f.r.everyMs)), Medium,
		})
	}
	return out
}

// watts writes a power with three significant digits and no exponent.
func watts(w float64) string { return fmt.Sprintf("%.*f", decimals(w), round3(w)) }

func decimals(w float64) int {
	switch {
	case w < 10:
		return 2
	case w < 100:
		return 1
	}
	return 0
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func percent(part float64) string {
	if part > 0 && part < 0.0005 {
		return "< 0.1 %"
	}
	if part < 0.1 {
		return fmt.Sprintf("%.1f %%", 100*part)
	}
	return fmt.Sprintf("%.0f %%", 100*part)
}

// length writes a duration with the two units that matter.
func length(ms int64) string {
	d := (time.Duration(ms) * time.Millisecond).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
}
