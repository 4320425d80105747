package embedded

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Write implements evidence.Store: one transaction for the whole call. It tells Accepted and Duplicate apart. A repeat
// leaves the collect time as it was first.
func (s *Store) Write(ctx context.Context, batches []evidence.Batch) ([]evidence.Outcome, error) {
	if s.closed.Load() {
		return nil, evidence.ErrClosed
	}
	if s.writer == nil {
		return nil, fmt.Errorf("write evidence: %s was opened read-only: %w", s.path, evidence.ErrPermanent)
	}
	for i := range batches {
		if err := evidence.CheckBatch(&batches[i]); err != nil {
			return nil, fmt.Errorf("write evidence: %w", err)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("write evidence: %w", err)
	}
	select {
	case t := <-s.turn:
		defer func() { s.turn <- t }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to write evidence: %w", ctx.Err())
	}
	if s.closed.Load() {
		return nil, evidence.ErrClosed
	}
	outcomes := make([]evidence.Outcome, len(batches))
	// The driver watches a context that can end with a goroutine for each statement; here the call looks at it itself,
	// between statements that take well under a millisecond.
	statements := context.WithoutCancel(ctx)
	err := s.writer.transact(statements, func() error {
		return s.writer.store(statements, ctx.Err, batches, outcomes)
	})
	if err != nil {
		return nil, s.wrap("write evidence", err)
	}
	return outcomes, nil
}

// store writes the batches within a transaction: records and quarantine, then receipts. stop says why to give up.
func (w *writer) store(ctx context.Context, stop func() error, batches []evidence.Batch, outcomes []evidence.Outcome) error {
	for i := range batches {
		if err := stop(); err != nil {
			return err
		}
		if err := w.prepare(ctx, i, &batches[i], &outcomes[i]); err != nil {
			return err
		}
	}
	w.unite()
	err := w.insert(ctx, stop, func(batch int) { outcomes[batch].Accepted++; outcomes[batch].Duplicate-- })
	if err != nil {
		return err
	}
	for i := range batches {
		if err := w.vouch(ctx, &batches[i]); err != nil {
			return err
		}
	}
	return stop()
}

// prepare encodes a batch's records into rows, and writes its raw and rejected ones at once: they are few.
func (w *writer) prepare(ctx context.Context, index int, b *evidence.Batch, out *evidence.Outcome) error {
	log, err := w.logID(logName{b.Base, b.Bridge, b.Epoch})
	if err != nil {
		return err
	}
	for i := range b.Messages {
		m := &b.Messages[i]
		for j := range m.Records {
			e := evidence.Entry{
				Record: m.Records[j], ReceivedMs: m.ReceivedMs, CollectedMs: b.CollectedMs,
				Epoch: b.Epoch, Seq: m.Seq, Dialect: m.Dialect,
			}
			reason, detail := evidence.Check(m, j)
			switch {
			case reason != telemetry.ReasonNone:
				out.Rejected = append(out.Rejected, evidence.Rejection{Seq: m.Seq, Index: j, Reason: reason, Detail: detail})
				e.Record = evidence.Quarantined(&m.Records[j], reason, detail)
				e.Dialect = evidence.Fit(m.Dialect)
				_, err = w.quarantine(ctx, log, j, &e)
			case e.Kind == telemetry.KindRaw:
				var fresh bool
				if fresh, err = w.quarantine(ctx, log, j, &e); fresh {
					out.Accepted++
				} else {
					out.Duplicate++
				}
			default:
				out.Duplicate++ // until the table says that it is new
				err = w.addRow(index, log, b.Base, &e)
			}
			if err != nil {
				return err
			}
		}
	}
	slices.SortFunc(out.Rejected, func(a, b evidence.Rejection) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Index, b.Index))
	})
	return nil
}

func (w *writer) addRow(batch int, log int64, base string, e *evidence.Entry) error {
	series, err := w.seriesID(seriesKey{base, e.Device, e.Channel, e.Kind})
	if err != nil {
		return err
	}
	r := row{series: series, eventMs: e.EventMs, log: log, seq: e.Seq, from: len(w.arena), batch: batch}
	if e.Kind == telemetry.KindTap {
		r.digest = int64(evidence.TapDigest(&e.Record))
	}
	if w.arena, err = appendBody(w.arena, e, w.word); err != nil {
		return err
	}
	r.to = len(w.arena)
	w.rows = append(w.rows, r)
	return nil
}

// unite sorts the rows by key, which also puts neighbours in the file next to each other, and leaves one row for each:
// the one that wins by the contract.
func (w *writer) unite() {
	slices.SortStableFunc(w.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.series, b.series), cmp.Compare(a.eventMs, b.eventMs), cmp.Compare(a.digest, b.digest))
	})
	kept := w.rows[:0]
	for _, r := range w.rows {
		if len(kept) == 0 || !kept[len(kept)-1].sameKey(&r) {
			kept = append(kept, r)
			continue
		}
		if last := &kept[len(kept)-1]; last.log != r.log || last.seq <= r.seq {
			*last = r
		}
	}
	w.rows = kept
}

func (r *row) sameKey(s *row) bool {
	return r.series == s.series && r.eventMs == s.eventMs && r.digest == s.digest
}

func (w *writer) quarantine(ctx context.Context, log int64, index int, e *evidence.Entry) (fresh bool, err error) {
	from := len(w.arena)
	if w.arena, err = appendBody(w.arena, e, w.word); err != nil {
		return false, err
	}
	res, err := w.insertQuarantine.ExecContext(ctx, log, int64(e.Seq), index, e.ReceivedMs, e.EventMs, e.Device, w.arena[from:])
	if err != nil {
		return false, fmt.Errorf("insert quarantine entry: %w", err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("count quarantine entry: %w", err)
	}
	w.arena = w.arena[:from]
	return n == 1, nil
}

// vouch writes the batch's receipts.
func (w *writer) vouch(ctx context.Context, b *evidence.Batch) error {
	for i := range b.Receipts {
		r := &b.Receipts[i]
		log, err := w.logID(logName{b.Base, b.Bridge, r.Epoch})
		if err != nil {
			return err
		}
		if _, err := w.receipt.ExecContext(ctx, log, int64(r.First), int64(r.Last), r.Missing,
			r.ChainBefore[:], r.ChainAfter[:], r.FirstMs, r.LastMs, r.CollectedMs); err != nil {
			return fmt.Errorf("insert receipt: %w", err)
		}
	}
	return nil
}
