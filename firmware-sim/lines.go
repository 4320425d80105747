package sim

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
)

// maxLine bounds one line of a recording, and maxPayload what is published: brokers hang up on more, and a message that
// ends its connection could never be delivered. Longer ones are skipped and counted.
const (
	maxLine    = 256 << 10
	maxPayload = 256 << 10
)

var errLineTooLong = errors.New("line longer than 256 KiB")

// lines reads a recording line by line, gzip or plain, whatever its name says.
type lines struct {
	file    *os.File
	counted *countingReader
	gz      *gzip.Reader // nil when the file is plain
	in      *bufio.Reader
	long    []byte // a line that is longer than the reader's buffer
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
	l := &lines{file: f, counted: &countingReader{r: f, n: read}}
	raw := bufio.NewReaderSize(l.counted, 64<<10)
	magic, err := raw.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), f.Close())
	}
	if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		l.in = raw
		return l, nil
	}
	if l.gz, err = gzip.NewReader(raw); err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), f.Close())
	}
	l.in = bufio.NewReaderSize(l.gz, 64<<10)
	return l, nil
}

// next returns the next line without its end, valid until the next call; io.EOF at the end, errLineTooLong for a line
// that was skipped because of its length.
func (l *lines) next() ([]byte, error) {
	line, err := l.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = l.readLong(line)
	}
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
	if l.gz != nil {
		return errors.Join(l.gz.Close(), l.file.Close())
	}
	return l.file.Close()
}
