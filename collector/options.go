package collector

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/jishi-telemetry/jishi/internal/evidence"
)

// Options are what a collector needs. The fields marked required have no default.
type Options struct {
	// Store takes the evidence. The collector does not close it. Required.
	Store evidence.Store
	// BridgeKeys returns the public keys that the city enrolled for a bridge and that are valid at an instant
	// (milliseconds since the Unix epoch); none when the bridge is unknown. The instant is the collector's own, when the
	// frame arrives, and no time that the frame names: so a key ends when the city ends it, and a base that was offline
	// while its key was changed can still send its backlog, which it signs when it sends. It may be called concurrently.
	// Required.
	BridgeKeys func(base, bridge string, atMs int64) []ed25519.PublicKey
	// KnownDevice reports whether the registry has the device; nil counts none as unregistered.
	KnownDevice func(base, device string) bool
	// Quarantine keeps the frames that are refused; nil keeps none. They are counted and told of all the same.
	Quarantine *Quarantine
	// ShareGroup makes several collectors share the frames ($share); "" subscribes alone. It is one topic level without
	// wildcards.
	ShareGroup string
	// BatchFrames and BatchMessages bound what one write takes, the latter give or take a frame; defaults 32 and 20000.
	BatchFrames, BatchMessages int
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
	if o.BatchMessages == 0 {
		o.BatchMessages = 20_000
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
	if o.BatchFrames < 0 {
		errs = append(errs, fmt.Errorf("collector option BatchFrames is %d: want at least 1", o.BatchFrames))
	}
	if o.BatchMessages < 0 {
		errs = append(errs, fmt.Errorf("collector option BatchMessages is %d: want at least 1", o.BatchMessages))
	}
	if strings.ContainsAny(o.ShareGroup, "/+#") {
		errs = append(errs, fmt.Errorf("collector option ShareGroup is %q: want one topic level without wildcards", o.ShareGroup))
	}
	return o, errors.Join(errs...)
}
