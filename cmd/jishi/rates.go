package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/api"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// ratesFlags say which rates to print, and how.
type ratesFlags struct {
	base, equipment, from, to, format string
}

func newRates() *cobra.Command {
	var f ratesFlags
	cmd := &cobra.Command{
		Use: "rates", Short: "Print the rates of a base's machines 设备使用率", Args: cobra.NoArgs,
		Long: "由证据库计算一个时期内每台设备的使用率(定额、日历、开放、课表)、时间开动率、空转率、人机比、设备完好率、\n" +
			"开放共享率、数据完整率、在线率与能耗，以及全部设备的台均与原值加权。每项都给出分子、分母与数据完整率；\n" +
			"数据不足或缺少课表、核验学时、在岗记录时不给出(—)，并说明原因。公式与出处见 docs/rates.md。\n\n" +
			"Derives from the evidence store the rates of each machine in a period: use of quota, calendar, opening hours and\n" +
			"timetable, time switched on, unattended running, availability, sharing, completeness, energy; and the means over all\n" +
			"machines, unweighted and by asset value. Each comes with numerator, denominator and coverage, or with the reason why\n" +
			"it is withheld (—). docs/rates.md has the formulas. Days are Asia/Shanghai, both ends included.",
		Example: "  jishi rates --from 2026-03-01 --to 2026-03-31\n" +
			"  jishi rates --base cq01 --from 2026-01-01 --to 2026-06-30 --format csv > rates.csv",
	}
	c := withSettings(cmd)
	cmd.Flags().StringVar(&f.base, "base", "", "code of the base; may be left out when there is one 基地编码")
	cmd.Flags().StringVar(&f.equipment, "equipment", "", "one machine; default all 设备编号")
	cmd.Flags().StringVar(&f.from, "from", "", "first day; default the first of the last day's month 起始日")
	cmd.Flags().StringVar(&f.to, "to", "", "last day, inclusive; default yesterday 截止日")
	cmd.Flags().StringVar(&f.format, "format", "table", "table, json or csv")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.run(cmd, func(ctx context.Context) error { return printRates(ctx, c, cmd, &f) })
	}
	return cmd
}

func printRates(ctx context.Context, c *settings, cmd *cobra.Command, f *ratesFlags) (err error) {
	write, ok := map[string]func(io.Writer, *api.Rates) error{
		"table": ratesTable, "json": ratesJSON, "csv": ratesCSV,
	}[f.format]
	if !ok {
		return usageError{fmt.Errorf("--format %q: want table, json or csv", f.format)}
	}
	now := time.Now()
	q := settle.RatesQuery{
		Equipment: f.equipment, NowMs: now.UnixMilli(),
		Options: usage.RateOptions{Floor: c.floor(), Outside: usage.DefaultOutside()},
	}
	if q.From, q.To, err = f.period(now); err != nil {
		return usageError{err}
	}
	ref, err := openReference(ctx, c)
	if err != nil {
		return err
	}
	if q.Base, err = chooseBase(ref.Registry, f.base); err != nil {
		return usageError{err}
	}
	q.Roster = rosterOf(ref, q.Base)
	store, err := openStore(ctx, c, true, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	settler := settle.New(store, ref.Registry, ref.Calendar)
	persons, err := openDecided(ctx, c, ref, store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, persons.Close()) }()
	if err := settler.AddPeople(ctx, &q, settle.DefaultRules(), persons.day); err != nil {
		return err
	}
	rates, err := settler.Rates(ctx, &q)
	if err != nil {
		return err
	}
	return write(cmd.OutOrStdout(), api.RatesOf(rates))
}

// period reads --from and --to.
func (f *ratesFlags) period(now time.Time) (from, to calendar.Date, err error) {
	today := calendar.DateOf(now)
	to = today.Add(-1)
	if f.to != "" {
		if to, err = calendar.ParseDate(f.to); err != nil {
			return from, to, fmt.Errorf("--to: %w", err)
		}
	}
	from = calendar.Date{Year: to.Year, Month: to.Month, Day: 1}
	if f.from != "" {
		if from, err = calendar.ParseDate(f.from); err != nil {
			return from, to, fmt.Errorf("--from: %w", err)
		}
	}
	switch {
	case to.Before(from):
		return from, to, fmt.Errorf("--to %s is before --from %s", to, from)
	case today.Before(from):
		return from, to, fmt.Errorf("--from %s has not come yet: today is %s (Asia/Shanghai)", from, today)
	case from.Add(settle.MaxRateDays - 1).Before(to):
		return from, to, fmt.Errorf("--from %s to %s: want at most %d days", from, to, settle.MaxRateDays)
	}
	return from, to, nil
}
