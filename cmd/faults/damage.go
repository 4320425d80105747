package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// injury is one way in which one copy of a specimen is damaged.
type injury struct {
	from    string // the folder that is copied
	file    string
	data    []byte      // what the file then holds
	unacked []messageID // of these no device was told that they are safe
}

// withSpecimen does something with a fresh specimen and a city.
func (h *harness) withSpecimen(ctx context.Context, do func(c *localCity, s *specimen) error) (err error) {
	city, err := h.newLocalCity(ctx, newAir(), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, city.close()) }()
	s, err := h.newSpecimen(ctx, city)
	if err != nil {
		return err
	}
	return do(city, s)
}

// sparse is the distance between the bytes that are tried: every one, or every quick-th in a quick run.
func (h *harness) sparse(quick int) int {
	if h.quick {
		return quick
	}
	return 1
}

// Distances of a quick run. Records are many bytes of one kind.
const sparseHeader, sparseRecords = 10, 50

// truncate cuts the log off at every byte of its last block, as a crash in the middle of a commit does: the devices have no
// PUBACK for what is in that block, and send it again.
func truncate(ctx context.Context, h *harness) error {
	return h.withSpecimen(ctx, func(c *localCity, s *specimen) error {
		last := s.blocks[len(s.blocks)-1]
		var injuries []injury
		for size := last.offset; size < len(s.data); size += h.sparse(sparseRecords) {
			injuries = append(injuries, injury{from: s.crashed, file: s.segment, data: s.data[:size], unacked: last.ids})
		}
		return h.injure(ctx, c, s, "log truncated at every byte of the last block", injuries)
	})
}

// flipBits flips a bit in every byte of the log's files, before any of it was sent.
func flipBits(ctx context.Context, h *harness) error {
	return h.withSpecimen(ctx, func(c *localCity, s *specimen) error {
		var header, blockHeader, payload []injury
		for at := range s.data {
			one := injury{from: s.crashed, file: s.segment, data: h.flipped(s.data, at)}
			if h.random("closed", at).IntN(2) == 0 {
				one.from = s.closed
			}
			switch begin := s.blockAt(at); {
			case begin < 0 && at%h.sparse(sparseHeader) == 0:
				header = append(header, one)
			case begin >= 0 && at < begin+blockHeaderLen && at%h.sparse(sparseHeader) == 0:
				blockHeader = append(blockHeader, one)
			case begin >= 0 && at >= begin+blockHeaderLen && at%h.sparse(sparseRecords) == 0:
				payload = append(payload, one)
			}
		}
		return errors.Join(
			h.injure(ctx, c, s, "bit flip in the header of a log file", header),
			h.injure(ctx, c, s, "bit flip in the header of a block", blockHeader),
			h.injure(ctx, c, s, "bit flip in the records of a block", payload),
			h.flipState(ctx, c, s),
		)
	})
}

// blockAt returns where the block begins that a byte is in; -1 in the segment's header.
func (s *specimen) blockAt(at int) int {
	begin := -1
	for _, b := range s.blocks {
		if b.offset <= at {
			begin = b.offset
		}
	}
	return begin
}

// flipped returns a copy with one bit of the byte flipped, of the seed's choice.
func (h *harness) flipped(data []byte, at int) []byte {
	out := slices.Clone(data)
	out[at] ^= 1 << h.random("flip", at).IntN(8)
	return out
}

const stateFile = "state"

// flipState flips bits of the state file: of a log that is whole, and of one whose losses it has noted and nobody was told
// of yet.
func (h *harness) flipState(ctx context.Context, c *localCity, s *specimen) error {
	lossy, err := h.folder("lossy")
	if err != nil {
		return err
	}
	if err := s.lose(ctx, lossy); err != nil {
		return err
	}
	for _, state := range []struct{ what, from string }{
		{"bit flip in the state file, nothing missing", s.crashed},
		{"bit flip in the state file, which reports records as missing", lossy},
	} {
		data, err := os.ReadFile(filepath.Join(state.from, stateFile))
		if err != nil {
			return fmt.Errorf("read the state: %w", err)
		}
		var injuries []injury
		for at := 0; at < len(data); at += h.sparse(sparseHeader) {
			injuries = append(injuries, injury{from: state.from, file: stateFile, data: h.flipped(data, at)})
		}
		if err := h.injure(ctx, c, s, state.what, injuries); err != nil {
			return err
		}
	}
	return h.flipHalf(ctx, c, s)
}

// halfState is the size of a state that names one acknowledged range and no loss.
const halfState = 76

// flipHalf flips bits of the state of a log of which the city has acknowledged a part.
func (h *harness) flipHalf(ctx context.Context, c *localCity, s *specimen) error {
	runs := (halfState + h.sparse(sparseHeader) - 1) / h.sparse(sparseHeader)
	r, err := h.each(ctx, "bit flip in the state file, a part acknowledged by the city", runs, func(ctx context.Context, run int) (outcome, error) {
		dir, err := s.copy(h, s.closed, s.segment, s.data)
		if err != nil {
			return outcome{}, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		t := s.tallyOf(fmt.Sprintf("half-%05d", run), nil)
		if _, err := c.again(ctx, t, localPlan{dir: dir}); err != nil {
			return outcome{}, err
		}
		if err := c.aside(ctx, t, localPlan{dir: dir}); err != nil {
			return outcome{}, err
		}
		path := filepath.Join(dir, stateFile)
		data, err := os.ReadFile(path)
		if err != nil || len(data) != halfState {
			return outcome{}, fmt.Errorf("the state has %d bytes, want %d: %w", len(data), halfState, err)
		}
		if err := os.WriteFile(path, h.flipped(data, run*h.sparse(sparseHeader)), 0o600); err != nil {
			return outcome{}, fmt.Errorf("damage the state: %w", err)
		}
		return c.again(ctx, t, localPlan{dir: dir})
	})
	if err != nil {
		return err
	}
	h.add(r)
	return nil
}

// again opens a bridge on a log, has the devices speak, and waits until the city has all of it.
func (c *localCity) again(ctx context.Context, t *tally, p localPlan) (outcome, error) {
	p.fs = newDisk(fault{})
	base, err := c.open(ctx, t, p)
	if err != nil {
		return outcome{failures: []string{fmt.Sprintf("the log does not open: %v", err)}}, nil
	}
	base.repeat()
	for d := range localDevices {
		base.say(d)
	}
	return base.finish(ctx, p.numbers)
}

// aside has the devices speak to a bridge that cannot reach the city.
func (c *localCity) aside(ctx context.Context, t *tally, p localPlan) error {
	p.fs, p.silent = newDisk(fault{}), true
	base, err := c.open(ctx, t, p)
	if err != nil {
		return err
	}
	for d := range localDevices {
		base.say(d)
	}
	return errors.Join(base.acked(ctx), base.close())
}

// lose makes a copy of the specimen in which a block was damaged, and the log has found that and noted it in its state.
func (s *specimen) lose(ctx context.Context, dir string) (err error) {
	if err := copyFolder(dir, s.closed); err != nil {
		return err
	}
	damaged := slices.Clone(s.data)
	damaged[s.blocks[1].offset+blockHeaderLen+20] ^= 1
	if err := os.WriteFile(filepath.Join(dir, s.segment), damaged, 0o600); err != nil {
		return fmt.Errorf("damage the log: %w", err)
	}
	log, err := spool.Open(dir, spool.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	if _, err := log.Verify(ctx); err != nil {
		return err
	}
	if len(log.Missing()) == 0 {
		return errors.New("the log has not noticed that a block is damaged")
	}
	return nil
}

// injure makes one row: each injured copy of the log gets a bridge, the devices send again what they were not told is safe
// and something new, and the city is asked what it has.
func (h *harness) injure(ctx context.Context, c *localCity, s *specimen, what string, injuries []injury) error {
	if len(injuries) == 0 {
		return fmt.Errorf("%s: there is nothing to injure", what)
	}
	r, err := h.each(ctx, what, len(injuries), func(ctx context.Context, run int) (outcome, error) {
		one := injuries[run]
		dir, err := s.copy(h, one.from, one.file, one.data)
		if err != nil {
			return outcome{}, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		t := s.tallyOf(fmt.Sprintf("%s%d-%05d", "i", len(h.rows), run), one.unacked)
		return c.again(ctx, t, localPlan{dir: dir, numbers: s.numbers})
	})
	if err != nil {
		return err
	}
	h.add(r)
	return nil
}
