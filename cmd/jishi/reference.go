package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// joined is the registry's files with what was imported into the ledger: a base that was imported takes the place of the
// file's, but for its bridges, which are enrolled in the files. imported may be nil.
func joined(files *registry.Registry, imported *ledger.Reference) (*ledger.Reference, error) {
	if imported == nil {
		cal, err := calendar.New()
		return &ledger.Reference{Registry: files, Calendar: cal}, err
	}
	if len(imported.Registry.Bases()) == 0 {
		return &ledger.Reference{Version: imported.Version, Registry: files, Calendar: imported.Calendar}, nil
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
	return &ledger.Reference{Version: imported.Version, Registry: reg, Rosters: imported.Rosters, Calendar: imported.Calendar}, nil
}

// rosterOf is who learns at a base, nobody when it is not known.
func rosterOf(r *ledger.Reference, base string) *registry.Roster {
	if roster := r.Rosters[base]; roster != nil {
		return roster
	}
	return registry.EmptyRoster(base)
}

// openReference loads the reference data for one command: the registry's files, where there are any, and the ledger, where
// there is one.
func openReference(ctx context.Context, c *settings) (_ *ledger.Reference, err error) {
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

// liveReference follows the registry's files and the ledger.
type liveReference struct {
	files    *registry.Live
	imported *ledger.LiveReference
	log      *slog.Logger

	mu      sync.Mutex // guards what follows
	from    *registry.Registry
	over    *ledger.Reference
	current *ledger.Reference
}

// followReference follows what was imported into the ledger, over the registry's files.
func (p *process) followReference(ctx context.Context, files *registry.Live, l *ledger.Ledger) (*liveReference, error) {
	imported, err := ledger.OpenLive(ctx, l, ledger.LiveOptions{Logger: p.log.With("part", "reference"), Registerer: p.metrics})
	if err != nil {
		return nil, err
	}
	r := &liveReference{files: files, imported: imported, log: p.log.With("part", "reference")}
	r.from, r.over = files.Current(), imported.Current()
	if r.current, err = joined(r.from, r.over); err != nil {
		return nil, err
	}
	p.stack.Go(ctx, "reference", imported.Run)
	return r, nil
}

// Current is the reference data in force. Where files and ledger do not go together, what was before stays.
func (r *liveReference) Current() *ledger.Reference {
	r.mu.Lock()
	defer r.mu.Unlock()
	from, over := r.files.Current(), r.imported.Current()
	if from == r.from && over == r.over {
		return r.current
	}
	r.from, r.over = from, over
	now, err := joined(from, over)
	if err != nil {
		r.log.Error("changed reference data is not good, what it said before stays in force", "err", err)
		return r.current
	}
	r.current = now
	return now
}
