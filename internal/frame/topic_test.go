package frame_test

import (
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/frame"
)

func TestTopics(t *testing.T) {
	t.Parallel()
	if got, want := frame.FrameTopic("b1", "br.2"), "jishi/v1/b1/br.2/frame"; got != want {
		t.Errorf("FrameTopic = %q, want %q", got, want)
	}
	if got, want := frame.AckTopic("b1", "br.2"), "jishi/v1/b1/br.2/ack"; got != want {
		t.Errorf("AckTopic = %q, want %q", got, want)
	}
	for _, topic := range []string{frame.FrameTopic("b1", "br.2"), frame.AckTopic("b1", "br.2")} {
		if base, bridge, ok := frame.ParseTopic(topic); base != "b1" || bridge != "br.2" || !ok {
			t.Errorf("ParseTopic(%q) = %q, %q, %v", topic, base, bridge, ok)
		}
	}
	for _, topic := range []string{
		"", "jishi/v1", "jishi/v1/", "jishi/v1/b/c", "jishi/v1/b/c/", "jishi/v1/b/c/frames", "jishi/v1/b/c/frame/",
		"jishi/v1//c/frame", "jishi/v1/b//frame", "jishi/v2/b/c/frame", "/jishi/v1/b/c/frame", "jishi/v1/+/c/frame", frame.FrameFilter(),
	} {
		if base, bridge, ok := frame.ParseTopic(topic); ok || base != "" || bridge != "" {
			t.Errorf("ParseTopic(%q) = %q, %q, %v; want none", topic, base, bridge, ok)
		}
	}
}

func TestValidName(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"a", "0", "320102-03", "base_1.b", strings.Repeat("x", 128)} {
		if err := frame.ValidName(good); err != nil {
			t.Errorf("ValidName(%q): %v", good, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "-a", "_a", "a b", "a/b", "a+", "#", "基地", "a\x00", "a\n", strings.Repeat("x", 129)} {
		if frame.ValidName(bad) == nil {
			t.Errorf("ValidName(%q) is content", bad)
		}
	}
}
