package load

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// refusedError is a CONNACK's return code other than 0.
type refusedError byte

func (e refusedError) Error() string { return "broker answers " + refusal(byte(e)) }

// kindOf names the kind of an error: a small closed set, for counting.
func kindOf(err error) string {
	var refused refusedError
	var timeout net.Error
	switch {
	case errors.As(err, &refused):
		return refusal(byte(refused))
	case errors.Is(err, errNotAnswer):
		return "no MQTT 3.1.1 broker"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed by the broker"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return "connection reset"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "no file descriptors left"
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EADDRINUSE):
		return "no ports left"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timed out"
	}
	return "other"
}
