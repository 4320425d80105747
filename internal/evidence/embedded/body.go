package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// A body is a record without its key. All integers are varints (LEB128, signed ones zigzag), texts have their length in
// front:
//
//	flags      1 byte: clock (bits 0-2), retained (3), device_ms follows (4), device_ms is the event time (5), valid_ms follows (6)
//	received   signed, receive time minus event time
//	collected  signed, collect time minus receive time
//	dialect    unsigned, id of a word
//	device_ms  signed, minus event time; only with its flag
//	valid_ms   signed; only with its flag
//	then, by kind:
//	sample     unsigned count, that many values, state (text)
//	tap        direction (1 byte), card (text)
//	link       event (1 byte)
//	raw        reason, detail, channel, topic, payload (texts); its device is a column
//
// A value is unsigned id of its quantity's word times 8 plus a form. Form 0: 8 bytes, IEEE 754, little endian. Form 1 to
// 4: a signed varint n, the number is n / 10^(form-1). A form is only used when it gives back the same bits.
const (
	flagClock       = 0x07
	flagRetained    = 0x08
	flagDeviceMs    = 0x10
	flagDeviceIsNow = 0x20
	flagValidMs     = 0x40
)

const (
	formIEEE     = 0
	decimalForms = 4
	formBits     = 3
)

// errBody says that a stored body cannot be read: the file is damaged.
var errBody = errors.New("damaged record body")

// powers returns 10^(form-1).
func power(form int) float64 { return [...]float64{1, 10, 100, 1000}[form-1] }

// words finds ids of words; a writer makes new ones.
type words func(text string) (id int64, err error)

func appendBody(b []byte, e *evidence.Entry, word words) ([]byte, error) {
	r := &e.Record
	flags := byte(r.Clock) & flagClock
	if r.Retained {
		flags |= flagRetained
	}
	switch r.DeviceMs {
	case 0:
	case r.EventMs:
		flags |= flagDeviceIsNow
	default:
		flags |= flagDeviceMs
	}
	if r.ValidMs != 0 {
		flags |= flagValidMs
	}
	b = append(b, flags)
	b = binary.AppendVarint(b, e.ReceivedMs-r.EventMs)
	b = binary.AppendVarint(b, e.CollectedMs-e.ReceivedMs)
	dialect, err := word(e.Dialect)
	if err != nil {
		return b, err
	}
	b = binary.AppendUvarint(b, uint64(dialect))
	if flags&flagDeviceMs != 0 {
		b = binary.AppendVarint(b, r.DeviceMs-r.EventMs)
	}
	if flags&flagValidMs != 0 {
		b = binary.AppendVarint(b, r.ValidMs)
	}
	return appendKind(b, r, word)
}

func appendKind(b []byte, r *telemetry.Record, word words) ([]byte, error) {
	switch r.Kind {
	case telemetry.KindSample:
		b = binary.AppendUvarint(b, uint64(len(r.Values)))
		for _, v := range r.Values {
			id, err := word(v.Quantity)
			if err != nil {
				return b, err
			}
			b = appendNumber(b, uint64(id), v.Number)
		}
		b = appendText(b, r.State)
	case telemetry.KindTap:
		b = appendText(append(b, byte(r.Direction)), r.Card)
	case telemetry.KindLink:
		b = append(b, byte(r.Link))
	case telemetry.KindRaw:
		b = appendText(b, r.Reason)
		b = appendText(b, r.Detail)
		b = appendText(b, r.Channel)
		b = appendText(b, r.Topic)
		b = appendText(b, r.Payload)
	}
	return b, nil
}

// appendNumber writes the shortest form that gives back the same bits: meters say few decimals, and 8 bytes a number
// would be most of the file.
func appendNumber(b []byte, id uint64, x float64) []byte {
	const exact = 1 << 53
	for form := 1; form <= decimalForms; form++ {
		n := math.Round(x * power(form))
		if math.Abs(n) >= exact {
			break
		}
		if math.Float64bits(float64(int64(n))/power(form)) == math.Float64bits(x) {
			b = binary.AppendUvarint(b, id<<formBits|uint64(form))
			return binary.AppendVarint(b, int64(n))
		}
	}
	b = binary.AppendUvarint(b, id<<formBits|formIEEE)
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
}

func appendText[T ~string | ~[]byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// texts resolves ids of words, and makes strings of bytes that were seen before without allocating.
type texts interface {
	word(id uint64) (string, error)
	intern(b []byte) string
	wants(quantity string) bool
}

// decodeBody fills the entry from a body. The entry's Kind and EventMs must be set; its slices are used again.
func decodeBody(body []byte, e *evidence.Entry, t texts) error {
	d := decoder{b: body}
	flags := d.byte()
	e.Clock = telemetry.Clock(flags & flagClock)
	e.Retained = flags&flagRetained != 0
	e.ReceivedMs = e.EventMs + d.signed()
	e.CollectedMs = e.ReceivedMs + d.signed()
	dialect := d.unsigned()
	e.DeviceMs = 0
	if flags&flagDeviceIsNow != 0 {
		e.DeviceMs = e.EventMs
	}
	if flags&flagDeviceMs != 0 {
		e.DeviceMs = e.EventMs + d.signed()
	}
	e.ValidMs = 0
	if flags&flagValidMs != 0 {
		e.ValidMs = d.signed()
	}
	if d.bad {
		return errBody
	}
	var err error
	if e.Dialect, err = t.word(dialect); err != nil {
		return err
	}
	if err := d.kind(&e.Record, t); err != nil {
		return err
	}
	if d.bad || len(d.b) > 0 {
		return errBody
	}
	return nil
}

type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) kind(r *telemetry.Record, t texts) error {
	switch r.Kind {
	case telemetry.KindSample:
		if err := d.values(r, t); err != nil {
			return err
		}
		r.State = t.intern(d.text())
	case telemetry.KindTap:
		r.Direction = telemetry.Direction(d.byte())
		r.Card = t.intern(d.text())
	case telemetry.KindLink:
		r.Link = telemetry.LinkEvent(d.byte())
	case telemetry.KindRaw:
		r.Reason = telemetry.Reason(t.intern(d.text()))
		r.Detail = string(d.text())
		r.Channel = t.intern(d.text())
		r.Topic = string(d.text())
		r.Payload = append(r.Payload[:0], d.text()...)
	default:
		return fmt.Errorf("%w: kind %d", errBody, r.Kind)
	}
	return nil
}

func (d *decoder) values(r *telemetry.Record, t texts) error {
	r.Values = r.Values[:0]
	for n := d.unsigned(); n > 0 && !d.bad; n-- {
		key := d.unsigned()
		number := d.number(int(key & (1<<formBits - 1)))
		if d.bad {
			return errBody
		}
		quantity, err := t.word(key >> formBits)
		if err != nil {
			return err
		}
		if t.wants(quantity) {
			r.Values = append(r.Values, telemetry.Value{Quantity: quantity, Number: number})
		}
	}
	return nil
}

func (d *decoder) number(form int) float64 {
	switch {
	case form == formIEEE && len(d.b) >= 8:
		x := math.Float64frombits(binary.LittleEndian.Uint64(d.b))
		d.b = d.b[8:]
		return x
	case form >= 1 && form <= decimalForms:
		return float64(d.signed()) / power(form)
	}
	d.bad = true
	return 0
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) unsigned() uint64 {
	v, n := binary.Uvarint(d.b)
	d.skip(n)
	return v
}

func (d *decoder) signed() int64 {
	v, n := binary.Varint(d.b)
	d.skip(n)
	return v
}

func (d *decoder) skip(n int) {
	if n <= 0 {
		d.bad, d.b = true, nil
		return
	}
	d.b = d.b[n:]
}

func (d *decoder) text() []byte {
	n := d.unsigned()
	if d.bad || n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	s := d.b[:n]
	d.b = d.b[n:]
	return s
}
