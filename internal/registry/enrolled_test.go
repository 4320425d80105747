package registry_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// keyOf is a public key that nobody has the other half of.
func keyOf(name string) ed25519.PublicKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat(name, ed25519.SeedSize)[:ed25519.SeedSize])).Public().(ed25519.PublicKey)
}

// handWritten has a bridge with a key that a person wrote down.
func handWritten() string {
	return minimal + "    bridges: [{id: b1, keys: [{public_key: \"" + registry.FormatPublicKey(keyOf("hand")) + "\"}]}]\n"
}

// at is an instant of 2026-03-02 in Asia/Shanghai.
func at(hour int) int64 {
	return time.Date(2026, 3, 2, hour-8, 0, 0, 0, time.UTC).UnixMilli()
}

// places are the two shapes of a registry on disk.
func places(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(t.TempDir(), "base.yaml")
	for _, path := range []string{file, filepath.Join(dir, "a.yaml")} {
		if err := os.WriteFile(path, []byte(handWritten()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return map[string]string{"a directory": dir, "a file": file}
}

func open(t testing.TB, path string) *registry.Registry {
	t.Helper()
	r, err := registry.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// validities are the bridge's keys and when they hold.
func validities(t testing.TB, r *registry.Registry, bridge string) map[string]span.Span {
	t.Helper()
	out := map[string]span.Span{}
	b, err := r.Bridge("b", bridge)
	if errors.Is(err, registry.ErrUnknown) {
		return out
	}
	for _, k := range b.Keys {
		out[registry.FormatPublicKey(k.Key)] = k.Valid
	}
	return out
}

// TestKeysAreAdmittedAndEnded: commands add keys and end them, those that people wrote down too, without a change to any
// file that people write; what they did survives a new load, and the earliest end counts.
func TestKeysAreAdmittedAndEnded(t *testing.T) {
	t.Parallel()
	for name, path := range places(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			event := func(bridge, key string, hour int) registry.KeyEvent {
				return registry.KeyEvent{Base: "b", Bridge: bridge, Key: keyOf(key), AtMs: at(hour), By: "张工 <ops>"}
			}
			for _, e := range []registry.KeyEvent{event("b1", "second", 9), event("b2", "other", 10)} {
				if err := registry.AdmitKey(path, e); err != nil {
					t.Fatal(err)
				}
				if err := registry.AdmitKey(path, e); !errors.Is(err, fs.ErrExist) {
					t.Errorf("admitted twice: %v, want fs.ErrExist", err)
				}
			}
			for _, e := range []registry.KeyEvent{
				event("b1", "hand", 14), event("b1", "hand", 12), event("b1", "hand", 13), event("b1", "hand", 12),
				event("b2", "other", 8), event("b3", "nobody's", 8), event("b2", "hand", 1),
			} {
				if err := registry.EndKey(path, e); err != nil {
					t.Fatal(err)
				}
			}
			r := open(t, path)
			want := map[string]span.Span{
				registry.FormatPublicKey(keyOf("hand")):   {StartMs: registry.BeginMs, EndMs: at(12)},
				registry.FormatPublicKey(keyOf("second")): {StartMs: at(9), EndMs: registry.ForeverMs},
			}
			if diff := cmp.Diff(want, validities(t, r, "b1")); diff != "" {
				t.Errorf("keys of b1 (-want +got):\n%s", diff)
			}
			never := map[string]span.Span{registry.FormatPublicKey(keyOf("other")): {StartMs: at(8) - 1, EndMs: at(8)}}
			if diff := cmp.Diff(never, validities(t, r, "b2")); diff != "" {
				t.Errorf("key of b2, ended before it began (-want +got):\n%s", diff)
			}
			var text bytes.Buffer
			if err := r.WriteYAML(&text); err != nil {
				t.Fatal(err)
			}
			again, err := registry.Load(fstest.MapFS{"a.yaml": {Data: text.Bytes()}})
			if err != nil || again.Digest() != r.Digest() {
				t.Errorf("what was written reads back different: %v\n%s", err, &text)
			}
		})
	}
}

// TestEventsAreStrict: an event that cannot be right is a problem with its place, like any other mistake.
func TestEventsAreStrict(t *testing.T) {
	t.Parallel()
	hand, other := registry.FormatPublicKey(keyOf("hand")), registry.FormatPublicKey(keyOf("other"))
	for name, test := range map[string]struct{ event, want string }{
		"unknown base":      {`admitted: {base: c, bridge: b1, public_key: "` + other + `", from: 2026-03-02}`, `enrolled/e.yaml:1:18: admitted.base = "c"`},
		"a second owner":    {`admitted: {base: b, bridge: b2, public_key: "` + hand + `", from: 2026-03-02}`, "public key is used twice"},
		"no instant":        {`admitted: {base: b, bridge: b1, public_key: "` + other + `"}`, "admitted.from"},
		"no key":            {`ended: {base: b, bridge: b1, at: 2026-03-02}`, "ended.public_key"},
		"no id":             {`ended: {base: b, bridge: "../x", public_key: "` + hand + `", at: 2026-03-02}`, "ended.bridge"},
		"unknown field":     {`ended: {base: b, bridge: b1, public_key: "` + hand + `", at: 2026-03-02, to: 2026-03-03}`, "ended.to"},
		"unknown kind":      {`revoked: {}`, "revoked: 未知的键"},
		"nothing":           {`{}`, "want admitted: or ended:"},
		"empty":             {``, "the file is empty"},
		"steers a terminal": {`ended: {base: b, bridge: b1, public_key: "` + hand + `", at: 2026-03-02, by: "\e[2J"}`, "ended.by"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := registry.Load(fstest.MapFS{"a.yaml": {Data: []byte(handWritten())}, "enrolled/e.yaml": {Data: []byte(test.event)}})
			if _, ok := errors.AsType[registry.Problems](err); !ok || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want a problem with %q", err, test.want)
			}
		})
	}
	if err := registry.AdmitKey(t.TempDir(), registry.KeyEvent{Base: "../x", Bridge: "b1", Key: keyOf("x")}); err == nil {
		t.Error("a base that is no id became a file name")
	}
}

// FuzzEvents: whatever stands in an event's file, the registry loads or names problems, and never a key that nobody wrote.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(`admitted: {base: b, bridge: b1, public_key: "` + registry.FormatPublicKey(keyOf("other")) + `", from: 2026-03-02}`))
	f.Add([]byte(`ended: {base: b, bridge: b1, public_key: "` + registry.FormatPublicKey(keyOf("hand")) + `", at: "2026-03-02T08:00:00+08:00"}`))
	f.Fuzz(func(t *testing.T, event []byte) {
		r, err := registry.Load(fstest.MapFS{"a.yaml": {Data: []byte(handWritten())}, "enrolled/e.yaml": {Data: event}})
		if err != nil {
			if _, ok := errors.AsType[registry.Problems](err); !ok {
				t.Fatalf("%v, want problems", err)
			}
			return
		}
		if _, ok := validities(t, r, "b1")[registry.FormatPublicKey(keyOf("hand"))]; !ok {
			t.Error("an event took a key away that should only have ended")
		}
	})
}
