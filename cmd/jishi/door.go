package main

import (
	"context"
	"fmt"
	"io"

	"github.com/jishi-telemetry/jishi/api"
	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/config"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/obs"
)

// requiresAccounts reports whether the API asks who calls: `serve` does, and `up` where others can reach it. A demo has
// nothing to hide, and lives in a directory of its own.
func (p *process) requiresAccounts() bool {
	switch {
	case p.c.IsSet("access.required"):
		return p.c.Bool("access.required")
	case p.demo:
		return false
	}
	return p.asks || !onLoopback(p.c.String("http.addr"))
}

// openDoor puts the accounts into the API's options, and makes the first one when there has to be one and is none.
func (p *process) openDoor(ctx context.Context, l *ledger.Ledger, o *api.Options) error {
	o.Access = access.New(l.DB(), access.Options{Registerer: p.metrics})
	used, err := o.Access.InUse(ctx)
	if err != nil {
		return err
	}
	required := p.requiresAccounts()
	if used && !required && p.c.IsSet("access.required") {
		return usageError{config.Problems{p.c.Problem("access.required", "已有账号，不能对所有人开放；去掉此项", "there are accounts, so it cannot be open to everyone: remove the setting")}}
	}
	o.Open = !required
	addr := p.c.String("http.addr")
	switch {
	case !required && !used && !onLoopback(addr):
		p.log.Warn("anyone may read the board and the API", "setting", "access.required", "addr", addr)
	case !onLoopback(addr):
		p.log.Warn("browsers keep a session over TLS only: put a proxy with TLS in front", "setting", "http.addr", "addr", addr)
	}
	if !required || used {
		return nil
	}
	password, err := o.Access.FirstRun(ctx)
	p.firstPassword = obs.Secret(password)
	return err
}

// sayBoard says where the board is, and, once, how to log in for the first time.
func (p *process) sayBoard(w io.Writer, url string) error {
	if _, err := fmt.Fprintf(w, "机时看板 board: %s\n", url); err != nil || p.firstPassword == "" {
		return err
	}
	_, err := fmt.Fprintf(w, "首次登录 first log-in: %s\n一次性口令 one-time password: %s   （只显示这一次，登录后须修改 shown this once, to be changed at the log-in）\n",
		access.FirstName, p.firstPassword.Reveal())
	return err
}
