package api

import (
	"context"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jishi-telemetry/jishi/internal/access"
)

const (
	// cookieName is the session's cookie on the loopback; elsewhere it has the prefix that ties it to one host and to TLS.
	cookieName   = "jishi"
	securePrefix = "__Host-"
	csrfHeader   = "X-CSRF-Token"
)

// caller is who sent a request, and from where.
type caller struct {
	*access.Principal
	from   netip.Addr
	secure bool // the browser is not on this machine: cookies are for TLS only
}

type callerKey struct{}

// callerOf returns who sent the request. One that did not come through the door may do nothing.
func callerOf(ctx context.Context) caller {
	c, ok := ctx.Value(callerKey{}).(caller)
	if !ok {
		c.Principal = &access.Principal{MustChange: true}
	}
	return c
}

// door lets a request to its operation when who sent it has the permission that the operation declares. Whoever lacks the
// permission at a base is told 403, whether or not there is such a base: so nothing is learned about bases of others.
func (s *Server) door(ctx huma.Context, next func(huma.Context)) {
	c := caller{from: remoteOf(ctx), secure: !loopbackHost(ctx.Host())}
	if !safe(ctx.Method()) && crossSite(ctx) {
		s.refuse(ctx, huma.Error403Forbidden("请求来自其他网站 (the request comes from another site)"))
		return
	}
	open, err := s.open(ctx.Context())
	permission, where := needOf(ctx.Operation())
	switch {
	case err != nil:
		err = s.accessProblem(err)
	case open:
		c.Principal = access.Everyone()
		err = s.permitted(ctx, c, permission, where)
	case permission != access.Public:
		if c.Principal, err = s.principal(ctx, c.secure); err == nil {
			err = s.permitted(ctx, c, permission, where)
		}
	}
	if err != nil {
		s.refuse(ctx, err)
		return
	}
	next(huma.WithValue(ctx, callerKey{}, c))
}

// refuse answers in place of the operation.
func (s *Server) refuse(ctx huma.Context, err error) {
	var told huma.StatusError
	if !errors.As(err, &told) {
		told = huma.Error500InternalServerError(internalDetail)
	}
	if with, ok := errors.AsType[huma.HeadersError](err); ok {
		for name, values := range with.GetHeaders() {
			ctx.SetHeader(name, strings.Join(values, ", "))
		}
	}
	detail := told.Error()
	if m, ok := errors.AsType[*huma.ErrorModel](err); ok {
		detail = m.Detail
	}
	_ = huma.WriteErr(s.spec, ctx, told.GetStatus(), detail) //nolint:errcheck // the client is gone; huma says so itself
}

// principal is who shows a token or a session.
func (s *Server) principal(ctx huma.Context, secure bool) (p *access.Principal, err error) {
	if header := ctx.Header("Authorization"); header != "" {
		scheme, token, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return nil, unauthenticated("请求头 Authorization 应为 Bearer 令牌 (want Authorization: Bearer and a token)")
		}
		p, err = s.o.Access.ByToken(ctx.Context(), strings.TrimSpace(token))
	} else {
		cookie, cookieErr := huma.ReadCookie(ctx, cookieOf(secure))
		if cookieErr != nil {
			return nil, unauthenticated("请先登录 (log in first)")
		}
		p, err = s.o.Access.BySession(ctx.Context(), cookie.Value)
	}
	if errors.Is(err, access.ErrRefused) {
		return nil, unauthenticated("登录已失效，请重新登录 (the session or token has ended; log in again)")
	}
	if err != nil {
		return nil, s.accessProblem(err)
	}
	return p, nil
}

// open reports whether the service serves everyone: it has no door, or one that stands open until the first account.
func (s *Server) open(ctx context.Context) (bool, error) {
	switch {
	case s.o.Access == nil:
		return true, nil
	case !s.o.Open, s.inUse.Load():
		return false, nil
	}
	used, err := s.o.Access.InUse(ctx)
	if used {
		s.inUse.Store(true) // accounts are never deleted
	}
	return !used, err
}

// permitted says why the caller may not, nil when they may. A permission that is not there is an entry in the audit log.
func (s *Server) permitted(ctx huma.Context, c caller, permission access.Permission, where scope) error {
	base := ""
	switch {
	case c.Principal.Open() && !safe(ctx.Method()) && !loopbackHost(ctx.Host()) && !addressHost(ctx.Host()):
		// Another site's name that suddenly leads here is that site's page in a browser of ours.
		return huma.Error403Forbidden("未启用账号时，只接受以 IP 地址或 localhost 访问的改动 (without accounts, changes are taken at an IP address or localhost only)")
	case c.Principal.Open() && !ofTheData(permission) && ctx.Operation().OperationID != whoAmI:
		return huma.Error404NotFound("本服务未启用账号 (this service keeps no accounts)")
	case c.CSRF != "" && !safe(ctx.Method()) && subtle.ConstantTimeCompare([]byte(ctx.Header(csrfHeader)), []byte(c.CSRF)) != 1:
		return huma.Error403Forbidden("缺少或不符 " + csrfHeader + "，请刷新页面 (" + csrfHeader + " is missing or not this session's; reload the page)")
	case permission == access.Self:
		return nil
	case c.MustChange:
		return mustChange()
	}
	allowed := false
	switch where {
	case scopeBase:
		base = ctx.Param("base")
		allowed = c.May(permission, base)
	case scopeAny:
		allowed = c.Somewhere(permission)
	case scopeCity:
		allowed = c.May(permission, access.City)
	}
	if allowed {
		return nil
	}
	return s.forbidden(ctx.Context(), c, permission, ctx.Operation().OperationID, base)
}

// forbidden is the answer to who lacks a permission, and an entry in the audit log. base is "" for the whole city. An
// operation whose base is not in its path asks the caller's May itself, and answers with this.
func (s *Server) forbidden(ctx context.Context, c caller, permission access.Permission, operation, base string) error {
	if s.o.Access != nil {
		err := s.o.Access.Record(ctx, access.Entry{
			Actor: c.Actor(), Action: access.ActRefused, Object: operation, Base: base,
			Detail: map[string]any{"permission": string(permission), "address": c.from.String()},
		})
		if err != nil {
			s.o.Logger.Error("refusal not recorded", "err", err)
		}
	}
	return huma.Error403Forbidden("没有权限，或不属于您的基地 (no permission, or not at your base): " + string(permission))
}

// ofTheData reports whether the permission concerns the data, and not accounts and what was done with them.
func ofTheData(p access.Permission) bool {
	return !slices.Contains([]access.Permission{
		access.Public, access.Self, access.ViewAccounts, access.ManageAccounts, access.ManageSecurity, access.ReadAudit,
	}, p)
}

func mustChange() error {
	return huma.Error403Forbidden("请先修改一次性口令 (change the one-time password first)")
}

func unauthenticated(detail string) error {
	return huma.ErrorWithHeaders(huma.Error401Unauthorized(detail), http.Header{"Www-Authenticate": {"Bearer"}})
}

func safe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// crossSite reports whether a browser says that another site's page sent the request. Programs say nothing.
func crossSite(ctx huma.Context) bool {
	switch ctx.Header("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
	default:
		return true
	}
	origin := ctx.Header("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != ctx.Header("Host")
}

// remoteOf is the client's address: behind a proxy on this machine, what that proxy says.
func remoteOf(ctx huma.Context) netip.Addr {
	remote, err := netip.ParseAddrPort(ctx.RemoteAddr())
	if err != nil {
		return netip.Addr{}
	}
	addr := remote.Addr().Unmap()
	if forwarded := ctx.Header("X-Forwarded-For"); forwarded != "" && addr.IsLoopback() {
		// The last is the one that the proxy itself saw.
		last := strings.TrimSpace(forwarded[strings.LastIndex(forwarded, ",")+1:])
		if behind, err := netip.ParseAddr(last); err == nil {
			return behind.Unmap().WithZone("")
		}
	}
	return addr.WithZone("")
}

func hostOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.Trim(host, "[]")
}

// loopbackHost reports whether a browser that calls the server by this name is on the same machine.
func loopbackHost(host string) bool {
	host = hostOf(host)
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// addressHost reports whether the server is called by an address, which no other site can make its own.
func addressHost(host string) bool {
	_, err := netip.ParseAddr(hostOf(host))
	return err == nil
}

func cookieOf(secure bool) string {
	if secure {
		return securePrefix + cookieName
	}
	return cookieName
}
