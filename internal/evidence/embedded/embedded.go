// Package embedded is the evidence store of a single machine: one SQLite file, pure Go, nothing to install. It is for
// `jishi up`, for a base's own board and for tests; a city's store is package influx. It refuses to derive, to forget
// (there is no deletion) and to share the writing: one process writes a file, any number read it.
//
// A record is one row. Its key is small integers (series, event time, tap digest) and its content one compact blob, so
// that a day of a device is a short scan of neighbouring rows.
package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver named "sqlite"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/jishi-telemetry/jishi/internal/evidence"
)

const (
	// walPages is how far the write-ahead log grows before it is folded into the file: 32 MB. Every device's rows sit on a
	// page of their own, so each fold rewrites about one page per device; folding rarely makes that cheap.
	walPages = 8000
	// cacheKiB keeps the pages that are written to in memory: 64 MB are those of some 15,000 channels.
	cacheKiB = 64 << 10
	// readCacheKiB is small: a reader scans and does not come back.
	readCacheKiB = 8 << 10
	busyMs       = 10_000
	readers      = 4
)

// Options changes how a store is opened. The zero value is a store that reads and writes.
type Options struct {
	// ReadOnly opens the file for reading, also while another process writes it. Write then fails for good.
	ReadOnly bool
}

// Store is an evidence.Store in one SQLite file. All methods may be called concurrently; writes take turns.
type Store struct {
	path   string
	read   *sqlitex.Pool
	write  *sql.DB     // nil when read-only
	writer *writer     // nil when read-only; used by the holder of turn
	turn   chan *token // holds one token: who has it may use writer
	names  *names
	closed atomic.Bool
}

// token is the right to write.
type token struct{}

var _ evidence.Store = (*Store)(nil)

// Open opens the store in the file, which it makes when there is none, and brings its schema up to date. ctx bounds the
// opening only. Close it when done.
//
// Every commit is flushed to the disk before Write returns (synchronous=FULL): the caller's next step is to tell a base
// that it may delete what it sent, so a commit that a power cut could take back (synchronous=NORMAL) would lose evidence
// for good. It costs one flush per Write call, not per record.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	s := &Store{path: path, turn: make(chan *token, 1), names: newNames()}
	if !o.ReadOnly {
		if err := s.openWriter(ctx); err != nil {
			return nil, fmt.Errorf("open evidence store %s: %w", path, err)
		}
	}
	if err := s.openReaders(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open evidence store %s: %w", path, err), s.Close())
	}
	s.turn <- &token{}
	return s, nil
}

func (s *Store) openWriter(ctx context.Context) error {
	db, err := sql.Open("sqlite", dsn(s.path, url.Values{
		"_pragma": {
			pragma("busy_timeout", busyMs), "journal_mode(wal)", "synchronous(full)", "temp_store(memory)",
			pragma("cache_size", -cacheKiB), pragma("wal_autocheckpoint", walPages),
		},
		"_txlock": {"immediate"},
	}))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1) // the one writer
	if err := migrate(ctx, db); err != nil {
		return errors.Join(err, db.Close())
	}
	w, err := newWriter(ctx, db, s.names)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	s.write, s.writer = db, w
	return nil
}

func (s *Store) openReaders(ctx context.Context) error {
	if err := s.checkFile(ctx); err != nil {
		return err
	}
	pool, err := sqlitex.NewPool(dsn(s.path, nil), sqlitex.PoolOptions{
		Flags: sqlite.OpenReadOnly | sqlite.OpenURI, PoolSize: readers,
		PrepareConn: func(c *sqlite.Conn) error {
			c.SetBusyTimeout(busyMs * time.Millisecond)
			return sqlitex.ExecuteScript(c, fmt.Sprintf("PRAGMA cache_size = %d; PRAGMA query_only = 1", -readCacheKiB), nil)
		},
	})
	if err != nil {
		return err
	}
	s.read = pool
	return nil
}

// checkFile refuses a file that this program cannot read.
func (s *Store) checkFile(ctx context.Context) error {
	db, err := sql.Open("sqlite", dsn(s.path, url.Values{"mode": {"ro"}, "_pragma": {pragma("busy_timeout", busyMs)}}))
	if err != nil {
		return err
	}
	return errors.Join(checkSchema(ctx, db), db.Close())
}

// dsn names the file for the driver, whatever characters its path has.
func dsn(path string, query url.Values) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath(), RawQuery: query.Encode()}
	return u.String()
}

func pragma(name string, value int) string { return name + "(" + strconv.Itoa(value) + ")" }

// Ping implements evidence.Store.
func (s *Store) Ping(ctx context.Context) error {
	if s.closed.Load() {
		return evidence.ErrClosed
	}
	return s.view(ctx, "read evidence store "+s.path, func(*snapshot) error { return nil })
}

// Close implements evidence.Store. It waits for a Write that is under way; reads under way end with what they have or
// with evidence.ErrClosed.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	var errs []error
	if s.write != nil {
		if s.read != nil { // else Open did not get as far as handing out the turn
			<-s.turn
		}
		errs = append(errs, s.writer.close(), s.write.Close())
	}
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close evidence store %s: %w", s.path, err)
	}
	return nil
}

// wrap names the step that failed, and says ErrClosed when that is why.
func (s *Store) wrap(step string, err error) error {
	if err == nil {
		return nil
	}
	if s.closed.Load() {
		return evidence.ErrClosed
	}
	return fmt.Errorf("%s: %w", step, err)
}
