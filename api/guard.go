package api

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"runtime/debug"
	"time"

	"github.com/gofiber/fiber/v2"
)

// errPanicked stands for a panic that has been logged.
var errPanicked = errors.New("the handler panicked")

// outermost answers every request: with what the handlers below it say, or with a problem.
func (s *Server) outermost(c *fiber.Ctx) error {
	began := time.Now()
	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()
	err := s.guarded(c)
	if err != nil {
		err = s.fail(c, err)
	}
	s.metrics.observe(c, time.Since(began))
	return err
}

func (s *Server) guarded(c *fiber.Ctx) (err error) {
	defer func() {
		if v := recover(); v != nil {
			s.o.Logger.Error("handler panicked", "path", c.Path(), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = errPanicked
		}
	}()
	secureHeaders(c)
	// The OpenAPI adapter takes an address that cannot be parsed for one that can, and panics.
	if _, err := url.Parse(string(c.Request().RequestURI())); err != nil {
		return fiber.ErrBadRequest
	}
	return c.Next()
}

// within gives each request a context that ends after the time, or when cut ends: the server's own does not end when
// the client goes away, and a store that does not answer must not keep a request for ever.
func within(cut context.Context, limit time.Duration) fiber.Handler {
	return func(c *fiber.Ctx) error {
		ctx, cancel := context.WithTimeout(cut, limit)
		defer cancel()
		c.SetUserContext(ctx)
		c.Set(fiber.HeaderCacheControl, "no-store")
		return c.Next()
	}
}

// secureHeaders keep the board from being framed, sniffed or made to load what is not its own.
func secureHeaders(c *fiber.Ctx) {
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderXFrameOptions, "DENY")
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set("Cross-Origin-Resource-Policy", "same-origin")
	c.Set(fiber.HeaderContentSecurityPolicy,
		"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
			"frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
}
