package sparkplug

import (
	"maps"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// life is what is known of a node's or device's session.
type life uint8

const (
	unborn life = iota // no birth was seen
	alive
	dead
)

// source is what is remembered of a node or a device: whoever has births, deaths and metrics.
type source struct {
	name string
	link life
	// silent is set when the source is taken for gone although it has not said so; its next word takes that back.
	silent bool
	// confirmed is cleared by a birth of the device's node, and set by the device's own that must follow.
	confirmed bool
	bornMs    int64 // the timestamp of its birth, by the node's clock
	downMs    int64 // the event time of its last death
	latestMs  int64 // the latest event time of what it said live
	metrics   []known
	byName    map[string]int
	byAlias   map[uint64]int
}

// node is an edge node with its devices.
type node struct {
	source
	group, edge  string
	devices      map[string]*source
	bdSeq        uint64
	hasBdSeq     bool
	birthHeardMs int64
	heardMs      int64
	confirmByMs  int64 // when devices that were not born again are gone; 0 when none is waited for
	order        sequence
	asking       asking
}

// confirmMs is how long after a node's birth its devices' births are waited for.
const confirmMs = 30_000

// reading is one message of a node on its way to records.
type reading struct {
	d      *Dialect
	m      dialect.Message
	at     address
	header header
	node   *node
	res    dialect.Result
	faults dialect.Faults
	full   bool
}

func (r *reading) decode() {
	switch r.at.kind {
	case nbirth:
		r.nodeBirth()
		return
	case ndeath:
		r.nodeDeath()
		return
	}
	v := r.take()
	r.confirm()
	if r.node.link != alive {
		r.ask()
	}
	switch r.at.kind {
	case dbirth:
		r.deviceBirth(v)
	case ddeath:
		r.deviceDeath(v)
	case ndata:
		r.data(&r.node.source, v)
	case ddata:
		r.deviceData(v)
	}
}

func (r *reading) take() verdict {
	if r.node.link == dead {
		return stray
	}
	old := r.header.saidMs != 0 && r.header.saidMs < r.node.bornMs
	return r.node.order.take(r.header, digest(r.d.seed, r.m.Topic, r.m.Payload), old, r.m.ReceivedMs)
}

// nodeBirth begins a session, or says all of it again.
func (r *reading) nodeBirth() {
	n := r.node
	bdSeq, has := r.bdSeq()
	if r.lateBirth(bdSeq, has) {
		return
	}
	again := n.link == alive && has && n.hasBdSeq && bdSeq == n.bdSeq
	for _, dev := range n.sorted() {
		switch {
		case dev.link != alive:
			continue
		case again && dev.confirmed:
			dev.confirmed = false
		default:
			// The node was away without a word, or the device was not born again after the node's birth before this one.
			r.down(dev, telemetry.LinkOffline, r.header.saidMs-1)
		}
		dev.byAlias = nil
	}
	n.bdSeq, n.hasBdSeq = bdSeq, has
	n.birthHeardMs, n.confirmByMs = r.m.ReceivedMs, r.m.ReceivedMs+confirmMs
	n.order.start(r.header)
	n.asking.answered()
	r.birth(&n.source)
}

// lateBirth reports whether the birth belongs to a session before the present one: it came a moment after the present
// one's birth, and the node sent it earlier.
func (r *reading) lateBirth(bdSeq uint64, has bool) bool {
	n := r.node
	return n.link == alive && has && n.hasBdSeq && bdSeq != n.bdSeq &&
		r.header.saidMs != 0 && r.header.saidMs < n.bornMs && r.m.ReceivedMs-n.birthHeardMs < r.d.reorderMs
}

// nodeDeath ends a session if it is the present one's.
func (r *reading) nodeDeath() {
	n := r.node
	bdSeq, has := r.bdSeq()
	other := n.link == alive && has && n.hasBdSeq && bdSeq != n.bdSeq
	if other && !later(bdSeq, n.bdSeq) {
		return // the will of a connection that was replaced before the broker noticed its end
	}
	for _, dev := range n.sorted() {
		if dev.link != dead {
			r.down(dev, telemetry.LinkWill, 0)
		}
	}
	// A will has no time of its own: the node wrote it when it connected.
	r.down(&n.source, telemetry.LinkWill, 0)
	n.order, n.confirmByMs, n.asking.wanted = sequence{}, 0, false
	if other {
		// A session after the known one has ended, and with it the known one. If the node is there, it will say so.
		r.ask()
	}
}

// later reports whether a bdSeq, which counts from 0 to 255 and around, follows another.
func later(bdSeq, known uint64) bool {
	return bdSeq <= 255 && known <= 255 && uint8(bdSeq)-uint8(known) < 128
}

// bdSeq finds the number of the session in a birth or death of a node.
func (r *reading) bdSeq() (number uint64, ok bool) {
	eachMetric(r.m.Payload, func(_ int, raw []byte) bool {
		var m metric
		if m.parse(raw) != nil || string(m.name) != bdSeqName {
			return true
		}
		number, ok = m.whole()
		return false
	})
	return number, ok
}

// deviceBirth begins a device's session.
func (r *reading) deviceBirth(v verdict) {
	dev := r.device(true)
	switch {
	case dev == nil:
	case r.node.link == dead, v.past() && r.header.saidMs <= max(dev.bornMs, dev.downMs):
		r.metrics(dev, situation{past: true})
	default:
		r.birth(dev)
	}
}

// birth takes in what a birth announces, and decodes its values.
func (r *reading) birth(src *source) {
	src.link, src.silent, src.confirmed = alive, false, true
	src.bornMs = r.header.saidMs
	r.learn(src)
	r.up(src)
	r.metrics(src, situation{birth: true})
}

// deviceDeath ends a device's session at the time that its node says.
func (r *reading) deviceDeath(v verdict) {
	dev := r.device(true)
	switch {
	case dev == nil || r.node.link == dead:
	case v.past() && r.header.saidMs != 0 && r.header.saidMs < dev.bornMs:
		// The device has been born since: its end stands in the past, and changes nothing of the present.
		rec := telemetry.Record{Kind: telemetry.KindLink, Device: dev.name, Link: telemetry.LinkOffline}
		if r.d.clock.Date(&rec, r.header.saidMs, r.m.ReceivedMs, false); rec.Clock == telemetry.ClockDevice {
			r.add(rec)
		}
	default:
		r.down(dev, telemetry.LinkOffline, r.header.saidMs)
	}
}

func (r *reading) deviceData(v verdict) {
	dev := r.device(false)
	if dev == nil {
		r.ask()
		name := r.d.names.Own(r.at.device)
		r.metrics(&source{name: name}, situation{past: r.node.link == dead, foundling: true})
		return
	}
	r.data(dev, v)
}

// data decodes what a node or device says between its birth and its death.
func (r *reading) data(src *source, v verdict) {
	switch src.link {
	case dead:
		// Until it is born again, only what it said before it died is believed.
		r.ask()
		r.metrics(src, situation{past: true})
	case unborn:
		r.ask()
		r.metrics(src, situation{foundling: true})
	case alive:
		if src.silent {
			src.silent = false
			r.up(src)
		}
		r.metrics(src, situation{past: v.past(), foundling: v == stray})
	}
}

// device returns what is remembered of the message's device, or nil; it makes room for one that announces itself.
func (r *reading) device(announced bool) *source {
	n := r.node
	if dev := n.devices[r.at.device]; dev != nil {
		return dev
	}
	if !announced {
		return nil
	}
	if len(n.devices) >= MaxDevices {
		r.faults.Add(dialect.Errorf(telemetry.ReasonOversized, "node %s has more than %d devices", dialect.Quote(n.name), MaxDevices))
		return nil
	}
	if n.devices == nil {
		n.devices = make(map[string]*source)
	}
	dev := &source{name: r.d.names.Own(r.at.device)}
	n.devices[dev.name] = dev
	return dev
}

// sorted returns the devices in order of name, so that the same messages always make the same records.
func (n *node) sorted() []*source {
	all := make([]*source, 0, len(n.devices))
	for _, name := range slices.Sorted(maps.Keys(n.devices)) {
		all = append(all, n.devices[name])
	}
	return all
}

// confirm ends the sessions of the devices that were not born again after their node.
func (r *reading) confirm() {
	n := r.node
	if n.confirmByMs == 0 || r.m.ReceivedMs < n.confirmByMs {
		return
	}
	n.confirmByMs = 0
	for _, dev := range n.sorted() {
		if dev.link == alive && !dev.confirmed && dev.name != r.at.device {
			r.down(dev, telemetry.LinkOffline, 0)
		}
	}
}

// commanded hears a command to a node, which the broker sends to all: that of this bridge says that its requests reach
// the broker. A node that has left several of them unanswered, and has not said a word meanwhile, is gone, and so are its
// devices; its next word takes that back.
func (d *Dialect) commanded(m dialect.Message, at address) (dialect.Result, error) {
	n := d.nodes.Find(at.node)
	if n == nil || m.Retained || n.link != alive || n.silent {
		return dialect.Result{}, nil
	}
	a := &n.asking
	if a.unanswered < lostAfter || n.heardMs >= a.firstMs || m.ReceivedMs < a.lastMs {
		return dialect.Result{}, nil
	}
	r := reading{d: d, m: m, at: at, node: n}
	for _, src := range append(n.sorted(), &n.source) {
		if src.link == alive {
			r.down(src, telemetry.LinkOffline, 0)
			src.link, src.silent = alive, true
		}
	}
	return r.res, r.faults.Err()
}

// up records that a source is there.
func (r *reading) up(src *source) {
	rec := telemetry.Record{Kind: telemetry.KindLink, Device: src.name, Link: telemetry.LinkOnline}
	r.d.clock.Date(&rec, r.header.saidMs, r.m.ReceivedMs, false)
	if rec.EventMs <= src.downMs {
		// The node's clock is behind the bridge's, which dated the death.
		r.d.clock.Date(&rec, 0, r.m.ReceivedMs, false)
	}
	src.latestMs = max(src.latestMs, rec.EventMs)
	r.add(rec)
}

// down records that a source is gone, at the time said, or now when none is. A source whose clock is ahead has spoken in
// the future: its end is also recorded right after its last word, which would otherwise hold for good.
func (r *reading) down(src *source, event telemetry.LinkEvent, saidMs int64) {
	rec := telemetry.Record{Kind: telemetry.KindLink, Device: src.name, Link: event}
	r.d.clock.Date(&rec, max(saidMs, 0), r.m.ReceivedMs, false)
	r.add(rec)
	if src.latestMs >= rec.EventMs {
		after := min(src.latestMs+1, r.m.ReceivedMs+dialect.AheadMs)
		r.d.clock.Date(&rec, after, r.m.ReceivedMs, true)
		r.add(rec)
	}
	src.link, src.silent, src.downMs = dead, false, rec.EventMs
}

// add appends a record while there is room for it.
func (r *reading) add(rec telemetry.Record) {
	if len(r.res.Records) < telemetry.MaxRecords {
		r.res.Records = append(r.res.Records, rec)
		return
	}
	if !r.full {
		r.full = true
		r.faults.Add(dialect.Errorf(telemetry.ReasonOversized, "payload yields more than %d records", telemetry.MaxRecords))
	}
}
