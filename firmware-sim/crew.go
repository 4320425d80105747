package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/firmware-sim/voice"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// crew are the devices and readers of one base.
type crew struct {
	base    *scenario.Base
	members []*member
}

// member is one device or reader. A device that moves from machine to machine is one member with several stands.
type member struct {
	id       string
	identity voice.Identity
	spec     voice.Spec
	stands   []Stand
	reader   *scenario.Reader
	number   uint64 // its place at the base, for its chance
	tells    bool   // it is the one by which its machine's state is told
}

// Stand is when a device stands at a machine.
type Stand struct {
	Machine *scenario.Machine
	Role    scenario.Role
	Span    span.Span // cut to the scenario
}

// newCrew gathers devices over the machines they stand at, and readers.
func newCrew(s *scenario.Scenario, base *scenario.Base) (*crew, error) {
	c := &crew{base: base}
	byID := make(map[string]*member)
	add := func(m *member) error {
		m.number = uint64(len(c.members))
		v, identity, err := voice.New(m.spec)
		if err != nil || v == nil {
			return err
		}
		m.identity = identity
		byID[m.id] = m
		c.members = append(c.members, m)
		return nil
	}
	offset := zoneOffsetMs(s)
	for i := range base.Workshops {
		w := &base.Workshops[i]
		for j := range w.Machines {
			for k := range w.Machines[j].Devices {
				d := &w.Machines[j].Devices[k]
				if byID[d.ID] == nil {
					spec := voice.Spec{Base: base, Machine: &w.Machines[j], Device: d, ZoneOffsetMs: offset}
					if err := add(&member{id: d.ID, spec: spec}); err != nil {
						return nil, err
					}
				}
				m := byID[d.ID]
				m.stands = append(m.stands, Stand{Machine: &w.Machines[j], Role: d.Role, Span: boundsOf(s, d)})
				m.tells = m.tells || tells(&w.Machines[j], d)
			}
		}
		for j := range w.Readers {
			r := &w.Readers[j]
			spec := voice.Spec{Base: base, Reader: r, ZoneOffsetMs: offset}
			if err := add(&member{id: r.ID, reader: r, spec: spec}); err != nil {
				return nil, err
			}
		}
	}
	c.swap(s)
	for _, m := range c.members {
		slices.SortFunc(m.stands, func(a, b Stand) int { return cmp.Compare(a.Span.StartMs, b.Span.StartMs) })
	}
	return c, nil
}

// tells reports whether the machine's state is told by this device.
func tells(m *scenario.Machine, d *scenario.Device) bool {
	if d.Role == scenario.Controller {
		return true
	}
	return !slices.ContainsFunc(m.Devices, func(o scenario.Device) bool { return o.Role == scenario.Controller })
}

func boundsOf(s *scenario.Scenario, d *scenario.Device) span.Span {
	bounds := s.Span()
	if d.FromMs != 0 {
		bounds.StartMs = max(bounds.StartMs, d.FromMs)
	}
	if d.ToMs != 0 {
		bounds.EndMs = min(bounds.EndMs, d.ToMs)
	}
	return bounds
}

// swap applies the faults of that kind: from an instant on two meters stand at each other's machines.
func (c *crew) swap(s *scenario.Scenario) {
	for _, f := range s.Faults {
		if f.Kind != scenario.Swap {
			continue
		}
		for _, m := range c.members {
			if !slices.Contains(f.Devices, m.id) || len(m.stands) == 0 {
				continue
			}
			for _, other := range c.members {
				if i := slices.IndexFunc(other.stands, func(st Stand) bool { return st.Machine.ID == f.With && st.Role == scenario.Meter }); i >= 0 && other != m {
					swapStands(m, other, i, f.FromMs)
					break
				}
			}
		}
	}
}

// swapStands lets two meters change their places at an instant.
func swapStands(a, b *member, at int, ms int64) {
	mine, theirs := &a.stands[len(a.stands)-1], &b.stands[at]
	after := [2]Stand{*theirs, *mine}
	after[0].Span.StartMs, after[1].Span.StartMs = ms, ms
	mine.Span.EndMs, theirs.Span.EndMs = ms, ms
	a.stands, b.stands = append(a.stands, after[0]), append(b.stands, after[1])
}

func zoneOffsetMs(s *scenario.Scenario) int64 {
	_, seconds := time.UnixMilli(s.FromMs).In(s.Zone).Zone()
	return int64(seconds) * 1000
}
