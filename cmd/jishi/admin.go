package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// admin is what a process shows to its operator beside its health and metrics.
type admin struct {
	// ready returns why the process does not do its work, nil when it does.
	ready func(ctx context.Context) error
	// bridge is shown as a page; nil in a process without one.
	bridge *observed
}

const (
	adminTimeout   = 10 * time.Second
	profileTimeout = 2 * time.Minute // a profile is asked for by its seconds
)

// startAdmin serves /healthz, /readyz and /metrics, a bridge's status, and profiles when admin.pprof is set, unless
// admin.addr is empty.
func (p *process) startAdmin(ctx context.Context, a admin) error {
	addr := p.c.String("admin.addr")
	if addr == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := a.ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	if a.bridge != nil {
		servePages(mux, a.bridge.status)
	}
	timeout := adminTimeout
	if p.c.Bool("admin.pprof") {
		timeout = profileTimeout
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen for the operator (--admin.addr): %w", err)
	}
	if !onLoopback(addr) {
		p.log.Warn("other machines can read status and metrics without a password", "setting", "admin.addr", "addr", addr)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: timeout, MaxHeaderBytes: 16 << 10}
	p.stack.Go(ctx, "admin", func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	p.log.Info("status and metrics are served", "url", "http://"+listener.Addr().String()+"/")
	return nil
}

// adminOf is what a process shows that has a bridge.
func adminOf(o *observed) admin {
	return admin{bridge: o, ready: func(context.Context) error { return o.bridge.Ready() }}
}
