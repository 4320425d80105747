package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

const (
	problemType    = "application/problem+json"
	internalDetail = "服务内部错误，已记录 (internal error, it has been logged)"
	// retryAfter is when a client may ask again what the store could not answer, in seconds.
	retryAfter = "5"
)

// problem is the one map from errors to what a user is told. What is not the user's doing is logged whole and told short.
func (s *Server) problem(err error) error {
	switch {
	case errors.Is(err, settle.ErrUnknownEquipment):
		return huma.Error404NotFound("该基地没有登记此设备 (the base has no such equipment)")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		s.o.Logger.Warn("query not answered in time", "err", err)
		return unavailable("查询超时，请缩小范围或稍后重试 (the query took too long; ask for less, or later)")
	case errors.Is(err, registry.ErrUnknown):
		s.o.Logger.Error("request not served", "err", err)
		return huma.Error500InternalServerError(internalDetail)
	case errors.Is(err, evidence.ErrPermanent):
		s.o.Logger.Error("store needs a person", "err", err)
		return unavailable("证据库不可用，请联系管理员 (the store is not available; an administrator has to act)")
	}
	s.o.Logger.Error("store does not answer", "err", err)
	return unavailable("证据库暂不可用，请稍后重试 (the store is not available at the moment; try again)")
}

func unavailable(detail string) error {
	return huma.ErrorWithHeaders(huma.Error503ServiceUnavailable(detail), http.Header{"Retry-After": {retryAfter}})
}

// fail answers what never reached an operation: unknown paths and methods, requests that HTTP itself refuses, panics.
func (s *Server) fail(c *fiber.Ctx, err error) error {
	secureHeaders(c)
	status := http.StatusInternalServerError
	if f, ok := errors.AsType[*fiber.Error](err); ok {
		status = f.Code
	}
	switch {
	case status == http.StatusBadGateway:
		// The connection broke while it was read: there is nobody left to tell.
		status = http.StatusBadRequest
	case status >= http.StatusInternalServerError && !errors.Is(err, errPanicked):
		s.o.Logger.Error("request not served", "path", c.Path(), "err", err)
	}
	title, detail := told(status)
	return c.Status(status).JSON(huma.ErrorModel{Title: title, Status: status, Detail: detail}, problemType)
}

// told says what a status means: as a title, which is the same for every occurrence, and in a sentence.
func told(status int) (title, detail string) {
	switch status {
	case http.StatusBadRequest:
		return "请求有误 Bad Request", "请求格式错误 (the request is malformed)"
	case http.StatusUnauthorized:
		return "未登录 Unauthorized", "请先登录 (log in first)"
	case http.StatusForbidden:
		return "没有权限 Forbidden", "没有权限 (not permitted)"
	case http.StatusConflict:
		return "冲突 Conflict", "与现有数据冲突 (in conflict with what is there)"
	case http.StatusUnsupportedMediaType:
		return "不支持的格式 Unsupported Media Type", "请求体应为 application/json (want a body of application/json)"
	case http.StatusTooManyRequests:
		return "请求过多 Too Many Requests", "请稍后再试 (try again later)"
	case http.StatusNotFound:
		return "未找到 Not Found", "没有此地址 (no such path)"
	case http.StatusMethodNotAllowed:
		return "不支持的方法 Method Not Allowed", "此地址不支持该方法，见 Allow 头 (the path does not take this method; see the Allow header)"
	case http.StatusRequestTimeout:
		return "请求超时 Request Timeout", "请求未在时限内收完 (the request did not arrive in time)"
	case http.StatusRequestEntityTooLarge:
		return "请求体过大 Request Entity Too Large", "请求体超过 1 MiB，导入时超过 12 MiB (the body is over 1 MiB, of an import over 12 MiB)"
	case http.StatusUnprocessableEntity:
		return "参数有误 Unprocessable Entity", "请求参数有误，见 errors (a parameter is not valid; see errors)"
	case http.StatusRequestHeaderFieldsTooLarge:
		return "地址或请求头过长 Request Header Fields Too Large", "地址与请求头合计超过 4 KiB (address and headers are over 4 KiB)"
	case http.StatusServiceUnavailable:
		return "服务暂不可用 Service Unavailable", "请稍后重试 (try again later)"
	case http.StatusInternalServerError:
		return "服务内部错误 Internal Server Error", internalDetail
	}
	return http.StatusText(status), http.StatusText(status)
}

// bilingual is a huma.Transformer: it says in Chinese first what the validation says in English, and keeps to itself what
// an error that no operation expected says about the inside.
func (s *Server) bilingual(c huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	title, detail := told(m.Status)
	m.Title = title
	for _, d := range m.Errors {
		if d.Location == "body" {
			d.Value = nil // a whole body may hold names and numbers of persons
		}
	}
	switch {
	case m.Detail == "validation failed":
		m.Detail = detail
		for _, d := range m.Errors {
			d.Message = explained(d)
			if op := c.Operation(); op != nil && op.Metadata[secretBody] != nil {
				d.Value = nil // it may be a password
			}
		}
	case m.Detail == "request body is required":
		m.Detail = "请求需要 JSON 正文 (the request needs a body of JSON)"
	case strings.HasPrefix(m.Detail, "request body is too large"), m.Detail == "cannot read request body", m.Detail == "request body read timeout":
		m.Detail = detail
	case m.Detail == "unexpected error occurred":
		s.o.Logger.Error("request not served", "path", c.URL().Path, "err", errors.Join(asErrors(m.Errors)...))
		m.Detail, m.Errors = detail, nil
	}
	return m, nil
}

func asErrors(details []*huma.ErrorDetail) []error {
	out := make([]error, len(details))
	for i, d := range details {
		out[i] = d
	}
	return out
}

// explained puts Chinese before a message of the validation.
func explained(d *huma.ErrorDetail) string {
	value, _ := d.Value.(string)
	switch m := d.Message; {
	case strings.HasPrefix(m, "unknown query parameter"):
		return "没有此查询参数 (unknown query parameter)"
	case strings.Contains(m, "date-time"), strings.HasPrefix(m, "invalid date/time"):
		if strings.Contains(value, " ") {
			return "时刻无效：地址中的 + 须写作 %2B (not an instant: a + in an address is written %2B)"
		}
		return "时刻无效，应如 2026-03-02T08:00:00Z (want an RFC 3339 instant such as 2026-03-02T08:00:00Z)"
	case strings.Contains(m, "RFC 3339 date"):
		return "日期无效，应为 yyyy-mm-dd (want a date, yyyy-mm-dd)"
	case strings.HasPrefix(m, "expected length <= "):
		return "过长：最多 " + strings.TrimPrefix(m, "expected length <= ") + " 个字符 (" + m + ")"
	default:
		return "参数无效 (" + m + ")"
	}
}

// badInput refuses a parameter that is well formed and makes no sense.
func badInput(where, zh, en string) error {
	detail := fmt.Sprintf("%s (%s)", zh, en)
	return huma.Error422UnprocessableEntity(detail, &huma.ErrorDetail{Location: where, Message: detail})
}

func (s *Server) knownBase(code string) error {
	if _, ok := s.world().Registry.Base(code); !ok {
		return huma.Error404NotFound("没有登记此基地 (no such base)")
	}
	return nil
}
