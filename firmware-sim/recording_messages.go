package sim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// messageSource reads recordings of whole messages, one JSON object a line: what our recorder writes, what mosquitto_sub
// prints with -F %j or %J, and what others write with other names for the same members.
type messageSource struct {
	files  []recordingFile
	zone   *time.Location
	counts *Counts

	in      *lines
	fileNum int
	nowMs   int64
	ours    bool // the file begins as our recorder's do
	ended   bool // and so does it end
}

// next implements source. A message with an older time than the one before it, which recorders that stamp late write, is
// published at the time of that one.
func (s *messageSource) next() (Timed, error) {
	for {
		line, err := s.line()
		if err != nil {
			return Timed{}, err
		}
		m, about, err := parseMessage(line, s.zone)
		path, number := s.files[s.fileNum-1].path, s.in.number
		var wrong *messageError
		switch {
		case errors.As(err, &wrong) && wrong.reason == skipMalformed && s.in.torn:
			s.counts.Cut = append(s.counts.Cut, fmt.Sprintf("%s: ends in the middle of line %d", path, number))
			s.ended = true // said already
			continue
		case errors.As(err, &wrong):
			s.counts.skip(wrong.reason)
			if _, known := s.counts.Examples[wrong.reason]; !known {
				s.counts.Examples[wrong.reason] = fmt.Sprintf("%s: line %d: %.80q: %s", path, number, line, wrong.detail)
			}
			continue
		case about != nil:
			s.take(about)
			continue
		case m.Topic == ClockTopic:
			s.counts.skip(skipClock)
			continue
		}
		m.AtMs = max(m.AtMs, s.nowMs)
		s.nowMs = m.AtMs
		return m, nil
	}
}

// take heeds what a line says about the recording.
func (s *messageSource) take(about *aboutRecording) {
	s.ours = s.ours || about.Version > 0
	s.ended = s.ended || about.EndedMs > 0
	if about.LostMs > 0 || about.MissingFirst > 0 {
		s.counts.Gaps++
	}
}

// line returns the next line of any of the files, io.EOF after the last.
func (s *messageSource) line() ([]byte, error) {
	for {
		if s.in == nil {
			if s.fileNum == len(s.files) {
				return nil, io.EOF
			}
			in, err := openLines(s.files[s.fileNum].path, &s.counts.Bytes)
			if err != nil {
				return nil, err
			}
			s.in, s.ours, s.ended = in, false, false
			s.fileNum++
		}
		path := s.files[s.fileNum-1].path
		line, err := s.in.next()
		switch {
		case err == nil && len(bytes.TrimSpace(line)) == 0:
		case err == nil:
			s.counts.Lines++
			return line, nil
		case errors.Is(err, errLineTooLong):
			s.counts.Lines++
			s.counts.skip(skipTooLong)
		case errors.Is(err, io.EOF):
			s.counts.endOf(path, s.in)
			if s.ours && !s.ended && !s.in.cut {
				s.counts.Cut = append(s.counts.Cut, path+": has no last line: its recorder did not come to an end")
			}
			if err := s.close(); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("read %s: line %d: %w", path, s.in.number, err)
		}
	}
}

func (s *messageSource) close() error {
	if s.in == nil {
		return nil
	}
	in := s.in
	s.in = nil
	return in.close()
}

// aboutRecording is a line that is no message: what our recorder says about itself, or another's remarks.
type aboutRecording struct {
	// Version is 1, and marks the lines of our recorder.
	Version int `json:"jishi_recording,omitempty"`
	// BegunMs, Source and Filters are in the first line.
	BegunMs int64    `json:"begun_ms,omitempty"`
	Source  string   `json:"source,omitempty"`
	Filters []string `json:"filters,omitempty"`
	// LostMs and BackMs bound a stretch without a connection.
	LostMs int64 `json:"lost_ms,omitempty"`
	BackMs int64 `json:"back_ms,omitempty"`
	// MissingFirst and MissingLast are records that a log does not have, and Cause says why.
	MissingFirst uint64 `json:"missing_first,omitempty"`
	MissingLast  uint64 `json:"missing_last,omitempty"`
	Cause        string `json:"cause,omitempty"`
	// EndedMs and Messages are in the last line.
	EndedMs  int64 `json:"ended_ms,omitempty"`
	Messages int64 `json:"messages,omitempty"`
}

// messageError says why a line is no message.
type messageError struct{ reason, detail string }

func (e *messageError) Error() string { return e.detail }

// Members by which recorders name the same thing, in lower case without _ and -; the first that is there counts.
const (
	namesTopic   = "topic"
	namesPayload = "payload message msg value data"
	namesBase64  = "payloadbase64 payloadb64"
	namesTime    = "atms at timestamp timestampms ts tst time receivedms receivedat received datetime"
	namesRetain  = "retained retain"
)

// members are the members of a line, by their names in lower case without _ and -.
type members map[string]json.RawMessage

func (m members) first(names string) json.RawMessage {
	for name := range strings.FieldsSeq(names) {
		if value, ok := m[name]; ok {
			return value
		}
	}
	return nil
}

// isRemark reports whether a line is something else than a message and does not show whose recording it is. The error is
// that it is no line of a recording.
func isRemark(line []byte) (remark bool, err error) {
	_, about, err := parseMessage(line, time.UTC)
	return about != nil && about.Version == 0, err
}

// parseMessage reads a line. The error is a *messageError; a line without a topic is a remark about the recording.
func parseMessage(line []byte, zone *time.Location) (m Timed, about *aboutRecording, err error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(line, &raw); err != nil {
		return m, nil, &messageError{skipMalformed, "no JSON object: " + err.Error()}
	}
	all := members{}
	for name, value := range raw {
		all[strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(name))] = value
	}
	topic := all.first(namesTopic)
	if topic == nil {
		about = &aboutRecording{}
		if _, ours := raw["jishi_recording"]; ours && json.Unmarshal(line, about) != nil {
			return m, nil, &messageError{skipMalformed, `what is said with "jishi_recording" is not of version 1`}
		}
		return m, about, nil
	}
	if json.Unmarshal(topic, &m.Topic) != nil || m.Topic == "" || strings.ContainsAny(m.Topic, "+#\x00") || len(m.Topic) > maxTopic {
		return m, nil, &messageError{skipMalformed, `"topic": want a text without + and #`}
	}
	if m.Payload, err = messagePayload(all); err != nil {
		return m, nil, err
	}
	if m.AtMs, err = messageTime(all, zone); err != nil {
		return m, nil, err
	}
	if m.Retain, err = messageRetain(all); err != nil {
		return m, nil, err
	}
	m.Exact = true // nobody knows here whether the payload says a time
	return m, nil, nil
}

// messagePayload is the payload: a text, base64, or a JSON value as it stands.
func messagePayload(all members) ([]byte, error) {
	if encoded := all.first(namesBase64); encoded != nil {
		var text string
		if json.Unmarshal(encoded, &text) != nil {
			return nil, &messageError{skipMalformed, `"payload_base64": want a text`}
		}
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, &messageError{skipMalformed, `"payload_base64": ` + err.Error()}
		}
		return sized(b)
	}
	raw := all.first(namesPayload)
	switch {
	case raw == nil:
		return nil, &messageError{skipMalformed, `has no "payload", "payload_base64", "message", "msg", "value" or "data"`}
	case raw[0] == '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, &messageError{skipMalformed, `"payload": ` + err.Error()}
		}
		return sized([]byte(text))
	case string(raw) == "null":
		return nil, nil
	}
	return sized(bytes.Clone(raw))
}

func sized(b []byte) ([]byte, error) {
	if len(b) > maxPayload {
		return nil, &messageError{skipTooLong, fmt.Sprintf("payload of %d bytes: want at most %d", len(b), maxPayload)}
	}
	return b, nil
}

func messageRetain(all members) (bool, error) {
	switch raw := string(all.first(namesRetain)); raw {
	case "", "false", "0", "null":
		return false, nil
	case "true", "1":
		return true, nil
	}
	return false, &messageError{skipMalformed, `"retained": want true or false`}
}

// messageTime is the instant of a message, Unix milliseconds.
func messageTime(all members, zone *time.Location) (int64, error) {
	raw := all.first(namesTime)
	if raw == nil {
		return 0, &messageError{skipMalformed, `has no time: want a member such as "at_ms", "timestamp", "ts" or "time"`}
	}
	text := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return 0, &messageError{skipMalformed, "time: " + err.Error()}
		}
	}
	ns, ok := parseWhen(text, zone)
	if us := ns / 1000; !ok || us < earliestUs || us >= latestUs {
		return 0, &messageError{skipBadTime, fmt.Sprintf("time %.40q: want Unix seconds, milliseconds, microseconds or nanoseconds, or a date such as 2026-03-02T08:00:00Z, between 2000 and 2100", text)}
	}
	return floorDiv(ns, int64(time.Millisecond)), nil
}

// parseWhen reads a time as recorders write it: a number since 1970 whose unit shows in its size, or a date with or without
// an offset. It returns nanoseconds since 1970.
func parseWhen(text string, zone *time.Location) (ns int64, ok bool) {
	if n, ok := parseEpoch(text); ok {
		return n, true
	}
	if len(text) > len("2006-01-02") && text[len("2006-01-02")] == ' ' {
		text = strings.Replace(text, " ", "T", 1)
	}
	for _, layout := range [...]string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05"} {
		if at, err := time.ParseInLocation(layout, text, zone); err == nil && at.Year() >= 1900 && at.Year() < 2200 {
			return at.UnixNano(), true
		}
	}
	return 0, false
}

// parseEpoch reads a number since 1970 in seconds, milliseconds, microseconds or nanoseconds.
func parseEpoch(text string) (ns int64, ok bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	if n, err := strconv.ParseInt(whole, 10, 64); err == nil && n >= 0 && isDigits(fraction) {
		unit := epochUnit(n)
		ns, ok := mulUnit(n, unit)
		part := int64(0)
		for i := 0; i < min(len(fraction), 9); i++ {
			unit /= 10
			part += int64(fraction[i]-'0') * unit
		}
		return ns + part, ok
	}
	f, err := strconv.ParseFloat(text, 64) // 1.7e9
	if err != nil || !(f >= 0 && f < math.MaxInt64) {
		return 0, false
	}
	return mulUnit(int64(f), epochUnit(int64(f)))
}

func isDigits(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// epochUnit tells the unit of an instant between 2000 and 2100 by its size, nanoseconds.
func epochUnit(n int64) int64 {
	switch {
	case n < 1e11:
		return int64(time.Second)
	case n < 1e14:
		return int64(time.Millisecond)
	case n < 1e17:
		return int64(time.Microsecond)
	}
	return 1
}

func mulUnit(n, unit int64) (int64, bool) {
	if n > math.MaxInt64/unit-1 {
		return 0, false
	}
	return n * unit, true
}

func floorDiv(n, by int64) int64 {
	if q := n / by; n%by >= 0 {
		return q
	}
	return n/by - 1
}
