// Package api is the service's HTTP face: the live state of machines, their timelines and usage as JSON described by
// OpenAPI 3.1, health and metrics for operators, and the board for people. It is for browsers, for other services and
// for the command line. It refuses to derive: every figure comes from settle.
//
// Errors are application/problem+json (RFC 9457), Chinese first.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/intake"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

// Options are what the API needs. The fields marked required have no default.
type Options struct {
	// World returns the reference data that is in force, at each call; or else Settler, Registry and Calendar are required.
	World    func() *World
	Settler  *settle.Settler
	Registry *registry.Registry
	Calendar *calendar.Calendar
	Store    evidence.Store // required
	// Ledger may be nil: then the settled history is not served.
	Ledger *ledger.Ledger
	// Access decides who may do what; nil serves everyone.
	Access *access.Access
	// Open serves everyone for as long as Access has no account.
	Open bool
	// Rules are the figures of attendance and hours; the zero value is settle.DefaultRules.
	Rules settle.Rules
	// Corrections takes requests to correct hours, and says what the approved ones decide; nil takes none.
	Corrections *settle.Corrections
	// Periods takes periods from provisional to sealed; nil takes none.
	Periods *settle.Periods
	// Identities returns the desk that shows who a person is; nil shows nobody.
	Identities func(ctx context.Context) (*identity.Desk, error)
	// Intake returns the desk that takes workbooks in; nil takes none.
	Intake func(ctx context.Context) (*intake.Desk, error)
	// Ready are asked by /readyz, by name; all must return nil.
	Ready map[string]func(ctx context.Context) error
	// Gatherer serves /metrics; nil serves none. Registerer takes the API's own metrics; nil is fine.
	Gatherer   prometheus.Gatherer
	Registerer prometheus.Registerer
	// Floor is the coverage below which a rate is withheld, 0 to 1; 0 is usage.CoverageFloor.
	Floor float64
	// Deadline is how long one request may wait for the stores; 0 is 20 s.
	Deadline time.Duration
	// Version is the program's.
	Version string
	// Now is the clock; nil is time.Now.
	Now    func() time.Time
	Logger *slog.Logger
}

func (o *Options) complete() error {
	if o.World == nil && (o.Settler == nil || o.Registry == nil || o.Calendar == nil) || o.Store == nil {
		return errors.New("api options Store, and World or Settler, Registry and Calendar, are required")
	}
	if o.Floor < 0 || o.Floor > 1 {
		return fmt.Errorf("api option Floor is %v: want 0 to 1", o.Floor)
	}
	if o.Deadline < 0 {
		return fmt.Errorf("api option Deadline is %v: want more than 0", o.Deadline)
	}
	if o.Deadline == 0 {
		o.Deadline = defaultDeadline
	}
	if o.Floor == 0 {
		o.Floor = defaultFloor
	}
	if o.Rules == (settle.Rules{}) {
		o.Rules = settle.DefaultRules()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

const (
	defaultDeadline = 20 * time.Second
	// readyDeadline bounds what /readyz waits for.
	readyDeadline = 5 * time.Second
	// maxBody bounds a request's body, in bytes; an operation that does not say otherwise takes 1 MiB.
	maxBody = maxImport
)

// Server serves the API. All methods but Serve may be called concurrently.
type Server struct {
	o       Options
	app     *fiber.App
	spec    huma.API
	metrics *metrics
	boards  boards
	inUse   atomic.Bool        // there are accounts
	cut     context.CancelFunc // cancels the contexts of running requests
}

// New returns a server; it does not listen yet.
func New(o Options) (*Server, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	cut, cancel := context.WithCancel(context.Background())
	s := &Server{o: o, metrics: newMetrics(o.Registerer), cut: cancel}
	s.app = fiber.New(fiber.Config{
		AppName: "jishi", DisableStartupMessage: true,
		// Without Immutable, a parameter that outlives its request becomes another request's.
		Immutable:   true,
		ReadTimeout: 15 * time.Second, IdleTimeout: time.Minute, WriteTimeout: time.Minute,
		BodyLimit: maxBody, ErrorHandler: s.fail,
	})
	s.app.Use(s.outermost)
	s.app.Use("/api/", within(cut, o.Deadline))
	s.spec = humafiber.New(s.app, s.specConfig())
	s.spec.UseMiddleware(s.door)
	s.routes()
	s.operations()
	if err := s.console(); err != nil {
		return nil, err
	}
	s.metrics.learn(s.app)
	return s, nil
}

func (s *Server) specConfig() huma.Config {
	c := huma.DefaultConfig("jishi 机时", s.o.Version)
	c.Info.Description = "Usage of training equipment, measured. 实训设备使用情况（实测）。\n\n" +
		"Instants are RFC 3339 in UTC; days are Asia/Shanghai; durations are seconds."
	c.DocsPath = "" // its renderer loads scripts from elsewhere
	c.SchemasPath = ""
	c.CreateHooks = nil
	c.Transformers = []huma.Transformer{s.bilingual}
	c.RejectUnknownQueryParameters = true
	c.Components.SecuritySchemes = securitySchemes()
	return c
}

// routes are the operations of OpenAPI. Each says which permission it needs; a test holds them to it for every role.
func (s *Server) routes() {
	get := func(id, path, summary string, p access.Permission) huma.Operation {
		return operation(http.MethodGet, id, path, summary, p)
	}
	live, figures := access.ViewLive, access.ViewFigures
	huma.Register(s.spec, filtered(get("list-bases", "/bases", "Bases 实训基地", live)), s.listBases)
	huma.Register(s.spec, get("list-equipment", "/bases/{base}/equipment", "Equipment of a base 设备", live), s.listEquipment)
	huma.Register(s.spec, get("list-devices", "/bases/{base}/devices", "Devices heard of lately 采集终端", live), s.listDevices)
	huma.Register(s.spec, get("state-now", "/bases/{base}/state", "What every machine is doing now 实时状态", live), s.stateNow)
	huma.Register(s.spec, get("timeline", "/bases/{base}/equipment/{equipment}/timeline", "Timeline of one machine 状态时间线", live), s.timeline)
	huma.Register(s.spec, get("usage", "/bases/{base}/usage", "Usage per machine and day 设备使用情况", figures), s.usage)
	huma.Register(s.spec, get("settled", "/bases/{base}/settled", "Settled usage from the ledger 已结算使用情况", figures), s.settled)
	s.peopleRoutes()
	s.importRoutes()
	s.clueRoutes()
	s.correctionRoutes()
	s.periodRoutes()
	s.doorRoutes()
}

// doorRoutes are the operations of accounts, sessions, tokens and the audit log.
func (s *Server) doorRoutes() {
	const conflict, throttled = http.StatusConflict, http.StatusTooManyRequests
	get, post, patch, put, del := http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete
	huma.Register(s.spec, also(secret(operation(post, "log-in", "/session", "Log in 登录", access.Public)), throttled), s.logIn)
	huma.Register(s.spec, operation(del, "log-out", "/session", "Log out 退出", access.Self), s.logOut)
	huma.Register(s.spec, operation(get, whoAmI, "/me", "Who is logged in 当前账号", access.Self), s.me)
	huma.Register(s.spec, also(secret(operation(post, "change-password", "/me/password", "Change one's password 修改口令", access.Self)), throttled), s.changePassword)
	huma.Register(s.spec, operation(get, "list-accounts", "/accounts", "Accounts 账号", access.ViewAccounts), s.listAccounts)
	huma.Register(s.spec, also(operation(post, "add-account", "/accounts", "Make an account 新增账号", access.ManageAccounts), conflict), s.addAccount)
	huma.Register(s.spec, operation(patch, "change-account", "/accounts/{name}", "Rename, disable, reset 更改账号", access.ManageAccounts), s.changeAccount)
	huma.Register(s.spec, operation(put, "set-roles", "/accounts/{name}/roles", "Grant roles 授予角色", access.ManageSecurity), s.setRoles)
	huma.Register(s.spec, operation(get, "list-tokens", "/tokens", "One's API tokens 本人令牌", access.Self), s.listTokens)
	huma.Register(s.spec, operation(post, "add-token", "/tokens", "Make an API token 新增令牌", access.Self), s.addToken)
	huma.Register(s.spec, operation(del, "revoke-token", "/tokens/{id}", "Revoke an API token 吊销令牌", access.Self), s.revokeToken)
	huma.Register(s.spec, operation(get, "audit", "/audit", "Audit log 审计日志", access.ReadAudit), s.audit)
}

// operations are the paths for operators.
func (s *Server) operations() {
	s.app.Get("/healthz", func(c *fiber.Ctx) error { return c.JSON(fiber.Map{"status": "ok", "version": s.o.Version}) })
	s.app.Get("/readyz", s.ready)
	if s.o.Gatherer != nil {
		s.app.Get("/metrics", adaptor.HTTPHandler(promhttp.HandlerFor(s.o.Gatherer, promhttp.HandlerOpts{})))
	}
}

// ready tells an operator, and whatever restarts processes, which part does not answer and what its own error says.
func (s *Server) ready(c *fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(c.UserContext(), readyDeadline)
	defer cancel()
	checks, status := fiber.Map{}, http.StatusOK
	for name, check := range s.o.Ready {
		checks[name] = "ok"
		if err := check(ctx); err != nil {
			checks[name], status = err.Error(), http.StatusServiceUnavailable
		}
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.Status(status).JSON(fiber.Map{"ready": status == http.StatusOK, "checks": checks})
}

// OpenAPI returns the description of the API as JSON.
func (s *Server) OpenAPI() ([]byte, error) { return s.spec.OpenAPI().MarshalJSON() }
