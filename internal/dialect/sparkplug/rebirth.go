package sparkplug

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/jishi-telemetry/jishi/internal/dialect"
)

const (
	rebirthName = "Node Control/Rebirth"
	bdSeqName   = "bdSeq"
)

const (
	// firstPauseMs is the least time between two rebirth requests to one node; it doubles with each up to longestPauseMs.
	firstPauseMs   = 10_000
	longestPauseMs = 10 * 60_000
	// lostAfter is how many requests a silent node may leave unanswered before it is taken for gone.
	lostAfter = 3
	// maxUnanswered is how many requests are sent to a node that says nothing at all.
	maxUnanswered = 6
)

// asking follows the rebirth requests to one node.
type asking struct {
	wanted     bool
	round      int   // requests sent in a row, which decides the pause
	lastMs     int64 // when the last one was sent
	unanswered int   // requests since the node's last birth
	firstMs    int64 // when the first of these was sent
}

// due reports whether a request that is wanted may be sent now.
func (a *asking) due(nowMs int64) bool {
	return a.wanted && (a.round == 0 || nowMs-a.lastMs >= a.pauseMs())
}

func (a *asking) pauseMs() int64 {
	return min(int64(firstPauseMs)<<min(a.round-1, 10), longestPauseMs)
}

// sent notes a request. A node that has had none for the longest pause begins anew.
func (a *asking) sent(nowMs int64) {
	if nowMs-a.lastMs > longestPauseMs {
		a.round = 0
	}
	a.round++
	if a.unanswered == 0 {
		a.firstMs = nowMs
	}
	a.unanswered++
	a.lastMs = nowMs
}

// answered notes a birth of the node.
func (a *asking) answered() { a.wanted, a.unanswered = false, 0 }

// rebirth returns the request that a node says all again: an NCMD, which has no sequence number. The metric goes by its
// name, for it never has an alias, and with its data type, without which common edge nodes cannot read it.
func rebirth(n *node, nowMs int64) dialect.Request {
	var m []byte
	m = protowire.AppendTag(m, metricName, protowire.BytesType)
	m = protowire.AppendString(m, rebirthName)
	m = protowire.AppendTag(m, metricTimestamp, protowire.VarintType)
	m = protowire.AppendVarint(m, uint64(nowMs))
	m = protowire.AppendTag(m, metricDatatype, protowire.VarintType)
	m = protowire.AppendVarint(m, typeBoolean)
	m = protowire.AppendTag(m, metricBoolean, protowire.VarintType)
	m = protowire.AppendVarint(m, 1)

	var p []byte
	p = protowire.AppendTag(p, payloadTimestamp, protowire.VarintType)
	p = protowire.AppendVarint(p, uint64(nowMs))
	p = protowire.AppendTag(p, payloadMetrics, protowire.BytesType)
	p = protowire.AppendBytes(p, m)
	return dialect.Request{Topic: root + n.group + "/NCMD/" + n.edge, Payload: p}
}

// Poll implements dialect.Dialect: it asks each node for its birth whose messages are missing for longer than the
// reorder time-out, whose aliases are not known, or that has not been asked for the time of RebirthEvery.
func (d *Dialect) Poll(nowMs int64) []dialect.Request {
	var due []dialect.Request
	for _, n := range d.nodes.All() {
		a := &n.asking
		switch {
		case n.link == dead:
			continue
		case n.order.overdue(nowMs, d.reorderMs):
			a.wanted = true
		case n.link == alive && d.everyMs > 0 && nowMs-max(n.birthHeardMs, a.lastMs) >= d.everyMs:
			a.wanted = true
		}
		if n.heardMs < a.firstMs && a.unanswered >= maxUnanswered && nowMs-a.lastMs < max(d.everyMs, longestPauseMs) {
			continue
		}
		if !a.due(nowMs) {
			continue
		}
		a.sent(nowMs)
		if due = append(due, rebirth(n, nowMs)); len(due) == MaxRequests {
			break
		}
	}
	return due
}

// ask wants a birth of the node, and requests it at once when it may.
func (r *reading) ask() {
	a := &r.node.asking
	a.wanted = true
	if !a.due(r.m.ReceivedMs) {
		return
	}
	a.sent(r.m.ReceivedMs)
	r.res.Requests = append(r.res.Requests, rebirth(r.node, r.m.ReceivedMs))
}
