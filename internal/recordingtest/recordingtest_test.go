package recordingtest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/recordingtest"
)

func TestFolder(t *testing.T) {
	data := t.TempDir()
	t.Setenv("JISHI_DATA", data)
	want := filepath.Join(data, "mill")
	if err := os.Mkdir(want, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := recordingtest.Folder(t, "mill"); got != want {
		t.Errorf("folder %s, want %s", got, want)
	}
}

// refused keeps a skip from ending the test that looks at it.
type refused struct {
	testing.TB
	skipped bool
}

func (r *refused) Skipf(string, ...any) { r.skipped = true }

func TestFolderThatIsMissingSkips(t *testing.T) {
	for name, data := range map[string]string{"named": t.TempDir(), "beside the repository": ""} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("JISHI_DATA", data)
			r := &refused{TB: t}
			recordingtest.Folder(r, "no-such-recording")
			if !r.skipped {
				t.Error("the test goes on")
			}
		})
	}
}
