package frame

import "github.com/jishi-telemetry/jishi/internal/telemetry"

// words are the texts that every frame of this format knows without carrying them [F-5.3]. Their numbers are their places in
// this list, the empty text is 0. The list is part of "jishi frame 1": it never changes, not even at its end.
var words = [...]string{
	"",
	// dialects
	"native", "sparkplug", "tasmota", "shelly", "esphome", "zigbee2mqtt", "mtconnect",
	// quantities
	telemetry.PowerW, telemetry.ApparentVA, telemetry.ReactiveVar, telemetry.CurrentA, telemetry.VoltageV,
	telemetry.EnergyWh, telemetry.FrequencyHz, telemetry.PowerFactor, telemetry.SpeedRPM, telemetry.LoadPercent,
	telemetry.FeedMMS, telemetry.OverridePct, telemetry.PositionMM, telemetry.AngleDeg, telemetry.TemperatureC,
	telemetry.Count, telemetry.DurationS, telemetry.Number, telemetry.RelayOn, telemetry.SignalDBm,
	// channels
	"execution", "mode", "avail", "program", "state", "relay", "reader", "meter", "main",
	"switch:0", "switch:1", "switch:2", "switch:3", "pm1:0", "em:0", "em1:0", "em1:1", "em1:2",
	// states
	"ACTIVE", "READY", "STOPPED", "INTERRUPTED", "FEED_HOLD", "WAIT", "PROGRAM_COMPLETED", "PROGRAM_STOPPED",
	"OPTIONAL_STOP", "AVAILABLE", "UNAVAILABLE", "AUTOMATIC", "MANUAL", "MANUAL_DATA_INPUT", "SEMI_AUTOMATIC", "EDIT",
	"ARMED", "TRIGGERED", "NORMAL", "WARNING", "FAULT", "ON", "OFF", "on", "off", "running", "idle", "fault", "standby",
	"true", "false", "online", "offline", "open", "closed",
	// reasons
	string(telemetry.ReasonMalformed), string(telemetry.ReasonOversized), string(telemetry.ReasonNotUTF8),
	string(telemetry.ReasonNotFinite), string(telemetry.ReasonOutOfRange), string(telemetry.ReasonUnknownTopic),
	string(telemetry.ReasonBadTime),
}

var wordNumbers = func() map[string]uint32 {
	m := make(map[string]uint32, len(words))
	for i, w := range words {
		m[w] = uint32(i)
	}
	return m
}()

// wordNumber returns the number of a word that needs no carrying.
func wordNumber(s []byte) (uint32, bool) {
	n, ok := wordNumbers[string(s)]
	return n, ok
}
