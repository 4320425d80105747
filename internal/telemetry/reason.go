package telemetry

// Reason says why a message or record was set aside. The set is closed: reasons are metric labels and InfluxDB tags.
type Reason string

// The reasons for quarantine.
const (
	// ReasonNone: nothing is wrong.
	ReasonNone Reason = ""
	// ReasonMalformed: the payload is not what its dialect's topic promises.
	ReasonMalformed Reason = "malformed"
	// ReasonOversized: the payload, a text or the number of records is over its limit.
	ReasonOversized Reason = "oversized"
	// ReasonNotUTF8: a text that must be UTF-8 is not.
	ReasonNotUTF8 Reason = "not_utf8"
	// ReasonNotFinite: a number is NaN or infinite.
	ReasonNotFinite Reason = "not_finite"
	// ReasonOutOfRange: a number is outside the plausible range of its quantity.
	ReasonOutOfRange Reason = "out_of_range"
	// ReasonUnknownTopic: no dialect reads this topic.
	ReasonUnknownTopic Reason = "unknown_topic"
	// ReasonNoCardKey: a card's number came and there is no key to make its token with.
	ReasonNoCardKey Reason = "no_card_key"
	// ReasonForeignBase: the message names another base than the one it came from.
	ReasonForeignBase Reason = "foreign_base"
	// ReasonStoreRejected: the evidence store refused the record for good.
	ReasonStoreRejected Reason = "store_rejected"
	// ReasonBadTime: the event time cannot be stored.
	ReasonBadTime Reason = "bad_time"
)

// Reasons lists every reason, for metrics that must show a zero and for documentation.
func Reasons() []Reason {
	return []Reason{
		ReasonMalformed, ReasonOversized, ReasonNotUTF8, ReasonNotFinite, ReasonOutOfRange,
		ReasonUnknownTopic, ReasonNoCardKey, ReasonForeignBase, ReasonStoreRejected, ReasonBadTime,
	}
}
