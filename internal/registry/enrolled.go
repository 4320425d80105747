package registry

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/atomicfile"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// KeyEvent is that a bridge's key was admitted, or ended, by a command. Each event is a file of its own beside the files
// that people write, which are never rewritten: an event is written once and never changed, so that the directory also
// tells who did what, and two commands at once cannot undo each other.
type KeyEvent struct {
	Base, Bridge string
	Key          ed25519.PublicKey
	// AtMs is from when the key is valid, or from when it no longer is.
	AtMs int64
	// By is who did it, "" when nobody knows.
	By string
}

// EventDir returns the directory of the events that belong to a registry's path: enrolled in a directory, and beside a
// file its name with .enrolled in place of .yaml.
func EventDir(path string) string {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return filepath.Join(filepath.Dir(path), eventDirOf(filepath.Base(path)))
	}
	return filepath.Join(path, eventDir)
}

const eventDir = "enrolled"

func eventDirOf(file string) string {
	return strings.TrimSuffix(file, filepath.Ext(file)) + "." + eventDir
}

// The kinds of event, as the files have them.
const (
	admittedKind = "admitted"
	endedKind    = "ended"
)

// AdmitKey writes down, durably, that a key is admitted; readers of the registry at the path take it from then on. It does
// not look whether the registry has the base. The error is fs.ErrExist when this bridge's key was admitted before.
func AdmitKey(path string, e KeyEvent) error {
	if err := writeEvent(EventDir(path), admittedKind, e); err != nil {
		return fmt.Errorf("admit key of %s/%s: %w", e.Base, e.Bridge, err)
	}
	return nil
}

// EndKey writes down, durably, from when a key is no longer valid, whoever admitted it. Of several ends the earliest
// counts: an end cannot be taken back.
func EndKey(path string, e KeyEvent) error {
	err := writeEvent(EventDir(path), endedKind, e)
	if err != nil && !errors.Is(err, fs.ErrExist) { // the very same end
		return fmt.Errorf("end key of %s/%s: %w", e.Base, e.Bridge, err)
	}
	return nil
}

func writeEvent(dir, kind string, e KeyEvent) error {
	if !idPattern.MatchString(e.Base) || !idPattern.MatchString(e.Bridge) || len(e.Key) != ed25519.PublicKeySize {
		return fmt.Errorf("base %q, bridge %q, key of %d bytes: want two ids and an Ed25519 key", e.Base, e.Bridge, len(e.Key))
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	sum := sha256.Sum256(e.Key)
	name := e.Base + "." + e.Bridge + "." + hex.EncodeToString(sum[:8]) + "." + kind
	at := "from"
	if kind == endedKind {
		name, at = fmt.Sprintf("%s-%d", name, e.AtMs), "at"
	}
	path := filepath.Join(dir, name+".yaml")
	if _, err := os.Stat(path); err == nil {
		return fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	var text emitter
	text.line(0, "# 由 jishi city 写入，请勿修改；只增不改，撤销用 jishi city revoke。")
	text.line(0, "# Written by jishi city. Do not change it: jishi city revoke ends a key.")
	text.line(0, kind+":")
	text.texts(2, pair{"base", e.Base}, pair{"bridge", e.Bridge}, pair{"public_key", FormatPublicKey(e.Key)},
		pair{at, formatInstant(e.AtMs)}, pair{"by", e.By})
	return atomicfile.Write(path, []byte(text.String()), 0o640)
}

// placedEvent is an event and where it stands.
type placedEvent struct {
	KeyEvent
	ended bool
	at    place
}

// decodeEvent reads one file's event; problems go to the checker.
func decodeEvent(c *checker, name string, text []byte) []placedEvent {
	doc, ok := parseDocument(c, name, text)
	if !ok {
		return nil
	}
	var out []placedEvent
	for _, kind := range []string{admittedKind, endedKind} {
		o := part(&doc, kind)
		if o == nil {
			continue
		}
		key := "from"
		if kind == endedKind {
			key = "at"
		}
		e := placedEvent{ended: kind == endedKind, at: o.place, KeyEvent: KeyEvent{
			Base: o.text("base"), Bridge: o.text("bridge"), Key: decodePublicKey(o), AtMs: o.instant(key, BeginMs), By: o.text("by"),
		}}
		if e.AtMs <= BeginMs {
			o.field(key).bad("", "必填，应晚于 2000-01-01", "required, and after 2000-01-01")
		}
		o.done()
		out = append(out, e)
	}
	doc.done()
	if len(out) == 0 {
		doc.bad("", "应有 admitted: 或 ended:", "want admitted: or ended:")
	}
	return out
}

// events checks what was admitted and ended by commands.
func (c *checker) events(bases []Base, events []placedEvent) {
	for _, e := range events {
		e.at.field("base").id(e.Base)
		e.at.field("bridge").id(e.Bridge)
		e.at.field("by").name(e.By, false)
		c.publicKey(e.at, e.Key, !e.ended)
		if !e.ended && !slices.ContainsFunc(bases, func(b Base) bool { return b.Code == e.Base }) {
			e.at.field("base").bad(e.Base, "登记数据中没有此基地；若已撤销该基地，请删除此文件", "the registry has no such base; when the base is gone, remove this file")
		}
	}
}

// withEvents returns the bases with what was admitted and ended. The bases that were given stay as they are.
func withEvents(bases []Base, events []placedEvent) []Base {
	bases = slices.Clone(bases)
	for i := range bases {
		b := &bases[i]
		b.Bridges = slices.Clone(b.Bridges)
		for j := range b.Bridges {
			b.Bridges[j].Keys = slices.Clone(b.Bridges[j].Keys)
		}
		for _, e := range events {
			if e.Base == b.Code && !e.ended {
				b.admit(e.KeyEvent)
			}
		}
		for _, e := range events {
			if e.Base == b.Code && e.ended {
				b.end(e.KeyEvent)
			}
		}
	}
	return bases
}

func (b *Base) admit(e KeyEvent) {
	i := slices.IndexFunc(b.Bridges, func(x Bridge) bool { return x.ID == e.Bridge })
	if i < 0 {
		i = len(b.Bridges)
		b.Bridges = append(b.Bridges, Bridge{ID: e.Bridge})
	}
	key := BridgeKey{Key: e.Key, Valid: span.Span{StartMs: e.AtMs, EndMs: ForeverMs}}
	b.Bridges[i].Keys = append(b.Bridges[i].Keys, key)
}

func (b *Base) end(e KeyEvent) {
	for i := range b.Bridges {
		for j := range b.Bridges[i].Keys {
			k := &b.Bridges[i].Keys[j]
			if b.Bridges[i].ID != e.Bridge || !k.Key.Equal(e.Key) || e.AtMs >= k.Valid.EndMs {
				continue
			}
			k.Valid.EndMs = e.AtMs
			if k.Valid.Empty() { // it never was valid, and stays to be seen as ended
				k.Valid.StartMs = e.AtMs - 1
			}
		}
	}
}
