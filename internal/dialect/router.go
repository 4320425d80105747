package dialect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Router finds the dialect of a message by its topic. It is used by one goroutine at a time, as its dialects are.
type Router struct {
	dialects []Dialect
	pins     []pin
}

type pin struct {
	prefix  string
	dialect Dialect
}

// NewRouter returns a router over the dialects. When two claim a topic, the earlier one gets it, so that dialects with
// a topic root of their own come before those that know their topics by the ending. It refuses a nil dialect, a
// repeated name and an empty list.
func NewRouter(dialects []Dialect) (*Router, error) {
	if len(dialects) == 0 {
		return nil, fmt.Errorf("router: no dialects; at least one is needed")
	}
	seen := make(map[string]bool, len(dialects))
	for i, d := range dialects {
		if d == nil {
			return nil, fmt.Errorf("router: dialect %d is nil", i)
		}
		if seen[d.Name()] {
			return nil, fmt.Errorf("router: dialect %q is given twice", d.Name())
		}
		seen[d.Name()] = true
	}
	return &Router{dialects: slices.Clone(dialects)}, nil
}

// Pin gives every topic that starts with the prefix to the named dialect, whatever the others claim; of two prefixes
// that fit, the longer one decides.
func (r *Router) Pin(prefix, name string) error {
	if prefix == "" {
		return fmt.Errorf("pin to %q: the topic prefix is empty", name)
	}
	for _, p := range r.pins {
		if p.prefix == prefix {
			return fmt.Errorf("pin %q to %q: already pinned to %q", prefix, name, p.dialect.Name())
		}
	}
	for _, d := range r.dialects {
		if d.Name() == name {
			r.pins = append(r.pins, pin{prefix: prefix, dialect: d})
			slices.SortFunc(r.pins, func(a, b pin) int { return len(b.prefix) - len(a.prefix) })
			return nil
		}
	}
	return fmt.Errorf("pin %q: no dialect is called %q", prefix, name)
}

// Find returns the dialect that reads the topic, or nil and false when none does.
func (r *Router) Find(topic string) (Dialect, bool) {
	for _, p := range r.pins {
		if strings.HasPrefix(topic, p.prefix) {
			return p.dialect, true
		}
	}
	for _, d := range r.dialects {
		if d.Claims(topic) {
			return d, true
		}
	}
	return nil, false
}

// Decode finds the message's dialect and decodes it. name is the dialect's, or "" when no dialect reads the topic, which
// is an *Error of telemetry.ReasonUnknownTopic. Errors are as Dialect.Decode says.
func (r *Router) Decode(m Message) (name string, res Result, err error) {
	d, ok := r.Find(m.Topic)
	if !ok {
		return "", Result{}, Errorf(telemetry.ReasonUnknownTopic, "no dialect reads the topic %s", Quote(m.Topic))
	}
	res, err = d.Decode(m)
	return d.Name(), res, err
}

// Poll returns the requests of all dialects that are due at the instant nowMs.
func (r *Router) Poll(nowMs int64) []Request {
	var due []Request
	for _, d := range r.dialects {
		due = append(due, d.Poll(nowMs)...)
	}
	return due
}

// Announce returns what the dialects that are seen on the broker publish when the bridge begins to listen.
func (r *Router) Announce(nowMs int64) []Request {
	var all []Request
	for _, d := range r.dialects {
		if a, ok := d.(Announcer); ok {
			all = append(all, a.Announce(nowMs)...)
		}
	}
	return all
}

// Farewell returns what those dialects publish when the bridge stops listening, or the broker for it when it dies.
func (r *Router) Farewell(nowMs int64) []Request {
	var all []Request
	for _, d := range r.dialects {
		if a, ok := d.(Announcer); ok {
			all = append(all, a.Farewell(nowMs)...)
		}
	}
	return all
}

// Dialects returns the router's dialects in their order.
func (r *Router) Dialects() []Dialect { return slices.Clone(r.dialects) }
