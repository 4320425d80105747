package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/collector"
	"github.com/jishi-telemetry/jishi/internal/frame"
)

// quarantineDir is where this installation's collector keeps the frames that it refused.
func (s *settings) quarantineDir() string { return filepath.Join(s.dir, "quarantine") }

// waiting is how many refused frames wait for a look, of one reason and one sender.
type waiting struct {
	reason string
	sender string // base/bridge, or how many of them there are
	frames int
	last   string // day
}

// maxSendersShown bounds what is shown about names that anybody can invent.
const maxSendersShown = 5

// quarantined sums the quarantine up by reason and by whom the frames say to be of, the reasons in order.
func quarantined(dir string) ([]waiting, error) {
	files, err := collector.ReadQuarantine(dir)
	if err != nil {
		return nil, err
	}
	type key struct{ reason, sender string }
	sum := map[key]*waiting{}
	add := func(reason, sender, day string, frames int) {
		k := key{reason, sender}
		if sum[k] == nil {
			sum[k] = &waiting{reason: reason, sender: sender}
		}
		sum[k].frames += frames
		sum[k].last = max(sum[k].last, day)
	}
	for _, f := range files {
		rest := f.Frames
		for s, n := range f.Senders {
			add(f.Reason, s.Base+"/"+s.Bridge, f.Day, n)
			rest -= n
		}
		if rest > 0 {
			add(f.Reason, "", f.Day, rest)
		}
	}
	var out []waiting
	for _, w := range sum {
		out = append(out, *w)
	}
	slices.SortFunc(out, func(a, b waiting) int {
		return strings.Compare(a.reason+"\x00"+a.sender, b.reason+"\x00"+b.sender)
	})
	return out, nil
}

// whyQuarantined says what a reason means and what to do.
func whyQuarantined(reason string) (what, hint string) {
	switch reason {
	case frame.RefusedUnknownBridge:
		return "来自未登记或密钥已失效的网桥 of bridges that are not enrolled, or whose keys have ended", "if it is one of yours: `jishi bridge enroll` there, `jishi city approve` here (docs/enrolment.md)"
	case frame.RefusedBadSignature:
		return "签名不符 not signed by an enrolled key", "a bridge with another key, or a forgery: call the base before you approve anything"
	case frame.RefusedBadChain:
		return "链不连续 chain broken, signed by an enrolled key", "the bridge's log or program is damaged: `jishi frames --verify` there"
	case frame.RefusedForked:
		return "与已入库记录冲突 other records under numbers that the city has", "a bridge restored from a backup or copied: see docs/enrolment.md"
	case frame.RefusedMalformed:
		return "不是合格的帧 not what docs/frame.md asks for", "a client that publishes where it should not, or a bridge of another version"
	}
	return reason, ""
}

// checkQuarantine tells how many refused frames wait, and why.
func checkQuarantine(c *settings) []finding {
	list, err := quarantined(c.quarantineDir())
	if err != nil {
		return []finding{{bad, "隔离区 quarantine: " + err.Error(), ""}}
	}
	byReason := map[string][]waiting{}
	for _, w := range list {
		byReason[w.reason] = append(byReason[w.reason], w)
	}
	var out []finding
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		what, hint := whyQuarantined(reason)
		out = append(out, finding{warning, fmt.Sprintf("隔离帧 refused frames: %s: %s: %s", reason, what, sendersText(byReason[reason])), hint})
	}
	return out
}

// sendersText is how many frames of one reason wait, and of whom they say to be.
func sendersText(list []waiting) string {
	var parts []string
	total, more := 0, 0
	for _, w := range list {
		total += w.frames
		switch {
		case w.sender == "":
		case len(parts) < maxSendersShown:
			parts = append(parts, fmt.Sprintf("%s (%d, %s)", w.sender, w.frames, w.last))
		default:
			more++
		}
	}
	text := fmt.Sprintf("%d 帧 frames", total)
	if len(parts) > 0 {
		text += ", " + strings.Join(parts, ", ")
	}
	if more > 0 {
		text += fmt.Sprintf(", 另有 and %d more", more)
	}
	return text
}
