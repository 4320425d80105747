package influx

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/valyala/fastjson"
)

// jsonSource decodes an answer of which each line is a JSON document with some rows.
type jsonSource struct {
	r      *bufio.Reader
	s      *Store
	parser fastjson.Parser
	line   []byte
	text   []byte // the numbers of the current row

	results, series, rows []*fastjson.Value // what is left of the current line
}

func (j *jsonSource) next(a *answer) (bool, error) {
	for {
		switch {
		case len(j.rows) > 0:
			row := j.rows[0]
			j.rows = j.rows[1:]
			return true, j.row(a, row)
		case len(j.series) > 0:
			series := j.series[0]
			j.series = j.series[1:]
			if err := j.header(a, series); err != nil {
				return false, err
			}
		case len(j.results) > 0:
			result := j.results[0]
			j.results = j.results[1:]
			if text := result.GetStringBytes("error"); text != nil {
				return false, j.s.statementError(string(text))
			}
			a.partial = result.GetBool("partial")
			j.series = result.GetArray("series")
		default:
			if more, err := j.document(); err != nil || !more {
				return false, err
			}
		}
	}
}

// document reads the next line.
func (j *jsonSource) document() (bool, error) {
	j.line = j.line[:0]
	for {
		part, err := j.r.ReadSlice('\n')
		j.line = append(j.line, part...)
		switch {
		case err == nil:
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case !errors.Is(err, io.EOF):
			return false, fmt.Errorf("read answer: %w", err)
		case len(j.line) == 0:
			return false, nil
		}
		break
	}
	doc, err := j.parser.ParseBytes(j.line)
	if err != nil {
		return false, fmt.Errorf("decode answer: %w", err)
	}
	if text := doc.GetStringBytes("error"); text != nil {
		return false, j.s.statementError(string(text))
	}
	if !doc.Exists("results") {
		return false, errors.New("decode answer: no results in it: is the URL an InfluxDB's?")
	}
	j.results = doc.GetArray("results")
	return true, nil
}

func (j *jsonSource) header(a *answer, series *fastjson.Value) error {
	var names []string
	for _, c := range series.GetArray("columns") {
		name, err := c.StringBytes()
		if err != nil {
			return fmt.Errorf("decode answer: %w", err)
		}
		names = append(names, string(name))
	}
	a.setColumns(names)
	a.tags = map[string]string{}
	if tags := series.GetObject("tags"); tags != nil {
		tags.Visit(func(key []byte, v *fastjson.Value) { a.tags[string(key)] = string(v.GetStringBytes()) })
	}
	j.rows = series.GetArray("values")
	return nil
}

func (j *jsonSource) row(a *answer, row *fastjson.Value) error {
	values, err := row.Array()
	if err != nil || len(values) != len(a.columns) {
		return fmt.Errorf("decode answer: a row of %d values for %d columns", len(values), len(a.columns))
	}
	a.cells, j.text = a.cells[:0], j.text[:0]
	for _, v := range values {
		var c cell
		switch v.Type() {
		case fastjson.TypeNull:
		case fastjson.TypeString:
			c = cell{kind: cellText, text: v.GetStringBytes()}
		case fastjson.TypeNumber:
			from := len(j.text)
			j.text = v.MarshalTo(j.text)
			c = cell{kind: cellDigits, text: j.text[from:len(j.text):len(j.text)]}
		case fastjson.TypeTrue:
			c = cell{kind: cellBool, number: 1}
		case fastjson.TypeFalse:
			c = cell{kind: cellBool}
		default:
			return errors.New("decode answer: a row with a value that is none")
		}
		a.cells = append(a.cells, c)
	}
	return nil
}
