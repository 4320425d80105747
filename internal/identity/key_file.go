package identity

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/jishi-telemetry/jishi/internal/atomicfile"
)

const keyPerm fs.FileMode = 0o600

// ReadKeys reads a file of keys. It refuses a file that others than its owner can read, and a malformed one (ErrKeyring);
// the error is fs.ErrNotExist when there is none.
func ReadKeys(path string) (*Keyring, error) {
	text, err := readKeyFile(path)
	if err != nil {
		return nil, fmt.Errorf("read identity keys: %w", err)
	}
	k, err := ParseKeyring(text)
	if err != nil {
		return nil, fmt.Errorf("read identity keys %s: %w", path, err)
	}
	return k, nil
}

func readKeyFile(path string) ([]byte, error) {
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
		return nil, fmt.Errorf("%s: 权限为 %#o，他人可读 / mode is %#o, others can read it: run chmod 600 on it", path, mode, mode)
	}
	return io.ReadAll(io.LimitReader(f, maxKeyBytes+1))
}

// CreateKeys makes a keyring in a new file of mode 0600, which is on disk when it returns. It never overwrites: the error is
// fs.ErrExist. Whoever calls it has made sure that nothing is sealed yet: the new keys open nothing old.
func CreateKeys(path string, atMs int64) (*Keyring, error) {
	k, err := NewKeyring(atMs)
	if err != nil {
		return nil, err
	}
	if err := writeNew(path, k.text()); err != nil {
		return nil, fmt.Errorf("make identity keys: %w", err)
	}
	return k, nil
}

// writeNew creates a file whose name and bytes are on disk when it returns; a failed write leaves no file.
func writeNew(path string, b []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, keyPerm)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

// UpdateKeys replaces the keys of a file by what change makes of them: the file holds the old keys or the new, whatever
// happens. One update runs at a time: the second is refused, because a key that was overwritten would take what it
// sealed with it.
func UpdateKeys(path string, change func(*Keyring) (*Keyring, error)) (_ *Keyring, err error) {
	lock := path + ".lock"
	if err := writeNew(lock, nil); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("change identity keys: 另一进程正在更改 / another process is changing them; if none is, remove %s: %w", lock, err)
		}
		return nil, fmt.Errorf("change identity keys: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(lock)) }()
	was, err := ReadKeys(path)
	if err != nil {
		return nil, err
	}
	next, err := change(was)
	if err != nil {
		return nil, err
	}
	if err := atomicfile.Write(path, next.text(), keyPerm); err != nil {
		return nil, fmt.Errorf("change identity keys: %w", err)
	}
	return next, nil
}
