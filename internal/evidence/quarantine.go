package evidence

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Quarantined returns the raw record that stands in quarantine for a record which the store refused: the reason and the
// detail of the refusal, the texts made valid and cut to their limits, and as payload the record as JSON (a raw
// record's own payload instead), cut to telemetry.MaxRawPayload bytes. Equal records yield equal bytes.
func Quarantined(r *telemetry.Record, reason telemetry.Reason, detail string) telemetry.Record {
	payload := r.Payload
	if r.Kind != telemetry.KindRaw {
		payload = describe(r)
	}
	return telemetry.Record{
		Kind: telemetry.KindRaw, Clock: min(r.Clock, telemetry.ClockSuspect), Retained: r.Retained,
		Device: fit(r.Device, telemetry.MaxName), Channel: fit(r.Channel, telemetry.MaxName),
		EventMs: r.EventMs, DeviceMs: r.DeviceMs, ValidMs: r.ValidMs,
		Reason: reason, Detail: fit(detail, telemetry.MaxDetail), Topic: fit(r.Topic, maxTopic),
		Payload: payload[:min(len(payload), telemetry.MaxRawPayload)],
	}
}

// fit returns the text as valid UTF-8 of at most limit bytes.
func fit(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// describe writes what the record says as JSON. Numbers are texts in it, because NaN is one reason to be here.
func describe(r *telemetry.Record) []byte {
	type value struct {
		Quantity string `json:"quantity"`
		Number   string `json:"number"`
	}
	shown := r.Values[:min(len(r.Values), telemetry.MaxRawPayload/16)] // more would be cut off below
	values := make([]value, 0, len(shown))
	for _, v := range shown {
		values = append(values, value{v.Quantity, strconv.FormatFloat(v.Number, 'g', -1, 64)})
	}
	b, err := json.Marshal(struct {
		Kind      string  `json:"kind"`
		Device    string  `json:"device"`
		Channel   string  `json:"channel,omitempty"`
		EventMs   int64   `json:"event_ms"`
		Values    []value `json:"values,omitempty"`
		State     string  `json:"state,omitempty"`
		Card      string  `json:"card,omitempty"`
		Direction string  `json:"direction,omitempty"`
		Link      string  `json:"link,omitempty"`
	}{
		r.Kind.String(), r.Device, r.Channel, r.EventMs, values, r.State, r.Card,
		onlyFor(r, telemetry.KindTap, r.Direction.String()), onlyFor(r, telemetry.KindLink, r.Link.String()),
	})
	if err != nil {
		// Strings and integers always marshal; were it ever otherwise, the reason is worth more than the payload.
		return []byte(err.Error())
	}
	return b
}

func onlyFor(r *telemetry.Record, kind telemetry.Kind, text string) string {
	if r.Kind != kind {
		return ""
	}
	return text
}

// Fit returns a name as valid UTF-8 of at most telemetry.MaxName bytes, for what stands in quarantine.
func Fit(name string) string { return fit(name, telemetry.MaxName) }
