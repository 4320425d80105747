package spool

import (
	"crypto/sha256"
	"encoding/binary"
)

// ChainStart returns the chain before record 1 of an epoch [L-7.1].
func ChainStart(epoch uint64) [32]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte("jishi log 1"), epoch))
}

// chainer computes the chain from record to record. It is not safe for concurrent use.
type chainer struct{ buf []byte }

// next returns the chain after the record [L-7.1]. The parts are copied into one buffer because a single call on
// contiguous bytes costs half of what the streaming hash does for small bodies.
func (c *chainer) next(before *[32]byte, seq uint64, body []byte) [32]byte {
	b := append(c.buf[:0], before[:]...)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = append(b, body...)
	c.buf = b
	return sha256.Sum256(b)
}
