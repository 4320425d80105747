package api_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/api"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/intake"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// schooled is a rig whose base b1 has a theory class on the story's morning, and a door reader.
func schooled(t *testing.T, change ...func(*api.Options)) *rig {
	t.Helper()
	b := workshopBase("b1")
	b.Devices = append(b.Devices, registry.Device{ID: "door", Kind: registry.Reader})
	b.Bindings = append(b.Bindings, registry.Binding{Device: "door", Room: "w1", Use: registry.UsePresence, Valid: registry.Always()})
	reg, err := registry.New(b, workshopBase("b2"))
	if err != nil {
		t.Fatal(err)
	}
	roster, err := registry.NewRoster(b, registry.People{
		Base: "b1", Persons: []registry.Person{{ID: "s1"}, {ID: "s2"}},
		Cards:   []registry.Card{{Token: "c1", Person: "s1", Valid: registry.Always()}, {Token: "c2", Person: "s2", Valid: registry.Always()}},
		Classes: []registry.Class{{ID: "k", Name: "安全教育", Use: registry.UseSocial, Profile: registry.Bench, Workshop: "w1"}},
		Enrolments: []registry.Enrolment{
			{Class: "k", Person: "s1", Valid: registry.Always()}, {Class: "k", Person: "s2", Valid: registry.Always()},
		},
		Sessions: []registry.Session{{ID: "k1", Class: "k", Span: span.Of(at("08:00:00"), at("09:30:00"))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	cal, err := calendar.New()
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, append(change, func(o *api.Options) {
		o.World = func() *api.World {
			return &api.World{Settler: settle.New(o.Store, reg, cal), Registry: reg, Calendar: cal, Rosters: map[string]*registry.Roster{"b1": roster}}
		}
	})...).serve(t)
	var taps []telemetry.Record
	tap := func(clock, card string, direction telemetry.Direction) {
		taps = append(taps, telemetry.Record{
			Kind: telemetry.KindTap, Clock: telemetry.ClockDevice, Device: "door", EventMs: at(clock).UnixMilli(), Card: card, Direction: direction,
		})
	}
	tap("07:55:00", "c1", telemetry.DirectionIn)
	tap("08:20:00", "c2", telemetry.DirectionIn)
	tap("09:31:00", "c1", telemetry.DirectionOut)
	tap("09:32:00", "c2", telemetry.DirectionOut)
	r.write(t, "b1", taps...)
	return r
}

func TestHoursAndTheirExplanation(t *testing.T) {
	t.Parallel()
	r := schooled(t)
	var hours struct{ Items []api.Hours }
	r.get(t, "/api/v1/bases/b1/hours?from="+today).into(t, &hours)
	var got []string
	for _, h := range hours.Items {
		got = append(got, fmt.Sprintf("%s %s planned %v verified %v units %v", h.Person, h.Status, h.PlannedS, h.VerifiedS, h.DayUnits))
	}
	want := []string{"s1 present planned 5400 verified 5400 units 2", "s2 late planned 5400 verified 4200 units 1.5"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hours (-want +got):\n%s", diff)
	}
	// A day that was settled comes from the ledger, with its revision; it says the same.
	w := r.options.World()
	settled, rows, err := w.Settler.PeopleRows(t.Context(), w.Roster("b1"), calendar.Date{Year: 2026, Month: 3, Day: 2}, settle.DefaultTerms(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.ledger.PutPeople(t.Context(), settled, rows); err != nil {
		t.Fatal(err)
	}
	var again struct{ Items []api.Hours }
	r.get(t, "/api/v1/bases/b1/hours?from="+today).into(t, &again)
	for i := range again.Items {
		if again.Items[i].Revision != 1 {
			t.Errorf("revision %d of %s, want 1", again.Items[i].Revision, again.Items[i].Person)
		}
		again.Items[i].Revision = 0
		again.Items[i].Reasons, hours.Items[i].Reasons = nil, nil // presence beyond the timetable is not kept
	}
	if diff := cmp.Diff(hours.Items, again.Items); diff != "" {
		t.Errorf("derived and settled (-derived +settled):\n%s", diff)
	}
	var x api.Explanation
	r.get(t, "/api/v1/bases/b1/sessions/k1/people/s2").into(t, &x)
	var lines []string
	for _, l := range x.Lines {
		text := l.From.In(time.FixedZone("", 8*3600)).Format("15:04") + " " + l.Kind + " " + l.Zh
		if l.Record != nil {
			text += fmt.Sprintf(" #%d", l.Record.Seq)
		}
		lines = append(lines, text)
	}
	want = []string{"08:00 timetable 理论课", "08:00 verdict 迟到", "08:20 tap 刷卡进入 #2", "08:20 verdict 已核验", "09:32 tap 刷卡离开 #4"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	for path, tells := range map[string]string{
		"/api/v1/bases/b1/sessions/none/people/s2": "课表中没有课次",
		"/api/v1/bases/b1/sessions/k1/people/s9":   "未报名",
	} {
		if p := problemOf(t, r.get(t, path), 404); !strings.Contains(p.Detail, tells) {
			t.Errorf("%s: %s", path, p.Detail)
		}
	}
}

func TestClassesAndTimetable(t *testing.T) {
	t.Parallel()
	r := schooled(t)
	var classes struct{ Items []api.Class }
	r.get(t, "/api/v1/bases/b1/classes").into(t, &classes)
	if len(classes.Items) != 1 || classes.Items[0].Trainees != 2 {
		t.Errorf("classes: %+v", classes.Items)
	}
	var sessions struct{ Items []api.Session }
	r.get(t, "/api/v1/bases/b1/sessions?from="+today).into(t, &sessions)
	if len(sessions.Items) != 1 || sessions.Items[0].ID != "k1" || sessions.Items[0].Workshop != "w1" {
		t.Errorf("sessions: %+v", sessions.Items)
	}
}

// TestImportOverTheAPI: the template's own bases are not b1, so a small sheet is brought in: seen before it is stored, stored,
// stored again without a change, and refused with every mistake at its cell.
func TestImportOverTheAPI(t *testing.T) {
	t.Parallel()
	ring, err := identity.NewKeyring(noon.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	var l *ledger.Ledger
	r := newRig(t, func(o *api.Options) {
		l = o.Ledger
		files := o.Registry
		o.Intake = func(context.Context) (*intake.Desk, error) {
			return &intake.Desk{Ledger: l, Vault: identity.NewVault(ring), Files: files}, nil
		}
	}).serve(t)
	send := func(sheet string, dry bool) answer {
		body, err := json.Marshal(map[string]any{
			"files": []map[string]string{{"name": "学员.csv", "data": base64.StdEncoding.EncodeToString([]byte(sheet))}}, "dry_run": dry, "note": "开班",
		})
		if err != nil {
			t.Fatal(err)
		}
		return (&visitor{r: r}).do(t, http.MethodPost, "/api/v1/bases/b1/import", string(body))
	}
	good := "学员编号,姓名,身份证号\ns001,张小三,500103199003071239\n"
	for _, step := range []struct {
		name    string
		dry     bool
		changed bool
		persons int
	}{{"dry run", true, true, 0}, {"stored", false, true, 1}, {"again", false, false, 1}} {
		var result api.ImportResult
		send(good, step.dry).into(t, &result)
		people, err := l.People(t.Context(), "b1")
		if err != nil || result.Changed != step.changed || len(people.Persons) != step.persons {
			t.Errorf("%s: %+v, %d persons, %v", step.name, result, len(people.Persons), err)
		}
	}
	raw := (&visitor{r: r, headers: map[string]string{"Content-Type": "text/csv"}}).do(t, http.MethodPost, "/api/v1/bases/b1/import", good)
	if raw.status != http.StatusUnsupportedMediaType && raw.status != http.StatusUnprocessableEntity || strings.Contains(string(raw.body), "500103199003071239") {
		t.Errorf("a bare file: status %d, %s", raw.status, raw.body)
	}
	p := problemOf(t, send("学员编号,姓名,身份证号\ns002,李四,500103199003071230\ns 3,王五,\n", false), 422)
	if len(p.Errors) != 2 || !strings.Contains(p.Errors[0].Location, "学员!C2") {
		t.Errorf("mistakes: %+v", p.Errors)
	}
	for _, e := range p.Errors {
		if strings.Contains(fmt.Sprint(e), "500103199003071230") {
			t.Errorf("a mistake tells the ID number: %+v", e)
		}
	}
}
