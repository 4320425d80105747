package api

import (
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

// World is the reference data of one moment, and what derives figures by it. It never changes, so that one request sees one
// world.
type World struct {
	Settler  *settle.Settler
	Registry *registry.Registry
	Calendar *calendar.Calendar
	Rosters  map[string]*registry.Roster // by base; a base without one has nobody
}

// Roster is who learns at a base, nobody when it is not known.
func (w *World) Roster(base string) *registry.Roster {
	if r := w.Rosters[base]; r != nil {
		return r
	}
	return registry.EmptyRoster(base)
}

// world is the one that is in force.
func (s *Server) world() *World {
	if s.o.World != nil {
		return s.o.World()
	}
	return &World{Settler: s.o.Settler, Registry: s.o.Registry, Calendar: s.o.Calendar}
}
