package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/jishi-telemetry/jishi/api"
)

// hostile is a server's answer that tries to steer the terminal.
func hostile() *api.Board {
	evil := "\x1b]0;owned\a\x1b[2J\u202eevil\u009b31m\r\n\x00\xff"
	b := workshop()
	b.Name, b.Base, b.NameEN = evil, evil, evil
	b.Machines = []api.MachineState{{
		Equipment: evil, Name: evil, NameEN: evil, Workshop: evil, State: evil, StateZh: evil, Word: evil, Device: evil, LastState: evil,
		Notes: []string{evil}, LastValues: map[string]float64{evil: 1e308}, Coverage: -1e300, RunningS: 1e300, LastHeard: at(0), Since: at(0),
	}}
	return b
}

// What a server says never reaches the terminal as a control.
func TestTopNeutralises(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/state") {
			_ = json.NewEncoder(w).Encode(hostile())
			return
		}
		_, _ = io.WriteString(w, `{"items":[{"code":"a\u001b[2J/../x"}]}`)
	}))
	defer server.Close()
	client, err := newBoardClient(server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	board, err := client.board(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range []string{langZH, langEN} {
		m := watching(lang, size(200, 24), boardMsg{board, *at(0)}, failMsg{errors.New("\x1b[31mno\r\n\u009b"), *at(time.Minute)})
		checkPrintable(t, m.View())
	}
	var once strings.Builder
	if err := topOnce(t.Context(), client, langZH, &once); err != nil {
		t.Fatal(err)
	}
	checkPrintable(t, once.String())
}

func checkPrintable(t *testing.T, s string) {
	t.Helper()
	for _, r := range s {
		if r != '\n' && !unicode.IsGraphic(r) {
			t.Fatalf("output holds %U:\n%q", r, s)
		}
	}
}

// Each way in which there is no board has its own words, and they say what to do.
func TestTopClientErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, base, answer string
		status             int
		want               string
	}{
		{"unknown base", "x", `{"detail":"未登记的基地 \"x\" (unknown base)"}`, 404, `未登记的基地 "x" (unknown base) (404)`},
		{"another server", "x", `<html>`, 200, "is no jishi server"},
		{"another server's error", "x", `<html>`, 502, "502 Bad Gateway (is this a jishi server?)"},
		{"no base", "", `{"items":[]}`, 200, "the server has no base"},
		{"several bases", "", `{"items":[{"code":"b1"},{"code":"b2"}]}`, 200, "--base: b1, b2"},
		{"endless", "x", strings.Repeat(" ", maxBoardBytes+1), 200, "is over 16 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.answer)
			}))
			defer server.Close()
			client, err := newBoardClient(server.URL+"/", c.base)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.board(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestTopFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		f    topFlags
		want string
	}{
		{topFlags{server: "127.0.0.1:8080", lang: langZH, every: time.Second}, "want an address such as http://127.0.0.1:8080"},
		{topFlags{server: "http://x", lang: "fr", every: time.Second}, "want zh or en"},
		{topFlags{server: "http://x", lang: langZH, every: time.Millisecond}, "want at least 500ms"},
	} {
		if err := top(t.Context(), &c.f, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.f, err, c.want)
		}
	}
}
