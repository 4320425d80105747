package load

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// First bytes of the packets that pass between a device and a broker (MQTT 3.1.1, section 2.2).
const (
	packetConnect    = 0x10
	packetConnack    = 0x20
	packetPublish    = 0x30
	packetPuback     = 0x40
	packetPingreq    = 0xc0
	packetPingresp   = 0xd0
	packetDisconnect = 0xe0

	typeMask      = 0xf0
	publishQoS    = 0x06 // the bits of QoS in the first byte of a PUBLISH
	publishQoS1   = 0x02
	maxLengthByte = 4 // of a remaining length
)

// appendString appends a length and the string (MQTT 3.1.1, section 1.5.3).
func appendString(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

// appendConnect appends a CONNECT packet with a clean session (MQTT 3.1.1, section 3.1).
func appendConnect(b []byte, clientID, username, password string, keepAliveS uint16) []byte {
	const cleanSession, hasPassword, hasUsername = 0x02, 0x40, 0x80
	flags, length := byte(cleanSession), 10+2+len(clientID)
	if username != "" {
		flags |= hasUsername
		length += 2 + len(username)
	}
	if password != "" {
		flags |= hasPassword
		length += 2 + len(password)
	}
	b = append(b, packetConnect)
	b = binary.AppendUvarint(b, uint64(length)) // the remaining length has the same form
	b = append(b, 0, 4, 'M', 'Q', 'T', 'T', 4, flags)
	b = binary.BigEndian.AppendUint16(b, keepAliveS)
	b = appendString(b, clientID)
	if username != "" {
		b = appendString(b, username)
	}
	if password != "" {
		b = appendString(b, password)
	}
	return b
}

// appendPublish appends a PUBLISH packet (MQTT 3.1.1, section 3.3); scratch is memory for its body, which is returned for
// the next packet.
func (t *Template) appendPublish(b, scratch []byte, at *occasion, qos byte, id uint16) (packet, again []byte) {
	body := append(scratch[:0], 0, 0)
	body = t.appendPieces(body, t.topic, at)
	binary.BigEndian.PutUint16(body, uint16(len(body)-2))
	if qos > 0 {
		body = binary.BigEndian.AppendUint16(body, id)
	}
	body = t.appendPieces(body, t.payload, at)
	b = append(b, packetPublish|qos<<1)
	b = binary.AppendUvarint(b, uint64(len(body)))
	return append(b, body...), body
}

// errNotAnswer says that the broker sent what no broker sends to a device without subscriptions.
var errNotAnswer = errors.New("broker sends what was not asked for")

// answers takes the broker's packets apart as they arrive, in pieces of any size. All of them have at most four bytes.
type answers struct {
	held [4]byte
	n    int
}

// feed takes the next bytes and calls puback with each acknowledged packet id.
func (a *answers) feed(b []byte, puback func(id uint16)) error {
	for _, c := range b {
		a.held[a.n] = c
		a.n++
		if a.n < 2 {
			continue
		}
		switch first, length := a.held[0], a.held[1]; {
		case first == packetPingresp && length == 0:
			a.n = 0
		case first != packetPuback || length != 2:
			return fmt.Errorf("%w: packet %02x %02x", errNotAnswer, first, length)
		case a.n == 4:
			puback(binary.BigEndian.Uint16(a.held[2:]))
			a.n = 0
		}
	}
	return nil
}

// refusal is the meaning of a CONNACK's return code other than 0 (MQTT 3.1.1, section 3.2.2.3).
func refusal(code byte) string {
	switch code {
	case 1:
		return "refused: protocol version"
	case 2:
		return "refused: client id"
	case 3:
		return "refused: server unavailable"
	case 4:
		return "refused: bad user name or password"
	case 5:
		return "refused: not authorized"
	}
	return "refused: unknown return code"
}
