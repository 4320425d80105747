package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/calendar"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "Serve the API and the board 接口与看板", Args: cobra.NoArgs,
		Long: "Serves figures from the evidence store and the ledger on --http.addr, and keeps the ledger settled.\n" +
			"Whoever calls has to log in (--access.required): the first start makes the account admin and shows its one-time\n" +
			"password once; `jishi account` makes the others. 首次启动生成管理员 admin，一次性口令只显示一次。",
	}
	c := withSettings(cmd)
	cmd.RunE = processCommand(c, (*process).serve)
	return cmd
}

func (p *process) serve(ctx context.Context, cmd *cobra.Command) error {
	p.asks = true
	if err := p.c.makeDir(); err != nil {
		return err
	}
	reg, err := openRegistry(p.c)
	if err != nil {
		return err
	}
	cal, err := calendar.New()
	if err != nil {
		return err
	}
	store, err := openStore(ctx, p.c, false, p.metrics)
	if err != nil {
		return err
	}
	p.stack.Add("evidence", func(context.Context) error { return store.Close() })
	led, err := p.openLedger(ctx)
	if err != nil {
		return err
	}
	url, err := p.startServer(ctx, store, reg, cal, led)
	if err != nil {
		return err
	}
	return p.sayBoard(cmd.OutOrStdout(), url)
}
