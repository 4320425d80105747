package mqtt

import (
	"errors"
	"net/netip"
)

// maxConnectBytes is the largest CONNECT: names, a password, and a will.
const maxConnectBytes = 64 << 10

var errLargeConnect = errors.New("first packet is too large")

// firstPacket reads along with the header of a connection's first packet. Mochi makes room for as many bytes as a header
// announces; for someone who is not known yet that must be few.
type firstPacket struct {
	bytes  int // of the header, so far
	length int
}

// checkFirst is called with what was read, until the header is known.
func (c *conn) checkFirst(p []byte) error {
	f := c.first
	for _, b := range p {
		f.bytes++
		if f.bytes == 1 {
			continue // the kind of packet
		}
		f.length |= int(b&0x7f) << (7 * (f.bytes - 2))
		if f.length > maxConnectBytes {
			return errLargeConnect
		}
		if b&0x80 == 0 || f.bytes == 5 {
			c.first = nil
			return nil
		}
	}
	return nil
}

// remote is the address of the peer.
func (c *conn) remote() netip.Addr { return hostOf(c.RemoteAddr().String()) }

// name is who the client is, "" when it has no permit.
func (c *conn) name() string {
	if c.permit == nil {
		return ""
	}
	return c.permit.Name
}
