//go:build !unix

package load

// RaiseFileLimit does nothing where there is no such limit.
func RaiseFileLimit(int) error { return nil }
