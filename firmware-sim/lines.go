package sim

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxLine bounds one line of a recording, and maxPayload what is published: brokers hang up on more, and a message that
// ends its connection could never be delivered. Longer ones are skipped and counted.
const (
	maxLine    = 512 << 10 // a payload in base64, and a topic
	maxPayload = 256 << 10
)

var errLineTooLong = errors.New("line longer than 512 KiB")

// lines reads a recording line by line: gzip, zstd or plain, whatever its name says.
type lines struct {
	file   *os.File
	unpack func() error // ends the decompression; nil when the file is plain
	in     *bufio.Reader
	long   []byte // a line that is longer than the reader's buffer
	number int64  // of the line read last, from 1
	cut    bool   // the compressed file ends in the middle
	torn   bool   // the line read last has no end
}

// countingReader counts the bytes taken from the disk, so that progress can be told against the files' sizes.
type countingReader struct {
	r io.Reader
	n *int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	*c.n += int64(n)
	return n, err
}

// openLines opens a file; bytes read from the disk are added to *read.
func openLines(path string, read *int64) (*lines, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	l := &lines{file: f}
	if err := l.open(bufio.NewReaderSize(&countingReader{r: f, n: read}, 64<<10)); err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), f.Close())
	}
	return l, nil
}

// open finds out how the file is compressed.
func (l *lines) open(raw *bufio.Reader) error {
	magic, err := raw.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		gz, err := gzip.NewReader(raw)
		if err != nil {
			return err
		}
		l.in, l.unpack = bufio.NewReaderSize(gz, 64<<10), gz.Close
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		zs, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
		if err != nil {
			return err
		}
		l.in = bufio.NewReaderSize(zs, 64<<10)
		l.unpack = func() error {
			zs.Close()
			return nil
		}
	default:
		l.in = raw
	}
	return nil
}

// next returns the next line without its end, valid until the next call; io.EOF at the end, errLineTooLong for a line
// that was skipped because of its length. A compressed file that ends in the middle ends with its last whole line.
func (l *lines) next() ([]byte, error) {
	line, err := l.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = l.readLong(line)
	}
	l.number++
	if errors.Is(err, io.ErrUnexpectedEOF) {
		l.cut = true
		return nil, io.EOF
	}
	l.torn = errors.Is(err, io.EOF)
	if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0) {
		return nil, err
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), nil
}

func (l *lines) readLong(start []byte) ([]byte, error) {
	l.long = append(l.long[:0], start...)
	tooLong := false
	for {
		more, err := l.in.ReadSlice('\n')
		if len(l.long)+len(more) > maxLine {
			tooLong = true
			l.long = l.long[:0]
		}
		if !tooLong {
			l.long = append(l.long, more...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		case tooLong:
			return nil, errLineTooLong
		}
		return l.long, err
	}
}

func (l *lines) close() error {
	var err error
	if l.unpack != nil {
		err = l.unpack()
	}
	if l.cut {
		err = nil // it says again that the end is missing
	}
	return errors.Join(err, l.file.Close())
}
