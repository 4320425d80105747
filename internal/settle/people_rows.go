package settle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// PeopleRows settles one base's day of attendance and hours: what the ledger keeps of it. The revision and its cause come
// from ledger.PutPeople.
func (s *Settler) PeopleRows(ctx context.Context, roster *registry.Roster, d calendar.Date, terms Terms, nowMs int64) (ledger.PeopleDay, []ledger.HoursRow, error) {
	p, err := s.People(ctx, roster, d, terms)
	if err != nil {
		return ledger.PeopleDay{}, nil, err
	}
	day := ledger.PeopleDay{
		Base: p.Base, Day: d.String(), RuleVersion: HoursRuleVersion, RulesDigest: RulesDigest(terms.Rules),
		RegistryDigest: s.registry.BaseDigest(p.Base), RosterDigest: roster.Digest(), EvidenceDigest: p.Digest,
		DecisionsDigest: digestOf(terms.Decisions), SettledMs: nowMs,
	}
	return day, p.Rows(roster), nil
}

// RulesDigest names the figures of the rules (SHA-256, hex), as settlements do.
func RulesDigest(r Rules) string { return digestOf(r) }

// Rows are what the ledger keeps of each trainee's lesson.
func (p *PeopleDay) Rows(roster *registry.Roster) []ledger.HoursRow {
	sessions := make(map[string]*registry.Session, len(p.Lessons))
	for i := range p.Lessons {
		sessions[p.Lessons[i].ID] = &p.Lessons[i].Session
	}
	out := make([]ledger.HoursRow, len(p.Verdicts))
	for i := range p.Verdicts {
		v, a := &p.Verdicts[i], &p.Attendance[i]
		s := sessions[v.Session]
		out[i] = ledger.HoursRow{
			Base: p.Base, Day: p.Day.String(), Session: v.Session, Person: v.Person, Class: s.Class, Practice: s.Practice,
			Status: a.Status, Flags: a.Flags, PlannedMs: v.PlannedMs, PresentMs: v.PresentMs, VerifiedMs: v.VerifiedMs,
			PendingMs: v.PendingMs, GrantedMs: v.GrantedMs, Pieces: v.Pieces,
		}
		// A lesson that passes midnight is claimed as a whole on the day on which it begins.
		if calendar.DateOf(s.Span.Start()) == p.Day {
			out[i].ClaimedMs, out[i].Claimed = roster.ClaimedMs(v.Session, v.Person)
		}
	}
	return out
}

// digestOf names a value by its JSON.
func digestOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("settle: %T cannot be written as JSON: %v", v, err)) // numbers and texts only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
