package spool

import (
	"errors"
	"fmt"
)

// Errors that callers branch on.
var (
	// ErrFull: there is no room within Options; nothing was written. Wait for acknowledgements, call Retain, try again.
	ErrFull = errors.New("log is full")
	// ErrFailed: a write or a sync failed; what it was asked to write is not safe. Close the log and open it again.
	ErrFailed = errors.New("log has failed and takes nothing until it is opened again")
	// ErrClosed: the log or the reader was closed.
	ErrClosed = errors.New("log is closed")
	// ErrLocked: another process, or this one, has the log open.
	ErrLocked = errors.New("log is in use")
	// ErrTooLarge: an entry's body or raw message is over MaxBody or MaxRaw; nothing was written.
	ErrTooLarge = errors.New("entry is too large for the log")
	// ErrVersion: the directory was written by another version of the format.
	ErrVersion = errors.New("log has another format version")
	// ErrOutOfRange: a reader was asked to begin above the end of the log.
	ErrOutOfRange = errors.New("number is above the end of the log")
)

// Cause says why numbers have no record.
type Cause uint8

// The causes. The numbers of the first four are part of the format and never change.
const (
	// CauseCorrupt: the bytes changed or became unreadable at rest.
	CauseCorrupt Cause = 1
	// CauseTorn: the bytes were cut off at open after a crash. No device was acknowledged for them, if the disk keeps
	// its promises; the devices send them again and they come back under new numbers.
	CauseTorn Cause = 2
	// CauseDropped: deleted under Options.DropOldest.
	CauseDropped Cause = 3
	// CauseVanished: the segment is gone, or the state that said what became of it.
	CauseVanished Cause = 4
	// CauseExpired: deleted after its acknowledgement; only a reader says this, and it is no loss.
	CauseExpired Cause = 5
)

// String returns the cause's lower-case English name, which is also its metric label.
func (c Cause) String() string {
	switch c {
	case CauseCorrupt:
		return "corrupt"
	case CauseTorn:
		return "torn"
	case CauseDropped:
		return "dropped"
	case CauseVanished:
		return "vanished"
	case CauseExpired:
		return "expired"
	}
	return "unknown"
}

// GapError is returned by Reader.Next for numbers that have no record. The reader goes on after them.
type GapError struct {
	First, Last uint64 // inclusive
	Cause       Cause
}

// Error implements error.
func (e *GapError) Error() string {
	return fmt.Sprintf("records %d to %d are missing: %s", e.First, e.Last, e.Cause)
}

// Loss is a range of numbers that have no record, with the reason.
type Loss struct {
	Range
	Cause Cause
}
