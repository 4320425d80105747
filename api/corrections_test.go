package api_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/api"
	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/intake"
)

// office is a schooled rig with the persons of the permissions' test, and a second base administrator.
func office(t *testing.T) *rig {
	t.Helper()
	r := schooled(t, withAccounts)
	for _, p := range persons {
		r.account(t, p.name, p.grants...)
	}
	r.account(t, "second", access.Grant{Role: access.BaseAdmin, Base: "b1"})
	return r
}

// TestCorrectionOverTheAPI: who asks does not decide, by no token and by no other route; the effect is shown before and counts after;
// of another base there is nothing.
func TestCorrectionOverTheAPI(t *testing.T) {
	t.Parallel()
	r := office(t)
	const root = "/api/v1/bases/b1/corrections"
	ask := func(who, session, extra string) answer {
		return r.logIn(t, who).do(t, http.MethodPost, root, fmt.Sprintf(
			`{"session":%q,"person":"s2","kind":"grant","from":"2026-03-02T00:00:00Z","to":"2026-03-02T00:20:00Z","reason":"读卡器故障"%s}`, session, extra))
	}
	if p := problemOf(t, ask("base", "k9", ""), 422); !strings.Contains(p.Detail, "课表中没有此课次") {
		t.Errorf("%+v", p)
	}
	file := base64.StdEncoding.EncodeToString([]byte("签到表"))
	var c api.Correction
	decodeLoosely(t, ask("base", "k1", `,"attachment":{"name":"签到表.jpg","data":"`+file+`"}`), &c)
	if c.Number != 1 || c.State != "submitted" || c.By != "base" || c.Attachment == nil || c.Attachment.Bytes != 9 {
		t.Fatalf("%+v", c)
	}
	var effects struct{ Items []api.CorrectionEffect }
	decodeLoosely(t, r.logIn(t, "eval").do(t, http.MethodGet, root+"/1/preview", ""), &effects)
	if len(effects.Items) != 1 || effects.Items[0].Now.VerifiedS != 4200 || effects.Items[0].Then.VerifiedS != 5400 || effects.Items[0].Then.DayUnits != 2 {
		t.Errorf("preview: %+v", effects.Items)
	}
	verified := func() float64 {
		var hours struct{ Items []api.Hours }
		decodeLoosely(t, r.logIn(t, "eval").do(t, http.MethodGet, "/api/v1/bases/b1/hours?person=s2&from="+today, ""), &hours)
		return hours.Items[0].VerifiedS
	}
	for i, step := range []struct {
		who, do, body string
		status        int
		verifiedAfter float64
	}{
		{"base", "approve", `{}`, 409, 4200},
		{"base by token", "approve", `{}`, 409, 4200},
		{"second", "withdraw", `{}`, 409, 4200},
		{"tech", "withdraw", `{}`, 409, 4200},
		{"tech", "approve", `{}`, 403, 4200},
		{"second", "reject", `{}`, 422, 4200},
		{"second", "approve", `{"supplement":true}`, 409, 4200},
		{"second", "approve", `{}`, 200, 5400},
		{"tech", "withdraw", `{"note":"不该撤"}`, 409, 5400}, // who may only ask does not undo what was decided
		{"second", "submit", `{}`, 409, 5400},
		{"base", "revoke", `{"note":"自撤"}`, 409, 5400},
		{"officer", "revoke", `{"note":"凭据不符"}`, 200, 4200},
		{"officer", "approve", `{}`, 409, 4200},
	} {
		who, token, _ := strings.Cut(step.who, " by ")
		v := r.logIn(t, who)
		if token != "" {
			v = r.bearer(t, who)
		}
		if a := v.do(t, http.MethodPost, root+"/1/"+step.do, step.body); a.status != step.status {
			t.Errorf("step %d, %s %s: %d %s", i, step.who, step.do, a.status, a.body)
		}
		if got := verified(); got != step.verifiedAfter {
			t.Errorf("step %d, %s %s: %v s verified, want %v", i, step.who, step.do, got, step.verifiedAfter)
		}
	}
	var attached api.FileOut
	decodeLoosely(t, r.logIn(t, "second").do(t, http.MethodGet, root+"/1/attachment", ""), &attached)
	if string(attached.Data) != "签到表" {
		t.Errorf("attachment: %+v", attached)
	}
	for _, path := range []string{"/1", "/1/preview", "/1/attachment"} {
		problemOf(t, r.logIn(t, "officer").do(t, http.MethodGet, "/api/v1/bases/b2/corrections"+path, ""), 404)
	}
	problemOf(t, r.logIn(t, "officer").do(t, http.MethodPost, "/api/v1/bases/b2/corrections/1/approve", `{}`), 404)
	var all struct{ Items []api.Correction }
	decodeLoosely(t, r.logIn(t, "eval").do(t, http.MethodGet, root+"?state=withdrawn", ""), &all)
	if len(all.Items) != 1 || len(all.Items[0].Steps) != 4 {
		t.Errorf("list: %+v", all.Items)
	}
}

// TestPeriodOverTheAPI: a period that is not over is not finalised, gaps are accepted inside it only, and sealing follows finalising.
func TestPeriodOverTheAPI(t *testing.T) {
	t.Parallel()
	r := office(t)
	officer := r.logIn(t, "officer")
	const root = "/api/v1/bases/b1/periods"
	var periods struct{ Items []api.Period }
	decodeLoosely(t, officer.do(t, http.MethodGet, root, ""), &periods)
	var names []string
	for _, p := range periods.Items {
		names = append(names, p.Period+" "+p.State)
	}
	want := "year:2026 provisional quarter:2026-Q1 provisional month:2026-01 provisional month:2026-02 provisional month:2026-03 provisional"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("periods: %s", got)
	}
	for i, step := range []struct {
		path, body string
		status     int
		tells      string
	}{
		{"/month:2026-03/finalise", "", 409, "尚未结束"},
		{"/month:2026-02/finalise", "", 409, "暂定日"},
		{"/month:2026-02/seal", "", 409, "尚未定稿"},
		{"/month:2026-13/finalise", "", 422, "期间应写作"},
		{"/month:2026-02/accept-gap", `{"from":"2026-02-01","to":"2026-03-01","reason":"r"}`, 422, "期间之内"},
		{"/month:2026-02/accept-gap", `{"from":"2026-02-28","to":"2026-02-01","reason":"r"}`, 422, "期间之内"},
		{"/month:2026-02/accept-gap", `{"from":"2026-02-01","to":"2026-02-28","bridge":"none","reason":"r"}`, 422, "没有此网桥"},
		{"/month:2026-02/accept-gap", `{"from":"2026-02-01","to":"2026-02-28","reason":"尚未启用"}`, 200, `"added":28`},
		{"/month:2026-02/finalise", "", 200, `"by":"officer"`},
		{"/month:2026-02/seal", "", 409, "冻结日"},
	} {
		if a := officer.do(t, http.MethodPost, root+step.path, step.body); a.status != step.status || !strings.Contains(string(a.body), step.tells) {
			t.Errorf("step %d, %s: %d %s", i, step.path, a.status, a.body)
		}
	}
	var detail api.PeriodDetail
	decodeLoosely(t, officer.do(t, http.MethodGet, root+"/month:2026-02", ""), &detail)
	if detail.State != "final" || len(detail.Days) != 28 || !detail.Days[0].Final || len(detail.Days[0].Accepted) != 1 || detail.FreezeOn != "2026-03-06" {
		t.Errorf("%+v", detail)
	}
	var rates api.Rates
	decodeLoosely(t, r.logIn(t, "tech").do(t, http.MethodGet, "/api/v1/bases/b1/rates?from="+today, ""), &rates)
	if len(rates.Machines) == 0 || len(rates.Machines[0].Rates) == 0 {
		t.Errorf("rates: %+v", rates)
	}
}

// TestUnmaskOverTheAPI: for a reason that is kept, and only at one's own base.
func TestUnmaskOverTheAPI(t *testing.T) {
	t.Parallel()
	ring, err := identity.NewKeyring(noon.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, withAccounts, func(o *api.Options) {
		l, files, door, vault := o.Ledger, o.Registry, o.Access, identity.NewVault(ring)
		o.Intake = func(context.Context) (*intake.Desk, error) {
			return &intake.Desk{Ledger: l, Vault: vault, Files: files}, nil
		}
		o.Identities = func(context.Context) (*identity.Desk, error) {
			return identity.NewDesk(l, vault, auditor{door}, o.Now)
		}
	}).serve(t)
	for _, p := range persons {
		r.account(t, p.name, p.grants...)
	}
	sheet := base64.StdEncoding.EncodeToString([]byte("学员编号,姓名,身份证号\ns001,张小三,500103199003071239\n"))
	if a := r.logIn(t, "base").do(t, http.MethodPost, "/api/v1/bases/b1/import", `{"files":[{"name":"学员.csv","data":"`+sheet+`"}]}`); a.status != http.StatusOK {
		t.Fatalf("import: %d %s", a.status, a.body)
	}
	ask := func(who, base, person, reason string) answer {
		return r.logIn(t, who).do(t, http.MethodPost, "/api/v1/bases/"+base+"/people/"+person+"/unmask", `{"reason":"`+reason+`"}`)
	}
	var got api.Unmasked
	decodeLoosely(t, ask("eval", "b1", "s001", "核对补贴名册"), &got)
	if got.Name != "张小三" || got.IDNumber != "500103199003071239" {
		t.Errorf("the identity is not shown whole: person %s", got.Person)
	}
	for i, tt := range []struct {
		who, base, person, reason string
		status                    int
	}{
		{"eval", "b2", "s001", "核对", 403},
		{"tech", "b1", "s001", "核对", 403},
		{"officer", "b2", "s001", "核对", 404},
		{"officer", "b1", "s009", "核对", 404},
		{"officer", "b1", "s001", " ", 422},
		{"officer", "b1", "s001", "核对张小三", 422},
	} {
		if a := ask(tt.who, tt.base, tt.person, tt.reason); a.status != tt.status || strings.Contains(string(a.body), "1239") {
			t.Errorf("%d: status %d, want %d", i, a.status, tt.status)
		}
	}
	entries, err := r.options.Access.Entries(t.Context(), access.AuditQuery{Action: string(access.ActUnmask), Most: 100})
	if err != nil || len(entries) != 3 || entries[len(entries)-1].Actor != "eval" || entries[len(entries)-1].Reason != "核对补贴名册" {
		t.Errorf("audit log: %+v, %v", entries, err)
	}
}

// auditor writes what the desk does into the audit log.
type auditor struct{ access *access.Access }

// Record implements identity.Auditor.
func (a auditor) Record(ctx context.Context, e identity.Entry) error {
	return a.access.Record(ctx, access.Entry{Actor: e.Who, Action: access.Action(e.Action), Object: e.Person, Base: e.Base, Reason: e.Reason})
}
