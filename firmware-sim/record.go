package sim

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

// recordedLine is one message as the recorder writes it.
type recordedLine struct {
	Topic    string  `json:"topic"`
	Payload  *string `json:"payload,omitempty"`
	Base64   []byte  `json:"payload_base64,omitempty"`
	AtMs     int64   `json:"at_ms"`
	Retained bool    `json:"retained"`
	QoS      byte    `json:"qos"`
}

// Recorder writes a recording: JSON lines of messages between a first and a last line about the recording itself. A reader
// knows by the last line that nothing was cut off. It is used by one goroutine.
type Recorder struct {
	file     *os.File
	out      *bufio.Writer
	packer   packer // nil for a plain file
	buffer   bytes.Buffer
	lines    *json.Encoder
	messages int64
	flushed  time.Time
}

// packer compresses.
type packer interface {
	io.Writer
	Flush() error
	Close() error
}

// recordingMode keeps recordings to their owner: what readers say on a broker may hold the numbers of cards.
const recordingMode = 0o600

// flushEvery is how much of a recording a crash may cost.
const flushEvery = time.Second

// CreateRecording makes a new recording. A name that ends in .gz or .zst is compressed; a file that exists is an error.
// Source says where the messages come from, and filters which were asked for.
func CreateRecording(path, source string, filters []string) (*Recorder, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, recordingMode)
	if err != nil {
		return nil, fmt.Errorf("create recording: %w", err)
	}
	r := &Recorder{file: file, flushed: time.Now()}
	var to io.Writer = file
	switch {
	case strings.HasSuffix(path, ".gz"):
		r.packer = gzip.NewWriter(file)
	case strings.HasSuffix(path, ".zst"):
		if r.packer, err = zstd.NewWriter(file, zstd.WithEncoderConcurrency(1)); err != nil {
			return nil, errors.Join(fmt.Errorf("create recording: %w", err), file.Close())
		}
	}
	if r.packer != nil {
		to = r.packer
	}
	r.out = bufio.NewWriterSize(to, 64<<10)
	r.lines = json.NewEncoder(&r.buffer)
	r.lines.SetEscapeHTML(false)
	if err := r.about(&aboutRecording{BegunMs: time.Now().UnixMilli(), Source: source, Filters: filters}); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return r, nil
}

// Messages is how many messages were written.
func (r *Recorder) Messages() int64 { return r.messages }

// Write adds a message. The error names what is wrong with the file.
func (r *Recorder) Write(m *Recorded) error {
	line := recordedLine{Topic: m.Topic, AtMs: m.AtMs, Retained: m.Retained, QoS: m.QoS}
	if isText(m.Payload) {
		text := string(m.Payload)
		line.Payload = &text
	} else {
		line.Base64 = m.Payload
	}
	if err := r.line(&line); err != nil {
		return err
	}
	r.messages++
	if time.Since(r.flushed) < flushEvery {
		return nil
	}
	return r.Flush()
}

// isText says whether a payload is shown as text: what a person can read, and is not much longer in JSON than in base64.
func isText(payload []byte) bool {
	if !utf8.Valid(payload) {
		return false
	}
	for _, c := range payload {
		if c < ' ' && c != '\n' && c != '\t' && c != '\r' || c == 0x7f {
			return false
		}
	}
	return len(payload) < maxLine/4 || bytes.Count(payload, []byte{'"'})+bytes.Count(payload, []byte{'\\'}) < len(payload)/8
}

// Flush gives what was written so far to the system.
func (r *Recorder) Flush() error {
	r.flushed = time.Now()
	err := r.out.Flush()
	if err == nil && r.packer != nil {
		err = r.packer.Flush()
	}
	if err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	return nil
}

// Close writes the last line and closes the file.
func (r *Recorder) Close() error {
	err := r.about(&aboutRecording{EndedMs: time.Now().UnixMilli(), Messages: r.messages})
	if err == nil {
		err = r.Flush()
	}
	if r.packer != nil {
		err = errors.Join(err, r.packer.Close())
	}
	return errors.Join(err, r.file.Sync(), r.file.Close())
}

func (r *Recorder) about(a *aboutRecording) error {
	a.Version = 1
	return r.line(a)
}

func (r *Recorder) line(value any) error {
	r.buffer.Reset()
	if err := r.lines.Encode(value); err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	if _, err := r.out.Write(r.buffer.Bytes()); err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	return nil
}

// Recorded is a message as it was received.
type Recorded struct {
	AtMs    int64 // when it was received, Unix milliseconds
	Topic   string
	Payload []byte
	// Retained is true when the broker sent the message from its memory: nobody knows how old it is.
	Retained bool
	QoS      byte
}
