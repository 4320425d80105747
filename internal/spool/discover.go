package spool

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/atomicfile"
)

// The first steps of recovery: what is in the directory, and what of it belongs to this log.

// damagedSuffix is put to the name of a file that cannot belong to this log; it is never deleted.
const damagedSuffix = ".damaged"

// readState reads the state, or sets a damaged one aside [L-11.1] [L-8.4].
func (r *recovery) readState() error {
	path := filepath.Join(r.l.dir, stateName)
	data, err := r.l.o.FS.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	st, err := decodeState(data)
	if err != nil {
		return r.setAside(path, err)
	}
	r.st, r.hadState = *st, true
	return nil
}

// setAside renames a file so that nothing takes it for the log's.
func (r *recovery) setAside(path string, why error) error {
	r.l.log.Error("file set aside", "path", path, "renamed_to", path+damagedSuffix, "err", why)
	if err := r.l.o.FS.Rename(path, path+damagedSuffix); err != nil {
		return fmt.Errorf("set damaged file aside: %w", err)
	}
	return nil
}

// findSegments lists the segments and reads their headers [L-11.2].
func (r *recovery) findSegments() error {
	entries, err := r.l.o.FS.ReadDir(r.l.dir)
	if err != nil {
		return fmt.Errorf("list segments: %w", err)
	}
	for _, entry := range entries {
		path := filepath.Join(r.l.dir, entry.Name())
		if strings.HasPrefix(entry.Name(), stateName+atomicfile.Infix) {
			if err := r.l.o.FS.Remove(path); err != nil {
				return fmt.Errorf("remove unfinished state: %w", err)
			}
		}
		first, ok := parseSegmentName(entry.Name())
		if !ok || !entry.Type().IsRegular() {
			continue // [L-3.4]
		}
		s := foundSegment{segment: segment{first: first, path: path}}
		if err := r.readHeader(&s); err != nil {
			return fmt.Errorf("read segment %s: %w", entry.Name(), err)
		}
		r.segments = append(r.segments, s)
	}
	slices.SortFunc(r.segments, func(a, b foundSegment) int { return cmp.Compare(a.first, b.first) })
	return nil
}

func (r *recovery) readHeader(s *foundSegment) (err error) {
	f, err := r.l.o.FS.OpenFile(s.path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	s.size = info.Size()
	// Where the header cannot say when the segment was made, its last change can: at worst it is kept longer.
	s.createdMs = info.ModTime().UnixMilli()
	buf := make([]byte, segmentHeaderLen)
	sc := scanner{f: f}
	if err := sc.read(buf, 0); err != nil {
		return err
	}
	switch s.header, err = parseSegmentHeader(buf); {
	case err == nil:
		s.headerOK, s.createdMs = true, s.header.createdMs
	case errors.Is(err, ErrVersion):
		return err // [L-4.2]
	}
	return nil
}

// chooseEpoch takes the state's epoch, else the newest readable segment's, else a new one [L-3.5] [L-8.4].
func (r *recovery) chooseEpoch() error {
	if r.hadState {
		r.l.epoch = r.st.epoch
		return nil
	}
	for _, s := range slices.Backward(r.segments) {
		if s.headerOK && s.header.epoch != 0 {
			r.l.epoch = s.header.epoch
			return nil
		}
		t, err := r.read(s)
		if err != nil {
			return err
		}
		if t.epoch != 0 {
			r.l.epoch = t.epoch
			return nil
		}
	}
	for r.l.epoch == 0 {
		var b [8]byte
		rand.Read(b[:]) // never fails: the program ends if it does
		r.l.epoch = binary.LittleEndian.Uint64(b[:])
	}
	for _, s := range r.segments {
		if s.size == 0 {
			continue // a crash while the first segment was made
		}
		if err := r.setAside(s.path, errDamaged); err != nil {
			return err
		}
	}
	r.segments = nil
	return nil
}

// setStrangersAside takes out segments of another epoch, or under another name than their own [L-4.1] [L-11.2].
func (r *recovery) setStrangersAside() error {
	var own []foundSegment
	for _, s := range r.segments {
		if s.headerOK && (s.header.epoch != r.l.epoch || s.header.first != s.first) {
			if err := r.setAside(s.path, errors.New("segment of another log")); err != nil {
				return err
			}
			continue
		}
		own = append(own, s)
	}
	r.segments = own
	return nil
}

// deleteDropped finishes deletions that a crash interrupted: their numbers were told to be lost [L-11.2].
func (r *recovery) deleteDropped() error {
	for len(r.segments) > 1 {
		numbers := Range{r.segments[0].first, r.segments[1].first - 1}
		loss, ok, _ := r.st.lost.at(numbers.First)
		if !ok || loss.Cause != CauseDropped || loss.Last < numbers.Last {
			return nil
		}
		if err := r.l.o.FS.Remove(r.segments[0].path); err != nil {
			return fmt.Errorf("delete dropped segment: %w", err)
		}
		r.segments = r.segments[1:]
	}
	return nil
}
