package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/jishi-telemetry/jishi/internal/atomicfile"
)

// FS is what the log asks of a file system. It exists so that tests can make a disk fail; the log is correct on a real
// one only under the assumptions in docs/log.md.
type FS interface {
	MkdirAll(dir string, perm fs.FileMode) error
	ReadDir(dir string) ([]fs.DirEntry, error)
	// OpenFile opens as os.OpenFile does.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	ReadFile(name string) ([]byte, error)
	// ReplaceFile puts data in the place of the file, whole and durable, or leaves the old content.
	ReplaceFile(name string, data []byte, perm fs.FileMode) error
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes the names in the directory durable.
	SyncDir(dir string) error
	// Free returns how many bytes this process may still write on the directory's disk.
	Free(dir string) (int64, error)
	// Lock takes the file for this open alone, or returns ErrLocked at once. Closing releases it.
	Lock(name string) (io.Closer, error)
}

// File is an open segment.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync returns when the data, and the size if it grew, are durable.
	Sync() error
	Truncate(size int64) error
	Stat() (fs.FileInfo, error)
}

// RealFS returns the operating system's file system, which Options use by default.
func RealFS() FS { return realFS{} }

// realFS is the operating system's file system.
type realFS struct{}

func (realFS) MkdirAll(dir string, perm fs.FileMode) error { return os.MkdirAll(dir, perm) }
func (realFS) ReadDir(dir string) ([]fs.DirEntry, error)   { return os.ReadDir(dir) }
func (realFS) ReadFile(name string) ([]byte, error)        { return os.ReadFile(name) }
func (realFS) Rename(from, to string) error                { return os.Rename(from, to) }
func (realFS) Remove(name string) error                    { return os.Remove(name) }
func (realFS) SyncDir(dir string) error                    { return atomicfile.SyncDir(dir) }
func (realFS) Free(dir string) (int64, error)              { return freeBytes(dir) }

func (realFS) ReplaceFile(name string, data []byte, perm fs.FileMode) error {
	return atomicfile.Write(name, data, perm)
}

func (realFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return realFile{f}, nil
}

func (realFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, filePerm)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		if errors.Is(err, errWouldBlock) {
			err = ErrLocked
		}
		return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), f.Close())
	}
	return heldLock{f}, nil
}

// heldLock is released before its file is closed: a child process that is being started may hold the file for a moment
// longer, and with it a lock that only went by the file.
type heldLock struct{ *os.File }

func (l heldLock) Close() error { return errors.Join(unlockFile(l.File), l.File.Close()) }

// realFile syncs data only where the system can: the time of last change is not worth a journal commit.
type realFile struct{ *os.File }

func (f realFile) Sync() error { return syncData(f.File) }
