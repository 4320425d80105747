// Package registry is the reference data of the bases: workshops, equipment, devices, which device speaks for which
// machine at which time, opening hours, and the keys of bridges. It is for the collector (who may send), for the
// derivations (what decides a machine's state, and when a base was open) and for the board. It refuses to derive: it
// holds thresholds and state words as data and never looks at a measurement. It refuses half-good files: every mistake is
// reported with its place and what would be right, and then nothing is loaded.
//
// A Registry never changes after Load or New, so it may be used by many goroutines. What its methods return is read-only.
// Instants are milliseconds since the Unix epoch; validity is half-open, and dates are days in Asia/Shanghai.
package registry

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// ErrUnknown says that a base, bridge, workshop, equipment or device is not in the registry.
var ErrUnknown = errors.New("not in the registry (未登记)")

// Registry is a checked set of bases.
type Registry struct {
	bases  []Base // in order of code
	byCode map[string]*index
	digest string
}

// index finds the parts of one base.
type index struct {
	base      *Base
	bridges   map[string]*Bridge
	workshops map[string]*Workshop
	equipment map[string]*Equipment
	devices   map[string]*Device
	bound     map[string][]Binding // by equipment id, in order of validity
	digest    string
}

// New returns the registry of the bases, or Problems. The bases are copied on the outside and sorted; what they point to
// must not be changed afterwards.
func New(bases ...Base) (*Registry, error) {
	c := newChecker()
	places := make([]place, len(bases))
	for i := range bases {
		places[i] = c.root().item("bases", i)
	}
	return build(c, content{bases: bases, places: places})
}

// build checks what was found, each at its place, and indexes it.
func build(c *checker, found content) (*Registry, error) {
	c.bases(found.bases, found.places)
	c.events(found.bases, found.events)
	if len(c.problems) > 0 {
		return nil, c.sorted()
	}
	r := &Registry{byCode: map[string]*index{}}
	for _, b := range withEvents(found.bases, found.events) {
		r.bases = append(r.bases, normal(b))
	}
	slices.SortFunc(r.bases, func(a, b Base) int { return cmp.Compare(a.Code, b.Code) })
	for i := range r.bases {
		r.byCode[r.bases[i].Code] = newIndex(&r.bases[i])
	}
	r.digest = digestOf("jishi registry v1", r.bases)
	return r, nil
}

func newIndex(b *Base) *index {
	x := &index{
		base: b, bridges: map[string]*Bridge{}, workshops: map[string]*Workshop{}, equipment: map[string]*Equipment{},
		devices: map[string]*Device{}, bound: map[string][]Binding{}, digest: digestOf("jishi base v1", b),
	}
	for i := range b.Bridges {
		x.bridges[b.Bridges[i].ID] = &b.Bridges[i]
	}
	for i := range b.Workshops {
		x.workshops[b.Workshops[i].ID] = &b.Workshops[i]
	}
	for i := range b.Equipment {
		x.equipment[b.Equipment[i].ID] = &b.Equipment[i]
	}
	for i := range b.Devices {
		x.devices[b.Devices[i].ID] = &b.Devices[i]
	}
	for _, bind := range b.Bindings {
		if bind.Equipment != "" {
			x.bound[bind.Equipment] = append(x.bound[bind.Equipment], bind)
		}
	}
	for _, list := range x.bound {
		slices.SortStableFunc(list, func(a, b Binding) int { return cmp.Compare(a.Valid.StartMs, b.Valid.StartMs) })
	}
	return x
}

// normal returns the base with everything in an order that does not depend on the file, and defaults filled in, so that
// equal content has an equal digest.
func normal(b Base) Base {
	b.Districts = sortedBy(b.Districts, func(d District) string { return fmt.Sprintf("%020d", d.Valid.StartMs) })
	b.Hours = sortedBy(b.Hours, func(h Hours) string { return fmt.Sprintf("%020d", h.Valid.StartMs) })
	b.Exceptions = sortedBy(b.Exceptions, func(e Exception) string { return fmt.Sprintf("%020d", e.Valid.StartMs) })
	b.Bridges = sortedBy(b.Bridges, func(x Bridge) string { return x.ID })
	for i := range b.Bridges {
		b.Bridges[i].Keys = sortedBy(b.Bridges[i].Keys, func(k BridgeKey) string { return fmt.Sprintf("%020d %x", k.Valid.StartMs, k.Key) })
	}
	b.Workshops = sortedBy(b.Workshops, func(w Workshop) string { return w.ID })
	for i := range b.Workshops {
		w := &b.Workshops[i]
		w.Stations = sortedBy(w.Stations, func(s Station) string { return s.ID })
		w.Hours = sortedBy(w.Hours, func(h Hours) string { return fmt.Sprintf("%020d", h.Valid.StartMs) })
		w.Exceptions = sortedBy(w.Exceptions, func(e Exception) string { return fmt.Sprintf("%020d", e.Valid.StartMs) })
	}
	b.Equipment = sortedBy(b.Equipment, func(e Equipment) string { return e.ID })
	b.Devices = sortedBy(b.Devices, func(d Device) string { return d.ID })
	b.Bindings = sortedBy(b.Bindings, func(x Binding) string {
		return fmt.Sprintf("%s\x00%s\x00%s\x00%020d", x.Device, x.Channel, x.Use, x.Valid.StartMs)
	})
	for i := range b.Equipment {
		b.Equipment[i].fillDefaults()
	}
	return b
}

func sortedBy[T any](list []T, key func(T) string) []T {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	return list
}

func digestOf(domain string, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("registry: content cannot be written as JSON: %v", err)) // the checker admits finite numbers only
	}
	sum := sha256.Sum256(append([]byte(domain+"\n"), text...))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Digest names the content: equal for equal content whatever the order, the comments and the files, and different for
// any other. The ledger keeps it beside every figure.
func (r *Registry) Digest() string { return r.digest }

// BaseDigest is Digest for one base, "" when the base is unknown: a change of one base leaves the others' figures alone.
func (r *Registry) BaseDigest(base string) string {
	if x := r.byCode[base]; x != nil {
		return x.digest
	}
	return ""
}

// Bases returns every base in order of code.
func (r *Registry) Bases() []Base { return slices.Clone(r.bases) }

// Base returns one base.
func (r *Registry) Base(code string) (Base, bool) {
	if x := r.byCode[code]; x != nil {
		return *x.base, true
	}
	return Base{}, false
}

// EquipmentOf returns the base's equipment in order of id, nil when the base is unknown.
func (r *Registry) EquipmentOf(base string) []Equipment {
	if x := r.byCode[base]; x != nil {
		return slices.Clone(x.base.Equipment)
	}
	return nil
}

// Equipment returns one piece of equipment.
func (r *Registry) Equipment(base, id string) (Equipment, bool) {
	if x := r.byCode[base]; x != nil && x.equipment[id] != nil {
		return *x.equipment[id], true
	}
	return Equipment{}, false
}

// Device returns one device.
func (r *Registry) Device(base, id string) (Device, bool) {
	if x := r.byCode[base]; x != nil && x.devices[id] != nil {
		return *x.devices[id], true
	}
	return Device{}, false
}

// KnownDevice reports whether the base has the device.
func (r *Registry) KnownDevice(base, device string) bool {
	_, ok := r.Device(base, device)
	return ok
}

// Bridge returns one bridge with all its keys. The error is ErrUnknown.
func (r *Registry) Bridge(base, id string) (Bridge, error) {
	if x := r.byCode[base]; x != nil && x.bridges[id] != nil {
		return *x.bridges[id], nil
	}
	return Bridge{}, fmt.Errorf("bridge %q of base %q: %w", id, base, ErrUnknown)
}

// Source says what decides one thing about a piece of equipment during a span.
type Source struct {
	Span    span.Span
	Device  string
	Channel string
	// MaxSilenceMs is the registry's word on how long the device may be silent, 0 when its dialect decides.
	MaxSilenceMs int64
	// Signal is the equipment's, the same for all its sources.
	Signal Signal
}

// Sources returns what the equipment's bindings of one use say during the window, in order of time. UseState has at most
// one source at any instant; where none is returned, nothing decides, and the state is unknown. Unknown equipment has
// no sources.
func (r *Registry) Sources(base, equipment string, use Use, window span.Span) []Source {
	x := r.byCode[base]
	if x == nil || x.equipment[equipment] == nil {
		return nil
	}
	var out []Source
	for _, b := range x.bound[equipment] {
		part := b.Valid.Intersect(window)
		if b.Use != use || part.Empty() {
			continue
		}
		out = append(out, Source{
			Span: part, Device: b.Device, Channel: b.Channel,
			MaxSilenceMs: x.devices[b.Device].MaxSilence.Milliseconds(), Signal: x.equipment[equipment].Signal,
		})
	}
	return out
}

// Bound returns the device's bindings that hold at the instant, in order of channel and use: what a message of this
// device is about.
func (r *Registry) Bound(base, device string, atMs int64) []Binding {
	x := r.byCode[base]
	if x == nil {
		return nil
	}
	var out []Binding
	for _, b := range x.base.Bindings {
		if b.Device == device && b.Valid.Contains(atMs) {
			out = append(out, b)
		}
	}
	return out
}
