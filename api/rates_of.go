package api

import (
	"time"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// Rates are the rates of a base's machines in a period, each with numerator, denominator and coverage, or why it is withheld.
type Rates struct {
	Base        string         `json:"base"`
	From        string         `json:"from" format:"date"`
	To          string         `json:"to" format:"date"`
	Provisional bool           `json:"provisional" doc:"a calendar notice to come may change the working days"`
	RuleVersion string         `json:"rule_version"`
	Registry    string         `json:"registry"`
	Roster      string         `json:"roster"`
	Machines    []MachineRates `json:"machines" nullable:"false"`
	StationUse  Rate           `json:"station_use"`
	Means       []RateMean     `json:"means" nullable:"false"`
}

// MachineRates are the rates of one machine.
type MachineRates struct {
	Equipment string       `json:"equipment"`
	Name      string       `json:"name"`
	From      time.Time    `json:"from"`
	To        time.Time    `json:"to"`
	Days      int          `json:"days_in_service"`
	ValueYuan float64      `json:"value_yuan"`
	Amounts   []RateAmount `json:"amounts" nullable:"false"`
	Rates     []Rate       `json:"rates" nullable:"false"`
	Notes     []string     `json:"notes" nullable:"false"`
	Evidence  string       `json:"evidence"`
}

// RateAmount is a figure that is no rate.
type RateAmount struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	NameEN string   `json:"name_en"`
	Value  *float64 `json:"value"` // nil when it is not known
	Unit   string   `json:"unit"`
}

// Rate is one rate.
type Rate struct {
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	NameEN      string       `json:"name_en"`
	Value       *float64     `json:"value"` // nil when it is withheld
	Unit        string       `json:"unit"`
	Numerator   RateQuantity `json:"numerator"`
	Denominator RateQuantity `json:"denominator"`
	Coverage    float64      `json:"coverage"`
	Floor       float64      `json:"floor"`
	Why         string       `json:"why,omitempty"`
	WhyZh       string       `json:"why_zh,omitempty"`
	WhyEn       string       `json:"why_en,omitempty"`
}

// RateQuantity is a numerator or a denominator.
type RateQuantity struct {
	Value  *float64 `json:"value"` // nil when it is not known
	Unit   string   `json:"unit"`
	UnitEN string   `json:"unit_en"`
}

// RateMean is the mean of one rate over the machines.
type RateMean struct {
	ID             string            `json:"id"`
	Name           string            `json:"name"`
	NameEN         string            `json:"name_en"`
	Unit           string            `json:"unit"`
	Mean           *float64          `json:"mean"`
	Counted        int               `json:"counted"`
	ByValue        *float64          `json:"by_value"`
	CountedByValue int               `json:"counted_by_value"`
	Scored         *float64          `json:"scored"`
	CountedScored  int               `json:"counted_scored"`
	Machines       int               `json:"machines"`
	Short          []string          `json:"short" nullable:"false"` // too little data, left out
	Withheld       map[string]string `json:"withheld"`               // for another reason, left out
}

// RatesOf shows rates.
func RatesOf(r *settle.Rates) *Rates {
	out := &Rates{
		Base: r.Base, From: r.From.String(), To: r.To.String(), Provisional: r.Provisional,
		RuleVersion: r.RuleVersion, Registry: r.RegistryDigest, Roster: r.RosterDigest, Machines: []MachineRates{}, Means: []RateMean{},
		StationUse: rateReportOf(usage.NamedRate{ID: "station_use", Zh: "工位利用率", En: "use of stations", Rate: r.StationUse}),
	}
	for i := range r.Machines {
		out.Machines = append(out.Machines, machineReportOf(&r.Machines[i]))
	}
	for i := range r.Fleets {
		out.Means = append(out.Means, meanReportOf(&r.Fleets[i], len(r.Machines)))
	}
	return out
}

func machineReportOf(m *settle.MachineRates) MachineRates {
	out := MachineRates{
		Equipment: m.Equipment.ID, Name: m.Equipment.Name, From: m.Window.Start(), To: m.Window.End(), Days: m.Days,
		ValueYuan: float64(m.Equipment.ValueFen) / 100, Amounts: amountsOf(&m.Rates), Notes: []string{}, Evidence: m.Digest,
	}
	for _, n := range m.Rates.All() {
		out.Rates = append(out.Rates, rateReportOf(n))
	}
	for _, n := range m.Notes {
		out.Notes = append(out.Notes, string(n))
	}
	return out
}

// amountsOf lists what the rates are made of: effective time and its parts, by use, and what was switched on, ran unattended,
// and was drawn.
func amountsOf(r *usage.Rates) []RateAmount {
	a := &r.Attribution
	known := r.Quota.Why != usage.WhyNoTimetable // without a timetable nothing is attributed, which is not nothing used
	h := func(id, zh, en string, ms int64, known bool) RateAmount {
		out := RateAmount{ID: id, Name: zh, NameEN: en, Unit: "h"}
		if known {
			v, _, _ := usage.Quantity{Unit: usage.UnitMs, Amount: ms}.Shown()
			out.Value = &v
		}
		return out
	}
	out := []RateAmount{
		h("effective", "有效机时", "effective", a.Ms(), known),
		h("effective.prep", "其中准备", "of it preparation", a.PrepMs, known),
		h("effective.run", "其中运行", "of it running", a.RunMs, known),
		h("effective.post", "其中后处理", "of it post-processing", a.PostMs, known),
	}
	for _, use := range registry.UseCategories() {
		zh, en := useName(use)
		out = append(out, h("use."+string(use), zh, en, a.ByUse[use].Ms(), known))
	}
	out = append(out, h("on", "开机机时", "switched on", r.OnMs, true))
	idle := RateAmount{ID: "unattended", Name: "空转机时", NameEN: "running unattended", Unit: "h"}
	if r.IdleRunMs != nil {
		idle = h(idle.ID, idle.Name, idle.NameEN, *r.IdleRunMs, true)
	}
	energy := RateAmount{ID: "energy", Name: "用电量", NameEN: "energy", Unit: "kWh"}
	if r.Energy != nil {
		v, _, _ := usage.Quantity{Unit: usage.UnitMilliWh, Amount: r.Energy.MilliWh}.Shown()
		energy.Value = &v
	}
	return append(out, idle, energy)
}

func useName(u registry.UseCategory) (zh, en string) {
	switch u {
	case registry.UseSocial:
		return "社会培训", "public training"
	case registry.UseSchool:
		return "院校教学", "school teaching"
	case registry.UseAssessment:
		return "技能评价", "assessment"
	case registry.UseCompetition:
		return "技能竞赛", "competition"
	case registry.UseTeachers:
		return "师资培训", "teachers"
	case registry.UseEnterprise:
		return "企业职工", "enterprise"
	}
	return "其他", "other"
}

func rateReportOf(n usage.NamedRate) Rate {
	out := Rate{
		ID: n.ID, Name: n.Zh, NameEN: n.En, Value: n.Value, Unit: unitOf(n.ID), Coverage: n.Coverage, Floor: n.Floor,
		Why: string(n.Why), Numerator: quantityOf(n.Numerator), Denominator: quantityOf(n.Denominator),
	}
	out.WhyZh, out.WhyEn = n.Why.Text()
	return out
}

func quantityOf(q usage.Quantity) RateQuantity {
	v, zh, en := q.Shown()
	out := RateQuantity{Unit: zh, UnitEN: en}
	if !q.Unknown {
		out.Value = &v
	}
	return out
}

// unitOf is the unit of a rate's value, "" for a ratio that is shown as a percentage.
func unitOf(id string) string {
	switch id {
	case "trainee_per_machine":
		return "人/台"
	case "energy_per_trainee":
		return "kWh/人时"
	}
	return ""
}

func meanReportOf(f *settle.NamedFleet, machines int) RateMean {
	out := RateMean{
		ID: f.ID, Name: f.Zh, NameEN: f.En, Unit: unitOf(f.ID), Machines: machines,
		Mean: f.Mean, Counted: f.Counted, ByValue: f.ByValue, CountedByValue: f.CountedByValue,
		Scored: f.Scored, CountedScored: f.CountedScored, Short: append([]string{}, f.Short...), Withheld: map[string]string{},
	}
	for _, w := range f.Withheld {
		out.Withheld[w.Equipment] = string(w.Why)
	}
	return out
}
