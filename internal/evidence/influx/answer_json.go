package influx

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// jsonSource decodes an answer that is one JSON document after the other, each with some rows: the format of servers that
// do not speak the other one. It holds one document.
type jsonSource struct {
	s       *Store
	decoder *json.Decoder

	results []jsonResult // what is left of the current document
	series  []jsonSeries
	rows    [][]json.RawMessage
}

type jsonDocument struct {
	Error   string       `json:"error"`
	Results []jsonResult `json:"results"`
}

type jsonResult struct {
	Error   string       `json:"error"`
	Series  []jsonSeries `json:"series"`
	Partial bool         `json:"partial"`
}

type jsonSeries struct {
	Tags    map[string]string   `json:"tags"`
	Columns []string            `json:"columns"`
	Values  [][]json.RawMessage `json:"values"`
}

func newJSONSource(r *bufio.Reader, s *Store) *jsonSource {
	return &jsonSource{s: s, decoder: json.NewDecoder(r)}
}

func (j *jsonSource) next(a *answer) (bool, error) {
	for {
		switch {
		case len(j.rows) > 0:
			row := j.rows[0]
			j.rows = j.rows[1:]
			return true, decodeRow(a, row)
		case len(j.series) > 0:
			series := j.series[0]
			j.series = j.series[1:]
			a.setColumns(series.Columns)
			a.tags, j.rows = series.Tags, series.Values
		case len(j.results) > 0:
			result := j.results[0]
			j.results = j.results[1:]
			if result.Error != "" {
				return false, j.s.statementError(result.Error)
			}
			a.partial, j.series = result.Partial, result.Series
		default:
			if more, err := j.document(); err != nil || !more {
				return false, err
			}
		}
	}
}

func (j *jsonSource) document() (bool, error) {
	var doc jsonDocument
	err := j.decoder.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("decode answer: %w", err)
	case doc.Error != "":
		return false, j.s.statementError(doc.Error)
	case doc.Results == nil:
		return false, errors.New("decode answer: no results in it: is the URL an InfluxDB's?")
	}
	j.results = doc.Results
	return true, nil
}

func decodeRow(a *answer, row []json.RawMessage) error {
	if len(row) != len(a.columns) {
		return fmt.Errorf("decode answer: a row of %d values for %d columns", len(row), len(a.columns))
	}
	a.cells = a.cells[:0]
	for _, value := range row {
		c, err := decodeCell(value)
		if err != nil {
			return fmt.Errorf("decode answer: %w", err)
		}
		a.cells = append(a.cells, c)
	}
	return nil
}

// decodeCell takes a value that is known to be valid JSON.
func decodeCell(value json.RawMessage) (cell, error) {
	if len(value) == 0 {
		return cell{}, errors.New("a row with an empty value")
	}
	switch value[0] {
	case 'n':
		return cell{}, nil
	case 't':
		return cell{kind: cellBool, number: 1}, nil
	case 'f':
		return cell{kind: cellBool}, nil
	case '"':
		var text string
		err := json.Unmarshal(value, &text)
		return cell{kind: cellText, text: []byte(text)}, err
	case '{', '[':
		return cell{}, errors.New("a row with a value that is none")
	}
	return cell{kind: cellDigits, text: value}, nil
}
