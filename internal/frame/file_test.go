package frame_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/frame"
)

// readFile reads all frames of a file with where they are, and the error that ended it, nil for its end.
func readFile(r io.Reader) (frames [][]byte, offsets []int64, err error) {
	reader := frame.NewFileReader(r)
	for {
		f, offset, err := reader.Next()
		if err != nil {
			if _, _, again := reader.Next(); again == nil {
				return nil, nil, errors.New("reads on after an error")
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return frames, offsets, err
		}
		frames, offsets = append(frames, bytes.Clone(f)), append(offsets, offset)
	}
}

// sealed is real frames of the tests' workload.
func sealed(tb testing.TB) [][]byte {
	tb.Helper()
	w := meters(3, 200)
	w.wait = 2000
	return w.seal(tb, w.log())
}

// Files are joined by joining their bytes [F-10.1], and every reader's pieces give the same frames.
func TestFile(t *testing.T) {
	t.Parallel()
	frames := sealed(t)
	var file []byte
	var want []int64
	for _, f := range frames {
		file = frame.AppendDelimited(file, f)
		want = append(want, int64(len(file)-len(f)))
	}
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(file), "bytewise": iotest.OneByteReader(bytes.NewReader(file)),
	} {
		got, offsets, err := readFile(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(frames, got); diff != "" {
			t.Errorf("%s: frames (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(want, offsets); diff != "" {
			t.Errorf("%s: offsets (-want +got):\n%s", name, diff)
		}
	}
	twice, _, err := readFile(bytes.NewReader(slices.Concat(file, file)))
	if err != nil || len(twice) != 2*len(frames) {
		t.Errorf("two files joined: %d frames, %v; want %d", len(twice), err, 2*len(frames))
	}
}

// What a broker sent is a file too [F-10.3].
func TestFileOfOneFrameAlone(t *testing.T) {
	t.Parallel()
	want := sealed(t)[0]
	got, offsets, err := readFile(bytes.NewReader(want))
	if err != nil || len(got) != 1 || !bytes.Equal(got[0], want) || offsets[0] != 0 {
		t.Errorf("%d frames at %v, %v; want the frame at 0", len(got), offsets, err)
	}
}

// The error says where, what, and what would be right; what comes before it is given [F-10.2].
func TestFileErrors(t *testing.T) {
	t.Parallel()
	good := frame.AppendDelimited(nil, []byte("frame"))
	for _, c := range []struct {
		name, file string
		sentinel   error
		want       string
	}{
		{"cut", string(good) + "\x07fra", frame.ErrMalformed, "at byte 7: malformed: frame is cut: 7 bytes announced, 3 left"},
		{"cut length", string(good) + "\x87", frame.ErrMalformed, "at byte 6: malformed: file ends within the length"},
		{"empty frame", string(good) + "\x00", frame.ErrMalformed, "at byte 6: malformed: frame of 0 bytes"},
		{"too large", string(good) + "\x81\x80\x20", frame.ErrTooLarge, "at byte 6: too large: length of the next frame is 524289, at most 524288"},
		{"not the shortest", string(good) + "\x81\x00a", frame.ErrMalformed, "at byte 6: malformed: 81 00 is no length"},
		{"no varint", string(good) + strings.Repeat("\xff", 20), frame.ErrMalformed, "at byte 6: malformed: ff ff"},
		{"alone and too large", string(sealed(t)[0]) + strings.Repeat("x", frame.MaxFrame), frame.ErrTooLarge, "at byte 0: too large: frame is 524289"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			frames, _, err := readFile(strings.NewReader(c.file))
			if !errors.Is(err, c.sentinel) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if strings.HasPrefix(c.file, string(good)) && len(frames) != 1 {
				t.Errorf("%d frames before the error, want 1", len(frames))
			}
		})
	}
	failing := errors.New("disk")
	if _, _, err := readFile(io.MultiReader(bytes.NewReader(good), iotest.ErrReader(failing))); !errors.Is(err, failing) {
		t.Errorf("error %v, want that of the stream", err)
	}
}

// Whatever the bytes, reading ends, and what it gives is what the file holds.
func FuzzFile(f *testing.F) {
	frames := sealed(f)
	f.Add(frame.AppendDelimited(frame.AppendDelimited(nil, frames[0]), frames[1]))
	f.Add(frames[0])
	f.Add([]byte("\x81\x80\x20"))
	f.Fuzz(func(t *testing.T, file []byte) {
		got, offsets, err := readFile(bytes.NewReader(file))
		var again []byte
		for i, fr := range got {
			if !bytes.HasPrefix(file[offsets[i]:], fr) {
				t.Fatalf("frame %d is not at byte %d", i, offsets[i])
			}
			again = frame.AppendDelimited(again, fr)
		}
		if alone := len(got) == 1 && offsets[0] == 0; err == nil && !alone && !bytes.Equal(again, file) {
			t.Fatalf("read without an error, but written again it is another file")
		}
	})
}
