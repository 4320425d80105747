// Package access keeps who may do what: accounts with their passwords, roles scoped by base, browser sessions, API
// tokens, and the audit log that no role can change. It is for the API, which asks it on every request, and for the command
// line, which makes accounts. It refuses to keep a password, session or token that could be read back: each is a hash. It
// refuses to delete an account, because the audit log names it.
//
// Its tables lie in the ledger's database, so that what is done and the entry that says so are one transaction.
package access

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/jishi-telemetry/jishi/internal/credential"
)

// What callers branch on.
var (
	// ErrRefused is a log-in, session or token that does not hold. It says no more: not whether the name exists.
	ErrRefused = errors.New("用户名或口令不正确，或账号已停用 / wrong name or password, or the account is disabled")
	// ErrThrottled is a log-in after too many failures; it was not looked at.
	ErrThrottled = errors.New("登录失败次数过多，请稍后再试 / too many failed attempts, try again later")
	// ErrBusy is a log-in that found too many others waiting.
	ErrBusy = errors.New("登录请求过多，请稍后再试 / too many log-ins at once, try again later")
	// ErrUnknown is an account or token that is not there.
	ErrUnknown = errors.New("没有此项 / there is no such entry")
	// ErrExists is a name that is taken.
	ErrExists = errors.New("名称已被使用 / the name is taken")
	// ErrOwn is a change of one's own rights, which someone else has to make.
	ErrOwn = errors.New("不能改动本人的角色，也不能停用本人 / nobody changes their own roles or disables themselves")
	// ErrGuarded is a change of a security or audit administrator's account by the system administrator.
	ErrGuarded = errors.New("安全管理员与审计管理员的账号只能在服务器上用 jishi account 改动 / " +
		"accounts of security and audit administrators are changed at the server only, with jishi account")
)

// Options may be left empty.
type Options struct {
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Cost is what a look at a password costs; zero is credential.DefaultCost.
	Cost credential.Cost
	// Idle is how long a session lasts without a request, Longest how long at all; 0 is 30 minutes, 12 hours.
	Idle, Longest time.Duration
	// Registerer takes the metrics; nil is fine.
	Registerer prometheus.Registerer
}

const (
	defaultIdle    = 30 * time.Minute
	defaultLongest = 12 * time.Hour
	// maxComputing bounds the passwords that are looked at together: each takes 19 MiB and a core. maxWaiting bounds those
	// that wait for their turn.
	maxComputing = 2
	maxWaiting   = 64
)

// Access is the door. All methods may be called concurrently; several processes may share the database.
type Access struct {
	db        *sql.DB
	o         Options
	nobody    credential.Hash // what an unknown name's password is compared with, so that it takes as long
	waiting   chan struct{}
	computing chan struct{}
	accounts  buckets // failures by account
	addresses buckets // failures by address
	logins    *prometheus.CounterVec
}

// New returns the door whose tables lie in the database, which stays the caller's. It does not touch the disk.
func New(db *sql.DB, o Options) *Access {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Cost == (credential.Cost{}) {
		o.Cost = credential.DefaultCost()
	}
	if o.Idle <= 0 {
		o.Idle = defaultIdle
	}
	if o.Longest <= 0 {
		o.Longest = defaultLongest
	}
	return &Access{
		db: db, o: o, nobody: credential.NewHash([]byte(credential.NewPassword()), o.Cost),
		waiting:   make(chan struct{}, maxWaiting),
		computing: make(chan struct{}, min(maxComputing, runtime.GOMAXPROCS(0))),
		accounts:  buckets{limit: accountFailures, every: accountEvery},
		addresses: buckets{limit: addressFailures, every: addressEvery},
		logins: promauto.With(o.Registerer).NewCounterVec(prometheus.CounterOpts{
			Name: "jishi_access_logins_total", Help: "Log-ins, by result: ok, refused, throttled, busy.",
		}, []string{"result"}),
	}
}

func (a *Access) nowMs() int64 { return a.o.Now().UnixMilli() }

// in runs do in a transaction, which it commits when do returns nil.
func (a *Access) in(ctx context.Context, what string, do func(tx *sql.Tx) error) error {
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := do(tx); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", what, err), tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// rows reads all rows of a query with scan.
func rows[T any](ctx context.Context, q querier, scan func(s interface{ Scan(...any) error }) (T, error), query string, args ...any) (out []T, err error) {
	r, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for r.Next() {
		v, err := scan(r)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, r.Err()
}
