package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/collector"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/spool"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// segmentStart is how a segment of a log begins, which is easily taken for a file of frames.
const segmentStart = "JISHILOG"

// source reads one file of frames, a directory of them, or a log.
func (l *look) source(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("look at frames: %w", err)
	}
	if !info.IsDir() {
		return l.file(ctx, path)
	}
	log, err := spool.Inspect(path)
	if err == nil {
		return errors.Join(l.log(ctx, path, log), log.Close())
	}
	if !errors.Is(err, spool.ErrNoLog) {
		return err
	}
	files, err := filepath.Glob(filepath.Join(path, "*"+frame.FileSuffix))
	if err != nil {
		return fmt.Errorf("look at frames in %s: %w", path, err)
	}
	if len(files) == 0 {
		return fmt.Errorf("%s holds neither the log of a bridge nor files *%s", path, frame.FileSuffix)
	}
	slices.Sort(files)
	for _, f := range files {
		if err := l.file(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// file reads a file of frames.
func (l *look) file(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("look at frames: %w", err)
	}
	defer f.Close()
	buffered := bufio.NewReader(f)
	if fault := l.unfit(path, buffered); fault != "" {
		l.faults.add(path, "%s", fault)
		return nil
	}
	v := verdict{path: path, before: l.faults.n}
	reader := frame.NewFileReader(buffered)
	for ctx.Err() == nil {
		b, offset, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			l.faults.add(path, "%w", err)
			break
		}
		if err := l.frame(&v, offset, b); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.judge(&v)
}

// unfit says why a file is not read at all, "" when it is.
func (l *look) unfit(path string, file *bufio.Reader) string {
	start, err := file.Peek(32)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return "cannot be read: " + err.Error()
	case bytes.HasPrefix(start, []byte(segmentStart)):
		return "is a segment of a bridge's log: name its directory, " + filepath.Dir(path)
	case len(start) == 0:
		return "is empty: want at least one frame"
	case refusedFor(path) == "" && !bytes.Contains(start, []byte("jishi frame ")):
		return "is no file of frames: want a length and then a frame at byte 0 (docs/frame.md §10)"
	case l.raw:
		return "--raw needs the log of a bridge: frames do not carry messages as they were received"
	}
	return ""
}

// refusedFor is why the city refused the frames of a file, "" when it is none of a quarantine's.
func refusedFor(path string) string {
	name, _ := collector.ParseQuarantineName(path)
	return name.Reason
}

// frame takes one frame of a file.
func (l *look) frame(v *verdict, offset int64, b []byte) error {
	where := fmt.Sprintf("%s: at byte %d", v.path, offset)
	refused := refusedFor(v.path)
	if refused != "" {
		where += ", refused: " + refused
	}
	f, err := frame.Parse(b)
	if err != nil {
		l.faults.add(where, "no frame: %w", err)
		return nil
	}
	v.frames++
	signature, err := l.authentic(where, f)
	if err != nil || signature == signatureWrong {
		return err // nothing of it is to be believed
	}
	messages, opened := l.open(where, f)
	if l.verify || l.stats != nil {
		if fault := l.chains.frame(f); fault != "" {
			if l.stats != nil {
				l.stats.broken(f)
			}
			if l.verify {
				l.faults.add(where, "%s", fault)
			}
		}
	}
	v.messages += uint64(len(messages))
	if l.stats != nil {
		l.stats.frame(f, messages)
	}
	if !opened {
		return nil
	}
	if l.extract != nil && signature != signatureUnknown && l.anyMatch(messages) {
		if err := l.extract.write(b); err != nil {
			return err
		}
	}
	if !l.print {
		return nil
	}
	head := pieceHead{path: v.path, offset: offset, header: &f.Header, bytes: f.Size, signature: signature, refused: refused}
	return l.out.records(&head, messages, &l.filter)
}

func (l *look) open(where string, f *frame.Frame) (messages []telemetry.Message, ok bool) {
	messages, err := f.Messages(nil)
	if err != nil {
		l.faults.add(where, "%w", err)
	}
	return messages, err == nil
}

func (l *look) anyMatch(messages []telemetry.Message) bool {
	return l.filter.all || slices.ContainsFunc(messages, func(m telemetry.Message) bool { return l.filter.matches(&m) })
}

// signature is what was found out about a frame's signature.
type signature string

const (
	signatureUnchecked signature = "not checked"
	signatureRight     signature = "ok"
	signatureUnknown   signature = "of an unknown bridge"
	signatureWrong     signature = "wrong"
)

// authentic checks who signed a frame, when that was asked for. The error is that there is nothing to check with.
func (l *look) authentic(where string, f *frame.Frame) (signature, error) {
	if l.keys == nil {
		return signatureUnchecked, nil
	}
	keys, err := l.keys(f.Base, f.Bridge, f.SentMs)
	if errors.Is(err, registry.ErrUnknown) {
		l.faults.add(where, "%s: %w", frame.RefusedUnknownBridge, err)
		return signatureUnknown, nil
	}
	if err != nil {
		return signatureUnchecked, err
	}
	var tried []string
	for _, key := range keys {
		if f.Verify(key) == nil {
			return signatureRight, nil
		}
		tried = append(tried, frame.Fingerprint(key))
	}
	if len(keys) == 0 {
		l.faults.add(where, "%s: %s/%s had no key that was valid when it sent this", frame.RefusedUnknownBridge, f.Base, f.Bridge)
		return signatureUnknown, nil
	}
	l.faults.add(where, "%s: it says to be of %s/%s and is signed with none of %s", frame.RefusedBadSignature, f.Base, f.Bridge, strings.Join(tried, ", "))
	return signatureWrong, nil
}

// registryKeys reads the registry when the first frame asks for a key.
func registryKeys(c *settings) keySource {
	var reg *registry.Registry
	return func(base, id string, atMs int64) ([]ed25519.PublicKey, error) {
		if reg == nil {
			var err error
			if reg, err = openRegistry(c); err != nil {
				return nil, fmt.Errorf("no keys to verify with (--key or --registry.path): %w", err)
			}
		}
		b, err := reg.Bridge(base, id)
		if err != nil {
			return nil, err
		}
		return b.KeysAt(atMs), nil
	}
}

// log reads the log of a bridge.
func (l *look) log(ctx context.Context, path string, log *spool.Inspection) error {
	v := verdict{path: path, before: l.faults.n, log: log}
	for _, stranger := range log.Strangers() {
		l.faults.add(stranger, "does not belong to this log, or is damaged; the bridge will set it aside")
	}
	if l.extract != nil {
		if err := l.extract.beginLog(log.Epoch()); err != nil {
			return err
		}
	}
	logs := &logReader{look: l, v: &v, epoch: log.Epoch()}
	for ctx.Err() == nil {
		err := logs.next(log)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.extract != nil {
		if err := l.extract.endLog(); err != nil {
			return err
		}
	}
	return l.judge(&v)
}

// logReader takes the records of one log.
type logReader struct {
	look  *look
	v     *verdict
	epoch uint64
	rec   spool.Record
}

func (r *logReader) next(log *spool.Inspection) error {
	var gap *spool.GapError
	switch err := log.Next(&r.rec); {
	case errors.As(err, &gap):
		return r.gap(gap)
	case err != nil:
		return err
	}
	path, offset := log.Where()
	return r.record(fmt.Sprintf("%s: record %d, in the block at byte %d", path, r.rec.Seq, offset))
}

// gap takes numbers without a record. That they are lost is a fault only when the disk lost them: what was cut off, dropped
// or deleted was told to the city.
func (r *logReader) gap(g *spool.GapError) error {
	l := r.look
	lost := g.Cause == spool.CauseCorrupt || g.Cause == spool.CauseVanished
	if lost && (l.verify || l.print) {
		l.faults.add(r.v.path, "%w", g)
	}
	if l.stats != nil {
		l.stats.logGap(r.epoch, g)
	}
	if l.extract != nil && l.filter.all {
		l.extract.missing(g)
	}
	if !l.print || !l.filter.all {
		return nil
	}
	return l.out.gap(&pieceHead{path: r.v.path, epoch: r.epoch}, g)
}

// record takes one record of the log.
func (r *logReader) record(where string) error {
	l, rec := r.look, &r.rec
	if l.verify || l.stats != nil {
		if fault := l.chains.record(r.epoch, rec); fault != "" {
			if l.stats != nil {
				l.stats.logBroken(r.epoch)
			}
			if l.verify {
				l.faults.add(where, "%s", fault)
			}
		}
	}
	r.v.messages++
	m := telemetry.Message{Seq: rec.Seq}
	if err := frame.DecodeMessage(rec.Body, &m); err != nil {
		l.faults.add(where, "its body is no message: %w", err)
		return nil
	}
	if l.stats != nil {
		l.stats.record(r.epoch, rec, &m)
	}
	matches := l.filter.matches(&m)
	if l.extract != nil {
		if err := l.extract.add(rec, matches); err != nil {
			l.faults.add(where, "%w", err)
		}
	}
	if !l.print || !matches {
		return nil
	}
	head := pieceHead{path: r.v.path, epoch: r.epoch}
	if !l.raw {
		return l.out.records(&head, []telemetry.Message{m}, &l.filter)
	}
	topic, payload, ok := strings.Cut(string(rec.Raw), "\x00")
	if !ok {
		l.faults.add(where, "its raw message has no topic")
		return nil
	}
	return l.out.raw(&rawMessage{seq: rec.Seq, receivedMs: rec.ReceivedMs, topic: topic, payload: payload})
}

// verdict is what was found in one source.
type verdict struct {
	path             string
	before           int // faults before it was read
	frames, messages uint64
	log              *spool.Inspection // nil for a file of frames
}

// judge says how a source stands, when that was asked for.
func (l *look) judge(v *verdict) error {
	if !l.verify {
		return nil
	}
	return l.out.verdict(v, l.faults.n-v.before)
}
