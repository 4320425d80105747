package spool

import (
	"bytes"
	"errors"
	"io"
	"syscall"
)

// readChunk is how much a scanner reads ahead: several blocks, so that small commits do not cost a read each.
const readChunk = 256 << 10

// scanner finds the good blocks of one segment, from off up to limit. Its buffer is bounded by the largest block.
type scanner struct {
	f     File
	epoch uint64
	off   int64  // where the next block is looked for
	limit int64  // bytes from here on are not looked at
	floor uint64 // the next block begins at this number or above
	ceil  uint64 // blocks end below this number; 0 = no bound
	skip  uint64 // blocks that end below this number are passed over unread

	known      int64  // up to here it is clear which numbers the bytes hold
	seen       uint64 // the highest number in a good header whose payload is not good
	damaged    bool   // bytes were passed over that are no good block
	unreadable bool   // the disk refused to give bytes

	buf    []byte
	bufOff int64
}

// block is a good block; its payload is valid until the scanner's next call.
type block struct {
	blockHeader
	payload []byte
	off     int64
}

// next finds the next good block, passing over damage [L-5.3]. It returns io.EOF at the limit; when the limit has been
// raised it may be called again.
func (s *scanner) next(b *block) error {
	for {
		head, err := s.window(blockHeaderLen)
		if err != nil {
			return err
		}
		if len(head) < blockHeaderLen {
			s.damaged = s.damaged || len(head) > 0
			return io.EOF
		}
		if !b.parse(head) || !s.fits(b) {
			if err := s.resync(); err != nil {
				return err
			}
			continue
		}
		if s.off+b.size() > s.limit {
			s.note(b, s.limit)
			if err := s.resync(); err != nil {
				return err
			}
			continue
		}
		if b.last() < s.skip {
			s.pass(b)
			continue
		}
		whole, err := s.window(int(b.size()))
		if err != nil {
			return err
		}
		b.payload, b.off = whole[blockHeaderLen:], s.off
		if sum(b.payload) != b.blockHeader.payload || !recordsFill(b.payload, b.count) {
			s.note(b, s.off+b.size())
			s.pass(b)
			continue
		}
		s.pass(b)
		return nil
	}
}

// fits reports whether a whole header belongs here [L-5.1].
func (s *scanner) fits(b *block) bool {
	return (s.epoch == 0 || b.epoch == s.epoch) && b.first >= s.floor && (s.ceil == 0 || b.last() < s.ceil)
}

// note remembers the numbers of a block whose payload is not good, and that the bytes up to known are accounted for.
func (s *scanner) note(b *block, known int64) {
	s.damaged = true
	s.seen = max(s.seen, b.last())
	s.known = max(s.known, known)
}

// pass goes on behind the block.
func (s *scanner) pass(b *block) {
	s.off += b.size()
	s.known = max(s.known, s.off)
	s.floor = b.last() + 1
}

// resync goes to the next place above off that holds the magic, or to where no header fits below the limit.
func (s *scanner) resync() error {
	s.damaged = true
	s.off++
	for {
		w, err := s.window(readChunk)
		if err != nil {
			return err
		}
		if i := bytes.Index(w, []byte(blockMagic)); i >= 0 {
			s.off += int64(i)
			return nil
		}
		if s.off+int64(len(w)) >= s.limit {
			// The magic may still begin in the last bytes when the limit is raised.
			s.off += int64(max(0, len(w)-len(blockMagic)+1))
			return nil
		}
		s.off += int64(len(w) - len(blockMagic) + 1)
	}
}

// window returns the n bytes at off, or what there is below the limit.
func (s *scanner) window(n int) ([]byte, error) {
	n = int(min(int64(n), max(0, s.limit-s.off)))
	if n == 0 {
		return nil, nil
	}
	if s.off < s.bufOff || s.off+int64(n) > s.bufOff+int64(len(s.buf)) {
		if err := s.load(n); err != nil {
			return nil, err
		}
	}
	at := int(s.off - s.bufOff)
	return s.buf[at : at+n], nil
}

// load fills the buffer from off, with n bytes at least.
func (s *scanner) load(n int) error {
	want := int(min(int64(max(n, readChunk)), s.limit-s.off))
	if cap(s.buf) < want {
		s.buf = make([]byte, max(want, min(2*cap(s.buf), readChunk)))
	}
	s.buf, s.bufOff = s.buf[:want], s.off
	if err := s.read(s.buf, s.off); err != nil {
		s.buf = s.buf[:0]
		return err
	}
	return nil
}

// pageSize is the unit in which a disk is asked again after it refused a longer read.
const pageSize = 4096

// read fills p. Bytes that the disk cannot give become zeros, which no sum takes for data: a bad sector costs its block
// and no more [L-1.6].
func (s *scanner) read(p []byte, off int64) error {
	n, err := s.f.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case errors.Is(err, io.EOF):
		clear(p[n:])
		return nil
	case !errors.Is(err, syscall.EIO):
		return err
	}
	for len(p) > 0 {
		piece := p[:min(len(p), pageSize-int(off%pageSize))]
		if n, err := s.f.ReadAt(piece, off); n < len(piece) {
			if err != nil && !errors.Is(err, syscall.EIO) && !errors.Is(err, io.EOF) {
				return err
			}
			clear(piece[n:])
			s.unreadable = true
		}
		p, off = p[len(piece):], off+int64(len(piece))
	}
	return nil
}
