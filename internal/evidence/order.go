package evidence

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// TapDigest tells two taps of one reader at one instant apart: it depends on the card and the direction, and on nothing
// that a repeat could change.
func TapDigest(r *telemetry.Record) uint64 {
	sum := sha256.Sum256(append([]byte{byte(r.Direction)}, r.Card...))
	return binary.BigEndian.Uint64(sum[:8])
}

// Compare orders entries as Read yields them: event time, channel, kind, then what tells taps apart (card, direction)
// and raw records (epoch, sequence number). Two entries of one device that compare equal are one record, but for raw
// records of one message.
func Compare(a, b *Entry) int {
	return cmp.Or(
		cmp.Compare(a.EventMs, b.EventMs),
		strings.Compare(a.Channel, b.Channel),
		cmp.Compare(a.Kind, b.Kind),
		strings.Compare(a.Card, b.Card),
		cmp.Compare(a.Direction, b.Direction),
		cmp.Compare(a.Epoch, b.Epoch),
		cmp.Compare(a.Seq, b.Seq),
	)
}

// CompareChannels orders entries as Latest returns them: channel, then the order of Compare.
func CompareChannels(a, b Entry) int {
	return cmp.Or(strings.Compare(a.Channel, b.Channel), Compare(&a, &b))
}

// CompareReceipts orders receipts as Receipts returns them: bridge, epoch, first, last, missing ones after present ones.
func CompareReceipts(a, b BridgeReceipt) int {
	missing := func(r BridgeReceipt) int {
		if r.Missing {
			return 1
		}
		return 0
	}
	return cmp.Or(
		strings.Compare(a.Bridge, b.Bridge),
		cmp.Compare(a.Epoch, b.Epoch),
		cmp.Compare(a.First, b.First),
		cmp.Compare(a.Last, b.Last),
		cmp.Compare(missing(a), missing(b)),
	)
}

// Cursor is a stream of entries in the order of Compare.
type Cursor interface {
	// Next returns the next entry, nil at the end. The entry is valid until the next call.
	Next() (*Entry, error)
}

// Sorted returns a cursor over the entries, which it sorts in place; equal ones keep their order.
func Sorted(entries []Entry) Cursor {
	slices.SortStableFunc(entries, func(a, b Entry) int { return Compare(&a, &b) })
	return &sorted{entries}
}

type sorted struct{ entries []Entry }

func (s *sorted) Next() (*Entry, error) {
	if len(s.entries) == 0 {
		return nil, nil //nolint:nilnil // the end, by the contract of Cursor
	}
	e := &s.entries[0]
	s.entries = s.entries[1:]
	return e, nil
}

// Merge calls yield for the entries of all cursors in the order of Compare, and stops at the first error, of a cursor or
// of yield, which it returns.
func Merge(cursors []Cursor, yield func(*Entry) error) error {
	heads := make([]head, 0, len(cursors))
	for _, c := range cursors {
		e, err := c.Next()
		if err != nil {
			return err
		}
		if e != nil {
			heads = push(heads, head{e, c})
		}
	}
	for len(heads) > 0 {
		last := len(heads) - 1
		h := heads[last]
		heads = heads[:last]
		// The cursor that is ahead mostly stays ahead for a while: it is asked again before it is put back.
		for h.entry != nil && (len(heads) == 0 || Compare(h.entry, heads[len(heads)-1].entry) <= 0) {
			if err := yield(h.entry); err != nil {
				return err
			}
			var err error
			if h.entry, err = h.cursor.Next(); err != nil {
				return err
			}
		}
		if h.entry != nil {
			heads = push(heads, h)
		}
	}
	return nil
}

type head struct {
	entry  *Entry
	cursor Cursor
}

// push keeps heads in descending order, the next one last.
func push(heads []head, h head) []head {
	at, _ := slices.BinarySearchFunc(heads, h, func(a, b head) int { return Compare(b.entry, a.entry) })
	return slices.Insert(heads, at, h)
}
