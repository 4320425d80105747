package usage

import (
	"strings"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// ControllerRule reads the state from the controller's own words.
type ControllerRule struct {
	words map[string]State
}

// defaultWords maps the execution values of MTConnect (MTConnectStreams 2.7, type ExecutionType) and the words of the
// native dialect. ACTIVE alone is work; UNAVAILABLE is "value is indeterminate".
func defaultWords() map[string]State {
	return map[string]State{
		"ACTIVE": Running, "READY": Idle, "INTERRUPTED": Idle, "FEED_HOLD": Idle, "STOPPED": Idle,
		"OPTIONAL_STOP": Idle, "PROGRAM_STOPPED": Idle, "PROGRAM_COMPLETED": Idle, "PROGRAM_OPTIONAL_STOP": Idle,
		"WAIT": Idle, "UNAVAILABLE": Unknown,
		"RUNNING": Running, "IDLE": Idle, "OFF": Off, "FAULT": Fault, "UNKNOWN": Unknown,
	}
}

// NewControllerRule returns the rule with the default words of MTConnect execution and of the native dialect, and the
// overrides, which are matched without regard to case. A word in neither is Unknown.
func NewControllerRule(overrides map[string]State) *ControllerRule {
	words := defaultWords()
	for w, s := range overrides {
		words[strings.ToUpper(w)] = s
	}
	return &ControllerRule{words: words}
}

// State returns the state behind a controller's word.
func (r *ControllerRule) State(word string) State {
	if s, ok := r.words[word]; ok {
		return s
	}
	return r.words[strings.ToUpper(word)]
}

// Reach implements Rule: only the last word before the window matters.
func (r *ControllerRule) Reach() int64 { return 0 }

func (r *ControllerRule) timeline(points []Point, window span.Span) []Segment {
	var out []Segment
	word := ""
	for i := range points {
		p := &points[i]
		next := nextMs(points, i, window)
		if p.Word != "" {
			word = p.Word
		}
		if p.silent(next) {
			word = ""
		}
		segment := Segment{Span: span.Span{StartMs: p.AtMs, EndMs: next}}
		if word != "" {
			segment.State, segment.Word = r.State(word), word
		}
		out = appendMerged(out, segment)
	}
	return out
}
