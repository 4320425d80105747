package frame

import (
	"crypto/sha256"
	"encoding/binary"
)

// ChainStart returns the chain hash before the first message of a log with this epoch [F-3.1].
func ChainStart(epoch uint64) [32]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte("jishi log 1"), epoch))
}

// ChainNext returns the chain hash after the message with this sequence number and these canonical bytes [F-3.2].
func ChainNext(before [32]byte, seq uint64, body []byte) [32]byte {
	var c chainer
	return c.next(before, seq, body)
}

// chainer hashes message after message in one growing buffer.
type chainer struct{ buf []byte }

// start prepares the buffer for a message; the caller appends the body to what it returns and hands it to sum.
func (c *chainer) start(before [32]byte, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(append(c.buf[:0], before[:]...), seq)
}

func (c *chainer) sum(b []byte) [32]byte {
	c.buf = b
	return sha256.Sum256(b)
}

func (c *chainer) next(before [32]byte, seq uint64, body []byte) [32]byte {
	return c.sum(append(c.start(before, seq), body...))
}
