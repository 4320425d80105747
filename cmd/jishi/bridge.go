package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/internal/frame"
)

func newBridge() *cobra.Command {
	cmd := &cobra.Command{
		Use: "bridge", Short: "Run a base's broker and bridge 基地网桥", Args: cobra.NoArgs,
		Long: "Takes device messages on --broker.addr, keeps them on disk, and sends them to the city's broker --uplink.url\n" +
			"until the city has said that they are in its evidence store.",
		Example: "  jishi bridge --base.code cq01 --bridge.id b1 --uplink.url tcp://city.example:1883",
	}
	c := withSettings(cmd)
	cmd.RunE = processCommand(c, (*process).bridge)
	cmd.AddCommand(newEnroll(), newAccept())
	return cmd
}

func (p *process) bridge(ctx context.Context, cmd *cobra.Command) error {
	p.base, p.replay = p.c.String("base.code"), p.c.Bool("bridge.replay-clock")
	if err := p.c.makeDir(); err != nil {
		return err
	}
	key, err := bridgeKey(p.c)
	if err != nil {
		return err
	}
	b, from, err := p.startIntake(ctx, key)
	if err != nil {
		return err
	}
	base, id := p.base, p.c.String("bridge.id")
	if url := p.c.String("uplink.url"); url == "" {
		p.log.Warn("no uplink is set, records stay on disk", "setting", "uplink.url")
	} else {
		uplink := p.cityOptions("uplink", "jishi-bridge-"+base+"-"+id)
		p.stack.Go(ctx, "uplink", func(ctx context.Context) error { return b.RunUplink(ctx, uplink) })
	}
	if err := p.startAdmin(ctx); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "broker: %s\nbridge: %s/%s\npublic key 公钥: %s\n", from, base, id, frame.PublicText(publicKey(key)))
	return err
}

// startIntake starts the bridge with what its messages come from, and returns where that is.
func (p *process) startIntake(ctx context.Context, key ed25519.PrivateKey) (b *bridge.Bridge, from string, err error) {
	if url := p.c.String("source.url"); url != "" {
		b, err = p.startSource(ctx, key)
		return b, url, err
	}
	b, broker, err := p.startBridge(ctx, key)
	if err != nil {
		return nil, "", err
	}
	return b, broker.Addr(), nil
}

// startAdmin serves /healthz and /metrics, and profiles when admin.pprof is set, for processes that have no API, unless
// admin.addr is empty.
func (p *process) startAdmin(ctx context.Context) error {
	addr := p.c.String("admin.addr")
	if addr == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
	})
	if p.c.Bool("admin.pprof") {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen for metrics (--admin.addr): %w", err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	p.stack.Go(ctx, "admin", func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	p.log.Info("metrics are served", "url", "http://"+listener.Addr().String()+"/metrics")
	return nil
}
