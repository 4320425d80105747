package sim

import (
	"container/heap"
	"math"
	"strings"

	"github.com/jishi-telemetry/jishi/firmware-sim/voice"
)

// The times of a Sparkplug host application and of the node that it asks.
const (
	// reorderMs is how long a host waits for a message that is missing before it asks the node for its birth: the usual
	// reorder time-out.
	reorderMs = 2000
	// askEveryMs is the least time between two requests to one node.
	askEveryMs = 10_000
	// answerMs is from the request to the node's birth: real nodes answer within a second.
	answerMs = 500
	// confirmMs is how long after a node's birth those of its devices are waited for.
	confirmMs = 30_000
)

// link is what a host knows of a node or a device.
type link uint8

const (
	unborn link = iota // it has heard no birth
	alive
	dead
)

// host is a Sparkplug host application that hears one node with its device: what of the messages that come it can make use
// of, in the order in which they come, and when it asks the node to say all again. It follows what
// docs/dialects/sparkplug.md says of births, deaths and order, and shares no line with the product's own.
type host struct {
	hand  func(delivery)
	queue queue // on their way
	order numbering

	node, device link
	aliases      bool  // the device's are known
	confirmed    bool  // the device was born after its node
	confirmBy    int64 // when a device that was not is gone; never when none is waited for
	session      uint8
	nodeBornMs   int64 // by the node's clock, as the next three
	bornMs       int64
	downMs       int64
	latestMs     int64 // the latest of the device's own words
	heardMs      int64 // when the node's birth came

	wantedMs int64 // since when a birth is wanted at once; never when it is not
	askedMs  int64
	answerAt int64 // when the last request is answered; never when it was
}

func newHost(hand func(delivery)) *host {
	return &host{hand: hand, confirmBy: never, wantedMs: never, askedMs: -askEveryMs, answerAt: never}
}

// take sends a message on its way to the host.
func (h *host) take(d delivery) { heap.Push(&h.queue, d) }

// Turn implements voice.Host: it lets time pass up to an instant. It reports whether a request has reached the node, and when the next thing happens.
func (h *host) Turn(nowMs int64) (asked bool, nextMs int64) {
	h.pass(nowMs + 1)
	// Turn is called at each instant that it names; a request whose instant has passed found the node without its link.
	asked = h.answerAt == nowMs
	if h.answerAt <= nowMs {
		h.answerAt = never
	}
	nextMs = min(h.askAt(), h.answerAt)
	if len(h.queue) > 0 {
		nextMs = min(nextMs, h.queue[0].atMs)
	}
	return asked, nextMs
}

// pass lives through everything before an instant.
func (h *host) pass(beforeMs int64) {
	for {
		arrivalMs, askMs := int64(never), h.askAt()
		if len(h.queue) > 0 {
			arrivalMs = h.queue[0].atMs
		}
		switch {
		case min(arrivalMs, askMs) >= beforeMs:
			return
		case arrivalMs <= askMs:
			d, ok := heap.Pop(&h.queue).(delivery)
			if !ok {
				panic("sim: the queue holds deliveries")
			}
			if !d.lost {
				h.hear(&d)
			}
			h.hand(d)
		default:
			h.wantedMs, h.askedMs, h.answerAt = never, askMs, min(h.answerAt, askMs+answerMs)
		}
	}
}

// askAt is when the host asks next, if nothing else comes.
func (h *host) askAt() int64 {
	due := h.wantedMs
	if since := h.order.sinceMs(); since != never && h.node != dead {
		due = min(due, since+reorderMs)
	}
	if due == never {
		return never
	}
	return max(due, h.askedMs+askEveryMs)
}

// drain lives through all that is still on its way.
func (h *host) drain() {
	for len(h.queue) > 0 {
		h.pass(h.queue[0].atMs + 1)
	}
}

func (h *host) ask(atMs int64) { h.wantedMs = min(h.wantedMs, atMs) }

// hear takes in a message, and leaves it telling what the host can make of it.
func (h *host) hear(d *delivery) {
	m := &d.message
	verb := strings.Split(m.Topic, "/")[2]
	switch verb {
	case "NBIRTH":
		h.nodeBirth(d)
		return
	case "NDEATH":
		h.nodeDeath(d)
		return
	}
	how := stray
	if h.node != dead {
		how = h.order.take(m.Place.Seq, d.again, m.Place.SaidMs < h.nodeBornMs, d.atMs)
	}
	if h.node != alive {
		h.ask(d.atMs)
	}
	switch verb {
	case "NDATA":
		h.confirm(d)
	case "DBIRTH":
		h.deviceBirth(d, how)
	case "DDEATH":
		h.deviceDeath(d, how)
	case "DDATA":
		h.data(d, how)
	}
	if verb != "NDATA" && d.atMs >= h.confirmBy {
		h.confirmBy = never
	}
}

// nodeBirth begins a session, or says all of it again.
func (h *host) nodeBirth(d *delivery) {
	p := d.message.Place
	if h.node == alive && p.Session != h.session && p.SaidMs < h.nodeBornMs && d.atMs-h.heardMs < reorderMs {
		return // of a session before the present one
	}
	if h.device == alive {
		if h.node == alive && p.Session == h.session && h.confirmed {
			h.confirmed = false
		} else {
			// It was not born again after the birth before this one, or the node was away without a word.
			h.lose(d, p.SaidMs-1)
		}
	}
	h.node, h.session, h.aliases = alive, p.Session, false
	h.nodeBornMs, h.heardMs, h.confirmBy = p.SaidMs, d.atMs, d.atMs+confirmMs
	h.wantedMs, h.order = never, numbering{started: true, next: p.Seq + 1}
}

// nodeDeath ends the present session; the will of one before it changes nothing.
func (h *host) nodeDeath(d *delivery) {
	other := h.node == alive && d.message.Place.Session != h.session
	if other && d.message.Place.Session-h.session >= 128 {
		d.message.Tells = 0
		return
	}
	h.node = dead
	h.lose(d, d.atMs)
	h.order, h.confirmBy, h.wantedMs = numbering{}, never, never
	if other {
		h.ask(d.atMs)
	}
}

// confirm takes a device for gone that was not born again after its node: the node's own word shows that it is time.
func (h *host) confirm(d *delivery) {
	if d.atMs < h.confirmBy {
		return
	}
	h.confirmBy = never
	if h.device == alive && !h.confirmed {
		h.lose(d, d.atMs)
	}
}

// lose takes the device for gone from an instant on, at which the message then tells it; or from its last word on, when its
// clock puts that later.
func (h *host) lose(d *delivery, ms int64) {
	h.device, h.downMs = dead, ms
	d.message.Tells, d.message.SaidMs = voice.Death, max(ms, h.latestMs+1)
}

func (h *host) deviceBirth(d *delivery, how verdict) {
	said := d.message.Place.SaidMs
	if h.node == dead || how.past() && said <= max(h.bornMs, h.downMs) {
		h.old(d)
		return
	}
	h.device, h.aliases, h.confirmed, h.bornMs = alive, true, true, said
	h.latestMs = max(h.latestMs, datedMs(*d))
}

func (h *host) deviceDeath(d *delivery, how verdict) {
	said := d.message.Place.SaidMs
	switch {
	case h.node == dead:
		d.message.Tells = 0
	case how.past() && said < h.bornMs: // it has been born since
	default:
		h.lose(d, said)
	}
}

func (h *host) data(d *delivery, how verdict) {
	aliased := d.message.Tells.Has(voice.Aliased)
	switch {
	case h.device != alive:
		h.ask(d.atMs)
		if aliased {
			h.mute(d)
		} else if h.device == dead {
			h.old(d)
		}
	case aliased && how == stray:
		h.mute(d)
	case aliased && !h.aliases:
		h.ask(d.atMs)
		h.mute(d)
	case !how.past():
		h.latestMs = max(h.latestMs, datedMs(*d))
	}
}

// old leaves of a word from before what a host still believes: at its own time, up to the last death.
func (h *host) old(d *delivery) {
	d.message.Tells &^= voice.Birth
	if h.device == dead && datedMs(*d) > h.downMs {
		h.mute(d)
	}
}

// mute makes a message tell nothing.
func (h *host) mute(d *delivery) { d.message.Tells &^= voice.State | voice.Energy | voice.Death }

// verdict is how a message stands in its node's sequence.
type verdict uint8

const (
	newest   verdict = iota // nothing newer has come
	late                    // it was missing
	repeated                // the same came before
	stray                   // another message has had its number
)

// past reports whether newer messages have come.
func (v verdict) past() bool { return v != newest }

// numbering follows the numbers 0 to 255 of a node's messages.
type numbering struct {
	started bool
	next    uint8
	missing [256]int64 // when each was found to be missing; 0 for those that are not
	lostMs  int64      // since when one is missing whose number has come round again; 0 for none
	strayMs int64      // since when numbers come twice; 0 for none
}

// take says how a message stands. old is one that its node sent before its last birth.
func (n *numbering) take(seq uint8, again, old bool, nowMs int64) verdict {
	gap := seq - n.next
	switch {
	case again:
		return repeated
	case !n.started:
		n.started, n.next = true, seq+1
		return newest
	case gap == 0:
		n.give(seq)
		n.next, n.strayMs = seq+1, 0
		return newest
	case n.missing[seq] != 0:
		n.missing[seq] = 0
		return late
	case old || gap >= 128:
		if n.strayMs == 0 {
			n.strayMs = nowMs
		}
		return stray
	}
	for ; n.next != seq; n.next++ {
		n.give(n.next)
		n.missing[n.next] = nowMs
	}
	n.next++
	return newest
}

// give gives up a message that was missing when its number comes again.
func (n *numbering) give(seq uint8) {
	if since := n.missing[seq]; since != 0 && (n.lostMs == 0 || since < n.lostMs) {
		n.lostMs = since
	}
	n.missing[seq] = 0
}

// sinceMs is since when something has been missing or out of order; never when nothing is.
func (n *numbering) sinceMs() int64 {
	since := int64(math.MaxInt64)
	note := func(ms int64) {
		if ms != 0 {
			since = min(since, ms)
		}
	}
	note(n.lostMs)
	note(n.strayMs)
	for _, ms := range n.missing {
		note(ms)
	}
	return min(since, never)
}
