package influx

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// packedSource decodes an answer in MessagePack: one map after the other, of the same shape as the JSON documents. It
// walks down and up the shape as the rows are asked for, and holds one row.
type packedSource struct {
	r *bufio.Reader
	s *Store

	// How many keys or elements are left at each depth of the current document.
	keys, results, resultKeys, series, seriesKeys, rows int

	text []byte // the strings of the current row
	ends []int
}

var errPacked = errors.New("decode answer: malformed MessagePack")

// Limits of what is allocated on an answer's word.
const (
	maxPackedText  = 64 << 20
	maxPackedItems = 1 << 20
	maxPackedDepth = 32
)

func (p *packedSource) next(a *answer) (bool, error) {
	for {
		var err error
		switch {
		case p.rows > 0:
			p.rows--
			return true, p.row(a)
		case p.seriesKeys > 0:
			p.seriesKeys--
			err = p.seriesEntry(a)
		case p.series > 0:
			p.series--
			a.tags = nil
			p.seriesKeys, err = p.count(mapCodes)
		case p.resultKeys > 0:
			p.resultKeys--
			err = p.resultEntry(a)
		case p.results > 0:
			p.results--
			a.partial = false
			p.resultKeys, err = p.count(mapCodes)
		case p.keys > 0:
			p.keys--
			err = p.documentEntry()
		default:
			if _, err := p.r.Peek(1); err != nil {
				if errors.Is(err, io.EOF) {
					return false, nil
				}
				return false, fmt.Errorf("read answer: %w", err)
			}
			p.keys, err = p.count(mapCodes)
		}
		if err != nil {
			return false, err
		}
	}
}

func (p *packedSource) documentEntry() error {
	key, err := p.string()
	if err != nil {
		return err
	}
	switch key {
	case "error":
		return p.failure()
	case "results":
		p.results, err = p.count(arrayCodes)
		return err
	}
	return p.skip(0)
}

func (p *packedSource) resultEntry(a *answer) error {
	key, err := p.string()
	if err != nil {
		return err
	}
	switch key {
	case "error":
		return p.failure()
	case "series":
		p.series, err = p.count(arrayCodes)
		return err
	case "partial":
		c, err := p.cell()
		a.partial = c.kind == cellBool && c.number == 1
		return err
	}
	return p.skip(0)
}

func (p *packedSource) seriesEntry(a *answer) error {
	key, err := p.string()
	if err != nil {
		return err
	}
	switch key {
	case "tags":
		return p.readTags(a)
	case "columns":
		return p.readColumns(a)
	case "values":
		p.rows, err = p.count(arrayCodes)
		return err
	}
	return p.skip(0)
}

func (p *packedSource) readTags(a *answer) error {
	n, err := p.count(mapCodes)
	if err != nil {
		return err
	}
	a.tags = map[string]string{}
	for range n {
		key, err := p.string()
		if err != nil {
			return err
		}
		if a.tags[key], err = p.string(); err != nil {
			return err
		}
	}
	return nil
}

func (p *packedSource) readColumns(a *answer) error {
	n, err := p.count(arrayCodes)
	if err != nil {
		return err
	}
	if n > maxPackedItems {
		return errPacked
	}
	names := make([]string, 0, min(n, 256))
	for range n {
		name, err := p.string()
		if err != nil {
			return err
		}
		names = append(names, name)
	}
	a.setColumns(names)
	return nil
}

func (p *packedSource) row(a *answer) error {
	n, err := p.count(arrayCodes)
	if err != nil {
		return err
	}
	if n != len(a.columns) {
		return fmt.Errorf("decode answer: a row of %d values for %d columns", n, len(a.columns))
	}
	a.cells, p.text, p.ends = a.cells[:0], p.text[:0], p.ends[:0]
	for range n {
		c, err := p.cell()
		if err != nil {
			return err
		}
		a.cells = append(a.cells, c)
		p.ends = append(p.ends, len(p.text))
	}
	from := 0 // the buffer may have moved while it grew: now it stands
	for i, end := range p.ends {
		if a.cells[i].kind == cellText {
			a.cells[i].text = p.text[from:end:end]
		}
		from = end
	}
	return nil
}

func (p *packedSource) failure() error {
	text, err := p.string()
	if err != nil {
		return err
	}
	return p.s.statementError(text)
}

// codes are the first bytes of one family of MessagePack: fix stands for counts below 16, two and four for longer ones.
type codes struct{ fix, two, four byte }

var (
	mapCodes   = codes{0x80, 0xde, 0xdf}
	arrayCodes = codes{0x90, 0xdc, 0xdd}
)

// count reads the head of a map or an array.
func (p *packedSource) count(c codes) (int, error) {
	head, err := p.byte()
	if err != nil {
		return 0, err
	}
	switch {
	case head&0xf0 == c.fix:
		return int(head & 0x0f), nil
	case head == c.two:
		n, err := p.unsigned(2)
		return int(n), err
	case head == c.four:
		n, err := p.unsigned(4)
		return int(n), err
	}
	return 0, fmt.Errorf("%w: 0x%02x where a map or an array must be", errPacked, head)
}

// cell reads one scalar; a string's bytes are appended to p.text.
func (p *packedSource) cell() (cell, error) {
	head, err := p.byte()
	if err != nil {
		return cell{}, err
	}
	switch {
	case head < 0x80:
		return cell{kind: cellInteger, number: int64(head)}, nil
	case head >= 0xe0:
		return cell{kind: cellInteger, number: int64(int8(head))}, nil
	case head >= 0xa0 && head < 0xc0:
		return cell{kind: cellText}, p.appendText(uint64(head & 0x1f))
	}
	switch head {
	case 0xc0:
		return cell{}, nil
	case 0xc2, 0xc3:
		return cell{kind: cellBool, number: int64(head & 1)}, nil
	case 0xca:
		v, err := p.unsigned(4)
		return cell{kind: cellFloat, float: float64(math.Float32frombits(uint32(v)))}, err
	case 0xcb:
		v, err := p.unsigned(8)
		return cell{kind: cellFloat, float: math.Float64frombits(v)}, err
	case 0xcc, 0xcd, 0xce, 0xcf:
		v, err := p.unsigned(1 << (head - 0xcc))
		return cell{kind: cellInteger, number: int64(v)}, err
	case 0xd0, 0xd1, 0xd2, 0xd3:
		size := 1 << (head - 0xd0)
		v, err := p.unsigned(size)
		shift := 64 - 8*size
		return cell{kind: cellInteger, number: int64(v<<shift) >> shift}, err
	case 0xd9, 0xda, 0xdb:
		n, err := p.unsigned(1 << (head - 0xd9))
		if err != nil {
			return cell{}, err
		}
		return cell{kind: cellText}, p.appendText(n)
	}
	return cell{}, fmt.Errorf("%w: 0x%02x where a value must be", errPacked, head)
}

func (p *packedSource) appendText(n uint64) error {
	if n > maxPackedText {
		return errPacked
	}
	for n > 0 { // piece by piece: a length is not believed before its bytes are there
		piece := int(min(n, 4096))
		from := len(p.text)
		p.text = append(p.text, make([]byte, piece)...)
		if _, err := io.ReadFull(p.r, p.text[from:]); err != nil {
			return short(err)
		}
		n -= uint64(piece)
	}
	return nil
}

func (p *packedSource) string() (string, error) {
	p.text = p.text[:0]
	c, err := p.cell()
	if err != nil {
		return "", err
	}
	if c.kind != cellText {
		return "", fmt.Errorf("%w: no string where one must be", errPacked)
	}
	return string(p.text), nil
}

// skip passes over a value that a newer server may send.
func (p *packedSource) skip(depth int) error {
	if depth > maxPackedDepth {
		return errPacked
	}
	head, err := p.r.Peek(1)
	if err != nil {
		return short(err)
	}
	n := 0
	switch c := head[0]; {
	case c&0xf0 == mapCodes.fix, c == mapCodes.two, c == mapCodes.four:
		n, err = p.count(mapCodes)
		n *= 2
	case c&0xf0 == arrayCodes.fix, c == arrayCodes.two, c == arrayCodes.four:
		n, err = p.count(arrayCodes)
	default:
		p.text = p.text[:0]
		_, err = p.cell()
	}
	for ; err == nil && n > 0; n-- {
		err = p.skip(depth + 1)
	}
	return err
}

func (p *packedSource) byte() (byte, error) {
	b, err := p.r.ReadByte()
	return b, short(err)
}

// unsigned reads size bytes, big-endian.
func (p *packedSource) unsigned(size int) (uint64, error) {
	b, err := p.r.Peek(size)
	if err != nil {
		return 0, short(err)
	}
	var v uint64
	switch size {
	case 1:
		v = uint64(b[0])
	case 2:
		v = uint64(binary.BigEndian.Uint16(b))
	case 4:
		v = uint64(binary.BigEndian.Uint32(b))
	default:
		v = binary.BigEndian.Uint64(b)
	}
	_, err = p.r.Discard(size)
	return v, err
}

// short says that an end inside a document is no end.
func short(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read answer: %w", err)
}
