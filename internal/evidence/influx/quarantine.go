package influx

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// held is a quarantine entry with its place in its message.
type held struct {
	evidence.Entry
	index int64
}

// Quarantine implements evidence.Store. It holds back the entries of one millisecond to put them in order.
func (s *Store) Quarantine(ctx context.Context, base string, window span.Span, yield func(*evidence.Entry) error) error {
	return s.view("read quarantine", func() error {
		if window.Empty() {
			return ctx.Err()
		}
		// A receive time that InfluxDB cannot say stands at the edge of what it can; the field has it as it was.
		edges := span.Span{StartMs: clamp(window.StartMs), EndMs: clamp(window.EndMs-1) + 1}
		yield := guard(yield)
		var tied []held
		err := s.eachHeld(ctx, tagIs("base", base), during(edges), func(h held) error {
			if !window.Contains(h.ReceivedMs) {
				return nil
			}
			if len(tied) > 0 && clamp(tied[0].ReceivedMs) != clamp(h.ReceivedMs) {
				if err := yieldHeld(tied, yield); err != nil {
					return err
				}
				tied = tied[:0]
			}
			tied = append(tied, h)
			return nil
		})
		if err != nil {
			return err
		}
		return yieldHeld(tied, yield)
	})
}

func clamp(ms int64) int64 { return min(max(ms, evidence.MinMs), evidence.MaxMs) }

func yieldHeld(tied []held, yield func(*evidence.Entry) error) error {
	slices.SortFunc(tied, func(a, b held) int {
		return cmp.Or(cmp.Compare(a.ReceivedMs, b.ReceivedMs), cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Seq, b.Seq),
			cmp.Compare(a.index, b.index))
	})
	for i := range tied {
		if err := yield(&tied[i].Entry); err != nil {
			return err
		}
	}
	return nil
}

// eachHeld calls yield for each of a base's entries in a selection, in order of receive time, with slices of its own.
func (s *Store) eachHeld(ctx context.Context, base, where string, yield func(held) error) error {
	columns := []string{
		"bridge", "epoch",
		"seq", "received_ms", "collected_ms", "device_ms", "meta",
		"event_ms", "index", "device", "channel", "reason", "detail", "topic", "payload", "payload_hex",
	}
	a, err := s.ask(ctx, selectFrom(quarantineName, columns, base+" AND "+where))
	if err != nil {
		return err
	}
	defer a.close()
	d := decode(a, telemetry.KindRaw)
	points := selection{s, telemetry.KindRaw, quarantineName, base, []string{"bridge", "epoch", "reason"}}
	for {
		var h held
		ok, err := points.next(ctx, d, &h.Entry)
		if err != nil || !ok {
			return err
		}
		h.index = d.index
		if err := yield(h); err != nil {
			return err
		}
	}
}

// rawOf returns a device's raw records in the window of event time, which is a field: they are sorted in memory.
func (s *Store) rawOf(ctx context.Context, q evidence.Query, w span.Span) (evidence.Cursor, error) {
	where := tagIs("device", q.Device) + " AND " + eventDuring(w)
	var all []held
	err := s.eachHeld(ctx, tagIs("base", q.Base), where, func(h held) error {
		all = append(all, h)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b held) int { return cmp.Compare(a.index, b.index) })
	entries := make([]evidence.Entry, 0, len(all))
	for i := range all {
		entries = append(entries, all[i].Entry)
	}
	return evidence.Sorted(entries), nil
}

// Receipts implements evidence.Store.
func (s *Store) Receipts(ctx context.Context, base, bridge string) ([]evidence.BridgeReceipt, error) {
	where := tagIs("base", base)
	if bridge != "" {
		where += " AND " + tagIs("bridge", bridge)
	}
	return s.receiptsWhere(ctx, where)
}

// ReceiptsAmong implements evidence.Store.
func (s *Store) ReceiptsAmong(ctx context.Context, q evidence.ReceiptQuery) ([]evidence.Receipt, error) {
	where := fmt.Sprintf(`%s AND %s AND %s AND "first_seq" <= %d AND "last_seq" >= %d`,
		tagIs("base", q.Base), tagIs("bridge", q.Bridge), tagIs("epoch", string(appendHex(nil, q.Epoch))), q.Last, q.First)
	if !q.Window.Empty() {
		where += " AND " + during(cut(q.Window))
	}
	found, err := s.receiptsWhere(ctx, where)
	return evidence.Plain(found), err
}

func (s *Store) receiptsWhere(ctx context.Context, where string) ([]evidence.BridgeReceipt, error) {
	columns := []string{
		"bridge", "epoch", "missing", "first_seq", "last_seq", "first_ms", "last_ms", "collected_ms", "chain_before", "chain_after",
	}
	statement := selectFrom(receiptName, columns, where)
	var all []evidence.BridgeReceipt
	err := s.view("read receipts", func() (err error) {
		for try, wait := 0, againFirst; ; try, wait = try+1, 2*wait {
			all = all[:0]
			err = s.each(ctx, statement, func(a *answer) error {
				r, err := decodeReceipt(a)
				all = append(all, r)
				return err
			})
			if !errors.Is(err, errIncomplete) || try == againTries {
				return err
			}
			if err := pause(ctx, wait); err != nil {
				return err
			}
		}
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, evidence.CompareReceipts)
	return all, nil
}

func decodeReceipt(a *answer) (evidence.BridgeReceipt, error) {
	f := fields{d: decode(a, 0)}
	integer := func(name string) int64 { return f.integer(a.column(name)) }
	text := func(name string) string { return string(f.bytes(a.column(name))) }
	r := evidence.BridgeReceipt{Bridge: decoded(a.tag("bridge")), Receipt: evidence.Receipt{
		First: uint64(integer("first_seq")), Last: uint64(integer("last_seq")), Missing: a.tag("missing") == "true",
		FirstMs: integer("first_ms"), LastMs: integer("last_ms"), CollectedMs: integer("collected_ms"),
	}}
	var err error
	r.Epoch, err = strconv.ParseUint(a.tag("epoch"), 16, 64)
	f.fail(err)
	for name, chain := range map[string]*[32]byte{"chain_before": &r.ChainBefore, "chain_after": &r.ChainAfter} {
		b, err := hex.DecodeString(text(name))
		f.fail(err)
		if copy(chain[:], b) != len(chain) {
			f.fail(fmt.Errorf("%s has %d bytes", name, len(b)))
		}
	}
	if f.err != nil {
		return r, fmt.Errorf("decode receipt: %w", f.err)
	}
	return r, nil
}
