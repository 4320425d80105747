package identity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Rules are how long an identity is kept, in whole years.
type Rules struct {
	// WithHours is how long the identity of who took part in a session is kept after the last one. As long as the ledger of
	// verified hours: figures that are asked about must still be somebody's.
	WithHours int
	// WithoutHours is how long the identity of who never took part is kept after it was written last. As long as a consent.
	WithoutHours int
}

// DefaultRules are ten years with hours and three without, see docs/privacy.md.
func DefaultRules() Rules { return Rules{WithHours: 10, WithoutHours: 3} }

// maxYears bounds a rule: longer is for ever, which is no retention.
const maxYears = 100

// Check says what is wrong with the rules.
func (r Rules) Check() error {
	var errs []error
	for _, rule := range []struct {
		name  string
		years int
	}{{"with hours", r.WithHours}, {"without hours", r.WithoutHours}} {
		if rule.years < 1 || rule.years > maxYears {
			errs = append(errs, fmt.Errorf("retention %s is %d years: 应为 1 至 %d 年 / want 1 to %d", rule.name, rule.years, maxYears, maxYears))
		}
	}
	return errors.Join(errs...)
}

// Overdue is an identity that is past its retention.
type Overdue struct {
	Use
	DueMs int64  // when its retention ended
	Rule  string // the rule that says so, in Chinese and English
}

// Due returns the identities whose retention has ended, the longest overdue first.
func (d *Desk) Due(ctx context.Context, rules Rules) ([]Overdue, error) {
	if err := rules.Check(); err != nil {
		return nil, err
	}
	uses, err := d.store.IdentityUses(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for identities past their retention: %w", err)
	}
	return rules.Overdue(uses, d.now().UnixMilli()), nil
}

// Overdue picks those of the uses whose retention has ended at the instant, the longest overdue first.
func (r Rules) Overdue(uses []Use, atMs int64) []Overdue {
	var out []Overdue
	for _, u := range uses {
		o := Overdue{Use: u, DueMs: yearsAfter(u.LastMs, r.WithHours), Rule: fmt.Sprintf("最后一次课后 %d 年 %d years after the last session", r.WithHours, r.WithHours)}
		if u.LastMs == 0 {
			o.DueMs = yearsAfter(u.UpdatedMs, r.WithoutHours)
			o.Rule = fmt.Sprintf("从未上课，登记后 %d 年 no session, %d years after it was written", r.WithoutHours, r.WithoutHours)
		}
		if o.DueMs <= atMs {
			out = append(out, o)
		}
	}
	slices.SortStableFunc(out, func(a, b Overdue) int {
		return cmp.Or(cmp.Compare(a.DueMs, b.DueMs), cmp.Compare(a.Base, b.Base), cmp.Compare(a.Person, b.Person))
	})
	return out
}

// yearsAfter is the same time of the same date so many years later in Asia/Shanghai; 29 February becomes 1 March.
func yearsAfter(ms int64, years int) int64 {
	return time.UnixMilli(ms).In(shanghai()).AddDate(years, 0, 0).UnixMilli()
}
