package influx

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Bounds of one request: what InfluxDB's makers advise, and well under the 25 MB that 1.8 takes.
const (
	maxLines = 5_000
	maxBytes = 4 << 20
)

// Write implements evidence.Store. It says Accepted for a repeat, which InfluxDB cannot tell.
func (s *Store) Write(ctx context.Context, batches []evidence.Batch) ([]evidence.Outcome, error) {
	if s.closed.Load() {
		return nil, evidence.ErrClosed
	}
	for i := range batches {
		if err := evidence.CheckBatch(&batches[i]); err != nil {
			return nil, fmt.Errorf("write evidence: %w", err)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("write evidence: %w", err)
	}
	c := call{store: s, batches: batches, outcomes: make([]evidence.Outcome, len(batches)), request: newRequest()}
	defer c.request.free()
	if err := c.run(ctx); err != nil {
		return nil, fmt.Errorf("write evidence: %w", err)
	}
	return c.outcomes, nil
}

// call is one Write on its way: lines gather in the request, which is sent when it is full.
type call struct {
	store    *Store
	batches  []evidence.Batch
	outcomes []evidence.Outcome
	request  *request
	refused  []refusal // by the server, not yet in quarantine
	last     bool      // what is refused now has nowhere to go
}

// origin is the record that a line is of; receipts have message -1.
type origin struct{ batch, message, record int32 }

// refusal is a line that the server will never take.
type refusal struct {
	origin
	detail string
}

// run writes the records, then what the server refused of them into quarantine, then the receipts: a receipt must not
// vouch for what is not there.
func (c *call) run(ctx context.Context) error {
	for _, i := range inLogOrder(c.batches) {
		if err := c.records(ctx, i); err != nil {
			return err
		}
	}
	if err := c.send(ctx); err != nil {
		return err
	}
	c.last = true
	if err := c.quarantine(ctx); err != nil {
		return err
	}
	if err := c.receipts(ctx); err != nil {
		return err
	}
	for i := range c.outcomes {
		c.finish(&c.outcomes[i])
	}
	return nil
}

func (c *call) records(ctx context.Context, index int) error {
	b := &c.batches[index]
	p := provenance{base: b.Base, bridge: b.Bridge, epoch: b.Epoch, collectedMs: b.CollectedMs}
	for i := range b.Messages {
		m := &b.Messages[i]
		p.seq, p.receivedMs, p.dialect = m.Seq, m.ReceivedMs, m.Dialect
		for j := range m.Records {
			p.index = j
			at := origin{int32(index), int32(i), int32(j)}
			c.outcomes[index].Accepted++ // until it is refused
			r := &m.Records[j]
			if reason, detail := evidence.Check(m, j); reason != telemetry.ReasonNone {
				held := c.reject(at, reason, detail)
				r = &held
				p.dialect = evidence.Fit(m.Dialect)
			}
			c.request.buf = appendRecord(c.request.buf, r, &p)
			if err := c.add(ctx, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// reject counts the record as rejected and returns what goes to quarantine for it.
func (c *call) reject(at origin, reason telemetry.Reason, detail string) telemetry.Record {
	m := &c.batches[at.batch].Messages[at.message]
	out := &c.outcomes[at.batch]
	out.Accepted--
	out.Rejected = append(out.Rejected, evidence.Rejection{Seq: m.Seq, Index: int(at.record), Reason: reason, Detail: detail})
	return evidence.Quarantined(&m.Records[at.record], reason, detail)
}

// quarantine writes what the server refused.
func (c *call) quarantine(ctx context.Context) error {
	for _, f := range c.refused {
		b := &c.batches[f.batch]
		m := &b.Messages[f.message]
		p := provenance{
			base: b.Base, bridge: b.Bridge, epoch: b.Epoch, seq: m.Seq, index: int(f.record), dialect: evidence.Fit(m.Dialect),
			receivedMs: m.ReceivedMs, collectedMs: b.CollectedMs,
		}
		held := c.reject(f.origin, telemetry.ReasonStoreRejected, f.detail)
		c.request.buf = appendRecord(c.request.buf, &held, &p)
		if err := c.add(ctx, f.origin); err != nil {
			return err
		}
	}
	return c.send(ctx)
}

func (c *call) receipts(ctx context.Context) error {
	for i := range c.batches {
		b := &c.batches[i]
		for j := range b.Receipts {
			c.request.buf = appendReceipt(c.request.buf, b.Base, b.Bridge, &b.Receipts[j])
			if err := c.add(ctx, origin{int32(i), -1, int32(j)}); err != nil {
				return err
			}
		}
	}
	return c.send(ctx)
}

// add takes the line that was appended to the request's bytes, and sends when the request is full.
func (c *call) add(ctx context.Context, at origin) error {
	c.request.lines = append(c.request.lines, line{end: len(c.request.buf), origin: at})
	if len(c.request.lines) < maxLines && len(c.request.buf) < maxBytes {
		return nil
	}
	return c.send(ctx)
}

func (c *call) send(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	refused, err := c.store.deliver(ctx, c.request, 0, len(c.request.lines))
	c.request.reset()
	if err != nil {
		return err
	}
	if c.last && len(refused) > 0 {
		return fmt.Errorf("the server refuses what the service itself says of its evidence (quarantine, receipts): %s: "+
			"look for another program's fields of these names in the bucket, or a retention that is too short: %w",
			refused[0].detail, evidence.ErrPermanent)
	}
	c.refused = append(c.refused, refused...)
	return nil
}

func (c *call) finish(out *evidence.Outcome) {
	slices.SortFunc(out.Rejected, func(a, b evidence.Rejection) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Index, b.Index))
	})
}

// inLogOrder returns the batches' indices so that those of one log come in order of sequence number, each log in the
// places that it had: the last write wins, and the last of a log must be its latest.
func inLogOrder(batches []evidence.Batch) []int {
	type log struct {
		base, bridge string
		epoch        uint64
	}
	first := func(i int) uint64 {
		if len(batches[i].Messages) == 0 {
			return 0
		}
		return batches[i].Messages[0].Seq
	}
	order := make([]int, len(batches))
	places := map[log][]int{}
	for i := range batches {
		order[i] = i
		b := &batches[i]
		key := log{b.Base, b.Bridge, b.Epoch}
		places[key] = append(places[key], i)
	}
	for _, at := range places {
		sorted := slices.Clone(at)
		slices.SortStableFunc(sorted, func(a, b int) int { return cmp.Compare(first(a), first(b)) })
		for i, place := range at {
			order[place] = sorted[i]
		}
	}
	return order
}
