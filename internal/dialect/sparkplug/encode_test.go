package sparkplug_test

import (
	"fmt"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// The tests' own encoder, for what no library would write. Payloads of a library that is not this project's are in
// testdata/pysparkplug.

type metric []byte

func (m metric) varint(field protowire.Number, v uint64) metric {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), v)
}

func (m metric) bytes(field protowire.Number, v string) metric {
	return protowire.AppendString(protowire.AppendTag(m, field, protowire.BytesType), v)
}

// named begins a metric; an empty name and an alias of 0 are left out.
func named(name string, alias uint64) metric {
	var m metric
	if name != "" {
		m = m.bytes(1, name)
	}
	if alias != 0 {
		m = m.varint(2, alias)
	}
	return m
}

// typed adds the data type where a birth would: to a metric that has a name.
func typed(name string, alias, datatype uint64) metric {
	m := named(name, alias)
	if name != "" {
		m = m.varint(4, datatype)
	}
	return m
}

func num(name string, alias uint64, v float64) metric {
	m := typed(name, alias, 10)
	return protowire.AppendFixed64(protowire.AppendTag(m, 13, protowire.Fixed64Type), math.Float64bits(v))
}

func word(name string, alias uint64, v string) metric { return typed(name, alias, 12).bytes(15, v) }

func flag(name string, alias uint64, v bool) metric {
	return typed(name, alias, 11).varint(14, protowire.EncodeBool(v))
}

func null(name string, alias uint64) metric { return typed(name, alias, 10).varint(7, 1) }

func integer(name string, datatype uint64, field protowire.Number, v uint64) metric {
	return named(name, 0).varint(4, datatype).varint(field, v)
}

func bdSeq(n uint64) metric { return integer("bdSeq", 4, 11, n) }

func (m metric) time(ms int64) metric { return m.varint(3, uint64(ms)) }
func (m metric) past() metric         { return m.varint(5, 1) }
func (m metric) transient() metric    { return m.varint(6, 1) }

func (m metric) property(key string, value metric) metric {
	return m.bytes(9, string(metric(nil).bytes(1, key).bytes(2, string(value))))
}

func (m metric) unit(text string) metric {
	return m.property("engUnit", metric(nil).varint(1, 12).bytes(8, text))
}

func (m metric) quality(code uint64) metric {
	return m.property("Quality", metric(nil).varint(1, 3).varint(3, code))
}

// payload encodes a payload; a negative seq is left out.
func payload(ms int64, seq int, metrics ...metric) []byte {
	var p metric
	if ms != 0 {
		p = p.varint(1, uint64(ms))
	}
	for _, m := range metrics {
		p = p.bytes(2, string(m))
	}
	if seq >= 0 {
		p = p.varint(3, uint64(seq)&0xff)
	}
	return p
}

// text writes a payload as vectors have it: field numbers and values.
func text(b []byte) string {
	var parts []string
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Sprintf("%q", b)
		}
		b = b[n:]
		var part string
		switch kind {
		case protowire.VarintType:
			v, size := protowire.ConsumeVarint(b)
			n, part = size, fmt.Sprint(v)
		case protowire.BytesType:
			v, size := protowire.ConsumeBytes(b)
			if n = size; number == 1 {
				part = fmt.Sprintf("%q", v)
			} else {
				part = "{" + text(v) + "}"
			}
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return "torn"
		}
		b = b[n:]
		parts = append(parts, fmt.Sprintf("%d:%s", number, part))
	}
	return strings.Join(parts, " ")
}
