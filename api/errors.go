package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

// problem is the one map from errors to what a user is told. What is not the user's doing is logged whole and told short.
func (s *Server) problem(err error) error {
	switch {
	case errors.Is(err, settle.ErrUnknownEquipment):
		return huma.Error404NotFound("未登记的设备 (unknown equipment): " + err.Error())
	case errors.Is(err, evidence.ErrPermanent), errors.Is(err, evidence.ErrClosed):
		s.o.Logger.Error("evidence store does not answer", "err", err)
		return huma.Error503ServiceUnavailable("证据库暂不可用，请联系管理员 (the evidence store is not available)")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return huma.Error503ServiceUnavailable("查询超时，请缩小范围后重试 (the query took too long; ask for less)")
	}
	s.o.Logger.Error("request not served", "err", err)
	return huma.Error500InternalServerError("服务内部错误，已记录 (internal error, it has been logged)")
}

// fail answers what never reached an operation: unknown paths, bodies too large, panics.
func (s *Server) fail(c *fiber.Ctx, err error) error {
	status, detail := http.StatusInternalServerError, "服务内部错误，已记录 (internal error, it has been logged)"
	var f *fiber.Error
	if errors.As(err, &f) {
		status, detail = f.Code, f.Message
	}
	if status == http.StatusNotFound {
		detail = fmt.Sprintf("没有此地址 (no such path): %s", c.Path())
	}
	if status >= http.StatusInternalServerError {
		s.o.Logger.Error("request not served", "path", c.Path(), "err", err)
	}
	body := huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail}
	return c.Status(status).JSON(body, "application/problem+json")
}

func badInput(where, zh, en string) error {
	return huma.Error422UnprocessableEntity(fmt.Sprintf("%s (%s)", zh, en), &huma.ErrorDetail{Location: where, Message: en})
}

func (s *Server) knownBase(code string) error {
	if _, ok := s.o.Registry.Base(code); !ok {
		return huma.Error404NotFound(fmt.Sprintf("未登记的基地 %q (unknown base)", code))
	}
	return nil
}
