package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
)

// system is what the package asks of the operating system; tests put a failing one in its place.
type system interface {
	createTemp(dir, pattern string) (temporary, error)
	rename(from, to string) error
	remove(path string) error
	syncDir(dir string) error
}

type temporary interface {
	io.Writer
	Name() string
	Chmod(perm fs.FileMode) error
	Sync() error
	Close() error
}

type realSystem struct{}

func (realSystem) createTemp(dir, pattern string) (temporary, error) {
	return os.CreateTemp(dir, pattern)
}

func (realSystem) rename(from, to string) error { return os.Rename(from, to) }

func (realSystem) remove(path string) error { return os.Remove(path) }

func (realSystem) syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		// A directory cannot be opened for syncing there; NTFS journals names by itself.
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
