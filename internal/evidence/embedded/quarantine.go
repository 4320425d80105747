package embedded

import (
	"context"
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Sequence numbers and epochs are unsigned in two's complement: the sign comes first when they are compared.
const inLogOrder = "l.epoch < 0, l.epoch, q.seq < 0, q.seq, q.idx"

// Quarantine implements evidence.Store.
func (s *Store) Quarantine(ctx context.Context, base string, window span.Span, yield func(*evidence.Entry) error) error {
	return s.view(ctx, "read quarantine", func(v *snapshot) error {
		rows, err := v.ask(`SELECT q.event_ms, q.device, q.log, q.seq, q.body
			FROM log l JOIN quarantine q ON q.log = l.id
			WHERE l.base = ? AND q.received_ms >= ? AND q.received_ms < ?
			ORDER BY q.received_ms, `+inLogOrder, base, window.StartMs, window.EndMs)
		if err != nil {
			return fmt.Errorf("scan quarantine: %w", err)
		}
		return v.eachRaw(rows, guard(yield))
	})
}

func (v *snapshot) eachRaw(rows *rows, yield func(*evidence.Entry) error) error {
	var e evidence.Entry
	return rows.each(func() error {
		e.EventMs, e.Device, e.Kind = rows.integer(0), rows.text(1), telemetry.KindRaw
		if err := v.decode(rows.integer(2), rows.integer(3), rows.blob(4), &e); err != nil {
			return err
		}
		return yield(&e)
	})
}

// scanRaw returns a device's raw records in the window of event time. They are few, and sorted in memory.
func (v *snapshot) scanRaw(q evidence.Query) (evidence.Cursor, error) {
	rows, err := v.ask(`SELECT q.event_ms, q.device, q.log, q.seq, q.body
		FROM log l JOIN quarantine q ON q.log = l.id
		WHERE l.base = ? AND q.device = ? AND q.event_ms >= ? AND q.event_ms < ?
		ORDER BY q.event_ms, `+inLogOrder, q.Base, q.Device, q.Window.StartMs, q.Window.EndMs)
	if err != nil {
		return nil, fmt.Errorf("scan raw records: %w", err)
	}
	var entries []evidence.Entry
	err = v.eachRaw(rows, func(e *evidence.Entry) error {
		kept := *e
		kept.Payload = slices.Clone(e.Payload)
		entries = append(entries, kept)
		return nil
	})
	return evidence.Sorted(entries), err
}

// Receipts implements evidence.Store.
func (s *Store) Receipts(ctx context.Context, base, bridge string) ([]evidence.BridgeReceipt, error) {
	return s.receiptsWhere(ctx, "l.base = ? AND (l.bridge = ? OR ? = '')", base, bridge, bridge)
}

// ReceiptsAmong implements evidence.Store. The plus keeps the query to the index by last, in which what it wants lies
// near the end.
func (s *Store) ReceiptsAmong(ctx context.Context, q evidence.ReceiptQuery) ([]evidence.Receipt, error) {
	where, args := "l.base = ? AND l.bridge = ? AND l.epoch = ? AND r.last >= ? AND +r.first <= ?",
		[]any{q.Base, q.Bridge, int64(q.Epoch), int64(q.First), int64(q.Last)}
	if !q.Window.Empty() {
		where, args = where+" AND r.first_ms >= ? AND r.first_ms < ?", append(args, q.Window.StartMs, q.Window.EndMs)
	}
	found, err := s.receiptsWhere(ctx, where, args...)
	return evidence.Plain(found), err
}

// receiptsWhere reads the receipts r of the logs l that the condition selects.
func (s *Store) receiptsWhere(ctx context.Context, where string, args ...any) ([]evidence.BridgeReceipt, error) {
	var all []evidence.BridgeReceipt
	err := s.view(ctx, "read receipts", func(v *snapshot) error {
		rows, err := v.ask(`SELECT l.bridge, l.epoch, r.first, r.last, r.missing, r.chain_before, r.chain_after,
			r.first_ms, r.last_ms, r.collected_ms
			FROM log l JOIN receipt r ON r.log = l.id WHERE `+where, args...)
		if err != nil {
			return fmt.Errorf("scan receipts: %w", err)
		}
		return rows.each(func() error {
			r, err := scanReceipt(rows)
			all = append(all, r)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, evidence.CompareReceipts)
	return all, nil
}

func scanReceipt(rows *rows) (evidence.BridgeReceipt, error) {
	r := evidence.BridgeReceipt{Bridge: rows.text(0), Receipt: evidence.Receipt{
		Epoch: uint64(rows.integer(1)), First: uint64(rows.integer(2)), Last: uint64(rows.integer(3)), Missing: rows.integer(4) != 0,
		FirstMs: rows.integer(7), LastMs: rows.integer(8), CollectedMs: rows.integer(9),
	}}
	for column, chain := range map[int]*[32]byte{5: &r.ChainBefore, 6: &r.ChainAfter} {
		if stored := rows.blob(column); copy(chain[:], stored) != len(chain) || len(stored) != len(chain) {
			return r, fmt.Errorf("%w: receipt with a chain of %d bytes", errBody, len(stored))
		}
	}
	return r, nil
}
