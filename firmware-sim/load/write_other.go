//go:build !unix

package load

import "syscall"

// tryWrite takes nothing: where sockets cannot be asked without waiting, a goroutine writes each message.
type tryWrite struct{}

func (*tryWrite) write(syscall.RawConn, []byte) (n int, err error) { return 0, nil }
