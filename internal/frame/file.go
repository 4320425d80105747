package frame

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// FileSuffix is how the name of a file of frames ends.
const FileSuffix = ".frames"

// alone is how a frame begins that stands in a file without its length, as it came from the broker.
const alone = "\x0a\x0d" + frameFormat

// AppendDelimited appends a frame as a file holds it: its length, then its bytes [F-10.1].
func AppendDelimited(dst, frame []byte) []byte { return protowire.AppendBytes(dst, frame) }

// FileReader reads the frames of a file, or of any stream of bytes that is laid out like one. It looks at their lengths
// only: Parse, Verify and Messages judge what it returns. It is not safe for concurrent use.
type FileReader struct {
	r      *bufio.Reader
	offset int64 // of the next byte
	buf    []byte
	err    error // why it reads no further
}

// NewFileReader returns a reader of the frames in r. It holds at most MaxFrame bytes and reads ahead.
func NewFileReader(r io.Reader) *FileReader { return &FileReader{r: bufio.NewReaderSize(r, 64<<10)} }

// Next returns the next frame's bytes, which are valid until the next call, and where they begin. The error is io.EOF at
// the end; ErrMalformed or ErrTooLarge, naming the place, where the file cannot be read on [F-10.2]; or the stream's. After
// an error every call returns it again.
func (f *FileReader) Next() (frame []byte, offset int64, err error) {
	if f.err == nil {
		f.err = f.next()
	}
	if f.err != nil {
		return nil, f.offset, f.err
	}
	offset = f.offset
	f.offset += int64(len(f.buf))
	return f.buf, offset, nil
}

func (f *FileReader) next() error {
	if f.offset == 0 {
		head, _ := f.r.Peek(len(alone)) //nolint:errcheck // what cuts it short, the reads below meet too
		if string(head) == alone {
			return f.readAlone()
		}
	}
	start := f.offset
	size, err := f.length()
	switch {
	case err != nil:
		return err
	case size == 0:
		return fmt.Errorf("at byte %d: %w", start, malformed("frame of 0 bytes, want its length and then the frame"))
	case size > MaxFrame:
		return fmt.Errorf("at byte %d: %w (is this a file of frames?)", start, tooLarge("length of the next frame", int(min(size, 1<<62)), MaxFrame))
	}
	return f.read(int(size))
}

// length reads a varint, and returns io.EOF where the file ends in order.
func (f *FileReader) length() (uint64, error) {
	start := f.offset
	var b [binary.MaxVarintLen64]byte
	for i := range b {
		c, err := f.r.ReadByte()
		if errors.Is(err, io.EOF) && i == 0 {
			return 0, io.EOF
		}
		if errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("at byte %d: %w", start, malformed("file ends within the length of a frame"))
		}
		if err != nil {
			return 0, fmt.Errorf("read length of frame at byte %d: %w", start, err)
		}
		f.offset++
		if b[i] = c; c >= 0x80 {
			continue
		}
		v, n := protowire.ConsumeVarint(b[:i+1])
		if n < 0 || n > 1 && c == 0 {
			break
		}
		return v, nil
	}
	return 0, fmt.Errorf("at byte %d: %w", start, malformed("% x is no length of a frame (is this a file of frames?)", b[:f.offset-start]))
}

func (f *FileReader) read(size int) error {
	if cap(f.buf) < size {
		f.buf = make([]byte, size)
	}
	f.buf = f.buf[:size]
	n, err := io.ReadFull(f.r, f.buf)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("at byte %d: %w", f.offset, malformed("frame is cut: %d bytes announced, %d left", size, n))
	}
	if err != nil {
		return fmt.Errorf("read frame at byte %d: %w", f.offset, err)
	}
	return nil
}

// readAlone reads a file that is one frame without its length [F-10.3].
func (f *FileReader) readAlone() error {
	b, err := io.ReadAll(io.LimitReader(f.r, MaxFrame+1))
	if err != nil {
		return fmt.Errorf("read frame: %w", err)
	}
	if len(b) > MaxFrame {
		return fmt.Errorf("at byte 0: %w", tooLarge("frame", len(b), MaxFrame))
	}
	f.buf = b
	return nil
}
