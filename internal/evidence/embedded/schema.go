package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jishi-telemetry/jishi/internal/evidence"
)

// applicationID marks the file as an evidence store ("jsev"), so that another SQLite file is not taken for one.
const applicationID = 0x6a736576

// migrations bring a file from version i to i+1. Released ones never change; a new version is a new element.
func migrations() []string {
	return []string{`
-- A device on its base.
CREATE TABLE device (
  id   INTEGER PRIMARY KEY,
  base TEXT NOT NULL,
  name TEXT NOT NULL,
  UNIQUE (base, name)
) STRICT;

-- One kind of record (telemetry.Kind: 1 sample, 2 tap, 3 link) of one channel of a device.
CREATE TABLE series (
  id      INTEGER PRIMARY KEY,
  device  INTEGER NOT NULL REFERENCES device,
  kind    INTEGER NOT NULL,
  channel TEXT NOT NULL,
  UNIQUE (device, kind, channel)
) STRICT;

-- A bridge's log: the scope of sequence numbers. epoch is the unsigned number in two's complement.
CREATE TABLE log (
  id     INTEGER PRIMARY KEY,
  base   TEXT NOT NULL,
  bridge TEXT NOT NULL,
  epoch  INTEGER NOT NULL,
  UNIQUE (base, bridge, epoch)
) STRICT;

-- Names that repeat in bodies: quantities and dialects.
CREATE TABLE word (
  id   INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE
) STRICT;

-- The evidence. digest is 0 but for taps, which it tells apart. seq is the unsigned number in two's complement.
CREATE TABLE record (
  series   INTEGER NOT NULL,
  event_ms INTEGER NOT NULL,
  digest   INTEGER NOT NULL,
  log      INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  body     BLOB NOT NULL,
  PRIMARY KEY (series, event_ms, digest)
) STRICT, WITHOUT ROWID;

-- Raw and rejected records, by their place in their log.
CREATE TABLE quarantine (
  log         INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  idx         INTEGER NOT NULL,
  received_ms INTEGER NOT NULL,
  event_ms    INTEGER NOT NULL,
  device      TEXT NOT NULL,
  body        BLOB NOT NULL,
  PRIMARY KEY (log, seq, idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX quarantine_by_receipt ON quarantine (log, received_ms);
CREATE INDEX quarantine_by_device ON quarantine (log, device, event_ms);

CREATE TABLE receipt (
  log          INTEGER NOT NULL,
  first        INTEGER NOT NULL,
  last         INTEGER NOT NULL,
  missing      INTEGER NOT NULL,
  chain_before BLOB NOT NULL,
  chain_after  BLOB NOT NULL,
  first_ms     INTEGER NOT NULL,
  last_ms      INTEGER NOT NULL,
  collected_ms INTEGER NOT NULL,
  PRIMARY KEY (log, first, last, missing)
) STRICT, WITHOUT ROWID;
`, `
CREATE INDEX receipt_by_last ON receipt (log, last);
`}
}

// migrate makes the schema, or brings it up to date, in one transaction.
func migrate(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin migration: %w", err)
	}
	defer func() { _ = tx.Rollback() }() //nolint:errcheck // after Commit it has nothing to do
	version, err := schemaVersion(ctx, tx)
	if err != nil {
		return err
	}
	steps := migrations()
	if version == len(steps) {
		return nil
	}
	for i, step := range steps[version:] {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("migrate schema to version %d: %w", version+i+1, err)
		}
	}
	mark := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, len(steps))
	if _, err := tx.ExecContext(ctx, mark); err != nil {
		return fmt.Errorf("mark schema version: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit migration: %w", err)
	}
	return nil
}

// checkSchema refuses a file that this program cannot read as it is.
func checkSchema(ctx context.Context, db *sql.DB) error {
	version, err := schemaVersion(ctx, db)
	if err != nil {
		return err
	}
	if want := len(migrations()); version < want {
		return fmt.Errorf("schema version %d, this program reads version %d: open it once for writing (start the service) to migrate it: %w",
			version, want, evidence.ErrPermanent)
	}
	return nil
}

// rowQuerier is a database or a transaction.
type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// schemaVersion returns the file's version, 0 when it is empty, and an error when it is not an evidence store or newer
// than this program.
func schemaVersion(ctx context.Context, q rowQuerier) (int, error) {
	var application, version, tables int
	err := errors.Join(
		q.QueryRowContext(ctx, "PRAGMA application_id").Scan(&application),
		q.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version),
		q.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables),
	)
	switch {
	case err != nil:
		return 0, fmt.Errorf("read schema version: %w", err)
	case application == 0 && version == 0 && tables == 0:
		return 0, nil
	case application != applicationID:
		return 0, fmt.Errorf("the file is a database, but not an evidence store: choose another path: %w", evidence.ErrPermanent)
	case version > len(migrations()):
		return 0, fmt.Errorf("schema version %d is newer than this program's %d: run the newer jishi: %w",
			version, len(migrations()), evidence.ErrPermanent)
	}
	return version, nil
}
