// Package frame is the wire format between a base and the city: the canonical bytes of one message, the frame that
// carries a run of them signed and chained, the city's acknowledgement, and the topics they travel on. The bridge builds
// frames, the collector opens them, and whoever audits a base can open them again years later. docs/frame.md is the
// specification; the marks [F-…] in the code are its clauses.
//
// The package refuses network and disk (but for a bridge's key file), and it refuses to guess: bytes that are not exactly
// what the specification asks for are an error, never a repaired message.
package frame

import (
	"crypto/ed25519"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const frameFormat = "jishi frame 1"

// Field numbers of Frame in frame.proto.
const (
	frameFormatField = 1
	frameBase        = 2
	frameBridge      = 3
	frameEpoch       = 4
	frameFirst       = 5
	frameCount       = 6
	frameChainBefore = 7
	frameChainCheck  = 8
	frameFirstMs     = 9
	frameLastMs      = 10
	frameSentMs      = 11
	frameMissing     = 12
	frameBody        = 13
	frameSignature   = 14
)

// ChainCheckBytes is how much of the chain hash after its last message a frame carries: enough that no accident goes
// unseen; against intent there is the signature.
const ChainCheckBytes = 8

// signatureField is how long the last field of a frame is: tag, length, signature.
const signatureField = 2 + ed25519.SignatureSize

// Header says whose messages a frame carries and where they stand in the log.
type Header struct {
	// Base and Bridge are valid names (ValidName).
	Base, Bridge string
	// Epoch is the log's epoch, not 0.
	Epoch uint64
	// First is the sequence number of the first message; 0 when Count is 0.
	First uint64
	// Count is how many messages the frame carries, at most MaxCount; 0 when it only announces what is missing.
	Count uint32
	// ChainBefore is the log's chain hash before the first message; zero when Count is 0.
	ChainBefore [32]byte
	// ChainCheck is the beginning of the chain hash after the last message: who opens the frame computes all of it, and
	// holds it to this. Zero when Count is 0.
	ChainCheck [ChainCheckBytes]byte
	// FirstMs and LastMs are the receive times of the first and the last message, SentMs the bridge's clock at sealing.
	FirstMs, LastMs, SentMs int64
	// Missing are ranges of this log that will never come, because the base dropped them or found them corrupt:
	// ascending, apart from each other and from the messages of this frame.
	Missing []Range
}

// Last returns the sequence number of the last message; 0 when there is none.
func (h *Header) Last() uint64 {
	if h.Count == 0 {
		return 0
	}
	return h.First + uint64(h.Count) - 1
}

// Frame is a parsed frame. It refers to the bytes it was parsed from. Its methods may be called concurrently.
type Frame struct {
	Header
	// Size is the frame's size in bytes.
	Size int

	signed    []byte // every byte before the signature's field
	signature []byte
	body      []byte // compressed
}

// Parse reads a frame's header and checks every bound [F-4.1]. It neither verifies the signature nor opens the body, and
// it keeps b, which must not change while the frame is used. The error is ErrMalformed or ErrTooLarge.
func Parse(b []byte) (*Frame, error) {
	if len(b) > MaxFrame {
		return nil, tooLarge("frame", len(b), MaxFrame)
	}
	if len(b) < signatureField {
		return nil, malformed("frame of %d bytes", len(b))
	}
	f := &Frame{Size: len(b), signed: b[:len(b)-signatureField]}
	var format []byte
	r := reader{b: b, repeats: 1 << frameMissing}
	for r.next() {
		if r.field == frameFormatField {
			// The version is judged before anything else, so that a newer frame is named as such.
			if format = r.text(telemetry.MaxName); string(format) != frameFormat {
				return nil, malformed("format is %q, want %q", format, frameFormat)
			}
			continue
		}
		f.parseField(&r)
	}
	if r.err != nil {
		return nil, r.err
	}
	if format == nil {
		return nil, malformed("frame has no format, want %q", frameFormat)
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *Frame) parseField(r *reader) {
	switch r.field {
	case frameBase:
		f.Base = string(r.text(telemetry.MaxName))
	case frameBridge:
		f.Bridge = string(r.text(telemetry.MaxName))
	case frameEpoch:
		f.Epoch = r.fixed64()
	case frameFirst:
		f.First = r.number()
	case frameCount:
		f.Count = uint32(r.small(MaxCount))
	case frameChainBefore:
		parseHash(r, f.ChainBefore[:])
	case frameChainCheck:
		parseHash(r, f.ChainCheck[:])
	case frameFirstMs:
		f.FirstMs = int64(r.number())
	case frameLastMs:
		f.LastMs = int64(r.number())
	case frameSentMs:
		f.SentMs = int64(r.number())
	case frameMissing:
		if len(f.Missing) == MaxRanges {
			r.err = tooLarge("number of missing ranges", MaxRanges+1, MaxRanges)
			return
		}
		f.Missing = append(f.Missing, parseRefusal(r, false).Range)
	case frameBody:
		f.body = r.blob(MaxFrame)
	case frameSignature:
		f.signature = r.blob(ed25519.SignatureSize)
	default:
		r.unknown()
	}
}

func parseHash(r *reader, h []byte) {
	if v := r.bytes(); copy(h, v) != len(v) || len(v) != len(h) {
		r.fail("field %d has %d bytes, want %d", r.field, len(v), len(h))
	}
}

// check holds the header to what its fields promise each other [F-4.2].
func (f *Frame) check() error {
	if err := f.checkNames(); err != nil {
		return err
	}
	switch {
	case len(f.signature) != ed25519.SignatureSize:
		return malformed("signature has %d bytes, want %d", len(f.signature), ed25519.SignatureSize)
	case f.Epoch == 0:
		return malformed("frame has no epoch")
	case f.Count == 0 && len(f.Missing) == 0:
		return malformed("frame carries nothing")
	case f.Count == 0 && (f.First != 0 || f.ChainBefore != [32]byte{} || f.ChainCheck != [ChainCheckBytes]byte{}),
		f.Count == 0 && (f.FirstMs != 0 || f.LastMs != 0 || f.body != nil):
		return malformed("frame without messages describes some")
	case f.Count > 0 && f.body == nil:
		return malformed("frame has no body")
	case f.Count > 0 && !(Range{f.First, f.First + uint64(f.Count) - 1}).valid():
		return malformed("%d messages from number %d", f.Count, f.First)
	}
	return checkMissing(f.Missing, Range{f.First, f.Last()})
}

func (h *Header) checkNames() error {
	if err := ValidName(h.Base); err != nil {
		return fmt.Errorf("base: %w", err)
	}
	if err := ValidName(h.Bridge); err != nil {
		return fmt.Errorf("bridge: %w", err)
	}
	return nil
}

// checkMissing wants the ranges ascending, apart, and clear of the messages that are there [F-4.4].
func checkMissing(missing []Range, there Range) error {
	var last uint64
	for _, r := range missing {
		switch {
		case r.First <= last:
			return malformed("missing range %d to %d is not above %d", r.First, r.Last, last)
		case r.First <= there.Last && r.Last >= there.First:
			return malformed("missing range %d to %d is in the frame", r.First, r.Last)
		}
		last = r.Last
	}
	return nil
}

// Verify reports whether the holder of the bridge's key signed the frame [F-4.3]; the error is ErrSignature. Nothing of
// a frame is to be believed before.
func (f *Frame) Verify(pub ed25519.PublicKey) error {
	if len(pub) != ed25519.PublicKeySize || !ed25519.Verify(pub, f.signed, f.signature) {
		return fmt.Errorf("verify frame of %s/%s: %w", f.Base, f.Bridge, ErrSignature)
	}
	return nil
}

// Open opens the body and appends its messages to dst, in order and with their Seq, after holding them to the chain from
// ChainBefore to ChainCheck [F-3.3]. chainAfter is the log's chain hash after the last message, zero when there is none. On
// an error dst is returned as it came; the error is ErrMalformed, ErrTooLarge or ErrChain. The messages share memory with
// each other, not with the frame.
func (f *Frame) Open(dst []telemetry.Message) (messages []telemetry.Message, chainAfter [32]byte, err error) {
	if f.Count == 0 {
		return dst, chainAfter, nil
	}
	messages, chainAfter, err = decodeBody(dst, f)
	if err != nil {
		return dst, [32]byte{}, fmt.Errorf("open frame of %s/%s from %d: %w", f.Base, f.Bridge, f.First, err)
	}
	return messages, chainAfter, nil
}

// Messages is Open for who does not need the hash.
func (f *Frame) Messages(dst []telemetry.Message) ([]telemetry.Message, error) {
	messages, _, err := f.Open(dst)
	return messages, err
}

// appendHeader appends every field before the body.
func (h *Header) append(dst []byte) []byte {
	dst = appendText(dst, frameFormatField, frameFormat)
	dst = appendText(dst, frameBase, h.Base)
	dst = appendText(dst, frameBridge, h.Bridge)
	dst = appendFixed64(dst, frameEpoch, h.Epoch)
	if h.Count > 0 {
		dst = appendNumber(dst, frameFirst, h.First)
		dst = appendNumber(dst, frameCount, uint64(h.Count))
		dst = appendBlob(dst, frameChainBefore, h.ChainBefore[:])
		dst = appendBlob(dst, frameChainCheck, h.ChainCheck[:])
	}
	dst = appendNumber(dst, frameFirstMs, uint64(h.FirstMs))
	dst = appendNumber(dst, frameLastMs, uint64(h.LastMs))
	dst = appendNumber(dst, frameSentMs, uint64(h.SentMs))
	for _, r := range h.Missing {
		dst = protowire.AppendTag(dst, frameMissing, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(r.size()))
		dst = r.append(dst)
	}
	return dst
}
