package calibrate

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// columns is how many columns the chart has: what is finer is drawn as the range or the shares of its column, so that
// the picture's size does not grow with the days.
const columns = chartRight - chartLeft

// column returns the span of time behind a column of the chart.
func (d *drawing) column(i int) span.Span {
	ms := d.window.Ms()
	return span.Span{
		StartMs: d.window.StartMs + int64(float64(ms)*float64(i)/columns),
		EndMs:   d.window.StartMs + int64(float64(ms)*float64(i+1)/columns),
	}
}

// gaps hatches what is unknown.
func (d *drawing) gaps() {
	for _, s := range d.timeline {
		if s.State == usage.Unknown {
			x, to := d.x(s.StartMs), d.x(s.EndMs)
			d.printf("<rect class=\"unknown\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\"/>\n", x, chartTop, max(to-x, 0.3), zeroBottom-chartTop)
		}
	}
}

// band is the range of power within a column.
type band struct {
	lowW, highW float64
	known       bool
}

// bands returns the range of power in every column.
func (d *drawing) bands() []band {
	out := make([]band, columns)
	i := 0
	for c := range out {
		s := d.column(c)
		for i < len(d.rec.pieces) && d.rec.pieces[i].EndMs <= s.StartMs {
			i++
		}
		for k := i; k < len(d.rec.pieces) && d.rec.pieces[k].StartMs < s.EndMs; k++ {
			w := d.rec.pieces[k].watts
			if !out[c].known {
				out[c] = band{w, w, true}
			}
			out[c].lowW, out[c].highW = min(out[c].lowW, w), max(out[c].highW, w)
		}
	}
	return out
}

// power draws the range of power, one area for every stretch without a gap.
func (d *drawing) power() {
	bands := d.bands()
	for from := 0; from < columns; {
		if !bands[from].known {
			from++
			continue
		}
		to := from
		for to < columns && bands[to].known {
			to++
		}
		d.area(bands[from:to], from)
		from = to
	}
}

func (d *drawing) area(bands []band, from int) {
	var path strings.Builder
	at := func(verb string, x int, y float64) { fmt.Fprintf(&path, "%s%d %.1f", verb, x, y) }
	at("M", chartLeft+from, d.y(bands[0].highW))
	for i, b := range bands {
		fmt.Fprintf(&path, "V%.1fH%d", d.y(b.highW), chartLeft+from+i+1)
	}
	for i, b := range slices.Backward(bands) {
		fmt.Fprintf(&path, "V%.1fH%d", d.y(b.lowW), chartLeft+from+i)
	}
	d.printf("<path d=\"%sZ\" fill=\"#3e5c86\" fill-opacity=\".45\" stroke=\"#2c4770\" stroke-width=\".8\" stroke-linejoin=\"round\"/>\n", path.String())
}

// histogram draws the time per power; its own scale is logarithmic too, for off and work may differ a thousandfold.
func (d *drawing) histogram() {
	const rows = 72
	var ms [rows]int64
	var zeroMs int64
	before := int64(0)
	for i, w := range d.rec.powers.watts {
		part := d.rec.powers.upTo[i] - before
		before = d.rec.powers.upTo[i]
		if w < d.lowW {
			zeroMs += part
			continue
		}
		row := int(rows * math.Log(w/d.lowW) / math.Log(d.highW/d.lowW))
		ms[min(row, rows-1)] += part
	}
	for _, tick := range []struct {
		ms   float64
		text string
	}{{1e3, "1 s"}, {6e4, "1 min"}, {3.6e6, "1 h"}, {8.64e7, "1 d"}} {
		if x := d.histX(tick.ms); x > histLeft && tick.ms <= float64(d.rec.knownMs) {
			d.printf("<path class=\"grid\" d=\"M%.1f %dV%d\"/><text class=\"a m\" x=\"%.1f\" y=\"%d\">%s</text>\n", x, chartTop, zeroBottom, x, zeroBottom+16, tick.text)
		}
	}
	const step = float64(chartBottom-chartTop) / rows
	for row, part := range ms {
		if part == 0 {
			continue
		}
		middle := d.lowW * math.Pow(d.highW/d.lowW, (float64(row)+0.5)/rows)
		d.bar(chartBottom-float64(row+1)*step+0.5, step-1, part, d.state(middle))
	}
	if zeroMs > 0 {
		d.bar(chartBottom+4, zeroBottom-chartBottom-8, zeroMs, usage.Off)
	}
	d.border()
}

func (d *drawing) bar(y, height float64, ms int64, state usage.State) {
	d.printf("<rect class=\"%s\" x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", state, histLeft, y, max(d.histX(float64(ms))-histLeft, 1), height)
}

// histX returns where a length of time ends in the histogram: half a second at the left, all known time at the right.
func (d *drawing) histX(ms float64) float64 {
	const least = 500
	full := math.Log(max(float64(d.rec.knownMs), 60_000) / least)
	return histLeft + (histRight-histLeft)*min(max(math.Log(ms/least)/full, 0), 1)
}

func (d *drawing) state(w float64) usage.State {
	switch {
	case w < d.proposal.Rule.OffW:
		return usage.Off
	case w < d.proposal.Rule.RunW:
		return usage.Idle
	}
	return usage.Running
}

// thresholds draws the lines, the hysteresis below each, and the alternative.
func (d *drawing) thresholds() {
	r := d.proposal.Rule
	if r.RunW > r.OffW {
		d.threshold(r.OffW, "#616e7c", fmt.Sprintf("待机 idle ≥ %s", tidy(r.OffW)))
		d.threshold(r.RunW, "#0f6b47", fmt.Sprintf("运行 running ≥ %s", tidy(r.RunW)))
	} else {
		d.threshold(r.RunW, "#0f6b47", fmt.Sprintf("开机即运行 on is running ≥ %s", tidy(r.RunW)))
	}
	if a := d.proposal.Alternative; a != nil {
		y := d.y(a.RunW)
		d.printf("<path d=\"M%d %.1fH%dM%d %.1fH%d\" stroke=\"#b7791f\" stroke-width=\"1.4\" stroke-dasharray=\"7 5\" fill=\"none\"/>\n", chartLeft, y, chartRight, histLeft, y, histRight)
		d.printf("<text class=\"halo r\" x=\"%d\" y=\"%.1f\" style=\"fill:#8a5a12\">备选 alternative ≥ %s</text>\n", chartRight-8, y-6, tidy(a.RunW))
	}
}

func (d *drawing) threshold(w float64, colour, label string) {
	y, under := d.y(w), d.y(w*(1-d.proposal.Rule.Hysteresis))
	for _, panel := range [][2]int{{chartLeft, chartRight}, {histLeft, histRight}} {
		d.printf("<rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" fill=\"%s\" fill-opacity=\".18\"/>", panel[0], y, panel[1]-panel[0], under-y, colour)
		d.printf("<path d=\"M%d %.1fH%d\" stroke=\"%s\" stroke-width=\"1.8\"/>\n", panel[0], y, panel[1], colour)
	}
	d.printf("<text class=\"halo\" x=\"%d\" y=\"%.1f\" style=\"fill:%s\">%s</text>\n", chartLeft+8, y-6, colour, label)
}

// levels names the levels beside the histogram, pushed apart where they would overlap.
func (d *drawing) levels() {
	const apart = 34
	n := len(d.proposal.Levels)
	ys := make([]float64, n)
	for i, l := range d.proposal.Levels {
		ys[i] = d.y(l.MeanW)
	}
	for i := 1; i < n; i++ { // upwards from the lowest
		ys[i] = min(ys[i], ys[i-1]-apart)
	}
	for i := n - 1; i >= 0; i-- { // and back down from the top
		limit := float64(chartTop + 8)
		if i < n-1 {
			limit = ys[i+1] + apart
		}
		ys[i] = max(ys[i], limit)
	}
	for i, l := range d.proposal.Levels {
		at := d.y(l.MeanW)
		d.printf("<path d=\"M%d %.1fL%d %.1f\" stroke=\"#9aa5b1\" fill=\"none\"/><circle class=\"%s\" cx=\"%d\" cy=\"%.1f\" r=\"5\"/>", histRight, at, levelsLeft+14, ys[i], l.State, levelsLeft+14, ys[i])
		d.printf("<text class=\"b\" x=\"%d\" y=\"%.1f\">%s</text><text class=\"a\" x=\"%d\" y=\"%.1f\">%s %s · %s</text>\n",
			levelsLeft+26, ys[i]+2, tidy(l.MeanW), levelsLeft+26, ys[i]+16, l.State.Zh(), l.State, escaped(percent(l.Share)))
	}
}

// ribbon draws the states; a column with several shows each one's share of its time, running at the bottom.
func (d *drawing) ribbon() {
	d.printf("<text class=\"r b\" x=\"%d\" y=\"%d\">状态</text><text class=\"a r\" x=\"%d\" y=\"%d\">State</text>\n", chartLeft-8, ribbonTop+15, chartLeft-8, ribbonTop+31)
	shares := d.shares()
	for from := 0; from < columns; {
		to := from + 1
		for to < columns && shares[to] == shares[from] {
			to++
		}
		y := float64(ribbonEnd)
		for _, state := range usage.States() {
			if part := shares[from][state]; part > 0 {
				height := part * (ribbonEnd - ribbonTop)
				y -= height
				d.printf("<rect class=\"%s\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\"/>\n", state, chartLeft+from, y, to-from, height)
			}
		}
		from = to
	}
	d.printf("<rect class=\"frame\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", chartLeft, ribbonTop, columns, ribbonEnd-ribbonTop)
}

// shares returns for every column each state's part of its time, to a hundredth.
func (d *drawing) shares() [][5]float64 {
	out := make([][5]float64, columns)
	i := 0
	for c := range out {
		col := d.column(c)
		for i < len(d.timeline) && d.timeline[i].EndMs <= col.StartMs {
			i++
		}
		for k := i; k < len(d.timeline) && d.timeline[k].StartMs < col.EndMs; k++ {
			part := d.timeline[k].Intersect(col).Ms()
			out[c][d.timeline[k].State] += math.Round(100*float64(part)/float64(max(col.Ms(), 1))) / 100
		}
	}
	return out
}

// timeAxis draws about eight ticks at round times of the day.
func (d *drawing) timeAxis() {
	const minute = int64(time.Minute / time.Millisecond)
	steps := []int64{1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2 * 1440, 7 * 1440, 14 * 1440, 28 * 1440}
	step := steps[len(steps)-1] * minute
	for _, s := range steps {
		if d.window.Ms()/(s*minute) <= 9 {
			step = s * minute
			break
		}
	}
	const offset = 8 * 60 * minute // ticks fall on round times in Beijing
	day := ""
	for at := (d.window.StartMs+offset+step-1)/step*step - offset; at <= d.window.EndMs; at += step {
		x, t := d.x(at), beijing(at)
		d.printf("<path class=\"grid\" d=\"M%.1f %dV%d\"/>", x, chartTop, zeroBottom)
		d.printf("<path class=\"frame\" d=\"M%.1f %dv5\"/>", x, ribbonEnd)
		label := t.Format("15:04")
		if today := t.Format("01-02"); today != day {
			label, day = today+" "+label, today
		}
		d.printf("<text class=\"a m\" x=\"%.1f\" y=\"%d\">%s</text>\n", x, axisText, label)
	}
}
