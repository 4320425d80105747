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
	"net"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/gofiber/fiber/v2/middleware/recover"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

// Options are what the API needs. The fields marked required have no default.
type Options struct {
	Settler  *settle.Settler    // required
	Registry *registry.Registry // required
	Calendar *calendar.Calendar // required
	Store    evidence.Store     // required
	// Ledger may be nil: then the settled history is not served.
	Ledger *ledger.Ledger
	// Ready are asked by /readyz, by name; all must return nil.
	Ready map[string]func(ctx context.Context) error
	// Gatherer serves /metrics; nil serves none.
	Gatherer prometheus.Gatherer
	// Floor is the coverage below which a rate is withheld, 0 to 1; 0 is usage.CoverageFloor.
	Floor float64
	// Version is the program's.
	Version string
	// Now is the clock; nil is time.Now.
	Now    func() time.Time
	Logger *slog.Logger
}

func (o *Options) complete() error {
	if o.Settler == nil || o.Registry == nil || o.Calendar == nil || o.Store == nil {
		return errors.New("api options Settler, Registry, Calendar and Store are required")
	}
	if o.Floor < 0 || o.Floor > 1 {
		return fmt.Errorf("api option Floor is %v: want 0 to 1", o.Floor)
	}
	if o.Floor == 0 {
		o.Floor = defaultFloor
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Server serves the API.
type Server struct {
	o    Options
	app  *fiber.App
	spec huma.API
	now  boards
}

// New returns a server; it does not listen yet.
func New(o Options) (*Server, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s := &Server{o: o}
	s.app = fiber.New(fiber.Config{
		AppName: "jishi", DisableStartupMessage: true,
		// Without Immutable, a parameter that outlives its request becomes another request's.
		Immutable:   true,
		ReadTimeout: 15 * time.Second, IdleTimeout: time.Minute, WriteTimeout: time.Minute,
		BodyLimit: 1 << 20, ErrorHandler: s.fail,
	})
	s.app.Use(recover.New(), secureHeaders)
	s.spec = humafiber.New(s.app, specConfig(o.Version))
	s.routes()
	s.operations()
	s.console()
	s.app.Use(func(c *fiber.Ctx) error { return fiber.ErrNotFound })
	return s, nil
}

func specConfig(version string) huma.Config {
	c := huma.DefaultConfig("jishi 机时", version)
	c.Info.Description = "Usage of training equipment, measured. 实训设备使用情况（实测）。\n\n" +
		"Instants are RFC 3339 in UTC; days are Asia/Shanghai; durations are seconds."
	c.DocsPath = "" // its renderer loads scripts from elsewhere
	c.SchemasPath = ""
	c.CreateHooks = nil
	c.RejectUnknownQueryParameters = true
	return c
}

// routes are the operations of OpenAPI.
func (s *Server) routes() {
	get := func(id, path, summary string) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: http.MethodGet, Path: "/api/v1" + path, Summary: summary,
			Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
		}
	}
	huma.Register(s.spec, get("list-bases", "/bases", "Bases 实训基地"), s.listBases)
	huma.Register(s.spec, get("list-equipment", "/bases/{base}/equipment", "Equipment of a base 设备"), s.listEquipment)
	huma.Register(s.spec, get("list-devices", "/bases/{base}/devices", "Devices heard of lately 采集终端"), s.listDevices)
	huma.Register(s.spec, get("state-now", "/bases/{base}/state", "What every machine is doing now 实时状态"), s.stateNow)
	huma.Register(s.spec, get("timeline", "/bases/{base}/equipment/{equipment}/timeline", "Timeline of one machine 状态时间线"), s.timeline)
	huma.Register(s.spec, get("usage", "/bases/{base}/usage", "Usage per machine and day 设备使用情况"), s.usage)
	huma.Register(s.spec, get("settled", "/bases/{base}/settled", "Settled usage from the ledger 已结算使用情况"), s.settled)
}

// operations are the paths for operators.
func (s *Server) operations() {
	s.app.Get("/healthz", func(c *fiber.Ctx) error { return c.JSON(fiber.Map{"status": "ok", "version": s.o.Version}) })
	s.app.Get("/readyz", s.ready)
	if s.o.Gatherer != nil {
		s.app.Get("/metrics", adaptor.HTTPHandler(promhttp.HandlerFor(s.o.Gatherer, promhttp.HandlerOpts{})))
	}
}

func (s *Server) ready(c *fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(c.Context(), 5*time.Second)
	defer cancel()
	checks, status := fiber.Map{}, http.StatusOK
	for name, check := range s.o.Ready {
		checks[name] = "ok"
		if err := check(ctx); err != nil {
			checks[name], status = err.Error(), http.StatusServiceUnavailable
		}
	}
	return c.Status(status).JSON(fiber.Map{"ready": status == http.StatusOK, "checks": checks})
}

// Serve serves on the listener until ctx ends; then it lets running requests finish, for at most five seconds.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stopped := make(chan error, 1)
	serving, done := context.WithCancel(ctx)
	defer done()
	go func() {
		<-serving.Done()
		stopped <- s.app.ShutdownWithTimeout(5 * time.Second)
	}()
	err := s.app.Listener(l)
	done()
	if err := errors.Join(err, <-stopped); err != nil {
		return fmt.Errorf("serve HTTP on %s: %w", l.Addr(), err)
	}
	return nil
}

// OpenAPI returns the description of the API as JSON.
func (s *Server) OpenAPI() ([]byte, error) { return s.spec.OpenAPI().MarshalJSON() }

func secureHeaders(c *fiber.Ctx) error {
	c.Set("X-Content-Type-Options", "nosniff")
	c.Set("Referrer-Policy", "no-referrer")
	c.Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
	return c.Next()
}
