package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// maxContent bounds the JSON of one base or of its people: fifty times a base with 50,000 persons would not reach it.
const maxContent = 1 << 30

const versionQuery = `SELECT coalesce(max(version), 0) FROM reference_change`

// stored is one version of a base or of its people. The zero stored is none.
type stored struct {
	base    string
	version int64
	digest  string
	content []byte
}

// querier is a database or a transaction of one.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// pack writes content as JSON, compressed.
func pack(content any) ([]byte, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("write content: %w", err)
	}
	if len(text) > maxContent {
		return nil, fmt.Errorf("write content: %d bytes, at most %d", len(text), maxContent)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("write content: %w", err)
	}
	return enc.EncodeAll(text, nil), nil
}

// unpack reads what pack wrote, strictly: a field that this program does not know would be lost without a word.
func unpack(packed []byte, content any) error {
	dec, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxContent))
	if err != nil {
		return fmt.Errorf("read content: %w", err)
	}
	defer dec.Close()
	text, err := io.ReadAll(io.LimitReader(dec, maxContent))
	if err != nil {
		return fmt.Errorf("read content: %w", err)
	}
	return strictJSON(text, content)
}

func strictJSON(text []byte, content any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(content); err != nil {
		return fmt.Errorf("read content: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read content: something follows it")
	}
	return nil
}

func unpackBase(s stored) (b registry.Base, err error) {
	if err := unpack(s.content, &b); err != nil {
		return b, fmt.Errorf("base %s, version %d: %w", s.base, s.version, err)
	}
	return b, nil
}

// unpackPeople returns nobody for the zero stored.
func unpackPeople(base string, s stored) (registry.People, error) {
	if s.content == nil {
		return registry.People{Base: base}, nil
	}
	var p registry.People
	if err := unpack(s.content, &p); err != nil {
		return p, fmt.Errorf("people of base %s, version %d: %w", s.base, s.version, err)
	}
	return p, nil
}

func rosterOf(b registry.Base, s stored) (*registry.Roster, error) {
	people, err := unpackPeople(b.Code, s)
	if err != nil {
		return nil, err
	}
	return registry.NewRoster(b, people)
}

func latestBases(ctx context.Context, q querier) ([]stored, error) {
	return queryStored(ctx, q, `SELECT base, version, digest, content FROM reference_base AS b
		WHERE version = (SELECT max(version) FROM reference_base WHERE base = b.base) ORDER BY base`)
}

// latestPeople returns the zero stored when nobody was ever there.
func latestPeople(ctx context.Context, q querier, base string) (stored, error) {
	return oneStored(ctx, q, `SELECT base, version, digest, content FROM reference_people WHERE base = ? ORDER BY version DESC LIMIT 1`, base)
}

func oneStored(ctx context.Context, q querier, query string, args ...any) (stored, error) {
	list, err := queryStored(ctx, q, query, args...)
	if err != nil || len(list) == 0 {
		return stored{}, err
	}
	return list[0], nil
}

func queryStored(ctx context.Context, q querier, query string, args ...any) (out []stored, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s stored
		if err := rows.Scan(&s.base, &s.version, &s.digest, &s.content); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// yearRow is the latest version of one year's holidays.
type yearRow struct {
	year    int
	digest  string
	content string
}

func storedYear(y calendar.Year) (yearRow, error) {
	text, err := json.Marshal(y)
	if err != nil {
		return yearRow{}, fmt.Errorf("calendar of %d: %w", y.Year, err)
	}
	sum := sha256.Sum256(text)
	return yearRow{year: y.Year, digest: "sha256:" + hex.EncodeToString(sum[:]), content: string(text)}, nil
}

func latestYears(ctx context.Context, q querier) (out []yearRow, err error) {
	rows, err := q.QueryContext(ctx, `SELECT year, digest, content FROM calendar_year AS y
		WHERE version = (SELECT max(version) FROM calendar_year WHERE year = y.year) ORDER BY year`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var y yearRow
		if err := rows.Scan(&y.year, &y.digest, &y.content); err != nil {
			return nil, err
		}
		out = append(out, y)
	}
	return out, rows.Err()
}

// calendarOf is the program's own calendar with the ledger's years.
func calendarOf(years []yearRow) (*calendar.Calendar, error) {
	c, err := calendar.New()
	if err != nil {
		return nil, err
	}
	for _, y := range years {
		if c, err = c.With([]byte(y.content)); err != nil {
			return nil, err
		}
	}
	return c, nil
}
