package spool

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncData makes the data and size of a file durable. An interrupted call has synced nothing for certain and reported
// nothing, so it alone may be repeated [L-9.3].
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
