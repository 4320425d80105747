package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// agent turns the lines of one machine's adapter log into the messages that an MTConnect agent's entity sink publishes.
// One agent serves one machine: its sequence numbers start at 1 and rise by one with every observation.
type agent struct {
	topic    string       // everything before the data item id
	device   *DeviceModel // nil when no Devices.xml declares the machine
	items    map[string]*published
	sequence int64
}

// published is one key's topic and the constant part of its payload.
type published struct {
	topic    string
	head     []byte // up to and including `"timestamp":"`
	category string
	fields   int
}

func newAgent(machine string, device *DeviceModel) *agent {
	uuid := machine
	if device != nil {
		uuid = device.UUID
	}
	return &agent{topic: "MTConnect/Devices/" + uuid + "/Observations/", device: device, items: map[string]*published{}}
}

// declared returns how many value fields follow the key of a declared data item, 0 when it is not declared.
func (a *agent) declared(key []byte) int {
	if p := a.items[string(key)]; p != nil {
		return p.fields
	}
	return fieldCount(a.device.Item(string(key)))
}

func fieldCount(item *DataItem) int {
	switch {
	case item == nil:
		return 0
	case item.Category == "CONDITION":
		return 5
	case item.Type == "MESSAGE" || item.Type == "ALARM":
		return 2
	}
	return 1
}

// item returns how a key is published, or nil when it cannot be part of a topic. A key that no data item declares is
// published under itself, without type and category; undeclared counts such observations by key.
func (a *agent) item(key []byte, undeclared map[string]int64) *published {
	if p := a.items[string(key)]; p != nil {
		if p.fields == 0 {
			undeclared[string(key)]++
		}
		return p
	}
	name := string(key)
	declared := a.device.Item(name)
	if declared == nil {
		undeclared[name]++
		if strings.ContainsAny(name, "/+#\x00") {
			return nil
		}
		declared = &DataItem{ID: name, Name: name}
	}
	p := &published{topic: a.topic + declared.ID, category: declared.Category, fields: fieldCount(a.device.Item(name))}
	p.head = appendMember(append(p.head, '{'), "dataItemId", []byte(declared.ID))
	for _, m := range [...][2]string{{"name", declared.Name}, {"type", declared.Type}, {"subType", declared.SubType}} {
		if m[1] != "" {
			p.head = appendMember(append(p.head, ','), m[0], []byte(m[1]))
		}
	}
	p.head = append(p.head, `,"timestamp":"`...)
	a.items[name] = p
	return p
}

// observation renders one pair as the entity sink does: the members in its order, every result a text.
func (a *agent) observation(p *published, stamp []byte, pair *shdrPair) []byte {
	a.sequence++
	out := make([]byte, 0, len(p.head)+len(stamp)+96+len(pair.Fields[0])+len(pair.Fields[4]))
	out = append(append(append(out, p.head...), stamp...), '"')
	category := p.category
	level := ""
	if pair.N == 5 {
		level, category = conditionLevel(pair.Fields[0]), "CONDITION"
	}
	if category != "" {
		out = appendMember(append(out, ','), "category", []byte(category))
	}
	if category == "CONDITION" {
		out = appendCondition(out, level, pair)
	} else {
		out = appendMember(append(out, ','), "result", pair.Fields[pair.N-1])
	}
	out = append(out, `,"sequence":`...)
	return append(strconv.AppendInt(out, a.sequence, 10), '}')
}

// appendCondition writes a condition's members; a level that the standard does not know is passed on as it was written.
func appendCondition(out []byte, level string, pair *shdrPair) []byte {
	if level == "" {
		level = string(bytes.ToUpper(pair.Fields[0]))
	}
	out = appendMember(append(out, ','), "level", []byte(level))
	if code := pair.Fields[1]; len(code) > 0 {
		out = appendMember(append(out, ','), "nativeCode", code)
		out = appendMember(append(out, ','), "conditionId", code)
	}
	if text := pair.Fields[4]; len(text) > 0 {
		out = appendMember(append(out, ','), "message", text)
	}
	return out
}

func appendMember(out []byte, name string, value []byte) []byte {
	out = append(append(append(out, '"'), name...), '"', ':')
	return appendText(out, value)
}

// appendText writes a JSON string; bytes that are not UTF-8 become the replacement character.
func appendText(out, text []byte) []byte {
	for _, c := range text {
		if c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			quoted, err := json.Marshal(string(text))
			if err != nil {
				return append(out, `""`...) // a string always marshals
			}
			return append(out, quoted...)
		}
	}
	return append(append(append(out, '"'), text...), '"')
}

// shdrSource reads one machine's adapter logs, in order, as the messages of its agent.
type shdrSource struct {
	files  []recordingFile
	agent  *agent
	counts *Counts

	in      *lines
	line    shdrLine
	queue   []Timed // the messages of the line read last, the next one first
	nowMs   int64   // the largest instant so far: the time at which the agent publishes
	skipTo  []byte  // the end mark of an asset document over several lines, nil outside
	fileNum int
}

// next implements source. A line is published at the largest time stamp read so far, so that a line with an older one,
// such as the last known values at the head of a file, does not turn time back; never before the file's day begins.
func (s *shdrSource) next() (Timed, error) {
	for len(s.queue) == 0 {
		if s.in == nil {
			if err := s.open(); err != nil {
				return Timed{}, err
			}
		}
		text, err := s.in.next()
		if errors.Is(err, io.EOF) {
			s.counts.endOf(s.files[s.fileNum-1].path, s.in)
			if err := s.close(); err != nil {
				return Timed{}, err
			}
			continue
		}
		if errors.Is(err, errLineTooLong) {
			s.counts.Lines++
			s.counts.skip(skipTooLong)
			continue
		}
		if err != nil {
			return Timed{}, fmt.Errorf("read %s: %w", s.files[s.fileNum-1].path, err)
		}
		s.read(text)
	}
	m := s.queue[0]
	s.queue = s.queue[1:]
	return m, nil
}

func (s *shdrSource) open() error {
	if s.fileNum == len(s.files) {
		return io.EOF
	}
	file := s.files[s.fileNum]
	in, err := openLines(file.path, &s.counts.Bytes)
	if err != nil {
		return err
	}
	s.in = in
	s.fileNum++
	s.nowMs = max(s.nowMs, file.dayMs)
	return nil
}

func (s *shdrSource) close() error {
	if s.in == nil {
		return nil
	}
	in := s.in
	s.in = nil
	return in.close()
}

func (s *shdrSource) read(text []byte) {
	s.counts.Lines++
	if s.inAsset(text) {
		s.counts.skip(skipAsset)
		return
	}
	if reason := parseSHDR(text, s.agent.declared, &s.line); reason != "" {
		s.counts.skipLine(reason, s.files[s.fileNum-1].path, shownLine{s.in.number, text, shdrForm})
		return
	}
	s.nowMs = max(s.nowMs, s.line.StampUs/1000)
	s.queue = s.queue[:0]
	for i := range s.line.Pairs {
		pair := &s.line.Pairs[i]
		p := s.agent.item(pair.Key, s.counts.Undeclared)
		if p == nil {
			s.counts.skip(skipMalformed)
			continue
		}
		payload := s.agent.observation(p, s.line.Stamp, pair)
		if len(payload) > maxPayload {
			s.counts.skip(skipTooLong)
			continue
		}
		s.queue = append(s.queue, Timed{AtMs: s.nowMs, Topic: p.topic, Payload: payload, current: true})
	}
}

// inAsset follows an asset document over its lines: `…|--multiline--X` up to a line `--multiline--X`.
func (s *shdrSource) inAsset(text []byte) bool {
	if s.skipTo != nil {
		if bytes.Equal(text, s.skipTo) {
			s.skipTo = nil
		}
		return true
	}
	if i := bytes.LastIndex(text, []byte("|--multiline--")); i >= 0 {
		s.skipTo = bytes.Clone(text[i+1:])
		return true
	}
	return false
}
