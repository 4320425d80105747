package load

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// latePort lets the kernel choose the port when it connects instead of when it binds the source address: a port may then
// be used towards several brokers, and is found at once while there are many connections.
func latePort(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) //nolint:errcheck // without it there are fewer ports, no wrong ones
	})
}
