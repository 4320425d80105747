package main

import (
	"context"
	"crypto/ed25519"
	"fmt"

	"github.com/spf13/cobra"

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
	cmd.AddCommand(newEnroll(), newAccept(), newBridgeStatus(), newRenewLog())
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
	o, from, err := p.startIntake(ctx, key)
	if err != nil {
		return err
	}
	base, id := p.base, p.c.String("bridge.id")
	if url := p.c.String("uplink.url"); url == "" {
		p.log.Warn("no uplink is set, records stay on disk", "setting", "uplink.url")
	} else {
		uplink := p.cityOptions("uplink", "jishi-bridge-"+base+"-"+id)
		p.stack.Go(ctx, "uplink", func(ctx context.Context) error { return o.bridge.RunUplink(ctx, uplink) })
	}
	if err := p.startAdmin(ctx, adminOf(o)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "broker: %s\nbridge: %s/%s\npublic key 公钥: %s\n", from, base, id, frame.PublicText(publicKey(key)))
	return err
}

// startIntake starts the bridge with what its messages come from, and returns where that is.
func (p *process) startIntake(ctx context.Context, key ed25519.PrivateKey) (o *observed, from string, err error) {
	if url := p.c.String("source.url"); url != "" {
		b, err := p.startSource(ctx, key)
		return &observed{bridge: b}, url, err
	}
	b, broker, err := p.startBridge(ctx, key)
	if err != nil {
		return nil, "", err
	}
	return &observed{b, broker}, broker.Addr(), nil
}
