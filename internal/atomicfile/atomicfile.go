// Package atomicfile replaces files as a whole, for every component that keeps durable state outside the log: after a
// crash at any moment the file holds its old content or its new content, never a mixture and never nothing. It refuses
// to guess: a file appears under its name only when Commit was called, and never by Close, a defer or an error path.
//
// The order is: write beside, sync the file, close, rename, sync the directory. The directory must allow files beside
// the target, on the same file system.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrDone is returned when a file is used after Commit or Abort.
var ErrDone = errors.New("file is already committed or aborted")

// Infix is between a target's name and the random end of its temporary file: "state" is written as "state.tmp-123".
const Infix = ".tmp-"

// File is a new content on its way to replace a file. It is not safe for concurrent use.
type File struct {
	path string
	perm fs.FileMode
	temp temporary
	sys  system
	err  error // the first failed write: a content with a hole is never committed
	done bool
}

// Create begins a new content for path, which need not exist. The caller writes it and then calls Commit or Abort;
// deferring Abort is right, because after Commit it does nothing.
func Create(path string, perm fs.FileMode) (*File, error) {
	return create(path, perm, realSystem{})
}

func create(path string, perm fs.FileMode, sys system) (*File, error) {
	temp, err := sys.createTemp(filepath.Dir(path), filepath.Base(path)+Infix+"*")
	if err != nil {
		return nil, fmt.Errorf("create file beside %s: %w", path, err)
	}
	return &File{path: path, perm: perm, temp: temp, sys: sys}, nil
}

// Write appends to the new content. After an error nothing more is written and Commit fails.
func (f *File) Write(p []byte) (int, error) {
	if f.done {
		return 0, ErrDone
	}
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.temp.Write(p)
	if err != nil {
		f.err = fmt.Errorf("write %s: %w", f.temp.Name(), err)
	}
	return n, f.err
}

// Commit puts the new content in the place of the old one and returns when it is durable. On an error before the rename
// the old file is untouched and the new content is removed. When only the directory could not be synced, the new content
// is in place but may be gone after a loss of power: the error says so, and the caller treats it as not replaced.
func (f *File) Commit() error {
	if f.done {
		return ErrDone
	}
	f.done = true
	if err := f.finish(); err != nil {
		return errors.Join(err, f.remove())
	}
	if err := f.sys.rename(f.temp.Name(), f.path); err != nil {
		return errors.Join(fmt.Errorf("replace %s: %w", f.path, err), f.remove())
	}
	if err := f.sys.syncDir(filepath.Dir(f.path)); err != nil {
		return fmt.Errorf("sync directory of replaced %s: %w", f.path, err)
	}
	return nil
}

// finish makes the temporary file whole and durable, and closes it whatever happens.
func (f *File) finish() error {
	err := f.err
	if err == nil {
		err = f.temp.Chmod(f.perm)
	}
	if err == nil {
		err = f.temp.Sync()
	}
	if closeErr := f.temp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("finish new content of %s: %w", f.path, err)
	}
	return nil
}

// Abort throws the new content away and leaves the old file as it is. After Commit or Abort it does nothing.
func (f *File) Abort() error {
	if f.done {
		return nil
	}
	f.done = true
	return errors.Join(f.temp.Close(), f.remove())
}

func (f *File) remove() error {
	if err := f.sys.remove(f.temp.Name()); err != nil {
		return fmt.Errorf("remove unfinished file: %w", err)
	}
	return nil
}

// Write replaces the file at path with data, durably, as Create, Write and Commit do.
func Write(path string, data []byte, perm fs.FileMode) error {
	return write(path, data, perm, realSystem{})
}

func write(path string, data []byte, perm fs.FileMode, sys system) error {
	f, err := create(path, perm, sys)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Abort())
	}
	return f.Commit()
}

// SyncDir makes the names in a directory durable: the files created, renamed and removed in it until now.
func SyncDir(dir string) error {
	return realSystem{}.syncDir(dir)
}

// Sweep removes what a crash left of unfinished contents for path. Nobody may be writing path at the time.
func Sweep(path string) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("look for unfinished files: %w", err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), filepath.Base(path)+Infix) {
			if err := os.Remove(filepath.Join(filepath.Dir(path), entry.Name())); err != nil {
				return fmt.Errorf("remove unfinished file: %w", err)
			}
		}
	}
	return nil
}
