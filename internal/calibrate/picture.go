package calibrate

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// The layout, in the SVG's own units. Below the time axis the height follows the text.
const (
	pictureW    = 1320
	chartLeft   = 84
	chartRight  = 912
	histLeft    = 936
	histRight   = 1136
	levelsLeft  = 1148
	chartTop    = 112
	chartBottom = 468 // of the logarithmic part
	zeroBottom  = 490 // of the strip for zero
	ribbonTop   = 504
	ribbonEnd   = 540
	axisText    = 560
)

// Text that a viewer without the first font still shows; nothing is embedded.
const fontList = `"Noto Sans CJK SC","Source Han Sans SC","PingFang SC","Microsoft YaHei","WenQuanYi Micro Hei",sans-serif`

// ErrEmptyWindow says that there is no time to draw.
var ErrEmptyWindow = errors.New("the window is empty")

// Picture writes a self-contained SVG of the window: power over time on a logarithmic scale with the thresholds and
// their hysteresis, the states that the proposal's rule gives, time per power beside it, and the notes, Chinese first.
// Where nothing is known the picture is hatched. Times are Beijing time (UTC+8). Points are as in Propose. It fails on an
// empty window, on a rule that is not valid, and when writing fails.
func Picture(w io.Writer, points []usage.Point, window span.Span, p Proposal, title string) error {
	if window.Empty() {
		return ErrEmptyWindow
	}
	if err := p.Rule.Validate(); err != nil {
		return fmt.Errorf("check rule: %w", err)
	}
	d := newDrawing(points, window, &p)
	d.defs(title)
	d.header(title)
	d.frames()
	d.timeAxis()
	d.gaps()
	d.power()
	d.histogram()
	d.thresholds()
	d.levels()
	d.ribbon()
	height := d.text()
	if err := d.finish(w, height); err != nil {
		return fmt.Errorf("write picture: %w", err)
	}
	return nil
}

// drawing is a picture in the making.
type drawing struct {
	body     bytes.Buffer
	window   span.Span
	proposal *Proposal
	rec      *recording
	timeline []usage.Segment
	totals   usage.Totals
	// lowW and highW are the ends of the logarithmic scale; less than lowW is drawn in the strip for zero.
	lowW, highW float64
}

func newDrawing(points []usage.Point, window span.Span, p *Proposal) *drawing {
	d := &drawing{window: window, proposal: p, rec: record(points, window)}
	d.timeline = usage.Timeline(points, &p.Rule, window)
	d.totals = usage.Sum(d.timeline, nil)
	d.lowW, d.highW = p.Rule.OffW/2, p.Rule.RunW*2
	for _, l := range p.Levels {
		if l.FromW > floorW {
			d.lowW = min(d.lowW, l.FromW/1.5)
		}
	}
	if n := len(d.rec.powers.watts); n > 0 {
		d.highW = max(d.highW, d.rec.powers.watts[n-1]*1.25)
	}
	d.highW = max(d.highW, d.lowW*10)
	return d
}

func (d *drawing) printf(format string, args ...any) { fmt.Fprintf(&d.body, format, args...) }

// x returns where an instant lies, y where a power.
func (d *drawing) x(ms int64) float64 {
	return chartLeft + (chartRight-chartLeft)*float64(ms-d.window.StartMs)/float64(d.window.Ms())
}

func (d *drawing) y(watts float64) float64 {
	if watts < d.lowW {
		return (chartBottom + zeroBottom) / 2
	}
	part := math.Log(watts/d.lowW) / math.Log(d.highW/d.lowW)
	return chartBottom - (chartBottom-chartTop)*min(part, 1)
}

func (d *drawing) defs(title string) {
	d.printf("<title>%s</title>\n", escaped(title))
	d.printf("<desc>功率与状态标定图 power calibration: OffW %s W, RunW %s W</desc>\n", watts(d.proposal.Rule.OffW), watts(d.proposal.Rule.RunW))
	d.printf(`<style>
text{font-family:%s;fill:#1f2933;font-size:13px}
.h{font-size:23px;font-weight:600}.s{font-size:13px;fill:#52606d}.a{font-size:12px;fill:#52606d}.e{font-size:12px;fill:#7b8794}
.b{font-weight:600}.r{text-anchor:end}.m{text-anchor:middle}
.halo{paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round;font-weight:600}
.grid{stroke:#e4e7eb;stroke-width:1}.frame{fill:none;stroke:#9aa5b1;stroke-width:1}
.running{fill:#1b8a5f}.idle{fill:#f2ab38}.off{fill:#c3cad3}.fault{fill:#c8453b}.unknown{fill:url(#hatch)}
</style>
<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6" fill="#f5f7fa"/><rect width="1.6" height="6" fill="#b3bcc7"/></pattern></defs>
`, fontList)
	d.printf("<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n")
}

func (d *drawing) header(title string) {
	d.printf("<text class=\"h\" x=\"36\" y=\"44\">%s</text>\n", escaped(fitted(title, 23, 900)))
	from, to := beijing(d.window.StartMs), beijing(d.window.EndMs)
	known := escaped(percent(float64(d.rec.knownMs) / float64(d.window.Ms())))
	d.printf("<text class=\"s\" x=\"36\" y=\"70\">%s – %s 北京时间 (UTC+8) · 已知 known %s</text>\n",
		from.Format("2006-01-02 15:04"), to.Format("2006-01-02 15:04"), known)
	c := d.proposal.Confidence
	fill := map[Confidence]string{High: "#1b8a5f", Medium: "#b7791f", Low: "#c8453b"}[c]
	d.printf("<rect x=\"1104\" y=\"24\" width=\"180\" height=\"30\" rx=\"15\" fill=\"%s\"/><text class=\"m b\" x=\"1194\" y=\"44\" style=\"fill:#fff\">可信度 %s · %s</text>\n",
		fill, c.Zh(), c)
}

// frames draws the panels, their captions and the grid of powers.
func (d *drawing) frames() {
	d.printf("<text class=\"b\" x=\"%d\" y=\"%d\">功率 <tspan class=\"a\">Power, logarithmic</tspan></text>\n", chartLeft, chartTop-12)
	d.printf("<text class=\"b\" x=\"%d\" y=\"%d\">各功率的时间 <tspan class=\"a\">Time per power</tspan></text>\n", histLeft, chartTop-12)
	d.printf("<text class=\"b\" x=\"%d\" y=\"%d\">水平 <tspan class=\"a\">Levels, of known</tspan></text>\n", levelsLeft+14, chartTop-12)
	for decade := math.Floor(math.Log10(d.lowW)); decade <= math.Log10(d.highW); decade++ {
		for _, step := range []float64{1, 2, 5} {
			w := step * math.Pow(10, decade)
			if w < d.lowW || w > d.highW {
				continue
			}
			y := d.y(w)
			opacity := 1.0
			if step != 1 {
				opacity = 0.5
			}
			d.printf("<path class=\"grid\" opacity=\"%g\" d=\"M%d %.1fH%dM%d %.1fH%d\"/>\n", opacity, chartLeft, y, chartRight, histLeft, y, histRight)
			if step == 1 || d.highW/d.lowW < 150 {
				d.printf("<text class=\"a r\" x=\"%d\" y=\"%.1f\">%s</text>\n", chartLeft-8, y+4, tidy(w))
			}
		}
	}
	d.printf("<text class=\"a r\" x=\"%d\" y=\"%d\">0 W</text>\n", chartLeft-8, (chartBottom+zeroBottom)/2+4)
	for _, panel := range [][2]int{{chartLeft, chartRight}, {histLeft, histRight}} {
		d.printf("<path class=\"grid\" d=\"M%d %dH%d\"/>\n", panel[0], chartBottom, panel[1])
	}
}

// border draws the panels' frames, over what is in them.
func (d *drawing) border() {
	for _, panel := range [][2]int{{chartLeft, chartRight}, {histLeft, histRight}} {
		d.printf("<rect class=\"frame\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", panel[0], chartTop, panel[1]-panel[0], zeroBottom-chartTop)
	}
}

func (d *drawing) finish(w io.Writer, height int) error {
	_, err := fmt.Fprintf(w, "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n%s</svg>\n",
		pictureW, height, pictureW, height, d.body.Bytes())
	return err
}

// beijing returns an instant in the time of China, which has no summer time.
func beijing(ms int64) time.Time {
	return time.UnixMilli(ms).In(time.FixedZone("UTC+8", 8*60*60))
}

func escaped(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // a Buffer does not fail
	}
	return b.String()
}

// tidy writes a power of the scale.
func tidy(w float64) string {
	switch {
	case w < floorW:
		return "0 W"
	case w >= 1e6:
		return fmt.Sprintf("%g MW", round3(w/1e6))
	case w >= 1000:
		return fmt.Sprintf("%g kW", round3(w/1000))
	}
	return fmt.Sprintf("%g W", round3(w))
}
