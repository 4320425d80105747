package api

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jishi-telemetry/jishi/internal/access"
)

// scope is where a permission must be held for an operation.
type scope string

const (
	// scopeBase: at the {base} of the path. Every operation with a {base} has it.
	scopeBase scope = "base"
	// scopeCity: in the whole city. Every operation without a {base} has it, unless it says otherwise.
	scopeCity scope = "city"
	// scopeAny: at some base. The operation itself leaves out what is not in the caller's scope.
	scopeAny scope = "any"
)

// The extensions of the description that say what an operation asks of who calls it.
const (
	xPermission = "x-permission"
	xScope      = "x-scope"
)

// operation describes an operation and what it asks of who calls it: the permission, at the {base} of its path or else in
// the whole city. An operation that declares none is refused to everyone.
func operation(method, id, path, summary string, permission access.Permission) huma.Operation {
	op := huma.Operation{
		OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary,
		Errors: []int{
			http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusServiceUnavailable,
		},
		Security:   []map[string][]string{{"session": {}}, {"token": {}}},
		Extensions: map[string]any{xPermission: string(permission), xScope: string(scopeCity)},
	}
	switch {
	case permission == access.Public:
		op.Security = []map[string][]string{}
		delete(op.Extensions, xScope)
	case permission == access.Self:
		delete(op.Extensions, xScope)
	case strings.Contains(path, "{base}"):
		op.Extensions[xScope] = string(scopeBase)
	}
	if method != http.MethodGet {
		op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	return op
}

// filtered is for an operation that answers with what lies in the caller's scope and leaves out the rest.
func filtered(op huma.Operation) huma.Operation {
	op.Extensions[xScope] = string(scopeAny)
	return op
}

// secret is for an operation whose body holds a password: no error repeats it.
func secret(op huma.Operation) huma.Operation {
	op.Metadata = map[string]any{secretBody: true}
	return op
}

const secretBody = "secret body"

// also adds statuses that an operation answers with.
func also(op huma.Operation, statuses ...int) huma.Operation {
	op.Errors = append(op.Errors, statuses...)
	return op
}

// needOf is what the operation declared.
func needOf(op *huma.Operation) (access.Permission, scope) {
	permission, _ := op.Extensions[xPermission].(string)
	where, _ := op.Extensions[xScope].(string)
	return access.Permission(permission), scope(where)
}

// securitySchemes are the two ways in.
func securitySchemes() map[string]*huma.SecurityScheme {
	return map[string]*huma.SecurityScheme{
		"session": {
			Type: "apiKey", In: "cookie", Name: cookieName,
			Description: "Cookie of POST /api/v1/session, for browsers; off the loopback its name is __Host-" + cookieName + ". What changes something sends " + csrfHeader + " along. 浏览器会话",
		},
		"token": {Type: "http", Scheme: "bearer", Description: "API token of POST /api/v1/tokens or `jishi account token add`. 接口令牌"},
	}
}
