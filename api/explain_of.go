package api

import (
	"fmt"
	"slices"
	"time"

	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// Explanation tells why each minute of a trainee's lesson counts or does not.
type Explanation struct {
	Base     string            `json:"base"`
	Class    string            `json:"class"`
	Session  string            `json:"session"`
	Person   string            `json:"person"`
	From     time.Time         `json:"from"`
	To       time.Time         `json:"to" doc:"exclusive"`
	Practice bool              `json:"practice"`
	Profile  string            `json:"profile" doc:"证据类型: what proves practice"`
	Station  string            `json:"station,omitempty" doc:"工位, as far as anybody says"`
	Status   string            `json:"status"`
	StatusZh string            `json:"status_zh"`
	Flags    []string          `json:"flags,omitempty"`
	Days     []ExplainedDay    `json:"days" doc:"one for each day that the lesson touches"`
	Lines    []ExplanationLine `json:"lines" doc:"the story in order of time: timetable, taps, machines, outages, verdicts"`
}

// ExplainedDay is the part of a lesson's verdict that belongs to a day.
type ExplainedDay struct {
	Day       string         `json:"day" format:"date"`
	PlannedS  float64        `json:"planned_s"`
	PresentS  float64        `json:"present_s"`
	VerifiedS float64        `json:"verified_s"`
	PendingS  float64        `json:"pending_s"`
	GrantedS  float64        `json:"granted_s"`
	DayUnits  float64        `json:"day_units" doc:"学时 of the whole trainee-day"`
	Reasons   []ReasonAmount `json:"reasons,omitempty"`
}

// ExplanationLine is one thing that happened, or one verdict.
type ExplanationLine struct {
	From time.Time  `json:"from"`
	To   *time.Time `json:"to,omitempty"`
	// Kind is timetable, break, tap, outage, machine or verdict.
	Kind   string     `json:"kind" enum:"timetable,break,tap,outage,machine,verdict"`
	Source string     `json:"source" doc:"reader, machine, or 课表, 核验"`
	Code   string     `json:"code,omitempty" doc:"state of a machine, direction of a tap, reason of a verdict"`
	Zh     string     `json:"zh"`
	En     string     `json:"en"`
	Record *RecordRef `json:"record,omitempty" doc:"the record that says so"`
}

// RecordRef is where a record stands in a bridge's log.
type RecordRef struct {
	Epoch string `json:"epoch" doc:"16 hexadecimal digits"`
	Seq   uint64 `json:"seq"`
}

// ExplanationOf shows an explanation.
func ExplanationOf(x *settle.Explanation) Explanation {
	out := Explanation{
		Base: x.Base, Class: x.Lesson.Class, Session: x.Lesson.ID, Person: x.Person, From: x.Lesson.Span.Start(), To: x.Lesson.Span.End(),
		Practice: x.Lesson.Practice, Profile: string(x.Lesson.Profile), Station: x.Attendance.Station,
		Status: string(x.Attendance.Status), StatusZh: x.Attendance.Status.Zh(),
	}
	for _, f := range x.Attendance.Flags {
		out.Flags = append(out.Flags, string(f))
	}
	out.timetable(x)
	out.taps(x)
	out.machines(x)
	out.verdicts(x)
	slices.SortStableFunc(out.Lines, func(a, b ExplanationLine) int { return a.From.Compare(b.From) })
	return out
}

func (x *Explanation) line(fromMs, toMs int64, l ExplanationLine) {
	l.From = utc(fromMs)
	if toMs > fromMs {
		to := utc(toMs)
		l.To = &to
	}
	x.Lines = append(x.Lines, l)
}

func (x *Explanation) timetable(of *settle.Explanation) {
	s := of.Lesson.Span
	zh, en := "理论课", "theory"
	if of.Lesson.Practice {
		zh, en = "实操课", "practice"
	}
	x.line(s.StartMs, s.EndMs, ExplanationLine{Kind: "timetable", Source: "课表 timetable", Zh: zh, En: en})
	for _, b := range of.Lesson.Breaks {
		x.line(b.StartMs, b.EndMs, ExplanationLine{Kind: "break", Source: "课表 timetable", Zh: "课间，不计学时", En: "break, does not count"})
	}
}

func (x *Explanation) taps(of *settle.Explanation) {
	for i := range of.Taps {
		t := &of.Taps[i]
		l := ExplanationLine{
			Kind: "tap", Source: t.Reader, Code: t.Direction.String(), Zh: "刷卡", En: "tap", Record: refOf(t.Epoch, t.Seq),
		}
		switch t.Direction {
		case telemetry.DirectionIn:
			l.Zh, l.En = "刷卡进入", "tap in"
		case telemetry.DirectionOut:
			l.Zh, l.En = "刷卡离开", "tap out"
		case telemetry.DirectionNone:
		}
		if t.Station != "" {
			l.Zh, l.En = l.Zh+"（工位 "+t.Station+"）", l.En+" at station "+t.Station
		}
		if t.Expired {
			l.Zh, l.En = l.Zh+"，卡在当时无效", l.En+", card not valid then"
		}
		x.line(t.AtMs, t.AtMs, l)
	}
	for _, s := range of.Deaf {
		x.line(s.StartMs, s.EndMs, ExplanationLine{Kind: "outage", Source: "读卡器 reader", Zh: "读卡器无信号", En: "reader not heard of"})
	}
}

func (x *Explanation) machines(of *settle.Explanation) {
	for _, m := range of.Machines {
		for _, s := range m.Segments {
			l := ExplanationLine{Kind: "machine", Source: m.Equipment.ID, Code: s.State.String(), Zh: s.State.Zh(), En: s.State.String()}
			if s.Word != "" {
				l.En += " (" + s.Word + ")"
			}
			if s.State == usage.Unknown && s.Estimate != usage.Unknown {
				l.Zh, l.En = l.Zh+"，电量推测"+s.Estimate.Zh(), l.En+", energy suggests "+s.Estimate.String()
			}
			if s.Record != nil {
				l.Record = refOf(s.Record.Epoch, s.Record.Seq)
			}
			x.line(s.StartMs, s.EndMs, l)
		}
	}
}

func (x *Explanation) verdicts(of *settle.Explanation) {
	for i := range of.Verdicts {
		v := &of.Verdicts[i]
		x.Days = append(x.Days, ExplainedDay{
			Day: v.Day.String(), PlannedS: seconds(v.PlannedMs), PresentS: seconds(v.PresentMs), VerifiedS: seconds(v.VerifiedMs),
			PendingS: seconds(v.PendingMs), GrantedS: seconds(v.GrantedMs), DayUnits: float64(v.HalfUnits) / 2, Reasons: reasonsOf(&v.Verdict),
		})
		for _, p := range v.Pieces {
			en := "verified"
			if p.Reason != "" {
				en = string(p.Reason)
			}
			x.line(p.StartMs, p.EndMs, ExplanationLine{Kind: "verdict", Source: "核验 verdict", Code: string(p.Reason), Zh: p.Reason.Zh(), En: en})
		}
	}
}

func refOf(epoch, seq uint64) *RecordRef { return &RecordRef{fmt.Sprintf("%016x", epoch), seq} }
