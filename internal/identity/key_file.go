package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/jishi-telemetry/jishi/internal/atomicfile"
)

const keyPerm fs.FileMode = 0o600

// ReadKeys reads a file of keys. It refuses a file that others than its owner can read, and a malformed one (ErrKeyring);
// the error is fs.ErrNotExist when there is none.
func ReadKeys(path string) (*Keyring, error) {
	text, err := atomicfile.ReadPrivate(path, maxKeyBytes+1)
	if err != nil {
		return nil, fmt.Errorf("read identity keys: %w", err)
	}
	k, err := ParseKeyring(text)
	if err != nil {
		return nil, fmt.Errorf("read identity keys %s: %w", path, err)
	}
	return k, nil
}

// CreateKeys makes a keyring in a new file of mode 0600, which is on disk when it returns. It never overwrites: the error is
// fs.ErrExist. Whoever calls it has made sure that nothing is sealed yet: the new keys open nothing old.
func CreateKeys(path string, atMs int64) (*Keyring, error) {
	k, err := NewKeyring(atMs)
	if err != nil {
		return nil, err
	}
	if err := atomicfile.CreatePrivate(path, k.text()); err != nil {
		return nil, fmt.Errorf("make identity keys: %w", err)
	}
	return k, nil
}

// UpdateKeys replaces the keys of a file by what change makes of them: the file holds the old keys or the new, whatever
// happens. One update runs at a time: the second is refused, because a key that was overwritten would take what it
// sealed with it.
func UpdateKeys(path string, change func(*Keyring) (*Keyring, error)) (_ *Keyring, err error) {
	lock := path + ".lock"
	if err := atomicfile.CreatePrivate(lock, nil); err != nil {
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
