package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func newCollect() *cobra.Command {
	cmd := &cobra.Command{
		Use: "collect", Short: "Run the city's collector 市级采集", Args: cobra.NoArgs,
		Long: "Takes frames from the city's broker --city.url, verifies them against the keys in the registry, writes them to\n" +
			"the evidence store, and acknowledges them. Several collectors share the work with one --city.share-group.",
		Example: "  jishi collect --city.url tcp://127.0.0.1:1883 --evidence.kind influx --influx.url http://127.0.0.1:8086",
	}
	c := withSettings(cmd)
	cmd.RunE = processCommand(c, (*process).collect)
	return cmd
}

func (p *process) collect(ctx context.Context, cmd *cobra.Command) error {
	if p.c.String("city.url") == "" {
		return usageError{errors.New("--city.url is required: the city's MQTT broker, such as tcp://127.0.0.1:1883")}
	}
	if err := p.c.makeDir(); err != nil {
		return err
	}
	reg, err := p.followRegistry(ctx)
	if err != nil {
		return err
	}
	store, err := openStore(ctx, p.c, false, p.metrics)
	if err != nil {
		return err
	}
	p.stack.Add("evidence", func(context.Context) error { return store.Close() })
	// A client id of its own for each process, so that two collectors do not throw each other out.
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("name the collector: %w", err)
	}
	city := p.cityOptions("city", fmt.Sprintf("jishi-collector-%s-%d", host, os.Getpid()))
	if err := p.startCollector(ctx, store, reg, city, nil); err != nil {
		return err
	}
	if err := p.startAdmin(ctx, admin{ready: store.Ping}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "collecting from %s into %s\n", city.URL, p.c.String("evidence.kind"))
	return err
}
