package spool_test

import (
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// memFS is a disk with a page cache, as docs/log.md §2 assumes it: what was synced survives the loss of power; of what
// was not, any sectors may be there.
type memFS struct {
	mu      sync.Mutex
	rng     *rand.Rand
	files   map[string]*memFile // as processes see them
	durable map[string]*memFile // names that survive
	left    int                 // steps until the power goes; negative: never
	off     bool                // the power is gone
	// failSync makes the next sync of a segment fail as Linux does: the pages are then clean, and not on the disk.
	failSync bool
}

type memFile struct {
	name    string
	cache   []byte
	disk    []byte
	pending []memWrite // since the last sync
}

type memWrite struct {
	off      int
	data     []byte
	truncate bool
}

const sector = 512

func newMemFS(seed uint64) *memFS {
	return &memFS{
		rng: rand.New(rand.NewPCG(seed, 1)), left: -1,
		files: map[string]*memFile{}, durable: map[string]*memFile{},
	}
}

// step counts towards the end of power.
func (m *memFS) step() error {
	if m.left == 0 {
		m.off = true
	}
	if m.off {
		return errInjected
	}
	m.left--
	return nil
}

// afterPowerLoss is one of the disks that may be found when the power comes back.
func (m *memFS) afterPowerLoss(seed uint64) *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := newMemFS(seed)
	names := m.durable
	if out.rng.IntN(2) == 0 {
		names = m.files // names that were not synced survived by chance
	}
	for name, f := range names {
		g := &memFile{name: name, cache: f.torn(out.rng)}
		g.disk = slices.Clone(g.cache)
		out.files[name], out.durable[name] = g, g
	}
	return out
}

// afterKill is what the next process finds: the page cache lives on.
func (m *memFS) afterKill() *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := newMemFS(m.rng.Uint64())
	copies := map[*memFile]*memFile{}
	copyNames := func(to, from map[string]*memFile) {
		for name, f := range from {
			if copies[f] == nil {
				g := *f
				g.cache, g.disk, g.pending = slices.Clone(f.cache), slices.Clone(f.disk), slices.Clone(f.pending)
				copies[f] = &g
			}
			to[name] = copies[f]
		}
	}
	copyNames(out.files, m.files)
	copyNames(out.durable, m.durable)
	return out
}

// torn is the synced content with some sectors of what was written after it.
func (f *memFile) torn(rng *rand.Rand) []byte {
	out := slices.Clone(f.disk)
	some := rng.IntN(3) // none, any, all
	for _, w := range f.pending {
		if some == 0 || some == 1 && rng.IntN(4) == 0 {
			continue
		}
		if w.truncate {
			out = resize(out, w.off)
			continue
		}
		// The size may grow though the data did not come.
		out = resize(out, max(len(out), w.off+len(w.data)))
		for at := 0; at < len(w.data); {
			n := min(sector-(w.off+at)%sector, len(w.data)-at)
			if some == 2 || rng.IntN(2) == 0 {
				copy(out[w.off+at:], w.data[at:at+n])
			}
			at += n
		}
	}
	return out
}

func resize(b []byte, n int) []byte {
	if n <= len(b) {
		return b[:n]
	}
	return append(b, make([]byte, n-len(b))...)
}

func (m *memFS) MkdirAll(string, fs.FileMode) error { return nil }
func (m *memFS) Free(string) (int64, error)         { return 1 << 40, nil }

func (m *memFS) ReadDir(dir string) ([]fs.DirEntry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []fs.DirEntry
	for _, name := range slices.Sorted(maps.Keys(m.files)) {
		if filepath.Dir(name) == dir {
			out = append(out, fs.FileInfoToDirEntry(memInfo{filepath.Base(name), 0}))
		}
	}
	return out, m.step()
}

func (m *memFS) ReadFile(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return slices.Clone(f.cache), m.step()
}

func (m *memFS) ReplaceFile(name string, data []byte, _ fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	gone := m.off
	err := m.step()
	if err != nil && (gone || m.rng.IntN(2) == 0) {
		return err // the power went before the rename; else after it
	}
	f := &memFile{name: name, cache: slices.Clone(data), disk: slices.Clone(data)}
	m.files[name], m.durable[name] = f, f
	return err
}

func (m *memFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step(); err != nil {
		return err
	}
	m.files[to] = m.files[from]
	delete(m.files, from)
	return nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step(); err != nil {
		return err
	}
	delete(m.files, name)
	return nil
}

func (m *memFS) SyncDir(string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step(); err != nil {
		return err
	}
	m.durable = maps.Clone(m.files)
	return nil
}

func (m *memFS) Lock(string) (io.Closer, error) {
	return io.NopCloser(nil), nil // each process has its own memFS
}

func (m *memFS) OpenFile(name string, flag int, _ fs.FileMode) (spool.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step(); err != nil {
		return nil, err
	}
	f, ok := m.files[name]
	switch {
	case !ok && flag&os.O_CREATE == 0:
		return nil, fs.ErrNotExist
	case ok && flag&os.O_EXCL != 0:
		return nil, fs.ErrExist
	case !ok:
		f = &memFile{name: name}
		m.files[name] = f
	case flag&os.O_TRUNC != 0:
		f.cache = nil
		f.pending = append(f.pending, memWrite{truncate: true})
	}
	return &memHandle{f, m}, nil
}

type memHandle struct {
	f *memFile
	m *memFS
}

func (h *memHandle) Close() error { return nil }

func (h *memHandle) Stat() (fs.FileInfo, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	return memInfo{h.f.name, int64(len(h.f.cache))}, nil
}

func (h *memHandle) ReadAt(p []byte, off int64) (int, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if h.m.off {
		return 0, errInjected
	}
	if off >= int64(len(h.f.cache)) {
		return 0, io.EOF
	}
	n := copy(p, h.f.cache[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *memHandle) WriteAt(p []byte, off int64) (int, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	gone := h.m.off
	err := h.m.step()
	switch {
	case gone:
		return 0, err
	case err != nil:
		p = p[:h.m.rng.IntN(len(p)+1)]
	}
	h.f.cache = resize(h.f.cache, max(len(h.f.cache), int(off)+len(p)))
	copy(h.f.cache[off:], p)
	h.f.pending = append(h.f.pending, memWrite{off: int(off), data: slices.Clone(p)})
	return len(p), err
}

func (h *memHandle) Truncate(size int64) error {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if err := h.m.step(); err != nil {
		return err
	}
	h.f.cache = resize(h.f.cache, int(size))
	h.f.pending = append(h.f.pending, memWrite{off: int(size), truncate: true})
	return nil
}

func (h *memHandle) Sync() error {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if err := h.m.step(); err != nil {
		return err
	}
	if h.m.failSync {
		h.m.failSync = false
		h.f.disk = resize(h.f.disk, len(h.f.cache))
		h.f.pending = nil
		return errInjected
	}
	for _, w := range h.f.pending {
		if w.truncate {
			h.f.disk = resize(h.f.disk, w.off)
			continue
		}
		h.f.disk = resize(h.f.disk, max(len(h.f.disk), w.off+len(w.data)))
		copy(h.f.disk[w.off:], w.data)
	}
	h.f.pending = nil
	return nil
}

type memInfo struct {
	name string
	size int64
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) Mode() fs.FileMode  { return 0o600 }
func (i memInfo) ModTime() time.Time { return time.UnixMilli(0) }
func (i memInfo) IsDir() bool        { return false }
func (i memInfo) Sys() any           { return nil }
