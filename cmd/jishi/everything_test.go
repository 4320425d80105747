package main_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// everything is a window that holds every recording.
func everything() span.Span { return span.Span{StartMs: registry.BeginMs, EndMs: registry.ForeverMs} }

// each calls yield for every sample and link of every device of the base, device by device.
func (c *city) each(yield func(*evidence.Entry) error) {
	c.t.Helper()
	store := c.store()
	devices, err := store.Devices(c.t.Context(), testBase, everything())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, d := range devices {
		if d.Device == "" {
			continue // quarantined messages of nobody in particular
		}
		q := evidence.Query{Base: testBase, Device: d.Device, Window: everything(), Kinds: []telemetry.Kind{telemetry.KindSample, telemetry.KindLink}}
		if err := store.Read(c.t.Context(), q, yield); err != nil {
			c.t.Fatal(err)
		}
	}
}

// evidenceDigest names all that the store holds, without what depends on the run: receive and collection times.
func (c *city) evidenceDigest() string {
	c.t.Helper()
	h, n := sha256.New(), 0
	c.each(func(e *evidence.Entry) error {
		n++
		writeEntry(h, e)
		return nil
	})
	return fmt.Sprintf("%d records sha256:%x", n, h.Sum(nil))
}

func writeEntry(h hash.Hash, e *evidence.Entry) {
	text := fmt.Appendf(nil, "%d|%s|%s|%d|%d|%s|%d|", e.Kind, e.Device, e.Channel, e.EventMs, e.Clock, e.State, e.Link)
	values := slices.Clone(e.Values)
	slices.SortFunc(values, func(a, b telemetry.Value) int { return strings.Compare(a.Quantity, b.Quantity) })
	for _, v := range values {
		text = fmt.Appendf(text, "%s=%x|", v.Quantity, math.Float64bits(v.Number))
	}
	h.Write(text)
}

// holdsEverything holds the store to the recording itself: every observation that the replayer published is there.
func (c *city) holdsEverything(logs []string) {
	c.t.Helper()
	stored := map[uint64]struct{}{}
	seed := maphash.MakeSeed()
	c.each(func(e *evidence.Entry) error {
		stored[maphash.String(seed, fmt.Sprintf("%s|%s|%d", e.Device, e.Channel, e.EventMs))] = struct{}{}
		return nil
	})
	recording, err := sim.OpenRecording(logs, sim.RecordingOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	quarantined := c.quarantined()
	published, missing, setAside := 0, 0, 0
	for m, err := range recording.Messages() {
		if err != nil {
			c.t.Fatal(err)
		}
		key, ok := observationKey(c.t, m)
		if !ok {
			continue
		}
		published++
		_, ok = stored[maphash.String(seed, key)]
		if axis := strings.Replace(key, "|1", "/x|1", 1); !ok {
			_, ok = stored[maphash.String(seed, axis)] // a position in space is three channels
		}
		if !ok {
			if quarantined[m.Topic+string(m.Payload)] {
				setAside++
				continue
			}
			if missing++; missing <= 5 {
				c.t.Errorf("missing in the store: %s", key)
			}
		}
	}
	c.t.Logf("%d observations published, %d of them in quarantine, %d missing in the store", published, setAside, missing)
	if published == 0 || missing > 0 {
		c.t.Errorf("%d of %d observations are missing", missing, published)
	}
}

// quarantined is every message that could not be read, by topic and payload.
func (c *city) quarantined() map[string]bool {
	c.t.Helper()
	out := map[string]bool{}
	if err := c.store().Quarantine(c.t.Context(), testBase, everything(), func(e *evidence.Entry) error {
		out[e.Topic+string(e.Payload)] = true
		return nil
	}); err != nil {
		c.t.Fatal(err)
	}
	return out
}

// observationKey is device, channel and event time of an MTConnect observation, read without any of our decoders.
func observationKey(t testing.TB, m sim.Timed) (string, bool) {
	t.Helper()
	parts := strings.Split(m.Topic, "/")
	if len(parts) != 5 || parts[3] != "Observations" {
		return "", false
	}
	var o struct {
		DataItemID, Timestamp string
		Result                *string
	}
	if err := json.Unmarshal(m.Payload, &o); err != nil {
		t.Fatal(err)
	}
	if o.Result != nil && strings.TrimSpace(*o.Result) == "" {
		return "", false // an empty text says nothing; its message stays in the base's log
	}
	at, err := time.Parse(time.RFC3339Nano, o.Timestamp)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s|%s|%d", parts[2], parts[4], at.UnixMilli()), true
}
