package api

import (
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

// Hours is what becomes of one trainee's lesson on one day. planned_s = verified_s + pending_s + what is refused.
type Hours struct {
	Base     string `json:"base"`
	Day      string `json:"day" format:"date" doc:"Asia/Shanghai"`
	Class    string `json:"class" doc:"班次编号"`
	Session  string `json:"session" doc:"课次编号"`
	Person   string `json:"person" doc:"学员编号"`
	Practice bool   `json:"practice" doc:"实操，否则为理论"`
	Status   string `json:"status" enum:"present,late,left_early,absent,pending" doc:"出勤状态"`
	StatusZh string `json:"status_zh"`

	ClaimedS  *float64       `json:"claimed_s" doc:"申报; null when nothing was claimed"`
	PlannedS  float64        `json:"planned_s" doc:"计划，课间不计"`
	PresentS  float64        `json:"present_s" doc:"在场（实测）"`
	VerifiedS float64        `json:"verified_s" doc:"核验"`
	PendingS  float64        `json:"pending_s" doc:"待人工核验"`
	GrantedS  float64        `json:"granted_s" doc:"part of verified_s that stands on a person's decision 补录"`
	DayUnits  float64        `json:"day_units" doc:"学时 of the whole trainee-day: floor(2 × verified / unit) / 2"`
	Reasons   []ReasonAmount `json:"reasons,omitempty" doc:"未核验原因"`
	Flags     []string       `json:"flags,omitempty"`
	Revision  int            `json:"revision,omitempty" doc:"of a settled day"`
}

// ReasonAmount is how long a reason holds.
type ReasonAmount struct {
	Reason  string  `json:"reason" doc:"code, such as LATE"`
	Zh      string  `json:"zh"`
	Seconds float64 `json:"seconds"`
}

// HoursOf shows a day's verdicts, in the order of the attendance.
func HoursOf(p *settle.PeopleDay, roster *registry.Roster, rules settle.Rules) []Hours {
	day := map[string]int64{}
	for i := range p.Verdicts {
		day[p.Verdicts[i].Person] += p.Verdicts[i].VerifiedMs
	}
	rows := p.Rows(roster)
	out := make([]Hours, len(rows))
	for i := range rows {
		out[i] = hoursOf(&rows[i])
		out[i].DayUnits = float64(rules.Hours.HalfUnits(day[rows[i].Person])) / 2
		out[i].Reasons = reasonsOf(&p.Verdicts[i])
	}
	return out
}

// hoursOf shows what a row says by itself.
func hoursOf(r *ledger.HoursRow) Hours {
	h := Hours{
		Base: r.Base, Day: r.Day, Class: r.Class, Session: r.Session, Person: r.Person, Practice: r.Practice,
		Status: string(r.Status), StatusZh: r.Status.Zh(), PlannedS: seconds(r.PlannedMs), PresentS: seconds(r.PresentMs),
		VerifiedS: seconds(r.VerifiedMs), PendingS: seconds(r.PendingMs), GrantedS: seconds(r.GrantedMs),
	}
	if r.Claimed {
		claimed := seconds(r.ClaimedMs)
		h.ClaimedS = &claimed
	}
	for _, f := range r.Flags {
		h.Flags = append(h.Flags, string(f))
	}
	return h
}

func reasonsOf(v *hours.Verdict) []ReasonAmount {
	var out []ReasonAmount
	for _, reason := range hours.Reasons() {
		if ms := v.Ms(reason); ms > 0 {
			out = append(out, ReasonAmount{string(reason), reason.Zh(), seconds(ms)})
		}
	}
	return out
}
