package frame

import "errors"

// Limits of what is accepted [F-1.3]. A Builder stays below them by itself.
const (
	// MaxFrame is the largest frame that Parse takes, in bytes.
	MaxFrame = 512 << 10
	// MaxBytes is what the sealed frame of a Builder stays below, in bytes, unless its last message alone is above 16 KiB.
	MaxBytes = 256 << 10
	// MaxMessage is the largest canonical message, in bytes.
	MaxMessage = 192 << 10
	// MaxCount is how many messages one frame may carry.
	MaxCount = 65536
	// MaxRanges is how many ranges one frame may announce as missing, and one acknowledgement may name.
	MaxRanges = 1024
	// MaxAck is the largest acknowledgement that ParseAck takes, in bytes.
	MaxAck = 192 << 10
	// MaxRecords is how many records one frame may carry, and MaxNumbers how many numbers they may hold.
	MaxRecords = 131072
	MaxNumbers = 524288
	// MaxBody is how large a frame's body may become when it is decompressed, and MaxCanonical how many canonical bytes
	// its messages may have together.
	MaxBody      = 1 << 20
	MaxCanonical = 16 << 20
	// MaxValues is how many values one record may carry.
	MaxValues = 64
	// MaxTopic is the longest topic of a raw record, in bytes: MQTT's own limit.
	MaxTopic = 65535
)

// What can be wrong with a frame, a message or an acknowledgement; errors.Is finds them in the returned errors.
var (
	// ErrSignature: the frame is not signed by the key it was verified with.
	ErrSignature = errors.New("signature does not verify")
	// ErrChain: the messages do not lead from the chain hash before the frame to the one after it.
	ErrChain = errors.New("chain is broken")
	// ErrMalformed: the bytes are not what docs/frame.md asks for.
	ErrMalformed = errors.New("malformed")
	// ErrTooLarge: a limit is exceeded.
	ErrTooLarge = errors.New("too large")
	// ErrOrder: a message was added to a Builder out of sequence.
	ErrOrder = errors.New("out of sequence")
)
