package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrRenewing means that a renewal of the log was decided and not finished: the next Open finishes it.
var ErrRenewing = errors.New("a renewal of the log is not finished")

const (
	// stagingName is the directory in which a new log is made [L-16.2].
	stagingName = "renewal.new"
	// A marker's name says the new log's epoch and the phase [L-16.3].
	markerPrefix = "renewal-"
	phaseAside   = ".aside"  // the old log is being moved aside
	phaseMoving  = ".moving" // the new one is being moved into its place
	// asidePrefix is before the new log's epoch in the name of the directory that keeps the old one [L-16.5].
	asidePrefix = "before-"
)

// decided is a renewal that will be finished, whatever happens.
type decided struct {
	dir   string
	epoch uint64 // of the new log
	phase string
}

func (d *decided) marker() string {
	return filepath.Join(d.dir, fmt.Sprintf("%s%016x%s", markerPrefix, d.epoch, d.phase))
}

func (d *decided) aside() string {
	return filepath.Join(d.dir, fmt.Sprintf("%s%016x", asidePrefix, d.epoch))
}

// findDecided returns the renewal that a marker in the directory tells of, nil when there is none.
func findDecided(fsys FS, dir string) (*decided, error) {
	entries, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		rest, ok := strings.CutPrefix(entry.Name(), markerPrefix)
		for _, phase := range []string{phaseAside, phaseMoving} {
			digits, of := strings.CutSuffix(rest, phase)
			if !ok || !of || len(digits) != 16 || !entry.Type().IsRegular() {
				continue
			}
			if epoch, err := strconv.ParseUint(digits, 16, 64); err == nil {
				return &decided{dir: dir, epoch: epoch, phase: phase}, nil
			}
		}
	}
	return nil, nil
}

// finishRenewal does what is left of a renewal that was decided, before anything of the directory is read [L-16.4]. Each
// step may be done again after a crash.
func (r *recovery) finishRenewal() error {
	d, err := findDecided(r.l.o.FS, r.l.dir)
	if err != nil || d == nil {
		return err
	}
	r.l.log.Warn("renewal of the log is finished", "dir", d.dir, "epoch", d.epoch, "old_log", d.aside())
	if d.phase == phaseAside {
		if err := d.moveAside(r.l.o.FS); err != nil {
			return fmt.Errorf("move old log aside: %w", err)
		}
	}
	if err := d.moveIn(r.l.o.FS); err != nil {
		return fmt.Errorf("move new log into its place: %w", err)
	}
	return nil
}

// moveAside moves the old log's files. While the phase is this one, every file of a log in the directory is the old one's.
func (d *decided) moveAside(fsys FS) error {
	if err := fsys.MkdirAll(d.aside(), dirPerm); err != nil {
		return err
	}
	if err := fsys.SyncDir(d.dir); err != nil {
		return err
	}
	if err := moveLog(fsys, d.dir, d.aside()); err != nil {
		return err
	}
	was := d.marker()
	d.phase = phaseMoving
	if err := fsys.Rename(was, d.marker()); err != nil {
		return err
	}
	return fsys.SyncDir(d.dir)
}

// moveIn moves the new log's files, and removes what is left of the renewal.
func (d *decided) moveIn(fsys FS) error {
	staging := filepath.Join(d.dir, stagingName)
	if err := moveLog(fsys, staging, d.dir); err != nil {
		return err
	}
	if err := clearStaging(fsys, staging); err != nil {
		return err
	}
	if err := fsys.SyncDir(d.dir); err != nil { // the marker must not outlive the staging directory's name
		return err
	}
	if err := removed(fsys, d.marker()); err != nil {
		return err
	}
	return fsys.SyncDir(d.dir)
}

// moveLog moves the files of a log, and returns when that is durable. A directory that is gone has none.
func moveLog(fsys FS, from, to string) error {
	names, err := logFiles(fsys, from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := fsys.Rename(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
			return err
		}
	}
	return errors.Join(fsys.SyncDir(to), fsys.SyncDir(from))
}

// logFiles lists the names of a log's files: segments, state, and what was set aside as damaged.
func logFiles(fsys FS, dir string) ([]string, error) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		name := entry.Name()
		_, segment := parseSegmentName(strings.TrimSuffix(name, damagedSuffix))
		if entry.Type().IsRegular() && (segment || strings.TrimSuffix(name, damagedSuffix) == stateName) {
			names = append(names, name)
		}
	}
	return names, nil
}
