package ledger

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// Supplement is a supplementary entry (补充分录): what became other of one machine's day, or of one trainee's lesson, after its
// period was sealed. The sealed figure stays; this is what is to be said beside it.
type Supplement struct {
	Base, Period, Day string
	Equipment         string // of a machine's day
	Session, Person   string // of a trainee's lesson
	// SealedRevision is the revision that was sealed, 0 when nothing was; Revision is the latest one, settled at SettledMs.
	SealedRevision, Revision int
	SettledMs                int64
	// Cause is what changed since the seal: some of the Cause words, by comma; CauseFirst when the machine or the lesson was
	// not in the sealed figures.
	Cause  string
	Deltas []Delta // what differs, never empty
}

// Delta is one figure that differs, in milliseconds.
type Delta struct {
	Name     string // as the ledger's column, without _ms: running, verified, …
	SealedMs int64
	NowMs    int64
}

// Supplements returns the supplementary entries of a sealed period, in order of day, machine, session and person. The error is
// ErrNotSealed when the period is not.
func (l *Ledger) Supplements(ctx context.Context, base, period string) ([]Supplement, error) {
	sealed, err := l.SealedFigures(ctx, base, period)
	if err != nil {
		return nil, err
	}
	latest, err := l.LatestFigures(ctx, base, sealed.FromDay, sealed.ToDay)
	if err != nil {
		return nil, err
	}
	c := comparison{base: base, period: period, sealed: sealed, latest: latest}
	c.machines()
	if err := c.lessons(ctx, l); err != nil {
		return nil, err
	}
	slices.SortFunc(c.out, func(a, b Supplement) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Equipment, b.Equipment), cmp.Compare(a.Session, b.Session), cmp.Compare(a.Person, b.Person))
	})
	return c.out, nil
}

// comparison finds what differs between two states of a period.
type comparison struct {
	base, period   string
	sealed, latest *Figures
	out            []Supplement
}

func (c *comparison) add(s Supplement, was, now []Delta) {
	for i := range now {
		if was[i].NowMs != now[i].NowMs {
			s.Deltas = append(s.Deltas, Delta{Name: now[i].Name, SealedMs: was[i].NowMs, NowMs: now[i].NowMs})
		}
	}
	if len(s.Deltas) > 0 {
		s.Base, s.Period = c.base, c.period
		c.out = append(c.out, s)
	}
}

func (c *comparison) machines() {
	type key struct{ day, equipment string }
	sealed := map[key]*Row{}
	for i := range c.sealed.Machines {
		r := &c.sealed.Machines[i]
		sealed[key{r.Day, r.Equipment}] = r
	}
	for i := range c.latest.Machines {
		now := &c.latest.Machines[i]
		s := Supplement{Day: now.Day, Equipment: now.Equipment, Revision: now.Revision, SettledMs: now.SettledMs, Cause: CauseFirst}
		was := sealed[key{now.Day, now.Equipment}]
		if was == nil {
			was = &Row{}
		} else {
			s.SealedRevision, s.Cause = was.Revision, causeOfRow(was, now)
		}
		c.add(s, was.figures(), now.figures())
	}
}

func causeOfRow(was, now *Row) string {
	return causeOf(
		&PeopleDay{RuleVersion: was.RuleVersion, RegistryDigest: was.RegistryDigest, EvidenceDigest: was.EvidenceDigest},
		&PeopleDay{RuleVersion: now.RuleVersion, RegistryDigest: now.RegistryDigest, EvidenceDigest: now.EvidenceDigest},
	)
}

func (r *Row) figures() []Delta {
	t := &r.Totals
	return []Delta{
		{Name: "window", NowMs: t.WindowMs},
		{Name: "running", NowMs: t.RunningMs},
		{Name: "idle", NowMs: t.IdleMs},
		{Name: "off", NowMs: t.OffMs},
		{Name: "fault", NowMs: t.FaultMs},
		{Name: "unknown", NowMs: t.UnknownMs},
		{Name: "opening", NowMs: t.OpeningMs},
		{Name: "opening_known", NowMs: t.OpeningKnownMs},
		{Name: "opening_running", NowMs: t.OpeningRunningMs},
	}
}

func (r *HoursRow) figures() []Delta {
	return []Delta{
		{Name: "claimed", NowMs: r.ClaimedMs},
		{Name: "planned", NowMs: r.PlannedMs},
		{Name: "present", NowMs: r.PresentMs},
		{Name: "verified", NowMs: r.VerifiedMs},
		{Name: "pending", NowMs: r.PendingMs},
		{Name: "granted", NowMs: r.GrantedMs},
	}
}

// lessons compares every trainee's lesson that a settlement after the seal changed.
func (c *comparison) lessons(ctx context.Context, l *Ledger) error {
	type key struct{ day, session, person string }
	sealed := map[key]*HoursRow{}
	for i := range c.sealed.Hours {
		h := &c.sealed.Hours[i]
		sealed[key{h.Day, h.Session, h.Person}] = h
	}
	after, err := scanHours(ctx, l.db, `SELECT `+hoursColumns+` FROM hours AS h WHERE base = ?1 AND day BETWEEN ?2 AND ?3
		AND revision > coalesce((SELECT s.revision FROM sealed_people AS s WHERE s.base = h.base AND s.period = ?4 AND s.day = h.day), 0)
		ORDER BY day, session, person, revision`, c.base, c.sealed.FromDay, c.sealed.ToDay, c.period)
	if err != nil {
		return err
	}
	settlements, err := peopleOf(ctx, l.db, `base = ? AND day BETWEEN ? AND ?`, c.base, c.sealed.FromDay, c.sealed.ToDay)
	if err != nil {
		return err
	}
	for start := 0; start < len(after); {
		k := key{after[start].Day, after[start].Session, after[start].Person}
		end := start
		for end < len(after) && k == (key{after[end].Day, after[end].Session, after[end].Person}) {
			end++
		}
		c.lesson(sealed[k], after[start:end], settlements)
		start = end
	}
	return nil
}

// lesson compares one trainee's lesson; after are its revisions since the seal.
func (c *comparison) lesson(was *HoursRow, after []HoursRow, settlements []PeopleDay) {
	now := &after[len(after)-1]
	s := Supplement{Day: now.Day, Session: now.Session, Person: now.Person, Revision: now.Revision}
	if was == nil {
		was, s.Cause = &HoursRow{}, CauseFirst
	} else {
		s.SealedRevision = was.Revision
	}
	var causes []string
	for i := range settlements {
		p := &settlements[i]
		if p.Day != now.Day || !slices.ContainsFunc(after, func(h HoursRow) bool { return h.Revision == p.Revision }) {
			continue
		}
		s.SettledMs = max(s.SettledMs, p.SettledMs)
		for cause := range strings.SplitSeq(p.Cause, ",") {
			if cause != "" && !slices.Contains(causes, cause) {
				causes = append(causes, cause)
			}
		}
	}
	s.Cause = cmp.Or(s.Cause, strings.Join(causes, ","))
	c.add(s, was.figures(), now.figures())
}
