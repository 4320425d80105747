// Package evidence is the contract of the evidence store: where the city keeps what devices said. Two packages
// implement it, embedded (SQLite) and influx (InfluxDB 1.8 and 2.x); evidencetest holds both to it. The package refuses
// derivation: it gives back what was said, in order, and never carries a value forward.
package evidence

import (
	"context"
	"errors"

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

// Verdict is what became of one record.
type Verdict uint8

// The verdicts.
const (
	// Accepted: the record is in the store, durably.
	Accepted Verdict = 1
	// Duplicate: the same record was there before; it is in the store once. A store that cannot tell says Accepted.
	Duplicate Verdict = 2
	// Rejected: the store will never take the record; the reason says why. The record is in the store's quarantine.
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
	Kinds  []telemetry.Kind // empty: samples and links
	// Channels limits samples to these channels; nil means all. Links are always included when their kind is.
	Channels []string
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
	FirstMs, LastMs           int64 // of event time; both 0 when there is none
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
	// number wins within an epoch, the later written across epochs. Two taps at one instant with other content stay two.
	Write(ctx context.Context, batches []Batch) ([]Outcome, error)

	// Read calls yield for each matching record in order of event time, then channel, and stops at yield's first error,
	// which it returns. The entry is only valid during the call.
	Read(ctx context.Context, q Query, yield func(*Entry) error) error

	// Before returns, for each channel of the query (all when nil) and for the device's link, the last record with an
	// event time before q.Window.StartMs, in order of event time. Retained records count like others.
	Before(ctx context.Context, q Query) ([]Entry, error)

	// Latest returns the last record of each channel of the device, and its last link, in order of channel.
	Latest(ctx context.Context, base, device string) ([]Entry, error)

	// Devices returns the counts of every device of the base that has a record in the window, in order of device.
	Devices(ctx context.Context, base string, window span.Span) ([]DeviceCount, error)

	// Quarantine calls yield for each raw or rejected record of the base in the window of receive time, in order.
	Quarantine(ctx context.Context, base string, window span.Span, yield func(*Entry) error) error

	// Receipts returns the receipts of a base, "" for all bridges, in order of bridge, epoch and first.
	Receipts(ctx context.Context, base, bridge string) ([]BridgeReceipt, error)

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

// ErrPermanent marks an error that repeating the call will not cure: wrong token, missing bucket, no permission.
var ErrPermanent = errors.New("needs a person")
