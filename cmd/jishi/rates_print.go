package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/jishi-telemetry/jishi/api"
)

func ratesJSON(w io.Writer, r *api.Rates) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func ratesTable(w io.Writer, r *api.Rates) error {
	provisional := ""
	if r.Provisional {
		provisional = "\n日历未全部发布，工作日分母可能变化 working days may still change: a calendar notice is to come"
	}
	_, err := fmt.Fprintf(w, "基地 base %s  %s – %s  规则 rules %s%s\n\n%s\n\n%s\n\n%s\n— 不给出 withheld；完整率 coverage = 所依据时间中已知的部分 known part of the time that the figure rests on\n"+
		"台均 mean = 每台同权 each machine alike；计分台均 scored = 原值 1 万元及以上 of machines worth 10,000 yuan and more\n",
		printable(r.Base), r.From, r.To, r.RuleVersion, provisional, amountTable(r).Render(), rateTable(r).Render(), meanTable(r).Render())
	return err
}

// newTable is a table whose columns of figures are aligned to the right.
func newTable(from, to int, header ...any) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.SetColumnConfigs(rightAligned(from, to))
	t.AppendHeader(table.Row(header))
	return t
}

// amountTable has a line for each machine, and a column for each amount that some machine has.
func amountTable(r *api.Rates) table.Writer {
	header, columns := []any{"设备 machine", "在役 days"}, []int{}
	if len(r.Machines) > 0 {
		for i, a := range r.Machines[0].Amounts {
			if anyAmount(r, i) {
				header, columns = append(header, a.Name+"\n"+a.NameEN+" "+a.Unit), append(columns, i)
			}
		}
	}
	t := newTable(2, len(header), header...)
	for i := range r.Machines {
		m := &r.Machines[i]
		row := table.Row{named(m), m.Days}
		for _, column := range columns {
			row = append(row, hoursOrDash(m.Amounts[column].Value))
		}
		t.AppendRow(row)
	}
	return t
}

// anyAmount reports whether a column says anything: whole amounts always do, parts of them when there is a part.
func anyAmount(r *api.Rates, column int) bool {
	if !strings.Contains(r.Machines[0].Amounts[column].ID, ".") {
		return true
	}
	for i := range r.Machines {
		if v := r.Machines[i].Amounts[column].Value; v != nil && *v > 0 {
			return true
		}
	}
	return false
}

func named(m *api.MachineRates) string { return printable(m.Equipment + " " + m.Name) }

// rateTable has a line for each rate of each machine.
func rateTable(r *api.Rates) table.Writer {
	t := newTable(3, 6, "设备 machine", "指标 rate", "数值 value", "分子 numerator", "分母 denominator", "完整率 coverage", "说明 notes")
	for i := range r.Machines {
		m := &r.Machines[i]
		for j := range m.Rates {
			t.AppendRow(append(table.Row{named(m)}, rateCells(&m.Rates[j], m.Notes)...))
		}
		t.AppendSeparator()
	}
	t.AppendRow(append(table.Row{"全部工位 all stations"}, rateCells(&r.StationUse, nil)...))
	return t
}

func rateCells(x *api.Rate, notes []string) table.Row {
	var why []string
	if x.Why != "" {
		why = append(why, x.WhyZh+" "+x.WhyEn)
	}
	amount := func(q api.RateQuantity) string {
		if q.Value == nil {
			return "—"
		}
		return fmt.Sprintf("%.3f %s", *q.Value, q.Unit)
	}
	return table.Row{
		x.Name + " " + x.NameEN, valueOf(x.Value, x.Unit), amount(x.Numerator), amount(x.Denominator),
		fmt.Sprintf("%.1f%%", x.Coverage*100), strings.Join(append(why, notes...), " "),
	}
}

// meanTable has a line for each rate over all machines.
func meanTable(r *api.Rates) table.Writer {
	t := newTable(2, 4, "指标 rate", "台均 mean", "原值加权 by value", "计分台均 scored", "数据不足 too little data", "其他未给出 otherwise withheld")
	for i := range r.Means {
		x := &r.Means[i]
		of := func(v *float64, n int) string {
			return fmt.Sprintf("%s (%d/%d 台)", valueOf(v, x.Unit), n, x.Machines)
		}
		t.AppendRow(table.Row{
			x.Name + " " + x.NameEN, of(x.Mean, x.Counted), of(x.ByValue, x.CountedByValue), of(x.Scored, x.CountedScored),
			fmt.Sprintf("%d 台 %s", len(x.Short), shortList(x.Short)), fmt.Sprintf("%d 台", len(x.Withheld)),
		})
	}
	return t
}

// shortList names the first few.
func shortList(ids []string) string {
	const most = 5
	if len(ids) > most {
		return printable(strings.Join(ids[:most], " ")) + " …"
	}
	return printable(strings.Join(ids, " "))
}

func valueOf(v *float64, unit string) string {
	switch {
	case v == nil:
		return "—"
	case unit == "":
		return fmt.Sprintf("%.1f%%", *v*100)
	}
	return fmt.Sprintf("%.3f %s", *v, unit)
}

func hoursOrDash(v *float64) string {
	if v == nil {
		return "—"
	}
	return fmt.Sprintf("%.2f", *v)
}

// ratesCSV writes one line for each figure: the rates and amounts of each machine, then those of the base.
func ratesCSV(w io.Writer, r *api.Rates) error {
	// A byte order mark, so that Excel shows Chinese names.
	if _, err := io.WriteString(w, "\uFEFF"); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	lines := [][]string{{
		"base", "from", "to", "kind", "equipment", "name", "days_in_service", "figure", "figure_zh", "value", "unit",
		"numerator", "numerator_unit", "denominator", "denominator_unit", "coverage", "floor", "why", "why_zh", "notes",
		"evidence", "rule_version", "registry", "roster",
	}}
	all := &api.MachineRates{} // stands for the base
	line := func(kind string, m *api.MachineRates, cells ...string) {
		days := strconv.Itoa(m.Days)
		if m == all {
			days = ""
		}
		cells = append([]string{csvText(r.Base), r.From, r.To, kind, csvText(m.Equipment), csvText(m.Name), days}, cells...)
		lines = append(lines, append(cells, strings.Join(m.Notes, " "), m.Evidence, r.RuleVersion, r.Registry, r.Roster))
	}
	rate := func(m *api.MachineRates, x *api.Rate) {
		line("rate", m, x.ID, x.Name, orEmpty(x.Value), x.Unit, orEmpty(x.Numerator.Value), x.Numerator.Unit,
			orEmpty(x.Denominator.Value), x.Denominator.Unit, number(x.Coverage), number(x.Floor), x.Why, x.WhyZh)
	}
	for i := range r.Machines {
		m := &r.Machines[i]
		for _, a := range m.Amounts {
			line("amount", m, a.ID, a.Name, orEmpty(a.Value), a.Unit, "", "", "", "", "", "", "", "")
		}
		for j := range m.Rates {
			rate(m, &m.Rates[j])
		}
	}
	rate(all, &r.StationUse)
	for i := range r.Means {
		x := &r.Means[i]
		for _, mean := range []struct {
			kind string
			v    *float64
			n    int
		}{{"mean", x.Mean, x.Counted}, {"mean_by_value", x.ByValue, x.CountedByValue}, {"mean_scored", x.Scored, x.CountedScored}} {
			line(mean.kind, all, x.ID, x.Name, orEmpty(mean.v), x.Unit, strconv.Itoa(mean.n), "台", strconv.Itoa(x.Machines), "台", "", "", "", "")
		}
	}
	if err := out.WriteAll(lines); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

func orEmpty(v *float64) string {
	if v == nil {
		return ""
	}
	return number(*v)
}
