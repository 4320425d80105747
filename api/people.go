package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

// peopleRoutes are the operations of classes, hours and their explanation. Nobody's name is in any of them.
func (s *Server) peopleRoutes() {
	get := func(id, path, summary string) huma.Operation {
		return operation(http.MethodGet, id, path, summary, access.ViewPeople)
	}
	huma.Register(s.spec, get("list-classes", "/bases/{base}/classes", "Classes 班次"), s.listClasses)
	huma.Register(s.spec, get("list-sessions", "/bases/{base}/sessions", "Timetable 课表"), s.listSessions)
	huma.Register(s.spec, get("hours", "/bases/{base}/hours", "Verified hours per trainee and lesson 核验学时"), s.hours)
	huma.Register(s.spec, get("explain", "/bases/{base}/sessions/{session}/people/{person}",
		"Why each minute of a trainee's lesson counts or does not 学时核验说明"), s.explain)
	huma.Register(s.spec, operation(http.MethodPost, "unmask", "/bases/{base}/people/{person}/unmask", "Who a person is, for a reason that is kept 查看身份", access.Unmask), s.unmask)
	huma.Register(s.spec, get("settlements", "/bases/{base}/days/{day}/settlements", "Settlements of a day, with what changed 结算修订"), s.settlements)
}

// Class is a course held for some trainees.
type Class struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Use      string   `json:"use" doc:"使用类别"`
	Profile  string   `json:"profile" doc:"证据类型: what proves practice"`
	Workshop string   `json:"workshop"`
	Stations []string `json:"stations,omitempty"`
	Teacher  string   `json:"teacher,omitempty" doc:"教师编号"`
	Trainees int      `json:"trainees" doc:"enrolments 报名人数"`
}

// Session is one lesson of the timetable.
type Session struct {
	ID       string   `json:"id"`
	Class    string   `json:"class"`
	From     string   `json:"from" format:"date-time"`
	To       string   `json:"to" format:"date-time" doc:"exclusive"`
	Practice bool     `json:"practice"`
	Workshop string   `json:"workshop"`
	Stations []string `json:"stations,omitempty"`
	Teacher  string   `json:"teacher,omitempty"`
}

type classesInput struct {
	Base string `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
}

func (s *Server) listClasses(_ context.Context, in *classesInput) (*list[Class], error) {
	if err := s.knownBase(in.Base); err != nil {
		return nil, err
	}
	people := s.world().Roster(in.Base).People()
	enrolled := map[string]int{}
	for _, e := range people.Enrolments {
		enrolled[e.Class]++
	}
	out := make([]Class, 0, len(people.Classes))
	for _, c := range people.Classes {
		out = append(out, Class{
			ID: c.ID, Name: c.Name, Use: string(c.Use), Profile: string(c.Profile), Workshop: c.Workshop, Stations: c.Stations,
			Teacher: c.Teacher, Trainees: enrolled[c.ID],
		})
	}
	return listOf(out), nil
}

// The base is written out in each input: huma does not see the fields of an embedded type that is not exported.
type hoursInput struct {
	Base   string `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
	From   string `query:"from" format:"date" doc:"first day in Asia/Shanghai, yyyy-mm-dd; default today"`
	To     string `query:"to" format:"date" doc:"last day, inclusive; default the first; days to come are left out"`
	Person string `query:"person" maxLength:"64" doc:"one trainee; default all"`
	Class  string `query:"class" maxLength:"64" doc:"one class; default all"`
}

func (in *hoursInput) usage() *usageInput {
	return &usageInput{Base: in.Base, From: in.From, To: in.To}
}

func (s *Server) listSessions(_ context.Context, in *hoursInput) (*list[Session], error) {
	if err := s.knownBase(in.Base); err != nil {
		return nil, err
	}
	from, to, err := s.days(in.usage())
	if err != nil {
		return nil, err
	}
	window := from.Span()
	window.EndMs = to.Span().EndMs
	out := []Session{}
	for _, x := range s.world().Roster(in.Base).SessionsIn(window) {
		if in.Class != "" && x.Class != in.Class {
			continue
		}
		out = append(out, Session{
			ID: x.ID, Class: x.Class, From: instant(x.Span.StartMs), To: instant(x.Span.EndMs), Practice: x.Practice, Workshop: x.Workshop,
			Stations: x.Stations, Teacher: x.Teacher,
		})
	}
	return listOf(out), nil
}

func instant(ms int64) string { return utc(ms).Format("2006-01-02T15:04:05.000Z07:00") }

func (s *Server) hours(ctx context.Context, in *hoursInput) (*list[Hours], error) {
	if err := s.knownBase(in.Base); err != nil {
		return nil, err
	}
	from, to, err := s.days(in.usage())
	if err != nil {
		return nil, err
	}
	w := s.world()
	roster := w.Roster(in.Base)
	out := []Hours{}
	settled, err := s.settledHours(ctx, in.Base, from, to)
	if err != nil {
		return nil, s.problem(err)
	}
	for d := from; !to.Before(d); d = d.Add(1) {
		day, ok := settled[d.String()]
		if !ok {
			decisions, err := s.decisionsOf(ctx, in.Base, d)
			if err != nil {
				return nil, s.problem(err)
			}
			people, err := w.Settler.People(ctx, roster, d, settle.Terms{Rules: s.o.Rules, Decisions: decisions})
			if err != nil {
				return nil, s.problem(err)
			}
			day = HoursOf(people, roster, s.o.Rules)
		}
		for _, h := range day {
			if (in.Person == "" || h.Person == in.Person) && (in.Class == "" || h.Class == in.Class) {
				out = append(out, h)
			}
		}
	}
	return listOf(out), nil
}

// decisionsOf are what named persons decided of a base's day.
func (s *Server) decisionsOf(ctx context.Context, base string, d calendar.Date) ([]hours.Exclusion, error) {
	if s.o.Corrections == nil {
		return nil, nil
	}
	return s.o.Corrections.Decisions(ctx, base, d)
}

type explainInput struct {
	Base    string `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
	Session string `path:"session" maxLength:"64" doc:"课次编号"`
	Person  string `path:"person" maxLength:"64" doc:"学员编号"`
}

type explainOutput struct{ Body Explanation }

func (s *Server) explain(ctx context.Context, in *explainInput) (*explainOutput, error) {
	if err := s.knownBase(in.Base); err != nil {
		return nil, err
	}
	terms := settle.Terms{Rules: s.o.Rules}
	if s.o.Corrections != nil {
		var err error
		if terms.Decisions, err = s.o.Corrections.OfSession(ctx, in.Base, in.Session); err != nil {
			return nil, s.problem(err)
		}
	}
	w := s.world()
	x, err := w.Settler.Explain(ctx, w.Roster(in.Base), in.Session, in.Person, terms)
	switch {
	case errors.Is(err, settle.ErrUnknownSession):
		return nil, huma.Error404NotFound(fmt.Sprintf("课表中没有课次 %q (the timetable has no such session)", in.Session))
	case errors.Is(err, settle.ErrNotEnrolled):
		return nil, huma.Error404NotFound(fmt.Sprintf("学员 %q 未报名该课次 (the person is not enrolled in the session)", in.Person))
	case err != nil:
		return nil, s.problem(err)
	}
	return &explainOutput{ExplanationOf(x)}, nil
}

// Settlement is one revision of a day's attendance and hours.
type Settlement struct {
	Revision    int    `json:"revision"`
	SettledAt   string `json:"settled_at" format:"date-time"`
	Cause       string `json:"cause" doc:"what changed since the revision before: first, evidence, registry, roster, rules, decisions"`
	Changed     int    `json:"changed" doc:"verdicts that differ"`
	RuleVersion string `json:"rule_version"`
	Evidence    string `json:"evidence" doc:"SHA-256 of the evidence"`
	Registry    string `json:"registry"`
	Roster      string `json:"roster"`
}

type settlementsInput struct {
	Base string `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
	Day  string `path:"day" format:"date" doc:"yyyy-mm-dd, Asia/Shanghai"`
}

func (s *Server) settlements(ctx context.Context, in *settlementsInput) (*list[Settlement], error) {
	if err := s.knownBase(in.Base); err != nil {
		return nil, err
	}
	out := []Settlement{}
	if s.o.Ledger == nil {
		return listOf(out), nil
	}
	all, err := s.o.Ledger.Settlements(ctx, in.Base, in.Day)
	if err != nil {
		return nil, s.problem(err)
	}
	for i := range all {
		out = append(out, settlementOf(&all[i]))
	}
	return listOf(out), nil
}

func settlementOf(d *ledger.PeopleDay) Settlement {
	return Settlement{
		Revision: d.Revision, SettledAt: instant(d.SettledMs), Cause: d.Cause, Changed: d.Changed, RuleVersion: d.RuleVersion,
		Evidence: d.EvidenceDigest, Registry: d.RegistryDigest, Roster: d.RosterDigest,
	}
}
