package native

import (
	"slices"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// minCard is the shortest card token. Shorter texts are the numbers of cards themselves, which must not leave the base.
const minCard = 16

func (r *reading) tap(o *fastjson.Object) {
	rec := r.base
	rec.Kind = telemetry.KindTap
	uid, notation := "", card.Hex
	ok := r.members(o, "t, card, uid, format and dir", func(key []byte, v *fastjson.Value) (member, bool) {
		switch string(key) {
		case "card":
			return memberCard, r.card(&rec, v)
		case "uid":
			return memberUID, r.uid(&uid, v)
		case "format":
			return memberFormat, r.format(&notation, v)
		case "dir":
			return memberDir, r.direction(&rec, v)
		}
		return 0, false
	})
	switch {
	case !ok:
	case r.seen&(memberCard|memberUID) == 0:
		r.fault(telemetry.ReasonMalformed, "", "has neither card nor uid; the card's token or its number is right")
	case r.seen&memberCard != 0 && r.seen&memberUID != 0:
		r.fault(telemetry.ReasonMalformed, "", "has both card and uid; one of them is right")
	case r.seen&memberFormat != 0 && r.seen&memberUID == 0:
		r.fault(telemetry.ReasonMalformed, ".format", "stands without uid; it says how the uid is written")
	case r.index >= 0 && r.seen&memberT == 0:
		r.fault(telemetry.ReasonMalformed, "", "has no t; in a batch each tap says its own time")
	case r.seen&memberUID == 0 || r.token(&rec, notation, uid):
		r.emit(rec)
	}
}

// uid reads a card's number as the reader wrote it.
func (r *reading) uid(to *string, v *fastjson.Value) bool {
	if v.Type() != fastjson.TypeString {
		r.fault(telemetry.ReasonMalformed, ".uid", "is %s; a text is right, also for decimal numbers", jsondoc.TypeName(v))
		return false
	}
	*to = jsondoc.Text(v)
	return true
}

// format reads how the uid is written.
func (r *reading) format(to *card.Notation, v *fastjson.Value) bool {
	for _, n := range card.Notations() {
		if v.Type() == fastjson.TypeString && jsondoc.Text(v) == string(n) {
			*to = n
			return true
		}
	}
	r.fault(telemetry.ReasonMalformed, ".format", "is none of hex, decimal and facility")
	return false
}

// token turns the number into the record's card.
func (r *reading) token(rec *telemetry.Record, notation card.Notation, uid string) bool {
	token, err := r.d.o.Cards.Token(rec.Device, notation, uid)
	if err != nil {
		r.fault(err.Reason, ".uid", "is refused: %s", err.Detail)
		return false
	}
	rec.Card = token
	return true
}

// card reads the card's token. Its errors never repeat the text: it may be a card's or a person's number.
func (r *reading) card(rec *telemetry.Record, v *fastjson.Value) bool {
	if v.Type() != fastjson.TypeString {
		r.fault(telemetry.ReasonMalformed, ".card", "is %s; a text is right", jsondoc.TypeName(v))
		return false
	}
	text := v.GetStringBytes()
	if !isToken(text) {
		r.fault(telemetry.ReasonMalformed, ".card", "is no card token; %d to %d letters, digits, - or _ with one letter at least are right (a keyed hash of the card's number, never the number)",
			minCard, telemetry.MaxName)
		return false
	}
	rec.Card = string(text)
	return true
}

// isToken tells a keyed hash from the number of a card or of a person, which are short or all digits but the last.
func isToken(text []byte) bool {
	if len(text) < minCard || len(text) > telemetry.MaxName {
		return false
	}
	letter := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
	for _, c := range text {
		if !letter(c) && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return slices.ContainsFunc(text[:len(text)-1], letter)
}

func (r *reading) direction(rec *telemetry.Record, v *fastjson.Value) bool {
	switch string(v.GetStringBytes()) {
	case "in":
		rec.Direction = telemetry.DirectionIn
	case "out":
		rec.Direction = telemetry.DirectionOut
	case "none":
		rec.Direction = telemetry.DirectionNone
	default:
		r.fault(telemetry.ReasonMalformed, ".dir", "is %s; \"in\", \"out\" or \"none\" is right", r.quote(v.String()))
		return false
	}
	return true
}
