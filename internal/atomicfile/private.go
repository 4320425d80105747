package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// CreatePrivate makes a new file of mode 0600 for a secret. Its name and bytes are on disk when it returns, and a failed write
// leaves no file. It never overwrites: the error is fs.ErrExist when the file is there.
func CreatePrivate(path string, data []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// ReadPrivate reads at most limit bytes of a file with a secret, and refuses one that others than its owner can read. The
// error names the file and what to do, never what is in it; it is fs.ErrNotExist when there is none.
func ReadPrivate(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s 权限为 %#o，他人可读，请执行 chmod 600 / it has mode %#o, others can read it: run chmod 600 on it", path, mode, mode)
	}
	return io.ReadAll(io.LimitReader(f, limit))
}
