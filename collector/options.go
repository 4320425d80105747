package collector

import (
	"crypto/ed25519"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/jishi-telemetry/jishi/internal/evidence"
)

// Options are what a collector needs. The fields marked required have no default.
type Options struct {
	// Store takes the evidence. The collector does not close it. Required.
	Store evidence.Store
	// BridgeKeys returns the public keys that the city enrolled for a bridge and that were valid at an instant
	// (milliseconds since the Unix epoch); none when the bridge is unknown. It may be called concurrently. Required.
	BridgeKeys func(base, bridge string, atMs int64) []ed25519.PublicKey
	// KnownDevice reports whether the registry has the device; nil counts none as unregistered.
	KnownDevice func(base, device string) bool
	// ShareGroup makes several collectors share the frames ($share); "" subscribes alone.
	ShareGroup string
	// BatchFrames and BatchRecords bound what one write takes; defaults 32 frames and 20000 messages.
	BatchFrames, BatchRecords int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Logger and Registerer may be nil.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (o Options) complete() (Options, error) {
	if o.BatchFrames == 0 {
		o.BatchFrames = 32
	}
	if o.BatchRecords == 0 {
		o.BatchRecords = 20_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	var errs []error
	if o.Store == nil {
		errs = append(errs, errors.New("collector option Store is missing"))
	}
	if o.BridgeKeys == nil {
		errs = append(errs, errors.New("collector option BridgeKeys is missing"))
	}
	if o.BatchFrames < 0 || o.BatchRecords < 0 {
		errs = append(errs, errors.New("collector options BatchFrames and BatchRecords must be above 0"))
	}
	return o, errors.Join(errs...)
}
