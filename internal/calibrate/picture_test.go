package calibrate_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/calibrate"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

var update = flag.Bool("update", false, "write the golden picture anew")

func picture(t testing.TB, points []usage.Point, window span.Span, p calibrate.Proposal, title string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := calibrate.Picture(&b, points, window, p, title); err != nil {
		t.Fatalf("picture: %v", err)
	}
	return b.Bytes()
}

// TestPictureGolden: one day at a lathe, as a technician sees it. Look at the file after -update.
func TestPictureGolden(t *testing.T) {
	t.Parallel()
	day := latheDay(5)
	p := propose(t, day.points, day.window(), "machine")
	got := picture(t, day.points, day.window(), p, "CA6140 车床 3 号 · Lathe 3")
	golden := filepath.Join("testdata", "lathe-day.svg")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("the picture changed; look at it and run with -update:\n%s", diff)
	}
	if again := picture(t, day.points, day.window(), p, "CA6140 车床 3 号 · Lathe 3"); !bytes.Equal(got, again) {
		t.Error("the same evidence gives two pictures")
	}
}

// wellFormed reads the picture as XML and returns its elements' names.
func wellFormed(t interface {
	Fatalf(format string, args ...any)
}, svg []byte,
) map[string]int {
	elements := map[string]int{}
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return elements
		}
		if err != nil {
			t.Fatalf("not XML: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok {
			elements[e.Name.Local]++
		}
	}
}

func TestPictureShows(t *testing.T) {
	t.Parallel()
	day := latheDay(10)
	p := propose(t, day.points, day.window(), "")
	svg := string(picture(t, day.points, day.window(), p, `<script>alert("车床")</script>&`))
	if elements := wellFormed(t, []byte(svg)); elements["script"] > 0 || elements["image"] > 0 {
		t.Errorf("the title became markup: %v", elements)
	}
	for _, want := range []string{
		"&lt;script&gt;", "北京时间", "2026-03-02 08:00", "功率", "状态", "运行阈值", "关机阈值", "退出保持", "Noto Sans CJK SC",
		`class="unknown"`, `class="idle"`, `class="running"`, `class="off"`, "可信度 " + p.Confidence.Zh(),
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture lacks %q", want)
		}
	}
	if strings.Contains(strings.Replace(svg, "http://www.w3.org/2000/svg", "", 1), "http") {
		t.Error("the picture refers to something outside itself")
	}
	for _, n := range p.Notes {
		if !strings.Contains(svg, string([]rune(n.Zh)[:8])) {
			t.Errorf("note %s is not in the picture", n.Code)
		}
	}
}

// TestPictureStaysSmall: a week at one reading a second is decimated to columns.
func TestPictureStaysSmall(t *testing.T) {
	t.Parallel()
	s := newStory(1)
	for range 7 {
		s.off(20_000).idle(6000, 300)
		for i := range int64(300) {
			s.runs(20+i%40, 2500).idle(30+i%60, 300)
		}
	}
	p := propose(t, s.points, s.window(), "")
	if svg := picture(t, s.points, s.window(), p, "一周 a week"); len(svg) > 400_000 {
		t.Errorf("%d points make a picture of %d bytes", len(s.points), len(svg))
	}
}

func TestPictureErrors(t *testing.T) {
	t.Parallel()
	day := latheDay(10)
	p := propose(t, day.points, day.window(), "")
	if err := calibrate.Picture(io.Discard, day.points, span.Span{}, p, ""); !errors.Is(err, calibrate.ErrEmptyWindow) {
		t.Errorf("an empty window gives %v", err)
	}
	if err := calibrate.Picture(io.Discard, day.points, day.window(), calibrate.Proposal{}, ""); err == nil {
		t.Error("a proposal without a rule is drawn")
	}
	full := errors.New("disk full")
	if err := calibrate.Picture(failing{full}, day.points, day.window(), p, ""); !errors.Is(err, full) {
		t.Errorf("a write that fails gives %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestPictureOfAnything: whatever the evidence, a proposal can be drawn, and no coordinate is missing.
func TestPictureOfAnything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		points, window := drawAnything(t)
		p, err := calibrate.Propose(points, window, calibrate.Options{})
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := calibrate.Picture(&b, points, window, p, rapid.String().Draw(t, "title")); err != nil {
			t.Fatalf("picture: %v", err)
		}
		wellFormed(t, b.Bytes())
		if text := b.String(); strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
			t.Fatalf("the picture has a coordinate that is no number")
		}
	})
}
