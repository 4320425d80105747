package mtconnect

import (
	"strings"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// maxItems bounds the data items remembered of one machine; large machines have some hundreds. What comes beyond is decoded
// and not remembered.
const maxItems = 2048

// header is what a document says of its agent.
type header struct {
	instance  uint64 // changes with every start of the agent; 0 when it is not said
	next      uint64 // the sequence number after the document's last
	first     uint64 // the oldest in the agent's buffer
	sender    string // good for this message only
	createdMs int64  // 0 when it is not said
}

func readHeader(v *fastjson.Value) (header, *dialect.Error) {
	h := header{
		instance: v.GetUint64("instanceId"), next: v.GetUint64("nextSequence"), first: v.GetUint64("firstSequence"),
		sender: jsondoc.Text(v.Get("sender")),
	}
	var ok bool
	if h.createdMs, ok = instantOf(v.Get("creationTime")); !ok {
		return header{}, badInstant(v.Get("creationTime"), "Header", "creationTime")
	}
	return h, nil
}

// stream is what is remembered of one machine's documents, as long as its agent runs.
type stream struct {
	instance   uint64
	sender     string
	late       lateness          // of the observations, against the agent's clock
	sampled    uint64            // the highest nextSequence of a Sample document: every observation before it has been sent
	items      map[string]uint64 // the last sequence number of each data item
	conditions map[string][]active
}

// stream returns the machine's memory, which a new start of its agent empties: sequence numbers start again.
func (d *Dialect) stream(m *machine, h header) *stream {
	s := m.stream
	if s != nil && s.instance == h.instance && s.sender == h.sender {
		return s
	}
	if s != nil && s.instance != h.instance {
		d.restarts++
	}
	m.stream = &stream{
		instance: h.instance, sender: strings.Clone(h.sender), items: make(map[string]uint64), conditions: make(map[string][]active),
	}
	return m.stream
}

// heard takes in a data item's sequence number. fresh says that no earlier document said the observation; missed, that one
// should have: the Sample documents have passed it.
func (s *stream) heard(item string, sequence uint64) (fresh, missed bool) {
	last, known := s.items[item]
	if sequence == 0 || known && sequence <= last {
		return sequence == 0, false
	}
	if known || len(s.items) < maxItems {
		s.items[item] = sequence
	}
	return true, known && sequence < s.sampled
}

// passed takes in a document's range, and reports whether the agent's buffer has left behind what was not sent yet.
func (s *stream) passed(h header, current bool) (missed bool) {
	missed = !current && s.sampled > 0 && h.first > s.sampled
	if !current {
		s.sampled = max(s.sampled, h.next)
	}
	return missed
}

// The levels of a condition.
const (
	normal  = "NORMAL"
	warning = "WARNING"
	fault   = "FAULT"
)

// maxActive bounds the conditions of one data item that are remembered as active.
const maxActive = 32

// active is one condition that is not normal: a data item may have several, told apart by their codes.
type active struct {
	code  string
	level string
}

// condition is one condition of a document.
type condition struct {
	rec      telemetry.Record // its State is the condition's own level
	code     string
	sequence uint64
}

// apply takes in a condition and returns the data item's state: the worst level of its active conditions.
func (s *stream) apply(c *condition) string {
	item := c.rec.Channel
	list := s.conditions[item]
	switch {
	case c.rec.State == Unavailable:
		delete(s.conditions, item)
		return Unavailable
	case c.rec.State == normal && c.code == "":
		list = list[:0]
	default:
		list = withoutCode(list, c.code)
		if c.rec.State != normal && len(list) < maxActive {
			list = append(list, active{code: c.code, level: c.rec.State})
		}
	}
	if len(list) == 0 {
		delete(s.conditions, item)
		return normal
	}
	if _, known := s.conditions[item]; known || len(s.conditions) < maxItems {
		s.conditions[item] = list
	}
	state := warning
	for _, a := range list {
		if a.level == fault {
			state = fault
		}
	}
	return state
}

func withoutCode(list []active, code string) []active {
	for i := range list {
		if list[i].code == code {
			return append(list[:i], list[i+1:]...)
		}
	}
	return list
}
