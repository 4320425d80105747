//go:build unix

package load

import (
	"golang.org/x/sys/unix"
)

// RaiseFileLimit lets this process open so many files, raising its limit as far as the system allows. The error is a
// *FileLimitError when that is not enough.
func RaiseFileLimit(need int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil //nolint:nilerr // a limit that cannot be read will show itself
	}
	want := uint64(max(need, 0))
	if uint64(limit.Cur) >= want {
		return nil
	}
	raised := unix.Rlimit{Cur: want, Max: limit.Max}
	if uint64(limit.Max) < want {
		raised.Max = raised.Cur // only who may (CAP_SYS_RESOURCE)
	}
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &raised) == nil {
		return nil
	}
	if uint64(limit.Max) > uint64(limit.Cur) {
		raised = unix.Rlimit{Cur: limit.Max, Max: limit.Max}
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &raised) == nil {
			limit.Cur = limit.Max
		}
	}
	if uint64(limit.Cur) >= want {
		return nil
	}
	return &FileLimitError{Need: need, Have: int(min(uint64(limit.Cur), 1<<31-1))}
}
