//go:build unix

package load

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// tryWrite writes what a socket takes at once and never waits. One belongs to one goroutine.
type tryWrite struct {
	attempt func(fd uintptr) bool // made once: a closure for each message would be garbage for each message
	b       []byte
	n       int
	err     error
}

// write returns how much the socket took, which is less than all when its buffer is full.
func (t *tryWrite) write(raw syscall.RawConn, b []byte) (n int, err error) {
	if t.attempt == nil {
		t.attempt = func(fd uintptr) bool {
			for t.n, t.err = unix.Write(int(fd), t.b); errors.Is(t.err, unix.EINTR); {
				t.n, t.err = unix.Write(int(fd), t.b)
			}
			return true // never wait
		}
	}
	t.b = b
	if err := raw.Write(t.attempt); err != nil {
		return 0, err
	}
	if errors.Is(t.err, unix.EAGAIN) {
		return 0, nil
	}
	return max(t.n, 0), t.err
}
