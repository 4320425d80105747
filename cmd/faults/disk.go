package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// errInjected is the disk's answer to what it is told to refuse.
var errInjected = errors.New("injected")

// disk is the real file system with a fault in it, and without real syncs: what one process leaves to the next does not
// need them, and thousands of logs are opened here. Each open log has a disk of its own.
type disk struct {
	spool.FS

	mu    sync.Mutex // guards the rest
	fault fault
	steps int // writes or syncs of segments so far
	hit   bool
}

// fault is what a disk does wrong. The zero value is nothing.
type fault struct {
	op   string // "write" or "sync"
	at   int    // the how-many-th, from 1
	err  error
	part float64 // of a failing write: the part of its bytes that reaches the file, 0 to 1
	// forget: with the failing sync everything is gone that was written since the last good one, as it is when the kernel
	// marks pages clean that it could not write.
	forget bool
}

func newDisk(f fault) *disk { return &disk{FS: spool.RealFS(), fault: f} }

// wasHit reports whether the fault has happened.
func (d *disk) wasHit() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hit
}

// fails counts one operation, and reports whether it is the one that goes wrong.
func (d *disk) fails(op string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if op != d.fault.op {
		return false
	}
	d.steps++
	if d.steps != d.fault.at {
		return false
	}
	d.hit = true
	return true
}

// OpenFile implements spool.FS.
func (d *disk) OpenFile(name string, flag int, perm fs.FileMode) (spool.File, error) {
	f, err := d.FS.OpenFile(name, flag, perm)
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &segment{File: f, disk: d, safe: info.Size()}, nil
}

// SyncDir implements spool.FS.
func (*disk) SyncDir(string) error { return nil }

// ReplaceFile implements spool.FS.
func (*disk) ReplaceFile(name string, data []byte, perm fs.FileMode) error {
	if err := os.WriteFile(name+".new", data, perm); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// segment is one file of the log. The log has one writer.
type segment struct {
	spool.File
	disk *disk
	safe int64 // its size at the last good sync
}

// WriteAt implements spool.File.
func (s *segment) WriteAt(p []byte, off int64) (int, error) {
	if !s.disk.fails("write") {
		return s.File.WriteAt(p, off)
	}
	n, err := s.File.WriteAt(p[:int(float64(len(p))*s.disk.fault.part)], off)
	return n, errors.Join(s.disk.fault.err, err)
}

// Sync implements spool.File.
func (s *segment) Sync() error {
	if s.disk.fails("sync") {
		if s.disk.fault.forget {
			return errors.Join(s.disk.fault.err, s.Truncate(s.safe))
		}
		return s.disk.fault.err
	}
	info, err := s.Stat()
	if err == nil {
		s.safe = info.Size()
	}
	return err
}
