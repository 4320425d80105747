package voice

import "github.com/jishi-telemetry/jishi/firmware-sim/plant"

// panel is what a controller's gateway sees of the controller: the truth, and what it keeps repeating when it is stuck.
type panel struct{ now, shown plant.Words }

// read returns the words that the gateway has, and whether they are wrong about what the machine does.
func (p *panel) read(in *Input, atMs int64) (words plant.Words, wrong bool) {
	if in.Stuck.Contains(atMs) {
		return p.shown, stateWord(&p.shown) != stateWord(&p.now)
	}
	p.shown = p.now
	return p.now, false
}

// stateWord is the machine's state in one word, for gateways that know of execution, alarms and the main switch.
func stateWord(w *plant.Words) string {
	switch {
	case !w.Available:
		return "OFF"
	case w.Alarm != "":
		return "FAULT"
	case w.Execution == "":
		return "UNKNOWN"
	}
	return w.Execution
}

// significant reports whether a meter that reports changes reports this one: by more than 5 W and 15 % of what it said
// last, so that the noise of a working machine is none and the switch of a small one is.
func significant(said, now float64) bool {
	by := now - said
	if by < 0 {
		by = -by
	}
	return by > 5 && by > float64(0.15*max(said, -said))
}
