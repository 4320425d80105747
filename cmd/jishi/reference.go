package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// referenceData is what figures are derived by: bases and machines, who learns there, and the calendar.
type referenceData struct {
	registry *registry.Registry
	rosters  map[string]*registry.Roster // every base has one
	calendar *calendar.Calendar
}

// roster is who learns at a base, nobody when it is not known.
func (r *referenceData) roster(base string) *registry.Roster {
	if roster := r.rosters[base]; roster != nil {
		return roster
	}
	return registry.EmptyRoster(base)
}

// joined is the registry's files with what was imported into the ledger: a base that was imported takes the place of the
// file's, but for its bridges, which are enrolled in the files.
func joined(files *registry.Registry, imported *ledger.Reference) (*referenceData, error) {
	if imported == nil || len(imported.Registry.Bases()) == 0 {
		cal, err := calendar.New()
		if imported != nil {
			cal, err = imported.Calendar, nil
		}
		if err != nil {
			return nil, err
		}
		return &referenceData{registry: files, calendar: cal}, nil
	}
	var bases []registry.Base
	for _, b := range imported.Registry.Bases() {
		if file, ok := files.Base(b.Code); ok {
			b.Bridges = file.Bridges
		}
		bases = append(bases, b)
	}
	for _, b := range files.Bases() {
		if _, ok := imported.Registry.Base(b.Code); !ok {
			bases = append(bases, b)
		}
	}
	reg, err := registry.New(bases...)
	if err != nil {
		return nil, fmt.Errorf("registry files and imported data 登记文件与导入数据冲突: %w", err)
	}
	return &referenceData{registry: reg, rosters: imported.Rosters, calendar: imported.Calendar}, nil
}

// openReference loads the reference data for one command: the registry's files, where there are any, and the ledger, where
// there is one.
func openReference(ctx context.Context, c *settings) (_ *referenceData, err error) {
	imported, err := readImported(ctx, c)
	if err != nil {
		return nil, err
	}
	files, err := openRegistry(c)
	if errors.Is(err, fs.ErrNotExist) && imported != nil && len(imported.Registry.Bases()) > 0 {
		files, err = registry.New()
	}
	if err != nil {
		return nil, err
	}
	return joined(files, imported)
}

// readImported reads what was imported into the ledger, nil when there is none.
func readImported(ctx context.Context, c *settings) (_ *ledger.Reference, err error) {
	path := c.path("ledger.path", "ledger.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // nothing was imported
	}
	l, err := ledger.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	return l.Reference(ctx, nil)
}
