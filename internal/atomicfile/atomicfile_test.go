package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorder does everything for real, notes the order, and fails the step it is told to.
type recorder struct {
	realSystem
	steps []string
	fail  string
}

var errInjected = errors.New("injected")

func (r *recorder) step(name string) error {
	r.steps = append(r.steps, name)
	if name == r.fail {
		return errInjected
	}
	return nil
}

func (r *recorder) createTemp(dir, pattern string) (temporary, error) {
	if err := r.step("create"); err != nil {
		return nil, err
	}
	t, err := r.realSystem.createTemp(dir, pattern)
	return &recordedFile{t, r}, err
}

func (r *recorder) rename(from, to string) error {
	if err := r.step("rename"); err != nil {
		return err
	}
	return r.realSystem.rename(from, to)
}

func (r *recorder) remove(path string) error {
	r.steps = append(r.steps, "remove")
	return r.realSystem.remove(path)
}

func (r *recorder) syncDir(dir string) error {
	if err := r.step("sync directory"); err != nil {
		return err
	}
	return r.realSystem.syncDir(dir)
}

type recordedFile struct {
	temporary
	r *recorder
}

func (f *recordedFile) Write(p []byte) (int, error) {
	if err := f.r.step("write"); err != nil {
		n, _ := f.temporary.Write(p[:len(p)/2])
		return n, err
	}
	return f.temporary.Write(p)
}

func (f *recordedFile) Sync() error {
	if err := f.r.step("sync"); err != nil {
		return err
	}
	return f.temporary.Sync()
}

func (f *recordedFile) Close() error {
	return errors.Join(f.r.step("close"), f.temporary.Close())
}

// Whatever fails, the file has its old content or its new one, and nothing is left beside it.
func TestWriteUnderFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fail  string
		want  string // content afterwards
		steps []string
	}{
		{"", "new", []string{"create", "write", "sync", "close", "rename", "sync directory"}},
		{"create", "old", []string{"create"}},
		{"write", "old", []string{"create", "write", "close", "remove"}},
		{"sync", "old", []string{"create", "write", "sync", "close", "remove"}},
		{"close", "old", []string{"create", "write", "sync", "close", "remove"}},
		{"rename", "old", []string{"create", "write", "sync", "close", "rename", "remove"}},
		{"sync directory", "new", []string{"create", "write", "sync", "close", "rename", "sync directory"}},
	}
	for _, tt := range tests {
		t.Run("fail "+tt.fail, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "state")
			if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			r := &recorder{fail: tt.fail}
			err := write(path, []byte("new"), 0o600, r)
			if got, want := errors.Is(err, errInjected), tt.fail != ""; got != want {
				t.Errorf("error %v, want an injected one: %v", err, want)
			}
			if diff := cmp.Diff(tt.steps, r.steps); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			got, err := os.ReadFile(path)
			if err != nil || string(got) != tt.want {
				t.Errorf("content %q, %v; want %q", got, err, tt.want)
			}
			wantOnly(t, filepath.Dir(path), "state")
		})
	}
}

func TestAbortKeepsTheOldFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	if err := Write(path, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	f, err := Create(path, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Abort(), f.Abort()); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); !errors.Is(err, ErrDone) {
		t.Errorf("Commit after Abort: %v, want ErrDone", err)
	}
	if _, err := f.Write(nil); !errors.Is(err, ErrDone) {
		t.Errorf("Write after Abort: %v, want ErrDone", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("content %q, want %q", got, "old")
	}
	wantOnly(t, filepath.Dir(path), "state")
}

func TestCommitSetsTheMode(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	if err := Write(path, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != fs.FileMode(0o640) {
		t.Errorf("mode %o, want 640", got)
	}
}

// A crash between Create and Commit leaves a file beside the target; Sweep takes it away and nothing else.
func TestSweep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"state", "state.tmp-77", "state.tmp-1", "other.tmp-1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Sweep(filepath.Join(dir, "state")); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, dir, "other.tmp-1", "state")
}

func wantOnly(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files in %s (-want +got):\n%s", strings.TrimSuffix(dir, "/"), diff)
	}
}
