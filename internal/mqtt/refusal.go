package mqtt

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// maxRefusals bounds each of the two lists of refusals: that of clients whose name is proven, and that of strangers, who
	// could otherwise push the former out with names of their invention.
	maxRefusals = 200
	// maxRefusalText bounds what is kept of a text that a client chose, in bytes.
	maxRefusalText = 128
)

// Refusal is what one client was refused for one reason, and how often.
type Refusal struct {
	// Why is the reason.
	Why Denial
	// Who is the client's name: of its permit when Proven, else the one that was claimed last.
	Who    string
	Proven bool
	// Remote is the address that it came from last.
	Remote netip.Addr
	// What was refused last: a topic, a filter, a client id; "" when there is nothing to name. It is the client's text.
	What        string
	Count       int64
	First, Last time.Time
}

// refused is one refusal to be reported.
type refused struct {
	why    Denial
	who    string
	proven bool
	remote string
	what   string
}

// refusalKey tells refusals apart: those of a proven name by it, those of strangers by their address.
type refusalKey struct {
	why    Denial
	name   string
	remote netip.Addr
}

// refusals are the recent refusals. They are safe for concurrent use.
type refusals struct {
	mu      sync.Mutex // guards what follows
	proven  map[refusalKey]*Refusal
	strange map[refusalKey]*Refusal
}

// note adds one and returns what is known of its kind now.
func (r *refusals) note(of refused, now time.Time) Refusal {
	key := refusalKey{why: of.why, remote: hostOf(of.remote)}
	if of.proven {
		key = refusalKey{why: of.why, name: of.who}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.proven == nil {
		r.proven, r.strange = make(map[refusalKey]*Refusal), make(map[refusalKey]*Refusal)
	}
	list := r.strange
	if of.proven {
		list = r.proven
	}
	entry := list[key]
	if entry == nil {
		makeRoom(list)
		entry = &Refusal{Why: of.why, Proven: of.proven, First: now}
		list[key] = entry
	}
	entry.Who, entry.Remote, entry.What = shorten(of.who), hostOf(of.remote), shorten(of.what)
	entry.Count++
	entry.Last = now
	return *entry
}

// makeRoom drops the entry that was quiet for the longest.
func makeRoom(list map[refusalKey]*Refusal) {
	if len(list) < maxRefusals {
		return
	}
	var oldest refusalKey
	var last time.Time
	for key, entry := range list {
		if last.IsZero() || entry.Last.Before(last) {
			oldest, last = key, entry.Last
		}
	}
	delete(list, oldest)
}

// recent returns copies, the latest first.
func (r *refusals) recent() []Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Refusal, 0, len(r.proven)+len(r.strange))
	for _, list := range []map[refusalKey]*Refusal{r.proven, r.strange} {
		for _, entry := range list {
			out = append(out, *entry)
		}
	}
	slices.SortFunc(out, func(a, b Refusal) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Who, b.Who), cmp.Compare(a.Why, b.Why))
	})
	return out
}

// shorten copies the beginning of a text that a client chose, as valid UTF-8.
func shorten(s string) string {
	if len(s) > maxRefusalText {
		s = s[:maxRefusalText]
	}
	return strings.Clone(strings.ToValidUTF8(s, "?"))
}

// hostOf is the address without its port; the zero Addr when it is none.
func hostOf(remote string) netip.Addr {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// Refusals returns what was refused lately, the latest first: at most 200 of clients whose name was proven, and 200 of
// others. It may be called concurrently.
func (b *Broker) Refusals() []Refusal { return b.refusals.recent() }

// refuse counts a refusal, keeps it for the operator and logs the first of a kind and then now and then.
func (b *Broker) refuse(r refused) {
	if r.why != DeniedRate {
		b.m.refused.WithLabelValues(string(r.why)).Inc()
	}
	known := b.refusals.note(r, time.Now())
	b.warn.log(refusalMessage(r.why), "why", string(r.why), "name", known.Who, "proven", r.proven,
		"remote", r.remote, "what", known.What, "count", known.Count)
}

// refusalMessage keeps the kinds apart in the log, where messages of one text are thinned out together.
func refusalMessage(why Denial) string {
	switch why {
	case DeniedRate:
		return "client is held back"
	case DeniedPublish, DeniedWill:
		return "message refused"
	case DeniedSubscribe:
		return "subscription refused"
	case DeniedOversized:
		return "oversized message refused"
	case DeniedWithdrawn:
		return "client's permit was withdrawn"
	case DeniedTLS:
		return "tls handshake failed"
	}
	return "client refused"
}

// refuseOf is refuse for a client that was admitted.
func (b *Broker) refuseOf(c *conn, why Denial, what string) {
	r := refused{why: why, remote: c.RemoteAddr().String(), what: what, who: c.clientID}
	if c.permit != nil && c.permit.Name != "" {
		r.who, r.proven = c.permit.Name, true
	}
	b.refuse(r)
}
