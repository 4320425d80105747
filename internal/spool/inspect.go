package spool

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// ErrNoLog means that the directory holds neither a state nor a segment.
var ErrNoLog = errors.New("directory holds no log")

// Inspection is the log in a directory as it was at one moment, to be looked at beside the process that writes it. It
// takes no lock and changes nothing [L-15.1], so it may also look at a copy or at a disk that is mounted read-only. It is
// not safe for concurrent use.
//
// It is no Reader: the newest records may not be durable yet [L-15.2], and what it finds damaged is told to its caller and
// to nobody else. Nothing may be acknowledged for what it shows.
type Inspection struct {
	o         Options
	st        state
	epoch     uint64
	begin     uint64 // numbers below were deleted before
	segments  []segment
	strangers []string

	index int // of the segment being read, or to be opened
	f     File
	scan  scanner
	block block
	ahead bool   // block is good and is to be given next
	next  uint64 // the number that the next call gives
	cut   Reader // cuts records from blocks; it has no log
	whole int64  // up to here the segment holds whole blocks
	tail  int64
}

// Inspect opens the log in a directory for looking. The picture is of this moment: what is appended later is not in it.
// The error is ErrNoLog when there is none, ErrVersion when another version of the program wrote it, and ErrRenewing while
// a renewal is half done. The caller closes the Inspection.
func Inspect(dir string) (*Inspection, error) {
	return inspect(dir, nil)
}

// inspect is Inspect on any file system; nil is the real one.
func inspect(dir string, fsys FS) (*Inspection, error) {
	i := &Inspection{o: Options{FS: fsys}.withDefaults()}
	if err := i.look(dir); err != nil {
		return nil, fmt.Errorf("inspect log in %s: %w", dir, err)
	}
	return i, nil
}

// look reads the state before it lists the segments, so that every number below the state's end must be in them, unless
// it was deleted since [L-15.3].
func (i *Inspection) look(dir string) error {
	if d, err := findDecided(i.o.FS, dir); err != nil || d != nil {
		return errors.Join(err, ErrRenewing) // [L-16.6]
	}
	path := filepath.Join(dir, stateName)
	data, err := i.o.FS.ReadFile(path)
	none := errors.Is(err, fs.ErrNotExist)
	if err != nil && !none {
		return fmt.Errorf("read state: %w", err)
	}
	if st, err := decodeState(data); err == nil {
		i.st, i.epoch = *st, st.epoch
	} else if !none {
		i.strangers = append(i.strangers, path)
	}
	found, err := i.find(dir)
	if err != nil {
		return err
	}
	if none && len(found) == 0 {
		return ErrNoLog
	}
	return i.adopt(found)
}

// find lists the segments with their headers and sizes.
func (i *Inspection) find(dir string) ([]foundSegment, error) {
	entries, err := i.o.FS.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	r := recovery{l: &Log{o: i.o}}
	var found []foundSegment
	for _, entry := range entries {
		first, ok := parseSegmentName(entry.Name())
		if !ok || !entry.Type().IsRegular() {
			continue
		}
		s := foundSegment{segment: segment{first: first, path: filepath.Join(dir, entry.Name())}}
		switch err := r.readHeader(&s); {
		case errors.Is(err, fs.ErrNotExist):
			continue // deleted by its owner a moment ago
		case err != nil:
			return nil, fmt.Errorf("read segment %s: %w", entry.Name(), err)
		}
		found = append(found, s)
	}
	slices.SortFunc(found, func(a, b foundSegment) int { return cmp.Compare(a.first, b.first) })
	return found, nil
}

// adopt takes the epoch and the segments that belong to it.
func (i *Inspection) adopt(found []foundSegment) error {
	r := recovery{l: &Log{o: i.o}}
	for _, s := range slices.Backward(found) {
		if i.epoch != 0 {
			break
		}
		if i.epoch = s.header.epoch; s.headerOK {
			continue
		}
		t, err := r.read(s)
		if err != nil {
			return err
		}
		i.epoch = t.epoch
	}
	for _, s := range found {
		if s.headerOK && (s.header.epoch != i.epoch || s.header.first != s.first) {
			i.strangers = append(i.strangers, s.path)
			continue
		}
		i.segments = append(i.segments, s.segment)
	}
	if len(i.segments) > 0 {
		i.begin = i.segments[0].first
		i.next = i.begin
	}
	return nil
}

// Epoch returns the log's epoch; 0 when neither the state nor a segment can say it.
func (i *Inspection) Epoch() uint64 { return i.epoch }

// Begin returns the oldest number that the log held; 0 when it held no segment.
func (i *Inspection) Begin() uint64 { return i.begin }

// Acknowledged returns what the city has acknowledged, ascending, as the state had it.
func (i *Inspection) Acknowledged() []Range { return slices.Clone(i.st.acked) }

// Losses returns what the state lists as lost, ascending.
func (i *Inspection) Losses() []Loss { return slices.Clone(i.st.lost) }

// Strangers returns the files that Open would set aside: a damaged state, segments of another log.
func (i *Inspection) Strangers() []string { return slices.Clone(i.strangers) }

// Size returns how many segments the log held, and their bytes.
func (i *Inspection) Size() (segments int, bytes int64) {
	for _, s := range i.segments {
		bytes += s.size
	}
	return len(i.segments), bytes
}

// SkipTo passes over the segments that hold only numbers below seq: the next record is the first of the segment that holds
// seq. It is called before the first Next.
func (i *Inspection) SkipTo(seq uint64) {
	for i.index+1 < len(i.segments) && i.segments[i.index+1].first <= seq {
		i.index++
		i.next = i.segments[i.index].first
	}
}

// Tail returns how many bytes follow the last whole block of the newest segment, once Next has returned io.EOF: a commit
// that is being written, or one that a crash tore.
func (i *Inspection) Tail() int64 { return i.tail }

// Where returns the file, and the place in it, of the block that the record given last is in.
func (i *Inspection) Where() (path string, offset int64) {
	if i.index >= len(i.segments) {
		return "", 0
	}
	return i.segments[i.index].path, i.block.off
}

// Next reads the next record, from the oldest on. Its Body and Raw are valid until the next call. It returns io.EOF at the
// end, and a *GapError, once, where numbers have no record [L-15.3]; it goes on after them with the next call. A record
// whose ChainBefore is not the ChainAfter of the record before it was altered, or the one before it was.
func (i *Inspection) Next(rec *Record) error {
	for i.cut.left == 0 {
		if err := i.fill(); err != nil {
			return err
		}
	}
	i.cut.take(rec)
	i.next = i.cut.next
	return nil
}

// Close lets the open segment go. Calls after the first do nothing.
func (i *Inspection) Close() error {
	i.index, i.cut.left, i.ahead = len(i.segments), 0, false
	return i.leave()
}

// fill does one step towards the block with the next record; it returns nil when there is more to do.
func (i *Inspection) fill() error {
	switch {
	case i.ahead && i.block.first > i.next:
		return i.gap(i.block.first - 1)
	case i.ahead:
		i.ahead = false
		b := &i.block
		i.cut.next, i.cut.chain, i.cut.rest, i.cut.left = b.first, b.chain, b.payload, b.count
		return nil
	case i.f == nil:
		return i.open()
	}
	err := i.scan.next(&i.block)
	switch {
	case err == nil:
		i.ahead, i.whole = true, i.block.off+i.block.size()
		return nil
	case errors.Is(err, io.EOF):
		return i.endSegment()
	}
	return fmt.Errorf("inspect %s at %d: %w", i.segments[i.index].path, i.scan.off, err)
}

// open opens the next segment; io.EOF when there is none.
func (i *Inspection) open() error {
	if i.index >= len(i.segments) {
		if i.next > 0 && i.next < i.st.end {
			return i.gap(i.st.end - 1)
		}
		return io.EOF
	}
	s := i.segments[i.index]
	if s.first > i.next {
		return i.gap(s.first - 1)
	}
	f, err := i.o.FS.OpenFile(s.path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		// Its owner deleted it since: what it held is told as deleted, not as damaged.
		i.begin = i.ceil()
		i.index++
		return nil
	}
	if err != nil {
		return fmt.Errorf("inspect log at %d: %w", i.next, err)
	}
	i.f = f
	i.scan = scanner{
		f: f, epoch: i.epoch, off: segmentHeaderLen, limit: s.size, floor: s.first, ceil: i.ceil(), buf: i.scan.buf[:0],
	}
	i.whole = min(s.size, segmentHeaderLen)
	return nil
}

// ceil is one above the numbers of the current segment; 0 for the newest.
func (i *Inspection) ceil() uint64 {
	if i.index+1 < len(i.segments) {
		return i.segments[i.index+1].first
	}
	return 0
}

// endSegment goes on to the next segment. What the newest one ends in is not damage: it may be being written.
func (i *Inspection) endSegment() error {
	if i.index+1 == len(i.segments) {
		i.tail = i.segments[i.index].size - i.whole
	}
	i.index++
	return i.leave()
}

// gap tells of the numbers from next up to last, or of as many as have one cause.
func (i *Inspection) gap(last uint64) error {
	g, _ := i.st.lost.explain(Range{i.next, last}, i.begin)
	i.next = g.Last + 1
	return &g
}

func (i *Inspection) leave() error {
	if i.f == nil {
		return nil
	}
	f := i.f
	i.f = nil
	if err := f.Close(); err != nil {
		return fmt.Errorf("close segment: %w", err)
	}
	return nil
}
