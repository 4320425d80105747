package collector

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/frame"
)

// QuarantinedFile is what one file of a quarantine holds.
type QuarantinedFile struct {
	QuarantineName
	Path   string
	Frames int
	Bytes  int64
	// Senders counts the frames by whom they say to be of. Nobody vouches for that unless the name has a bridge and the
	// reason is not a bad signature. Of what is no frame, and beyond 100 senders, nothing is in it.
	Senders map[Sender]int
}

// Sender is a bridge, or what says to be one.
type Sender struct{ Base, Bridge string }

// maxSenders bounds what is told about names that anybody can invent.
const maxSenders = 100

// ReadQuarantine says what the files of a directory hold, the oldest first. A directory that is not there holds none. It
// may be read while a collector writes to it.
func ReadQuarantine(dir string) ([]QuarantinedFile, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read quarantine: %w", err)
	}
	var files []QuarantinedFile
	for _, e := range entries {
		name, ok := ParseQuarantineName(e.Name())
		if !ok {
			continue
		}
		file := QuarantinedFile{QuarantineName: name, Path: filepath.Join(dir, e.Name())}
		held, err := readHeld(file.Path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read quarantine: %w", err)
		}
		file.Frames, file.Bytes, file.Senders = held.frames, held.whole, held.senders
		files = append(files, file)
	}
	slices.SortFunc(files, func(a, b QuarantinedFile) int { return cmp.Compare(a.Path, b.Path) })
	return files, nil
}

// held is what a file holds up to its last whole frame.
type held struct {
	frames  int
	whole   int64 // bytes
	senders map[Sender]int
}

func readHeld(path string) (held, error) {
	f, err := os.Open(path)
	if err != nil {
		return held{}, err
	}
	defer f.Close()
	h := held{senders: make(map[Sender]int)}
	for reader := frame.NewFileReader(f); ; {
		b, offset, err := reader.Next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, frame.ErrMalformed), errors.Is(err, frame.ErrTooLarge):
			return h, nil // what is behind a torn frame cannot be read
		case err != nil:
			return h, err
		}
		h.frames, h.whole = h.frames+1, offset+int64(len(b))
		parsed, err := frame.Parse(b)
		if err != nil {
			continue
		}
		sender := Sender{parsed.Base, parsed.Bridge}
		if _, ok := h.senders[sender]; ok || len(h.senders) < maxSenders {
			h.senders[sender]++
		}
	}
}
