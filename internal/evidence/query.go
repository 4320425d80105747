package evidence

import (
	"errors"
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Wanted returns the kinds that the query selects, and an error when the query selects nothing that could be.
func (q *Query) Wanted() ([]telemetry.Kind, error) {
	if q.Base == "" {
		return nil, errors.New("query without a base")
	}
	if q.Device == "" && !slices.Contains(q.Kinds, telemetry.KindRaw) {
		return nil, errors.New("query without a device")
	}
	for _, name := range q.Quantities {
		if !quantityName(name) {
			return nil, fmt.Errorf("query for quantity %.80q, which none can be called", name)
		}
	}
	if len(q.Kinds) == 0 {
		return []telemetry.Kind{telemetry.KindSample, telemetry.KindLink}, nil
	}
	for _, k := range q.Kinds {
		if k < telemetry.KindSample || k > telemetry.KindRaw {
			return nil, fmt.Errorf("query for kind %d, which is none", k)
		}
	}
	return q.Kinds, nil
}

// WantsChannel reports whether the query's channels let a record through: they limit samples alone.
func (q *Query) WantsChannel(kind telemetry.Kind, channel string) bool {
	return q.Channels == nil || kind != telemetry.KindSample || slices.Contains(q.Channels, channel)
}
