package voice

import (
	"errors"
	"fmt"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// maker makes a dialect's voice.
type maker func(Spec) (Voice, Identity, error)

// makerOf finds who speaks a dialect; nil when nobody does.
func makerOf(d scenario.Dialect) maker {
	switch d {
	case scenario.Native:
		return newNative
	case scenario.MTConnect:
		return newMTConnect
	case scenario.MTConnectDocument:
		return newMTConnectDocument
	case scenario.Sparkplug:
		return newSparkplug
	case scenario.ESPRFID:
		return newESPRFID
	case scenario.ShellyGen1:
		return newShellyGen1
	case scenario.ShellyGen2:
		return newShellyGen2
	case scenario.Tasmota:
		return newTasmota
	case scenario.ESPHome:
		return newESPHome
	case scenario.Zigbee2MQTT:
		return newZigbee2MQTT
	}
	return nil
}

// New returns the voice of a device or reader as it is before its first day, and what the registry has to know of it. The
// error names the device and what it was told that it cannot do.
func New(spec Spec) (Voice, Identity, error) {
	var id string
	var d scenario.Dialect
	switch {
	case spec.Base == nil || (spec.Device == nil) == (spec.Reader == nil):
		return nil, Identity{}, errors.New("new voice: a base and one of device and reader are needed")
	case spec.Device != nil:
		id, d = spec.Device.ID, spec.Device.Dialect
	default:
		id, d = spec.Reader.ID, spec.Reader.Dialect
	}
	make := makerOf(d)
	if make == nil {
		return nil, Identity{}, fmt.Errorf("new voice: %s: dialect %q is not spoken", id, d)
	}
	v, identity, err := make(spec)
	if err != nil {
		return nil, Identity{}, fmt.Errorf("new voice: %s (%s): %w", id, d, err)
	}
	return v, identity, nil
}
