package influx

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"

	"github.com/jishi-telemetry/jishi/internal/evidence"
)

// rowsPerPiece is how many rows the server sends at once: enough to be cheap, few enough to stay in the caches.
const rowsPerPiece = 10_000

// packedType is half as dear to both sides as JSON, which every server speaks. CSV would do as well, but InfluxDB 1.8
// leaves a statement's error out of it, and half an answer looks whole.
const packedType = "application/x-msgpack"

// answer streams the rows of one statement.
type answer struct {
	body    io.Closer
	source  source
	layout  int               // counts the changes of columns
	columns []string          // of the current row
	tags    map[string]string // of the current series, when the statement groups by tags
	cells   []cell            // the current row, valid until next
	partial bool              // the server has said that more follows
}

// source decodes one of the formats.
type source interface {
	// next fills in the answer's next row and reports whether there was one.
	next(a *answer) (bool, error)
}

// ask sends a statement. The answer must be closed.
func (s *Store) ask(ctx context.Context, statement string) (*answer, error) {
	q := url.Values{
		"db": {s.o.Database}, "q": {statement}, "epoch": {"ns"}, "chunked": {"true"}, "chunk_size": {strconv.Itoa(rowsPerPiece)},
	}
	if s.o.RetentionPolicy != "" {
		q.Set("rp", s.o.RetentionPolicy)
	}
	address := strings.TrimSuffix(s.o.URL, "/") + "/query?" + q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", s.o.URL, err)
	}
	return s.stream(req)
}

// stream sends a request to /query and returns its answer.
func (s *Store) stream(req *http.Request) (*answer, error) {
	req.Header.Set("Accept", packedType)
	began := time.Now()
	res, err := s.http.DoHTTPRequestWithResponse(req, nil)
	s.m.querySeconds.Observe(time.Since(began).Seconds())
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // without the statement, which may be long
		}
		return nil, fmt.Errorf("ask %s: %w", s.o.URL, err)
	}
	if res.StatusCode != http.StatusOK {
		defer func() { _ = res.Body.Close() }()
		return nil, s.judgeQuery(res)
	}
	return s.newAnswer(res.Body), nil
}

// newAnswer tells the format by its first byte, which no header can be wrong about: JSON begins with a brace.
func (s *Store) newAnswer(body io.ReadCloser) *answer {
	r := bufio.NewReaderSize(body, 64<<10)
	a := &answer{body: body}
	if first, err := r.Peek(1); err == nil && first[0] >= 0x80 {
		a.source = &packedSource{r: r, s: s}
	} else {
		a.source = newJSONSource(r, s)
	}
	return a
}

// next reads the next row into a.cells and reports whether there was one.
func (a *answer) next() (bool, error) {
	ok, err := a.source.next(a)
	if err == nil && !ok && a.partial {
		return false, errors.New("the answer ends in the middle: the server limits the rows of an answer (max-row-limit)")
	}
	return ok, err
}

func (a *answer) close() { _ = a.body.Close() }

// setColumns takes the header of a series.
func (a *answer) setColumns(names []string) {
	same := len(names) == len(a.columns)
	for i := 0; same && i < len(names); i++ {
		same = names[i] == a.columns[i]
	}
	if !same {
		a.columns = names
		a.layout++
	}
}

// column returns the index of a column, -1 when there is none.
func (a *answer) column(name string) int {
	for i, c := range a.columns {
		if c == name {
			return i
		}
	}
	return -1
}

// cell returns the current row's value in a column; one that is not there is null.
func (a *answer) cell(i int) cell {
	if i < 0 || i >= len(a.cells) {
		return cell{}
	}
	return a.cells[i]
}

// tag returns the current row's encoded value of a tag, whether it is a column or grouped by.
func (a *answer) tag(name string) string {
	if i := a.column(name); i >= 0 {
		return string(a.cell(i).tag())
	}
	return a.tags[name]
}

// instant returns the current row's time in digits.
func (a *answer) instant() string {
	c := a.cell(a.column("time"))
	if c.kind == cellInteger {
		return strconv.FormatInt(c.number, 10)
	}
	return string(c.text)
}

func (s *Store) judgeQuery(res *http.Response) error {
	text := res.Header.Get("X-Influxdb-Error") // the body is in one of two formats
	if text == "" {
		const enough = 2_000
		body, err := io.ReadAll(io.LimitReader(res.Body, enough))
		if err != nil {
			return fmt.Errorf("%s answers %d: %w", s.o.URL, res.StatusCode, err)
		}
		text = string(body)
	}
	failure := &influxhttp.Error{StatusCode: res.StatusCode, Message: text}
	switch {
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden,
		res.StatusCode == http.StatusNotFound, missing(text):
		return s.permanent(failure, s.hint(res.StatusCode))
	}
	return fmt.Errorf("%s answers %d %s", s.o.URL, res.StatusCode, errorText(failure))
}

// statementError is an error inside an answer that began well.
func (s *Store) statementError(text string) error {
	if missing(text) {
		return fmt.Errorf("%s answers: %s: %s: %w", s.o.URL, text, s.hint(http.StatusNotFound), evidence.ErrPermanent)
	}
	return fmt.Errorf("%s answers: %s", s.o.URL, text)
}

// cell is one value of a row.
type cell struct {
	kind   cellKind
	number int64   // of an integer; 1 for true
	float  float64 // of a float
	text   []byte  // of a string, or of a number in JSON
}

type cellKind uint8

const (
	cellNull cellKind = iota
	cellText
	cellDigits // a number as text: which it is depends on the field
	cellInteger
	cellFloat
	cellBool
)

var (
	errCell = errors.New("field of another type than this program writes")
	// errIncomplete says that a point lacks a field. InfluxDB shows a point's fields one by one while it takes them.
	errIncomplete = errors.New("point without all of its fields")
)

func (c cell) integer() (int64, error) {
	switch c.kind {
	case cellNull:
		return 0, errIncomplete
	case cellInteger:
		return c.number, nil
	case cellDigits:
		return strconv.ParseInt(string(c.text), 10, 64)
	}
	return 0, errCell
}

func (c cell) real() (float64, error) {
	switch c.kind {
	case cellNull:
		return 0, errIncomplete
	case cellFloat:
		return c.float, nil
	case cellInteger:
		return float64(c.number), nil
	case cellDigits:
		return strconv.ParseFloat(string(c.text), 64)
	}
	return 0, errCell
}

func (c cell) string() ([]byte, error) {
	switch c.kind {
	case cellNull:
		return nil, errIncomplete
	case cellText:
		return c.text, nil
	}
	return nil, errCell
}

// tag returns the text of a tag, of which null is the absence.
func (c cell) tag() []byte { return c.text }

// execute sends a statement that changes the server.
func (s *Store) execute(ctx context.Context, statement string) error {
	form := url.Values{"q": {statement}}.Encode()
	address := strings.TrimSuffix(s.o.URL, "/") + "/query"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form))
	if err != nil {
		return fmt.Errorf("ask %s: %w", s.o.URL, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a, err := s.stream(req)
	if err != nil {
		return err
	}
	defer a.close()
	_, err = a.next()
	return err
}
