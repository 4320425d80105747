package tasmota

import (
	"bytes"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// reader is one of the badge readers that the firmware knows. It speaks once for each card it sees and never repeats it
// in the telemetry.
type reader struct {
	key     string // its member of SENSOR
	channel string
}

func readers() [4]reader {
	return [...]reader{
		{key: "RC522", channel: "rc522"},
		{key: "PN532", channel: "pn532"},
		{key: "Wiegand", channel: "wiegand"},
		{key: "RDM6300", channel: "rdm6300"},
	}
}

// mayHoldCard reports whether a payload, readable or not, speaks of a badge reader, or could with an escape for one of the
// letters.
func mayHoldCard(payload []byte) bool {
	for _, word := range [...]string{"UID", "RC522", "PN532", "Wiegand", "RDM6300", `\u00`} {
		if bytes.Contains(payload, []byte(word)) {
			return true
		}
	}
	return false
}

// taps decodes the cards that the readers saw.
func (r *reading) taps(v *fastjson.Value) {
	for _, reader := range readers() {
		read := v.Get(reader.key)
		if read == nil {
			continue
		}
		where := r.path + "." + reader.key
		if read.Type() != fastjson.TypeObject {
			r.faults.Add(dialect.Errorf(telemetry.ReasonMalformed, "%s is %s; an object is right", where, jsondoc.TypeName(read)))
			continue
		}
		if reader.key == "Wiegand" && isKeypad(read) {
			continue
		}
		notation, text, err := number(reader, read.Get("UID"), where)
		if err != nil {
			r.faults.Add(err)
			continue
		}
		token, err := r.d.cards.Token(r.device, notation, text)
		if err != nil {
			r.faults.Add(dialect.Errorf(err.Reason, "%s.UID: %s", where, err.Detail))
			continue
		}
		r.add(telemetry.Record{Kind: telemetry.KindTap, Channel: reader.channel, Card: token})
	}
}

// isKeypad reports whether a Wiegand reader passes on keys: what is typed is a person's code and no card.
func isKeypad(read *fastjson.Value) bool {
	switch read.GetInt("Size") {
	case 4, 8:
		return true
	}
	return false
}

// number returns how a reader wrote the card's number, and the number as it wrote it. Nothing of it stands in the error.
func number(of reader, uid *fastjson.Value, where string) (card.Notation, string, *dialect.Error) {
	right := "hexadecimal text is right"
	if of.key == "Wiegand" {
		right = "a whole number or, with SetOption123, hexadecimal text is right"
		if uid != nil && uid.Type() == fastjson.TypeNumber {
			return card.Decimal, uid.String(), nil
		}
	}
	if uid == nil || uid.Type() != fastjson.TypeString {
		return "", "", dialect.Errorf(telemetry.ReasonMalformed, "%s.UID is %s; %s", where, jsondoc.TypeName(uid), right)
	}
	text := jsondoc.Text(uid)
	if of.key == "Wiegand" {
		return card.Hex, whole(text), nil
	}
	if len(text)%2 == 1 {
		// It has lost a digit: what is left would be another card.
		return "", "", dialect.Errorf(telemetry.ReasonMalformed, "%s.UID has an odd number of digits; two for each byte are right", where)
	}
	return card.Hex, text, nil
}

// whole gives a Wiegand number back the leading zeros that the firmware leaves out, so that it has the four bytes that
// the decimal form stands for.
func whole(text string) string {
	const digits = 8
	text = strings.TrimSuffix(text, "h")
	if text == "" || len(text) >= digits {
		return text
	}
	return strings.Repeat("0", digits-len(text)) + text
}

// quote is dialect.Quote for what a message says, unless it may say a card's number.
func (r *reading) quote(text string) string {
	if r.private {
		return "something else (a badge reader's message is not repeated)"
	}
	return dialect.Quote(text)
}

// outOfRange is the fault of a number outside the range of its quantity, at a place below the path.
func (r *reading) outOfRange(q dialect.Quantity, n float64, where string) *dialect.Error {
	if r.private {
		return dialect.Errorf(telemetry.ReasonOutOfRange, "%s%s is %s; %s lies between %v and %v", r.path, where, r.quote(""), q.Name, q.Min, q.Max)
	}
	return dialect.CheckNumber(q.Name, n, r.path+where)
}

// unreadable is the fault of a payload that is no JSON, without the part of it that the parser shows.
func (r *reading) unreadable(err *dialect.Error) *dialect.Error {
	if r.private && err.Reason == telemetry.ReasonMalformed {
		return dialect.Errorf(err.Reason, "payload is not JSON; it is a badge reader's, so nothing of it is repeated")
	}
	return err
}
