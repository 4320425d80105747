package spool_test

import (
	"errors"
	"io/fs"
	"os"
	"sync"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

var errInjected = errors.New("injected")

// step is one thing that the log asks of the disk.
type step struct {
	Op   string // open, write, read, sync, truncate, replace, rename, remove, syncdir, free
	Path string
	Off  int64
	Data []byte // what is written
}

// verdict says what becomes of a step. The zero value lets it pass.
type verdict struct {
	err   error
	short int   // of a failing write: how many bytes reach the file
	free  int64 // of free
}

// quickFS is the real file system without its syncs: what a process leaves to the next one does not need them, and a
// busy disk takes a minute for the tests otherwise. The tests of kill -9 and the benchmarks use the real one.
type quickFS struct{ spool.FS }

func newQuickFS() spool.FS { return quickFS{spool.RealFS()} }

func (q quickFS) OpenFile(name string, flag int, perm fs.FileMode) (spool.File, error) {
	f, err := q.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return quickFile{f}, nil
}

func (quickFS) SyncDir(string) error { return nil }

func (q quickFS) ReplaceFile(name string, data []byte, perm fs.FileMode) error {
	if err := os.WriteFile(name+".new", data, perm); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

type quickFile struct{ spool.File }

func (quickFile) Sync() error { return nil }

// faultFS is a file system with a judge in front of it.
type faultFS struct {
	spool.FS
	mu    sync.Mutex
	judge func(step) verdict
}

func newFaultFS(judge func(step) verdict) *faultFS {
	return &faultFS{FS: newQuickFS(), judge: judge}
}

// set puts another judge in the place of the first.
func (f *faultFS) set(judge func(step) verdict) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.judge = judge
}

func (f *faultFS) ask(s step) verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.judge == nil {
		return verdict{}
	}
	return f.judge(s)
}

func (f *faultFS) OpenFile(name string, flag int, perm fs.FileMode) (spool.File, error) {
	if v := f.ask(step{Op: "open", Path: name}); v.err != nil {
		return nil, v.err
	}
	file, err := f.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &faultFile{file, name, f}, nil
}

func (f *faultFS) ReplaceFile(name string, data []byte, perm fs.FileMode) error {
	if v := f.ask(step{Op: "replace", Path: name, Data: data}); v.err != nil {
		return v.err
	}
	return f.FS.ReplaceFile(name, data, perm)
}

func (f *faultFS) Rename(from, to string) error {
	if v := f.ask(step{Op: "rename", Path: from}); v.err != nil {
		return v.err
	}
	return f.FS.Rename(from, to)
}

func (f *faultFS) Remove(name string) error {
	if v := f.ask(step{Op: "remove", Path: name}); v.err != nil {
		return v.err
	}
	return f.FS.Remove(name)
}

func (f *faultFS) SyncDir(dir string) error {
	if v := f.ask(step{Op: "syncdir", Path: dir}); v.err != nil {
		return v.err
	}
	return f.FS.SyncDir(dir)
}

func (f *faultFS) Free(dir string) (int64, error) {
	v := f.ask(step{Op: "free", Path: dir})
	if v.free > 0 || v.err != nil {
		return v.free, v.err
	}
	return f.FS.Free(dir)
}

type faultFile struct {
	spool.File
	path string
	fs   *faultFS
}

func (f *faultFile) WriteAt(p []byte, off int64) (int, error) {
	if v := f.fs.ask(step{Op: "write", Path: f.path, Off: off, Data: p}); v.err != nil {
		n, err := f.File.WriteAt(p[:min(v.short, len(p))], off)
		return n, errors.Join(v.err, err)
	}
	return f.File.WriteAt(p, off)
}

func (f *faultFile) ReadAt(p []byte, off int64) (int, error) {
	if v := f.fs.ask(step{Op: "read", Path: f.path, Off: off, Data: p}); v.err != nil {
		return 0, v.err
	}
	return f.File.ReadAt(p, off)
}

func (f *faultFile) Sync() error {
	if v := f.fs.ask(step{Op: "sync", Path: f.path}); v.err != nil {
		return v.err
	}
	return f.File.Sync()
}

func (f *faultFile) Truncate(size int64) error {
	if v := f.fs.ask(step{Op: "truncate", Path: f.path, Off: size}); v.err != nil {
		return v.err
	}
	return f.File.Truncate(size)
}
