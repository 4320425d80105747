package ledger

import (
	"context"
	"errors"
	"fmt"
)

// SettledDay is what a day was settled from the last time.
type SettledDay struct {
	Inputs string // digest of all that the day rests on
	On     string // the day on which that was, yyyy-mm-dd
}

// SettledDays returns what each day of the base was settled from, by day (yyyy-mm-dd).
func (l *Ledger) SettledDays(ctx context.Context, base string) (out map[string]SettledDay, err error) {
	rows, err := l.db.QueryContext(ctx, `SELECT day, inputs, settled_on FROM settled_day WHERE base = ?`, base)
	if err != nil {
		return nil, fmt.Errorf("read settled days: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = map[string]SettledDay{}
	for rows.Next() {
		var day string
		var s SettledDay
		if err := rows.Scan(&day, &s.Inputs, &s.On); err != nil {
			return nil, fmt.Errorf("read settled days: %w", err)
		}
		out[day] = s
	}
	return out, rows.Err()
}

// PutSettledDay notes what a day was settled from.
func (l *Ledger) PutSettledDay(ctx context.Context, base, day string, s SettledDay) error {
	_, err := l.db.ExecContext(ctx, `INSERT INTO settled_day (base, day, inputs, settled_on) VALUES (?,?,?,?)
		ON CONFLICT (base, day) DO UPDATE SET inputs = excluded.inputs, settled_on = excluded.settled_on`, base, day, s.Inputs, s.On)
	if err != nil {
		return fmt.Errorf("note settled day %s %s: %w", base, day, err)
	}
	return nil
}

// News returns the rows that say something else than the latest revision of their day does. Another version of the registry that
// changes nothing about the day is no news: the row goes on naming the version that its figures were derived from.
func (l *Ledger) News(ctx context.Context, rows []Row) ([]Row, error) {
	var out []Row
	for i := range rows {
		r := rows[i]
		known, err := l.query(ctx, `SELECT `+columns+` FROM usage_day WHERE base = ? AND equipment = ? AND day = ? ORDER BY revision DESC LIMIT 1`,
			r.Base, r.Equipment, r.Day)
		if err != nil {
			return nil, err
		}
		if len(known) > 0 {
			r.RegistryDigest = known[0].RegistryDigest
			if same(&known[0], &r) {
				continue
			}
		}
		out = append(out, rows[i])
	}
	return out, nil
}

// PeopleNews reports whether a settlement says something else than the latest revision of its day does, in the sense of News: other
// versions of registry and roster that change no verdict are none.
func (l *Ledger) PeopleNews(ctx context.Context, day PeopleDay, rows []HoursRow) (bool, error) {
	latest, err := latestSettlement(ctx, l.db, day.Base, day.Day)
	if err != nil {
		return false, fmt.Errorf("read latest settlement of %s %s: %w", day.Base, day.Day, err)
	}
	if latest == nil {
		return len(rows) > 0, nil // a day that never had a lesson needs no settlement
	}
	day.RegistryDigest, day.RosterDigest = latest.RegistryDigest, latest.RosterDigest
	known, err := hoursOf(ctx, l.db, `base = ? AND day = ?`, day.Base, day.Day)
	if err != nil {
		return false, err
	}
	return causeOf(latest, &day) != "" || len(changes(known, rows)) > 0, nil
}
