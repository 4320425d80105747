package credential

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/obs"
)

// Why a client is not admitted.
const (
	DeniedAnonymous   mqtt.Denial = "anonymous"
	DeniedBusy        mqtt.Denial = "busy"
	DeniedCertificate mqtt.Denial = "certificate"
	DeniedDisabled    mqtt.Denial = "disabled"
	DeniedExpired     mqtt.Denial = "expired"
	DeniedName        mqtt.Denial = "unknown_name"
	DeniedPassword    mqtt.Denial = "wrong_password"
	DeniedThrottled   mqtt.Denial = "throttled"
)

// Admit is the Admit of mqtt.BrokerOptions. To someone who does not know the password, a wrong one, an unknown name and one
// that is disabled look the same and take the same time; every refusal comes after a pause. The reason is for the operator
// alone.
func (k *Keeper) Admit(ctx context.Context, l mqtt.Login) (*mqtt.Permit, mqtt.Denial) {
	if p := k.admitLink(l); p != nil {
		return p, ""
	}
	p, denied := k.admit(ctx, l)
	if denied != "" {
		pause(ctx, failurePause)
	}
	return p, denied
}

func (k *Keeper) admit(ctx context.Context, l mqtt.Login) (*mqtt.Permit, mqtt.Denial) {
	r := k.current.Load()
	switch {
	case r == nil && k.o.Anonymous:
		return k.anonymous(), ""
	case r == nil:
		return nil, DeniedAnonymous
	case l.Certificate != nil:
		return k.admitCertificate(r, l)
	case l.Username == "":
		return nil, DeniedAnonymous
	}
	e, s, denied := k.checkPassword(ctx, r, l)
	if denied != "" {
		return nil, denied
	}
	return k.permit(e, l, proven{by: s.text, notAfter: s.notAfter})
}

func (k *Keeper) admitCertificate(r *roll, l mqtt.Login) (*mqtt.Permit, mqtt.Denial) {
	for _, identity := range identitiesOf(l.Certificate) {
		if e := r.identities[identity]; e != nil {
			return k.permit(e, l, proven{by: identity.String(), notAfter: l.Certificate.NotAfter})
		}
	}
	return nil, DeniedCertificate
}

// permit is for a client whose name is proven.
func (k *Keeper) permit(e *entry, l mqtt.Login, how proven) (*mqtt.Permit, mqtt.Denial) {
	if e.Disabled {
		return nil, DeniedDisabled
	}
	if len(e.ClientIDs) > 0 && !slices.Contains(e.ClientIDs, l.ClientID) {
		return nil, mqtt.DeniedClientID
	}
	t, name, rights := topicsOf(e.Device), e.Name, e.rights
	return &mqtt.Permit{
		Name:              name,
		MayPublish:        k.unreserved(covered(compile(t.publish, name, l.ClientID, k.o.Base))),
		MayRead:           k.unreserved(covered(compile(t.subscribe, name, l.ClientID, k.o.Base))),
		Withdrawn:         func() string { return k.current.Load().holds(name, rights, how, k.o.Now()) },
		MessagesPerSecond: e.allowance.MessagesPerSecond,
		Burst:             e.allowance.Burst,
		MaxPayloadBytes:   e.allowance.MaxPayloadBytes,
		MaxConnections:    e.allowance.MaxConnections,
	}, ""
}

// unreserved leaves out what is for links alone. A wider filter may be subscribed to: each message is asked about again.
func (k *Keeper) unreserved(allowed func(topic string) bool) func(topic string) bool {
	return func(topic string) bool { return allowed(topic) && !k.o.Reserved(topic) }
}

// anonymous is for everyone while there is no file.
func (k *Keeper) anonymous() *mqtt.Permit {
	everything := k.unreserved(func(string) bool { return true })
	return &mqtt.Permit{MayPublish: everything, MayRead: everything, Withdrawn: func() string {
		if k.Configured() {
			return "credentials are needed now"
		}
		return ""
	}}
}

// linkPrefix begins the names of links, which no entry may have.
const linkPrefix = "jishi-"

// link is a connection of the process to its own broker.
type link struct {
	password string
	permit   *mqtt.Permit
}

// Link makes a name and a password for a connection that the process itself makes to the broker. They are in memory only.
// The filters have no placeholders; reserved topics are not out of its reach.
func (k *Keeper) Link(name string, publish, subscribe []string) (username string, password obs.Secret) {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // it never returns an error
	secret := hex.EncodeToString(raw)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.links[linkPrefix+name] = link{password: secret, permit: &mqtt.Permit{
		Name:       linkPrefix + name,
		MayPublish: covered(compile(publish, "", "", "")),
		MayRead:    covered(compile(subscribe, "", "", "")),
	}}
	return linkPrefix + name, obs.Secret(secret)
}

// admitLink returns nil for everyone who is not a link.
func (k *Keeper) admitLink(l mqtt.Login) *mqtt.Permit {
	k.mu.Lock()
	own, ok := k.links[l.Username]
	k.mu.Unlock()
	if !ok || subtle.ConstantTimeCompare([]byte(own.password), l.Password) != 1 {
		return nil
	}
	return own.permit
}

// checkPassword finds the entry of the name, and which of its passwords was shown.
func (k *Keeper) checkPassword(ctx context.Context, r *roll, l mqtt.Login) (*entry, *secret, mqtt.Denial) {
	e := r.entries[l.Username]
	mac := hmac.New(sha256.New, k.key[:])
	_, _ = mac.Write(l.Password) // a hash takes everything
	digest := [32]byte(mac.Sum(nil))
	if s := e.remembered(&digest); s != nil && !s.ended(k.o.Now()) {
		k.m.checks.WithLabelValues("remembered").Inc()
		return e, s, ""
	}
	s, denied := k.checkSlowly(ctx, r, e, l)
	if denied != "" {
		return nil, nil, denied
	}
	s.proof.Store(&digest)
	return e, s, ""
}

// remembered returns the secret whose password has this digest, if it was shown before.
func (e *entry) remembered(digest *[32]byte) *secret {
	if e == nil {
		return nil
	}
	for _, s := range e.secrets {
		if proof := s.proof.Load(); proof != nil && hmac.Equal(proof[:], digest[:]) {
			return s
		}
	}
	return nil
}

// checkSlowly computes hashes, as many for a failure whatever its kind is.
func (k *Keeper) checkSlowly(ctx context.Context, r *roll, e *entry, l mqtt.Login) (*secret, mqtt.Denial) {
	if len(l.Password) > MaxPasswordBytes {
		return nil, DeniedPassword
	}
	if !k.guess.begin(l.Remote, k.o.Now()) {
		return nil, DeniedThrottled
	}
	if !k.guess.acquire(ctx) {
		k.guess.succeeded(l.Remote) // nobody has looked at it
		return nil, DeniedBusy
	}
	defer k.guess.release()
	k.m.checks.WithLabelValues("computed").Inc()
	found := compare(r, e, func(h Hash) bool { return h.Matches(l.Password) })
	switch {
	case e == nil:
		return nil, DeniedName
	case found == nil:
		return nil, DeniedPassword
	case found.ended(k.o.Now()):
		return nil, DeniedExpired
	}
	k.guess.succeeded(l.Remote)
	return found, ""
}

// compare returns the secret that matches. When none does, it has computed as many hashes as for any other name.
func compare(r *roll, e *entry, matches func(Hash) bool) *secret {
	done := 0
	if e != nil {
		for _, s := range e.secrets {
			done++
			if matches(s.hash) {
				return s
			}
		}
	}
	decoy := Hash{cost: r.cost, salt: "0123456789abcdef", sum: string(make([]byte, sumBytes))}
	for ; done < r.rounds; done++ {
		_ = matches(decoy)
	}
	return nil
}
