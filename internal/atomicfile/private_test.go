package atomicfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/atomicfile"
)

// TestPrivate: a secret is its owner's alone, is never overwritten, and is not read when others could have.
func TestPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	if _, err := atomicfile.ReadPrivate(path, 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before it is there: %v", err)
	}
	if err := atomicfile.CreatePrivate(path, []byte("secret")); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.CreatePrivate(path, []byte("other")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second time: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: %v, %v", info.Mode(), err)
	}
	if b, err := atomicfile.ReadPrivate(path, 4); err != nil || string(b) != "secr" {
		t.Errorf("%q, %v", b, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := atomicfile.ReadPrivate(path, 100); err == nil || !strings.Contains(err.Error(), "chmod 600") || strings.Contains(err.Error(), "secret") {
		t.Errorf("readable by others: %v", err)
	}
}
