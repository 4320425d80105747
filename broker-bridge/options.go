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

const (
	maxLinger     = 10 * time.Second
	minAckTimeout = 100 * time.Millisecond
)

// Options are what a bridge needs. The fields marked required have no default.
type Options struct {
	// Base and ID name the base and this bridge on it; both are topic levels (see frame.ValidName). ID is not "dev", which
	// is where the native dialect's devices are. Required.
	Base, ID string
	// Log is the base's log. The bridge is its only writer and does not close it. Required.
	Log *spool.Log
	// Key signs the frames. Required.
	Key ed25519.PrivateKey
	// Dialects decode device messages. The bridge is their only user. Required.
	Dialects *dialect.Router

	// Window is how many frames may be out unacknowledged, 1 to 1024; default 64.
	Window int
	// Linger is how long a frame that is not full waits for more, up to 10 s; default 1 s. Waiting saves bytes on the
	// uplink and costs freshness in the city; docs/frame.md has the numbers.
	Linger time.Duration
	// AckTimeout is how long a frame waits for its acknowledgement before it is sent again, 100 ms to 2 min; it doubles
	// with each repeat up to two minutes. Default 10 s.
	AckTimeout time.Duration
	// InboxMessages bounds the messages that wait for the decoder, beside a bound of 64 MiB; default 16384.
	InboxMessages int
	// MaxPayloadBytes is the largest device payload that is decoded; default 256 KiB. A larger one is quarantined, and
	// its first MiB is kept in the log.
	MaxPayloadBytes int
	// RetainEvery is how often the log drops what was acknowledged and has passed its audit period; default 1 min.
	RetainEvery time.Duration
	// ReplayClock takes the receive time from ClockTopic instead of the system's clock. Never at a real base.
	ReplayClock bool

	// Publish sends a request of a dialect to a device; nil sends it over the connection of RunSource, while there is one.
	// It may be called concurrently.
	Publish func(r dialect.Request) error
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
	orDefault(&o.Linger, time.Second)
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
	err := frame.ValidName(o.Base)
	need(err == nil, "Base: %w", err)
	err = frame.ValidName(o.ID)
	need(err == nil, "ID: %w", err)
	need(o.ID != "dev", "ID is \"dev\": topics of the native dialect have that level")
	need(o.Log != nil, "Log is missing")
	need(len(o.Key) == ed25519.PrivateKeySize, "Key has %d bytes: want an Ed25519 private key", len(o.Key))
	need(o.Dialects != nil, "Dialects is missing")
	need(o.Window >= 1 && o.Window <= 1024, "Window is %d: want 1 to 1024 frames", o.Window)
	need(o.Linger > 0 && o.Linger <= maxLinger, "Linger is %v: want up to %v", o.Linger, maxLinger)
	need(o.AckTimeout >= minAckTimeout && o.AckTimeout <= maxResend, "AckTimeout is %v: want %v to %v",
		o.AckTimeout, minAckTimeout, maxResend)
	need(o.InboxMessages > 0, "InboxMessages is %d: want at least 1", o.InboxMessages)
	need(o.MaxPayloadBytes > 0, "MaxPayloadBytes is %d: want at least 1", o.MaxPayloadBytes)
	need(o.RetainEvery > 0, "RetainEvery is %v: want above 0", o.RetainEvery)
	return o, errors.Join(errs...)
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
