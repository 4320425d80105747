package frame

import (
	"crypto/ed25519"
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// fullBytes is the size of the uncompressed columns at which a frame is full. One more message of MaxMessage bytes and
// MaxRanges missing ranges still leave the frame below MaxFrame, even when nothing compresses; ordinary messages compress
// to well below MaxBytes.
const fullBytes = 224 << 10

// Builder collects messages of consecutive sequence numbers and seals them into frames. It serves one goroutine at a
// time, and keeps its memory from frame to frame.
type Builder struct {
	header Header
	key    ed25519.PrivateKey
	zstd   *zstd.Encoder

	view messageView
	rows rows

	chain     [32]byte // the log's, after the last message
	canonical int      // bytes of the messages so far
	estimate  int      // upper bound of the columns' bytes so far
	out       []byte
	body      []byte
}

// NewBuilder returns an empty builder for the log with this epoch. Both names must be valid (ValidName), the epoch not 0
// and the key an Ed25519 key; Seal reports what is not.
func NewBuilder(base, bridge string, epoch uint64, key ed25519.PrivateKey) *Builder {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault),
		zstd.WithWindowSize(512<<10), zstd.WithEncoderCRC(false))
	if err != nil {
		panic("frame: zstd refuses its constant options: " + err.Error())
	}
	b := &Builder{header: Header{Base: base, Bridge: bridge, Epoch: epoch}, key: key, zstd: encoder}
	b.reset()
	return b
}

// Len returns how many messages the builder holds.
func (b *Builder) Len() int { return int(b.header.Count) }

// Add takes the message with this sequence number, one above the one before. body is its canonical bytes, chainBefore and
// chainAfter are the log's chain hashes around it; the builder keeps none of the three. full says that the frame is to be
// sealed before more is added.
//
// On an error the message was not added and the builder is as before: ErrOrder when seq does not follow, ErrChain when
// chainBefore is not the hash after the message before, ErrMalformed or ErrTooLarge when CheckMessage refuses the body.
func (b *Builder) Add(seq uint64, body []byte, chainBefore, chainAfter [32]byte) (full bool, err error) {
	h := &b.header
	switch {
	case h.Count > 0 && seq != h.First+uint64(h.Count), seq == 0:
		return false, fmt.Errorf("add message %d after %d: %w", seq, h.Last(), ErrOrder)
	case h.Count > 0 && chainBefore != b.chain:
		return false, fmt.Errorf("add message %d: hash before it is not the one after %d: %w", seq, h.Last(), ErrChain)
	case b.isFull():
		return true, fmt.Errorf("add message %d to a full frame: %w", seq, ErrTooLarge)
	}
	if err := b.view.parse(body); err != nil {
		return false, fmt.Errorf("add message %d: %w", seq, err)
	}
	if h.Count == 0 {
		h.First, h.ChainBefore, h.FirstMs = seq, chainBefore, b.view.receivedMs
	}
	h.Count++
	b.chain, h.ChainCheck, h.LastMs = chainAfter, [ChainCheckBytes]byte(chainAfter[:]), b.view.receivedMs
	b.canonical += len(body)
	b.estimate += b.rows.add(&b.view)
	return b.isFull(), nil
}

func (b *Builder) isFull() bool {
	return b.estimate >= fullBytes || b.header.Count >= MaxCount ||
		len(b.rows.records) > MaxRecords-telemetry.MaxRecords ||
		len(b.rows.numbers) > MaxNumbers-MaxMessage/8 ||
		b.canonical > MaxCanonical-MaxMessage
}

// Missing announces ranges that will never come [F-4.4], in any order; ranges that touch or overlap become one. Seal refuses
// more than MaxRanges, and ranges that overlap the frame's messages.
func (b *Builder) Missing(ranges ...Range) {
	all := append(b.header.Missing, ranges...)
	slices.SortFunc(all, func(x, y Range) int {
		if x.First < y.First {
			return -1
		}
		return 1
	})
	merged := all[:0]
	for _, r := range all {
		if n := len(merged); n > 0 && r.First <= merged[n-1].Last+1 {
			merged[n-1].Last = max(merged[n-1].Last, r.Last)
			continue
		}
		merged = append(merged, r)
	}
	b.header.Missing = merged
}

// Seal returns the frame's bytes, signed, and empties the builder. sentMs is the bridge's clock. On an error, which is
// ErrMalformed or ErrTooLarge, the builder is emptied too: it was given a name, key or range that no frame can carry.
func (b *Builder) Seal(sentMs int64) ([]byte, error) {
	defer b.reset()
	b.header.SentMs = sentMs
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("seal frame from %d: %w", b.header.First, err)
	}
	b.out = b.header.append(b.out[:0])
	if b.header.Count > 0 {
		b.body = b.rows.encode(b.body[:0], b.header.FirstMs)
		b.out = appendBlob(b.out, frameBody, b.zstd.EncodeAll(b.body, nil))
	}
	signature := ed25519.Sign(b.key, b.out)
	b.out = appendBlob(b.out, frameSignature, signature)
	if len(b.out) > MaxFrame {
		return nil, fmt.Errorf("seal frame from %d: %w", b.header.First, tooLarge("frame", len(b.out), MaxFrame))
	}
	return slices.Clone(b.out), nil
}

func (b *Builder) check() error {
	h := &b.header
	if err := h.checkNames(); err != nil {
		return err
	}
	switch {
	case len(b.key) != ed25519.PrivateKeySize:
		return malformed("signing key has %d bytes, want %d", len(b.key), ed25519.PrivateKeySize)
	case h.Epoch == 0:
		return malformed("epoch is 0")
	case h.Count == 0 && len(h.Missing) == 0:
		return malformed("frame carries nothing")
	case len(h.Missing) > MaxRanges:
		return tooLarge("number of missing ranges", len(h.Missing), MaxRanges)
	case h.Count > 0 && h.Last() < h.First:
		return malformed("sequence numbers end")
	}
	for _, r := range h.Missing {
		if !r.valid() {
			return malformed("missing range %d to %d is none", r.First, r.Last)
		}
	}
	return checkMissing(h.Missing, Range{h.First, h.Last()})
}

func (b *Builder) reset() {
	b.header = Header{Base: b.header.Base, Bridge: b.header.Bridge, Epoch: b.header.Epoch}
	b.canonical, b.estimate = 0, 0
	b.rows.reset()
}
