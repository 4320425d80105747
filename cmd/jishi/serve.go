package main

import (
	"context"
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
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
	store, err := openStore(ctx, p.c, false, p.metrics)
	if err != nil {
		return err
	}
	p.stack.Add("evidence", func(context.Context) error { return store.Close() })
	led, err := p.openLedger(ctx)
	if err != nil {
		return err
	}
	reg, err := p.followFilesOrLedger(ctx, led)
	if err != nil {
		return err
	}
	url, err := p.startServer(ctx, store, reg, led)
	if err != nil {
		return err
	}
	return p.sayBoard(cmd.OutOrStdout(), url)
}

// followFilesOrLedger follows the registry's files, which need not be there when bases were imported.
func (p *process) followFilesOrLedger(ctx context.Context, l *ledger.Ledger) (*registry.Live, error) {
	reg, err := p.followRegistry(ctx)
	if !errors.Is(err, fs.ErrNotExist) {
		return reg, err
	}
	bases, ledgerErr := l.Bases(ctx)
	if ledgerErr != nil || len(bases) == 0 {
		return nil, errors.Join(err, ledgerErr)
	}
	empty, err := registry.New()
	return registry.Fixed(empty), err
}
