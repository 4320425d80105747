package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/jishi-telemetry/jishi/internal/access"
)

// TestLogInInABrowser is one visit: its steps follow each other in one tab, on a phone.
func TestLogInInABrowser(t *testing.T) {
	r := newRig(t, withAccounts).fill(t, "b1").serve(t)
	one, err := r.options.Access.Add(t.Context(), "test", access.NewAccount{
		Name: "zhang", Display: "张三", Grants: []access.Grant{{Role: access.Technician, Base: "b1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.account(t, "auditor", access.Grant{Role: access.AuditAdmin, Base: "*"})
	b := openBrowser(t)
	b.size(t, 390, 844)
	b.do(t, chromedp.Navigate(r.url+"/?base=b2#cnc-1"))
	logIn := func(name, word string) {
		t.Helper()
		b.wait(t, `!document.querySelector("#login").hidden && !document.querySelector("#login-login").hidden`)
		b.do(t, chromedp.SetValue(`[name=name]`, name), chromedp.SetValue(`[name=password]`, word), chromedp.Click("#login-go"))
	}

	t.Run("a stranger sees the log-in and nothing else", func(t *testing.T) {
		b.wait(t, `!document.querySelector("#login").hidden`)
		if text := look[string](t, b, "document.body.innerText"); !strings.Contains(text, "登录") || strings.Contains(text, "数控铣床") {
			t.Errorf("the page says\n%s", text)
		}
		if over := look[int](t, b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
			t.Errorf("%d px too wide", over)
		}
		if small := look[int](t, b, `[...document.querySelectorAll("button, input")].filter(e => e.offsetParent && e.offsetHeight < 44).length`); small > 0 {
			t.Errorf("%d targets are too small for a finger", small)
		}
	})
	t.Run("a wrong password", func(t *testing.T) {
		logIn("zhang", "not this one, sorry")
		b.wait(t, `document.querySelector("#login-why").innerText.includes("用户名或口令不正确")`)
	})
	t.Run("the one-time password is changed first", func(t *testing.T) {
		logIn("Zhang ", one)
		b.wait(t, `!document.querySelector("#login-change").hidden`)
		set := func(again string) {
			t.Helper()
			b.do(t, chromedp.SetValue(`[name=old]`, one), chromedp.SetValue(`[name=new]`, password), chromedp.SetValue(`[name=again]`, again), chromedp.Click("#login-go"))
		}
		set(password + "x")
		b.wait(t, `document.querySelector("#login-why").innerText.includes("不一致")`)
		set(password)
		b.wait(t, cards+`.length === 4 && document.querySelector("#login").hidden`)
	})
	t.Run("the board is cut to the scope", func(t *testing.T) {
		if got := look[string](t, b, `[...document.querySelectorAll("#base option")].map(o => o.value).join(" ")`); got != "b1" {
			t.Errorf("bases %q", got)
		}
		b.size(t, 1280, 900)
		if got := look[string](t, b, `document.querySelector("#who").innerText`); got != "张三" {
			t.Errorf("who: %q", got)
		}
		b.do(t, chromedp.Navigate("about:blank"), chromedp.Navigate(r.url+"/"))
		b.wait(t, cards+`.length === 4`)
	})
	t.Run("a session that ends", func(t *testing.T) {
		r.now.Add((31 * time.Minute).Milliseconds())
		b.wait(t, `!document.querySelector("#login").hidden && !document.querySelector(".machine")`)
		logIn("zhang", password)
		b.wait(t, cards+`.length === 4`)
	})
	t.Run("log out", func(t *testing.T) {
		b.do(t, chromedp.Click("#leave"))
		b.wait(t, `!document.querySelector("#login").hidden && !document.querySelector(".machine") && document.querySelector("#leave").hidden`)
	})
	t.Run("who may not look is told once", func(t *testing.T) {
		logIn("auditor", password)
		b.wait(t, `document.querySelector("#problem").innerText.includes("没有权限")`)
		b.wait(t, `new Promise(done => setTimeout(() => done(true), 4500))`)
		refused, err := r.options.Access.Entries(t.Context(), access.AuditQuery{Actor: "auditor", Action: string(access.ActRefused)})
		if err != nil || len(refused) != 1 {
			t.Errorf("%d refusals, %v", len(refused), err)
		}
		b.do(t, chromedp.Click("#leave"))
		logIn("zhang", password)
		b.wait(t, cards+`.length === 4 && document.querySelector("#problem").hidden`)
	})
	t.Run("the console has no complaint but the refusals", func(t *testing.T) {
		for _, said := range b.console() {
			if !strings.Contains(said, http.StatusText(http.StatusUnauthorized)) && !strings.Contains(said, "401") && !strings.Contains(said, "403") {
				t.Errorf("the console says %q", said)
			}
		}
	})
}
