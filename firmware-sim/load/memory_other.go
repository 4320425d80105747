//go:build !linux

package load

import "runtime"

// peakMemory is the memory that the runtime took from the system, bytes.
func peakMemory() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys)
}
