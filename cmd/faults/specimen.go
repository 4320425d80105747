package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// specimen is a log that a bridge wrote and was torn away from, to be copied and damaged. Nobody has sent any of it.
type specimen struct {
	tally   *tally
	crashed string                 // the folder as a crash leaves it
	closed  string                 // the folder after a close in order
	segment string                 // the name of its one segment
	data    []byte                 // of the segment
	blocks  []block                // in order
	numbers map[messageID][]number // where each message is
}

// block is one block of a segment.
type block struct {
	offset int
	ids    []messageID
}

// blockHeaderLen is that of docs/log.md, section 5.
const blockHeaderLen = 80

// specimenBlocks are the records of each block.
func specimenBlocks() []int { return []int{3, 1, 6, 2, 5} }

// newSpecimen has devices speak to a bridge that cannot reach the city, and puts its records into blocks that do not depend
// on what the bridge found waiting when it began a commit.
func (h *harness) newSpecimen(ctx context.Context, city *localCity) (*specimen, error) {
	dir, err := h.folder("specimen")
	if err != nil {
		return nil, err
	}
	s := &specimen{
		tally:   newTally("specimen", localDevices, h.began.Add(-time.Hour), time.Millisecond),
		crashed: filepath.Join(dir, "crashed"), closed: filepath.Join(dir, "closed"),
	}
	written := filepath.Join(dir, "written")
	base, err := city.open(ctx, s.tally, localPlan{dir: written, fs: newDisk(fault{}), silent: true})
	if err != nil {
		return nil, err
	}
	for _, n := range specimenBlocks() {
		for i := range n {
			base.say(i % localDevices)
		}
	}
	if err := errors.Join(base.acked(ctx), base.close()); err != nil {
		return nil, err
	}
	records, err := recordsOf(written)
	if err != nil {
		return nil, err
	}
	return s, errors.Join(s.write(ctx, records), s.look())
}

// recordsOf returns what a log holds.
func recordsOf(dir string) (entries []spool.Entry, err error) {
	i, err := spool.Inspect(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, i.Close()) }()
	var rec spool.Record
	for err = i.Next(&rec); err == nil; err = i.Next(&rec) {
		entries = append(entries, spool.Entry{ReceivedMs: rec.ReceivedMs, Body: slices.Clone(rec.Body), Raw: slices.Clone(rec.Raw)})
	}
	if !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the specimen: %w", err)
	}
	return entries, nil
}

// write puts the records into a log, block by block, of which it leaves a copy as a crash would.
func (s *specimen) write(ctx context.Context, records []spool.Entry) error {
	log, err := spool.Open(s.closed, spool.Options{FS: newDisk(fault{})})
	if err != nil {
		return err
	}
	for _, n := range specimenBlocks() {
		if _, err := log.Append(ctx, records[:n]); err != nil {
			return errors.Join(err, log.Close())
		}
		records = records[n:]
	}
	return errors.Join(copyFolder(s.crashed, s.closed), log.Close())
}

// look finds the blocks and what is in them.
func (s *specimen) look() (err error) {
	i, err := spool.Inspect(s.crashed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.Close()) }()
	s.numbers = map[messageID][]number{}
	var rec spool.Record
	for err = i.Next(&rec); err == nil; err = i.Next(&rec) {
		id, err := s.tally.named(rec.Raw)
		if err != nil {
			return err
		}
		path, offset := i.Where()
		if n := len(s.blocks); n == 0 || s.blocks[n-1].offset != int(offset) {
			s.blocks = append(s.blocks, block{offset: int(offset)})
		}
		s.blocks[len(s.blocks)-1].ids = append(s.blocks[len(s.blocks)-1].ids, id)
		s.numbers[id] = append(s.numbers[id], number{i.Epoch(), rec.Seq})
		s.segment = filepath.Base(path)
	}
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("look into the specimen: %w", err)
	}
	if s.data, err = os.ReadFile(filepath.Join(s.crashed, s.segment)); err != nil {
		return fmt.Errorf("read the specimen: %w", err)
	}
	return nil
}

// named returns which message a raw record of the log is: topic, a zero byte, payload.
func (t *tally) named(raw []byte) (messageID, error) {
	topic, payload, _ := strings.Cut(string(raw), "\x00")
	var said struct {
		V struct {
			Count int `json:"count"`
		} `json:"v"`
	}
	if err := json.Unmarshal([]byte(payload), &said); err != nil {
		return messageID{}, fmt.Errorf("raw record %q: %w", raw, err)
	}
	for d := range t.devices {
		if t.topic(d) == topic {
			return messageID{d, said.V.Count}, nil
		}
	}
	return messageID{}, fmt.Errorf("raw record %q is of none of the devices", raw)
}

// copy returns a folder with a copy of one of the specimen's and other bytes in one of its files.
func (s *specimen) copy(h *harness, from, name string, data []byte) (string, error) {
	dir, err := h.folder("log")
	if err != nil {
		return "", err
	}
	if err := copyFolder(dir, from); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		return "", fmt.Errorf("damage the log: %w", err)
	}
	return dir, nil
}

// tallyOf is what the specimen's devices were told, told again by another base: each copy of the log reports under a base
// of its own. The messages in unacked have no PUBACK.
func (s *specimen) tallyOf(base string, unacked []messageID) *tally {
	t := &tally{base: base, fromMs: s.tally.fromMs, stepMs: s.tally.stepMs, acks: s.tally.acks - len(unacked)}
	for _, acked := range s.tally.devices {
		t.devices = append(t.devices, append([]bool(nil), acked...))
	}
	for _, id := range unacked {
		t.devices[id.device][id.n-1] = false
	}
	return t
}

// copyFolder copies the files of one folder into another, which it makes.
func copyFolder(to, from string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("copy folder: %w", err)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("copy folder: %w", err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, e.Name()), data, 0o600)
		}
		if err != nil {
			return fmt.Errorf("copy folder: %w", err)
		}
	}
	return nil
}
