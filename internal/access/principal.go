package access

import "slices"

// Principal is who asks, and with what rights. It does not change and may be read by many goroutines.
type Principal struct {
	Account string // name of the account
	Display string
	// Token is the name of the API token that was shown, "" for a session.
	Token      string
	Grants     []Grant
	MustChange bool // nothing but Self is allowed before the password was changed
	// CSRF is what a session's requests that change something must send along, "" for a token.
	CSRF string

	session [32]byte // hash of the session's id
	open    bool
}

// Everyone is who asks a service that keeps no accounts: all of the data, and nothing of accounts and audit.
func Everyone() *Principal {
	return &Principal{
		Account: "everyone", Display: "未启用账号 no accounts", open: true,
		Grants: []Grant{{Officer, City}, {BaseAdmin, City}, {Evaluator, City}, {Technician, City}},
	}
}

// Open reports whether the principal stands for everyone, because there are no accounts.
func (p *Principal) Open() bool { return p.open }

// Actor is how the audit log names the principal.
func (p *Principal) Actor() string {
	if p.Token != "" {
		return p.Account + " (token " + p.Token + ")"
	}
	return p.Account
}

// May reports whether the principal has the permission at the base; at City, whether for the whole city.
func (p *Principal) May(permission Permission, base string) bool {
	switch permission {
	case Public, Self:
		return true
	}
	if p.MustChange {
		return false
	}
	return slices.ContainsFunc(p.Grants, func(g Grant) bool {
		return g.Role.Has(permission) && (g.Base == City || g.Base == base && base != "")
	})
}

// Somewhere reports whether the principal has the permission at one base at least.
func (p *Principal) Somewhere(permission Permission) bool {
	return !p.MustChange && slices.ContainsFunc(p.Grants, func(g Grant) bool { return g.Role.Has(permission) })
}
