// Package evidence is the contract of the evidence store: where the city keeps what devices said. Two packages
// implement it, embedded (SQLite) and influx (InfluxDB 1.8 and 2.x); evidencetest holds both to it. The package refuses
// derivation: it gives back what was said, in order, and never carries a value forward.
package evidence

import (
	"context"
	"errors"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Batch is one frame's content on its way into the store.
type Batch struct {
	Base        string // the base's code, 1 to telemetry.MaxName bytes
	Bridge      string // the bridge's id, likewise
	Epoch       uint64 // the epoch of the bridge's log
	CollectedMs int64  // the collector's clock when the frame arrived; a repeat may carry another
	Messages    []telemetry.Message
	Receipts    []Receipt // what the store vouches for once it has the messages
}

// Receipt says that a range of a bridge's log is in the store. It is written with the records it vouches for, so that a
// base's completeness can be computed from the store alone.
type Receipt struct {
	Epoch       uint64
	First, Last uint64 // inclusive
	ChainBefore [32]byte
	ChainAfter  [32]byte
	Missing     bool  // the range was lost at the base and will never come; both chains are zero
	FirstMs     int64 // receive time at the base of the first message
	LastMs      int64 // receive time at the base of the last message
	CollectedMs int64
}

// ReceiptQuery selects the receipts of one bridge's log that share a number with a range.
type ReceiptQuery struct {
	Base, Bridge string
	Epoch        uint64
	First, Last  uint64    // inclusive, 1 to the largest int64, which is the most that a store counts to
	Window       span.Span // of FirstMs, [start, end); empty is all of time, which a store of time series has to read
}

// Verdict is what became of one record.
type Verdict uint8

// The verdicts.
const (
	// Accepted: the record is in the store, durably.
	Accepted Verdict = 1
	// Duplicate: a record of the same identity was there before, in the store or earlier in the call; it is in the store
	// once. A store that cannot tell says Accepted.
	Duplicate Verdict = 2
	// Rejected: the store will never take the record; the reason says why. The record is in the store's quarantine, as the
	// raw record that Quarantined makes of it.
	Rejected Verdict = 3
)

// Rejection names one record that the store refused.
type Rejection struct {
	Seq    uint64 // the message's
	Index  int    // of the record in the message
	Reason telemetry.Reason
	Detail string
}

// Outcome is what became of one batch's records. Accepted + Duplicate + len(Rejected) is their number.
type Outcome struct {
	Accepted  int
	Duplicate int
	Rejected  []Rejection
}

// Query selects one device's records in a window of event time.
type Query struct {
	Base   string           // required
	Device string           // required
	Window span.Span        // [start, end) of event time, required
	Kinds  []telemetry.Kind // empty: samples and links; a kind that is none is an error
	// Channels limits samples to these channels; nil means all. Links are always included when their kind is.
	Channels []string
	// Quantities, when it is not nil, asks for what a derivation reads and no more: of a sample's values those of these
	// quantities, and nothing of where a record came from. Read may then leave out all other values, and DeviceMs, ReceivedMs,
	// CollectedMs, Epoch, Seq and Dialect; a store of columns is three times as fast without them.
	Quantities []string
}

// WantsQuantity reports whether the query's quantities let a value through.
func (q *Query) WantsQuantity(name string) bool {
	return q.Quantities == nil || slices.Contains(q.Quantities, name)
}

// Entry is one record as it was stored, with its three times.
type Entry struct {
	telemetry.Record
	ReceivedMs  int64 // the bridge's clock
	CollectedMs int64 // the collector's clock
	Epoch       uint64
	Seq         uint64
	Dialect     string
}

// DeviceCount is how many records of each kind a device has in a window.
type DeviceCount struct {
	Device                    string
	Samples, Taps, Links, Raw int64
	// FirstMs and LastMs are the event times of the first and the last sample, tap or link; both 0 when there is none but
	// raw records.
	FirstMs, LastMs int64
}

// ErrClosed is returned by every method after Close.
var ErrClosed = errors.New("evidence store is closed")

// Store keeps evidence. All methods may be called concurrently.
type Store interface {
	// Write stores the batches: every record, then the receipts, each once however often it is written. When it
	// returns without an error, all that was not rejected is durable, and so are the receipts and the quarantine
	// entries of what was rejected. An error means that the outcome is unknown and the same call is to be repeated;
	// errors.Is(err, ErrPermanent) says that repeating will not help before a person acts (wrong token, no bucket).
	//
	// Two samples or links with the same base, device, channel and event time are one: the one with the higher sequence
	// number wins within an epoch, the later written across epochs; within a message the later record. (An engine that
	// cannot compare with what it has keeps the later written of two calls: frames of one log are written in its order.)
	// A sample that wins
	// replaces the other whole: no value of the other remains. Two taps at one instant with another card or direction stay
	// two. A raw record is one by its place in its bridge's log: bridge, epoch, sequence number, index in the message.
	//
	// The outcomes are in order of the batches, their rejections in order of sequence number and index. Check says what is
	// rejected. A record is kept with the fields that speak for its kind; values keep their order. A call that is
	// cancelled returns the context's error and may have stored a part.
	Write(ctx context.Context, batches []Batch) ([]Outcome, error)

	// Read calls yield for each matching record in the order of Compare: event time, then channel. It stops at yield's
	// first error, which it returns. The entry is only valid during the call. Records that are written meanwhile may be
	// in it or not. Raw records and what was rejected of the device come with telemetry.KindRaw. An empty window is no error.
	Read(ctx context.Context, q Query, yield func(*Entry) error) error

	// Before returns, for each channel of the query (all when nil) the last sample, and the last link of the device
	// whatever its channel, with an event time before q.Window.StartMs, in the order of Compare. Retained records count
	// like others. Kinds restricts it like Read; taps and raw records are never in it.
	Before(ctx context.Context, q Query) ([]Entry, error)

	// Latest returns the last sample of each channel of the device, and its last link, in order of channel.
	Latest(ctx context.Context, base, device string) ([]Entry, error)

	// Devices returns the counts of every device of the base that has a record in the window, in order of device.
	Devices(ctx context.Context, base string, window span.Span) ([]DeviceCount, error)

	// Quarantine calls yield for each raw or rejected record of the base in the window of receive time, in order of receive
	// time, epoch, sequence number and index. The entry is only valid during the call.
	Quarantine(ctx context.Context, base string, window span.Span, yield func(*Entry) error) error

	// Receipts returns the receipts of a base, bridge "" for all its bridges, in the order of CompareReceipts. A receipt is
	// one by base, bridge, epoch, range and whether it is missing.
	Receipts(ctx context.Context, base, bridge string) ([]BridgeReceipt, error)

	// ReceiptsAmong returns the receipts that the query selects, in the order of CompareReceipts.
	ReceiptsAmong(ctx context.Context, q ReceiptQuery) ([]Receipt, error)

	// Ping reports whether the store answers, and what would make it answer if not.
	Ping(ctx context.Context) error

	// Close releases the store. It is idempotent.
	Close() error
}

// BridgeReceipt is a receipt with the bridge it belongs to.
type BridgeReceipt struct {
	Bridge string
	Receipt
}

// Plain returns the receipts without their bridge.
func Plain(receipts []BridgeReceipt) []Receipt {
	var out []Receipt
	for i := range receipts {
		out = append(out, receipts[i].Receipt)
	}
	return out
}

// ErrPermanent marks an error that repeating the call will not cure: wrong token, missing bucket, no permission.
var ErrPermanent = errors.New("needs a person")
