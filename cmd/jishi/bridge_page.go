package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
)

//go:embed bridge_page.html
var pageSource string

//go:embed bridge_page.css
var pageStyle []byte

// pageTemplate escapes everything that it is given: names, topics and details are chosen by whoever is on the network.
// What would steer the direction of the text around it is shown as an escape, too.
func pageTemplate() *template.Template {
	return template.Must(template.New("status").Funcs(template.FuncMap{
		"text": func(s any) string { return printable(fmt.Sprint(s)) }, "stamp": stampText, "ago": agoText, "bytes": bytesText, "audit": func(seconds int64) string { return spanText(seconds*1000, langZH) },
		"seconds": func(ms int64) string { return fmt.Sprintf("%+.1f s", float64(ms)/1000) },
		"mark":    func(s severity) mark { return s.mark() },
		"state":   stateText, "per": func(f float64) string { return fmt.Sprintf("%.1f", f) },
	}).Parse(pageSource))
}

func stateText(s bridge.DeviceState) string {
	zh, en, m := deviceWords(s)
	return string(m) + " " + zh + " " + en
}

// pageHeaders let the page load nothing but its own style sheet, run nothing, and stand in no frame.
func pageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
}

// servePages adds the page of a status and its JSON to a process's admin address.
func servePages(mux *http.ServeMux, status func() *edgeStatus) {
	page := pageTemplate()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		var b bytes.Buffer
		if err := page.Execute(&b, status()); err != nil {
			http.Error(w, "the page cannot be made: "+err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, "text/html; charset=utf-8", b.Bytes())
	})
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, _ *http.Request) { answer(w, "text/css; charset=utf-8", pageStyle) })
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		text, err := json.MarshalIndent(status(), "", "  ")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, "application/json", append(text, '\n'))
	})
}

func answer(w http.ResponseWriter, kind string, body []byte) {
	pageHeaders(w.Header())
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(body) //nolint:errcheck // who asked has gone
}
