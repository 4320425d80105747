// Package recordingtest finds the recordings of real machines for the tests that read them. The recordings are large and
// belong to others, so they lie outside the repository, and a test that needs them is skipped where they are not. It
// refuses to fetch or to read them.
package recordingtest

import (
	"os"
	"path/filepath"
	"testing"
)

// Folder returns the path of a folder of recordings, such as "nist_sms_testbed": in the folder that JISHI_DATA names, or
// else in shared/data beside the repository. Where there is none it skips the test and says what to set.
func Folder(tb testing.TB, name string) string {
	tb.Helper()
	root := os.Getenv("JISHI_DATA")
	if root == "" {
		root = filepath.Join(repository(tb), "..", "shared", "data")
	}
	folder := filepath.Join(root, name)
	if _, err := os.Stat(folder); err != nil {
		tb.Skipf("the recordings are not here: set JISHI_DATA to the folder that holds %s (%v)", name, err)
	}
	return folder
}

// repository is the folder of go.mod, above that of the package under test.
func repository(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		above := filepath.Dir(dir)
		if above == dir {
			tb.Fatal("no go.mod above the test")
		}
		dir = above
	}
}
