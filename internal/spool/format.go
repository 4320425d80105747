package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// Limits of an entry, in bytes [L-6.1].
const (
	MaxBody = 1 << 20
	MaxRaw  = 1 << 20
)

const (
	segmentMagic     = "JISHILOG"
	formatVersion    = 1
	segmentHeaderLen = 80

	blockMagic     = "JBLK"
	blockHeaderLen = 80
	// blockTarget is where a block ends: what one flipped bit can cost [L-5.2].
	blockTarget = 64 << 10
	maxPayload  = max(blockTarget, recordHeaderLen+MaxBody+MaxRaw)

	recordHeaderLen = 16

	// flagCommit marks the first block of a commit, so that recovery finds where the last commit began [L-11.6].
	flagCommit = 1
)

// castagnoli is the polynomial with an instruction of its own on amd64 and arm64.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// segmentHeader is the header of a segment file [L-4.1].
type segmentHeader struct {
	epoch     uint64
	first     uint64
	createdMs int64
	chain     [32]byte
}

// errDamaged says that bytes are not what was written.
var errDamaged = errors.New("damaged")

func (h segmentHeader) append(b []byte) []byte {
	start := len(b)
	b = append(b, segmentMagic...)
	b = binary.LittleEndian.AppendUint16(b, formatVersion)
	b = binary.LittleEndian.AppendUint16(b, segmentHeaderLen)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, h.epoch)
	b = binary.LittleEndian.AppendUint64(b, h.first)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.createdMs))
	b = append(b, h.chain[:]...)
	b = binary.LittleEndian.AppendUint32(b, 0)
	return binary.LittleEndian.AppendUint32(b, sum(b[start:]))
}

// parseSegmentHeader returns errDamaged for bytes that are no header, and ErrVersion for a header of another version,
// which only a different program can have written with its sum [L-4.2].
func parseSegmentHeader(b []byte) (segmentHeader, error) {
	if len(b) < segmentHeaderLen || string(b[:8]) != segmentMagic ||
		sum(b[:76]) != binary.LittleEndian.Uint32(b[76:]) {
		return segmentHeader{}, errDamaged
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v != formatVersion {
		return segmentHeader{}, fmt.Errorf("%w: %d, this program writes %d", ErrVersion, v, formatVersion)
	}
	return segmentHeader{
		epoch:     binary.LittleEndian.Uint64(b[16:]),
		first:     binary.LittleEndian.Uint64(b[24:]),
		createdMs: int64(binary.LittleEndian.Uint64(b[32:])),
		chain:     [32]byte(b[40:72]),
	}, nil
}

// blockHeader is the header of a block [L-5.1].
type blockHeader struct {
	length   uint32 // of the payload
	count    uint32
	flags    uint32
	epoch    uint64
	first    uint64
	commitMs int64
	chain    [32]byte
	payload  uint32 // sum
}

func (h *blockHeader) last() uint64 { return h.first + uint64(h.count) - 1 }

func (h *blockHeader) size() int64 { return blockHeaderLen + int64(h.length) }

// put writes the header into the first blockHeaderLen bytes of b.
func (h *blockHeader) put(b []byte) {
	copy(b, blockMagic)
	binary.LittleEndian.PutUint32(b[4:], h.length)
	binary.LittleEndian.PutUint32(b[8:], h.count)
	binary.LittleEndian.PutUint32(b[12:], h.flags)
	binary.LittleEndian.PutUint64(b[16:], h.epoch)
	binary.LittleEndian.PutUint64(b[24:], h.first)
	binary.LittleEndian.PutUint64(b[32:], uint64(h.commitMs))
	copy(b[40:72], h.chain[:])
	binary.LittleEndian.PutUint32(b[72:], h.payload)
	binary.LittleEndian.PutUint32(b[76:], sum(b[:76]))
}

// parse reads a header and reports whether it is whole and within the limits [L-5.1].
func (h *blockHeader) parse(b []byte) bool {
	if len(b) < blockHeaderLen || string(b[:4]) != blockMagic ||
		sum(b[:76]) != binary.LittleEndian.Uint32(b[76:]) {
		return false
	}
	h.length = binary.LittleEndian.Uint32(b[4:])
	h.count = binary.LittleEndian.Uint32(b[8:])
	h.flags = binary.LittleEndian.Uint32(b[12:])
	h.epoch = binary.LittleEndian.Uint64(b[16:])
	h.first = binary.LittleEndian.Uint64(b[24:])
	h.commitMs = int64(binary.LittleEndian.Uint64(b[32:]))
	h.chain = [32]byte(b[40:72])
	h.payload = binary.LittleEndian.Uint32(b[72:])
	return h.length <= maxPayload && h.count >= 1 && h.count <= h.length/recordHeaderLen &&
		h.flags&^flagCommit == 0 && h.first >= 1 && h.last() >= h.first
}

// recordsFill reports whether count records fill the payload exactly [L-5.1].
func recordsFill(payload []byte, count uint32) bool {
	for ; count > 0; count-- {
		if len(payload) < recordHeaderLen {
			return false
		}
		body, raw := recordLengths(payload)
		if body > MaxBody || raw > MaxRaw || recordHeaderLen+body+raw > len(payload) {
			return false
		}
		payload = payload[recordHeaderLen+body+raw:]
	}
	return len(payload) == 0
}

func recordLengths(b []byte) (body, raw int) {
	return int(binary.LittleEndian.Uint32(b[8:])), int(binary.LittleEndian.Uint32(b[12:]))
}

func appendRecord(b []byte, e *Entry) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(e.ReceivedMs))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Body)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Raw)))
	b = append(b, e.Body...)
	return append(b, e.Raw...)
}

const segmentSuffix = ".log"

// segmentName returns the file name of the segment that begins with a number [L-3.3].
func segmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, segmentSuffix) }

// parseSegmentName returns a segment's first number, and false for a name that is no segment's [L-3.4].
func parseSegmentName(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	first, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || first == 0 || segmentName(first) != name {
		return 0, false
	}
	return first, true
}
