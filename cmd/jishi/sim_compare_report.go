package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
)

// comparisonReport writes rows as they come, or a table at the end.
type comparisonReport struct {
	w     io.Writer
	json  *json.Encoder
	table table.Writer
	// people is the table of trainees: one row a scenario, and one for each trainee who was not judged right.
	people table.Writer
	rows   int
	right  int
}

func newComparisonReport(w io.Writer, format string) (*comparisonReport, error) {
	if !slices.Contains([]string{"table", "json"}, format) {
		return nil, usageError{fmt.Errorf("--format %q: want table or json", format)}
	}
	r := &comparisonReport{w: w}
	if format == "json" {
		r.json = json.NewEncoder(w)
		return r, nil
	}
	r.table = table.NewWriter()
	r.table.SetStyle(table.StyleLight)
	r.table.AppendHeader(table.Row{"场景 scenario", "设备 machine", "真值 true s", "测量 measured s", "误差 error s", "不可见 unseen s", "误认 mistaken s", "完整率 coverage", "应为 of truth", "否认 denied s", ""})
	r.people = table.NewWriter()
	r.people.SetStyle(table.StyleLight)
	r.people.AppendHeader(table.Row{"场景 scenario", "学员 trainee", "应得 deserved h", "已核验 verified h", "比例 share", "待核验 open h", "其中中断 outage h", "无刷卡 untapped h", "丢失 lost s", "否认 denied s", "舞弊 fraud h", ""})
	return r, nil
}

// take takes what one comparison found, and returns how many rows are not right.
func (r *comparisonReport) take(found *compared) (wrong int, err error) {
	for i := range found.machines {
		if !found.machines[i].Right {
			wrong++
		}
		if err := r.add(&found.machines[i]); err != nil {
			return wrong, err
		}
	}
	var sum comparedPerson
	for i := range found.people {
		p := &found.people[i]
		sum.add(p)
		if !p.Right {
			wrong++
		}
		if err := r.person(p, p.Person, !p.Right); err != nil {
			return wrong, err
		}
	}
	if len(found.people) > 0 && r.json == nil {
		r.show(&sum, fmt.Sprintf("%d 名 trainees", len(found.people)))
	}
	return wrong, nil
}

// add adds up, for the row of a scenario.
func (p *comparedPerson) add(o *comparedPerson) {
	p.Scenario, p.Right = o.Scenario, (p.Right || p.PlannedS == 0) && o.Right
	p.PlannedS += o.PlannedS
	p.DeservedS += o.DeservedS
	p.VerifiedS += o.VerifiedS
	p.PendingS += o.PendingS
	p.ForgotS += o.ForgotS
	p.OutageS += o.OutageS
	p.OpenS += o.OpenS
	p.LostS += o.LostS
	p.DeniedS += o.DeniedS
	p.FraudS += o.FraudS
}

// person takes one trainee.
func (r *comparisonReport) person(p *comparedPerson, name string, shown bool) error {
	r.rows++
	if p.Right {
		r.right++
	}
	if r.json != nil {
		return r.json.Encode(p)
	}
	if shown {
		r.show(p, name)
	}
	return nil
}

func (r *comparisonReport) show(p *comparedPerson, name string) {
	sign := bad
	if p.Right {
		sign = good
	}
	hours := func(s float64) string { return fmt.Sprintf("%.3f", s/3600) }
	r.people.AppendRow(table.Row{
		printable(p.Scenario), printable(name), hours(p.DeservedS), hours(p.VerifiedS), fmt.Sprintf("%.2f %%", 100*p.VerifiedS/max(p.DeservedS, 1)),
		hours(p.OpenS), hours(p.OutageS), hours(p.ForgotS), fmt.Sprintf("%.3f", p.LostS), fmt.Sprintf("%.3f", p.DeniedS), hours(p.FraudS), string(sign),
	})
}

func (r *comparisonReport) add(m *comparedMachine) error {
	r.rows++
	sign := bad
	if m.Right {
		sign = good
		r.right++
	}
	if r.json != nil {
		return r.json.Encode(m)
	}
	seconds := func(s float64) string { return fmt.Sprintf("%.3f", s) }
	percent := func(part float64) string { return fmt.Sprintf("%.3f %%", 100*part/max(m.WindowS, 1)) }
	r.table.AppendRow(table.Row{
		printable(m.Scenario), printable(m.Machine), seconds(m.TrueS), seconds(m.MeasuredS), seconds(m.MeasuredS - m.TrueS), seconds(m.UnseenS),
		seconds(m.MistakenS), percent(m.KnownS), percent(m.SeenS), seconds(m.DeniedS), string(sign),
	})
	return nil
}

func (r *comparisonReport) end() error {
	if r.table == nil {
		return nil
	}
	_, err := fmt.Fprintf(r.w, "%s\n%s\n%d / %d 通过 right\n", r.table.Render(), r.people.Render(), r.right, r.rows)
	return err
}
