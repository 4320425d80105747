package bridge

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/spool"
)

// ClockTopic is where a replayer publishes the simulated time, decimal milliseconds since the Unix epoch. A bridge obeys
// it only with Options.ReplayClock; otherwise such a message is quarantined like any other that no dialect reads.
const ClockTopic = "jishi/sim/clock"

// Options are what a bridge needs. The fields marked required have no default.
type Options struct {
	// Base and ID name the base and this bridge on it; both are topic levels (see frame.ValidName). Required.
	Base, ID string
	// Log is the base's log. The bridge is its only writer and does not close it. Required.
	Log *spool.Log
	// Key signs the frames. Required.
	Key ed25519.PrivateKey
	// Dialects decode device messages. The bridge is their only user. Required.
	Dialects *dialect.Router

	// Window is how many frames may be out unacknowledged, 1 to 1024; default 64.
	Window int
	// Linger is how long a frame that is not full waits for more, up to 1 s; default 100 ms.
	Linger time.Duration
	// AckTimeout is how long a frame waits for its acknowledgement before it is sent again, at least 100 ms; it doubles
	// with each repeat up to two minutes. Default 10 s.
	AckTimeout time.Duration
	// InboxMessages bounds the messages that wait for the decoder; default 16384.
	InboxMessages int
	// MaxPayloadBytes is the largest device payload that is decoded; default 256 KiB. A larger one is quarantined.
	MaxPayloadBytes int
	// RetainEvery is how often the log drops what was acknowledged and has passed its audit period; default 1 min.
	RetainEvery time.Duration
	// ReplayClock takes the receive time from ClockTopic instead of the system's clock. Never at a real base.
	ReplayClock bool

	// Publish sends a request of a dialect to a device; nil sends none.
	Publish func(topic string, payload []byte) error
	// Route passes a committed message on to the broker's own subscribers; nil routes nothing.
	Route func(in mqtt.Inbound)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Logger and Registerer may be nil.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (o Options) complete() (Options, error) {
	var errs []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("bridge option "+format, args...))
		}
	}
	orDefault(&o.Window, 64)
	orDefault(&o.Linger, 100*time.Millisecond)
	orDefault(&o.AckTimeout, 10*time.Second)
	orDefault(&o.InboxMessages, 16384)
	orDefault(&o.MaxPayloadBytes, 256<<10)
	orDefault(&o.RetainEvery, time.Minute)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	for name, value := range map[string]string{"Base": o.Base, "ID": o.ID} {
		err := frame.ValidName(value)
		need(err == nil, "%s: %w", name, err)
	}
	need(o.Log != nil, "Log is missing")
	need(len(o.Key) == ed25519.PrivateKeySize, "Key has %d bytes: want an Ed25519 private key", len(o.Key))
	need(o.Dialects != nil, "Dialects is missing")
	need(o.Window >= 1 && o.Window <= 1024, "Window is %d: want 1 to 1024 frames", o.Window)
	need(o.Linger > 0 && o.Linger <= time.Second, "Linger is %v: want up to 1 s", o.Linger)
	need(o.AckTimeout >= 100*time.Millisecond, "AckTimeout is %v: want at least 100 ms", o.AckTimeout)
	need(o.InboxMessages > 0, "InboxMessages is %d: want at least 1", o.InboxMessages)
	need(o.MaxPayloadBytes > 0, "MaxPayloadBytes is %d: want at least 1", o.MaxPayloadBytes)
	return o, errors.Join(errs...)
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
