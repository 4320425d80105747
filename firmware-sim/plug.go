package sim

import (
	"errors"
	"fmt"
	"io"
)

// plug turns the lines of a plug's recording into its messages.
type plug interface {
	// birth is what the device publishes when it connects.
	birth(atMs int64) Timed
	// form is what a line looks like.
	form() string
	// message returns the line's message, or the reason to skip the line.
	message(line []byte) (Timed, string)
}

// plugSource reads one plug's files, in order.
type plugSource struct {
	files  []recordingFile
	plug   plug
	counts *Counts

	in      *lines
	fileNum int
	born    bool
	held    *Timed // the message that follows the birth
	nowMs   int64
}

// next implements source.
func (s *plugSource) next() (Timed, error) {
	if m := s.held; m != nil {
		s.held = nil
		return *m, nil
	}
	for {
		line, err := s.line()
		if err != nil {
			return Timed{}, err
		}
		m, reason := s.plug.message(line)
		if reason != "" {
			s.counts.skipLine(reason, s.files[s.fileNum-1].path, shownLine{s.in.number, line, s.plug.form()})
			continue
		}
		m.AtMs = max(m.AtMs, s.nowMs)
		s.nowMs = m.AtMs
		if !s.born {
			s.born, s.held = true, &m
			return s.plug.birth(m.AtMs), nil
		}
		return m, nil
	}
}

// line returns the next line of any of the files, io.EOF after the last.
func (s *plugSource) line() ([]byte, error) {
	for {
		if s.in == nil {
			if s.fileNum == len(s.files) {
				return nil, io.EOF
			}
			in, err := openLines(s.files[s.fileNum].path, &s.counts.Bytes)
			if err != nil {
				return nil, err
			}
			s.in = in
			s.fileNum++
		}
		line, err := s.in.next()
		switch {
		case err == nil:
			s.counts.Lines++
			return line, nil
		case errors.Is(err, errLineTooLong):
			s.counts.Lines++
			s.counts.skip(skipTooLong)
		case errors.Is(err, io.EOF):
			s.counts.endOf(s.files[s.fileNum-1].path, s.in)
			if err := s.close(); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("read %s: %w", s.files[s.fileNum-1].path, err)
		}
	}
}

func (s *plugSource) close() error {
	if s.in == nil {
		return nil
	}
	in := s.in
	s.in = nil
	return in.close()
}
