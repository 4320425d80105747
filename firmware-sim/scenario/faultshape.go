package scenario

import (
	"slices"
	"time"
)

// unit is what a fault's rate counts.
type unit uint8

const (
	always unit = iota // no rate: it is there all the time, or once
	share              // of messages or values, 0 to 1
	perDay             // of each device, or of the base
)

// maxPerDay bounds a rate per day.
const maxPerDay = 1000

// extent is what a fault can hit.
type extent uint8

const (
	anything  extent = iota // devices and readers
	machines                // devices at machines
	readers                 // badge readers
	wholeBase               // no device in particular
)

// faultShape says which fields a kind of fault takes, and what they are when the file says nothing.
type faultShape struct {
	kind FaultKind
	unit unit
	rate float64
	hits extent
	// lasts is the usual for; 0: the kind has none.
	lasts time.Duration
	// by is the usual by between bounds; the zero value: the kind has none.
	by amount
	// able says which of them it can hit; nil is all.
	able func(target) bool
	// only says so in words.
	only wrong
}

// amount is a figure with its bounds; byZh and byEn say what it is.
type amount struct {
	usual, least, most float64
	zh, en             string
}

// target is what a fault may hit.
type target struct {
	id      string
	dialect Dialect
	reader  bool
	kind    string // of a reader's hardware
	role    Role
}

// faultShapes is the table of faults.
func faultShapes() []faultShape {
	seconds := amount{600, -366 * 86400, 366 * 86400, "秒", "seconds"}
	gain := amount{5, -3600, 3600, "每天快的秒数", "seconds gained a day"}
	times := amount{10, 1.01, 1000, "倍数", "times as high"}
	clock := wrong{"报文带时间的终端", "devices whose messages say the time"}
	return []faultShape{
		{kind: Duplicate, unit: share, rate: 0.05},
		{kind: Drop, unit: share, rate: 0.02},
		{kind: Reorder, unit: share, rate: 0.02},
		{kind: Delay, unit: share, rate: 0.05, lasts: 30 * time.Second},
		{kind: OfflineBurst, unit: perDay, rate: 1, lasts: 20 * time.Minute},
		{kind: Reboot, unit: perDay, rate: 2},
		{kind: Clock1970, unit: perDay, rate: 1, lasts: 2 * time.Minute, able: target.saysTime, only: clock},
		{kind: LocalTime, able: target.saysUTC, only: wrong{"报文带 UTC 时间的终端", "devices whose messages say the time in UTC"}},
		{kind: Drift, by: gain, able: target.saysTime, only: clock},
		{kind: ClockJump, unit: perDay, rate: 1, lasts: 10 * time.Minute, by: seconds, able: target.saysTime, only: clock},
		{kind: Stuck, unit: perDay, rate: 1, hits: machines, lasts: 10 * time.Minute},
		{kind: Spike, unit: share, rate: 0.001, hits: machines, by: times},
		{kind: Swap, hits: machines, able: target.isMeter, only: wrong{"电表", "meters"}},
		{kind: ReaderOff, unit: perDay, rate: 1, hits: readers, lasts: 15 * time.Minute},
		{kind: Ghosts, unit: perDay, rate: 2},
		{kind: Cached, unit: share, rate: 0.05, able: target.isZigbee, only: wrong{"zigbee2mqtt 终端", "devices of zigbee2mqtt"}},
		{kind: GhostCard, unit: perDay, rate: 2, hits: readers, able: target.isRDM6300, only: wrong{"rdm6300 读卡器", "readers of type rdm6300"}},
		{kind: PowerCut, unit: perDay, rate: 1, hits: wholeBase, lasts: 10 * time.Minute},
		{kind: WANCut, unit: perDay, rate: 1, hits: wholeBase, lasts: 30 * time.Minute},
	}
}

func (t target) saysTime() bool { tells, _ := t.dialect.tellsTime(); return tells }

func (t target) saysUTC() bool { _, utc := t.dialect.tellsTime(); return utc }

func (t target) isMeter() bool { return t.role == Meter }

func (t target) isZigbee() bool { return t.dialect == Zigbee2MQTT }

func (t target) isRDM6300() bool { return t.kind == rdm6300 }

func (s *faultShape) hit(t target) bool {
	switch {
	case s.hits == wholeBase, s.hits == machines && t.reader, s.hits == readers && !t.reader:
		return false
	}
	return s.able == nil || s.able(t)
}

// words say what the fault can hit.
func (s *faultShape) words() wrong {
	switch {
	case s.only != wrong{}:
		return s.only
	case s.hits == machines:
		return wrong{"设备上的终端", "devices at machines"}
	case s.hits == readers:
		return wrong{"读卡器", "readers"}
	}
	return wrong{"终端或读卡器", "devices or readers"}
}

// list notes what faults may hit at a base, in order.
func (b *base) list() {
	for _, id := range b.deviceOf {
		s := b.stands[id][0]
		b.targets = append(b.targets, target{id: id, dialect: s.Dialect, role: s.Role})
	}
	for _, w := range b.Workshops {
		for _, r := range w.Readers {
			b.targets = append(b.targets, target{id: r.ID, dialect: r.Dialect, reader: true, kind: r.Type})
		}
	}
	b.targetOf = make(map[string]int, len(b.targets))
	for i := range b.targets {
		b.targetOf[b.targets[i].id] = i
	}
}

// HitsDevice reports whether the fault may hit a device of a base.
func (f *Fault) HitsDevice(base string, d *Device) bool {
	return f.may(base, target{id: d.ID, dialect: d.Dialect, role: d.Role})
}

// HitsReader reports whether the fault may hit a badge reader of a base.
func (f *Fault) HitsReader(base string, r *Reader) bool {
	return f.may(base, target{id: r.ID, dialect: r.Dialect, reader: true, kind: r.Type})
}

// HitsBase reports whether the fault may hit a base as a whole: a power cut, or the link to the city.
func (f *Fault) HitsBase(base string) bool {
	s := shapeOf(f.Kind)
	return s != nil && s.hits == wholeBase && (f.At == "" || f.At == base)
}

func (f *Fault) may(base string, t target) bool {
	s := shapeOf(f.Kind)
	return s != nil && s.hit(t) && (f.At == "" || f.At == base) && (len(f.Devices) == 0 || slices.Contains(f.Devices, t.id))
}

// shapeOf returns the row of a kind; nil when there is none.
func shapeOf(kind FaultKind) *faultShape {
	shapes := faultShapes()
	i := slices.IndexFunc(shapes, func(s faultShape) bool { return s.kind == kind })
	if i < 0 {
		return nil
	}
	return &shapes[i]
}
