package influx

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// meta is what a meta field says.
type meta struct {
	clock         telemetry.Clock
	epoch         uint64
	dialect       string
	retained      bool
	validMs       int64
	deviceMs      bool // there is a device_ms field
	deviceIsEvent bool // the device said the event time itself
	quantities    []string
	state         bool // there is a state field
}

// errMeta says that a point's meta field is not what this package writes.
var errMeta = errors.New("point with a meta field that this program does not write")

// parseMeta takes appendMeta and a sample's has back. A word it does not know is an error: a newer program wrote it, and
// what it means must not be lost silently.
func parseMeta(text string) (*meta, error) {
	m := &meta{}
	for word := range strings.SplitSeq(text, " ") {
		key, value, _ := strings.Cut(word, "=")
		var err error
		switch key {
		case "clock":
			m.clock, err = parseClock(value)
		case "epoch":
			m.epoch, err = strconv.ParseUint(value, 16, 64)
		case "dialect":
			m.dialect = decoded(value)
		case "retained":
			m.retained = true
		case "valid_ms":
			m.validMs, err = strconv.ParseInt(value, 10, 64)
		case "device_ms":
			m.deviceIsEvent = value == "event"
			m.deviceMs = !m.deviceIsEvent
		case "has":
			if value != "" {
				m.quantities = strings.Split(value, ",")
			}
		case "state":
			m.state = true
		default:
			err = errors.New("unknown word")
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %.200q: %s: %w", errMeta, text, key, err)
		}
	}
	return m, nil
}

func parseClock(name string) (telemetry.Clock, error) {
	for c := range telemetry.ClockSuspect + 1 {
		if c.String() == name {
			return c, nil
		}
	}
	return 0, fmt.Errorf("clock quality %.20q", name)
}

func parseLink(name string) (telemetry.LinkEvent, error) {
	for _, e := range []telemetry.LinkEvent{telemetry.LinkOnline, telemetry.LinkOffline, telemetry.LinkWill} {
		if e.String() == name {
			return e, nil
		}
	}
	return 0, fmt.Errorf("link event %.20q is none that is known", name)
}

func parseDirection(name string) (telemetry.Direction, error) {
	for _, d := range []telemetry.Direction{telemetry.DirectionNone, telemetry.DirectionIn, telemetry.DirectionOut} {
		if d.String() == name {
			return d, nil
		}
	}
	return 0, fmt.Errorf("direction %.20q is none that is known", name)
}
