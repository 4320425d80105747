-- +goose Up
-- One row for each change of the reference data. Its version numbers what the change wrote: the highest one says at a
-- glance whether anything is new.
CREATE TABLE reference_change (
    version INTEGER PRIMARY KEY, -- from 1, without gap
    at_ms   INTEGER NOT NULL,    -- milliseconds since the Unix epoch
    actor   TEXT    NOT NULL,
    note    TEXT    NOT NULL
);

-- A base as it has been since a version. Older versions stay: figures name the digest that they rest on.
CREATE TABLE reference_base (
    base    TEXT    NOT NULL, -- code
    version INTEGER NOT NULL REFERENCES reference_change (version),
    digest  TEXT    NOT NULL, -- registry.Registry.BaseDigest
    content BLOB    NOT NULL, -- registry.Base as JSON, zstd
    PRIMARY KEY (base, version)
) WITHOUT ROWID;

-- Who learns at a base and when, as it has been since a version. It names people by their ids only.
CREATE TABLE reference_people (
    base    TEXT    NOT NULL,
    version INTEGER NOT NULL REFERENCES reference_change (version),
    digest  TEXT    NOT NULL, -- registry.Roster.Digest
    content BLOB    NOT NULL, -- registry.People as JSON, zstd
    PRIMARY KEY (base, version)
) WITHOUT ROWID;

-- The notice of a year's holidays, where it is newer than the program's own.
CREATE TABLE calendar_year (
    year    INTEGER NOT NULL,
    version INTEGER NOT NULL REFERENCES reference_change (version),
    digest  TEXT    NOT NULL, -- SHA-256 of the content
    content TEXT    NOT NULL, -- calendar.Year as JSON
    PRIMARY KEY (year, version)
) WITHOUT ROWID;

-- Who a person is, sealed. Only the last word is kept. A row whose identity was deleted stays, so that an import does not
-- bring it back.
CREATE TABLE identity (
    base       TEXT    NOT NULL,
    person     TEXT    NOT NULL, -- id
    sealed     BLOB,             -- identity.Sealed.Blob, NULL when deleted
    key_id     TEXT    NOT NULL, -- '' when deleted
    mark       TEXT    NOT NULL, -- '' when deleted
    updated_ms INTEGER NOT NULL,
    deleted_ms INTEGER,
    PRIMARY KEY (base, person),
    CHECK ((sealed IS NULL) = (deleted_ms IS NOT NULL))
);
CREATE INDEX identity_by_key ON identity (key_id);

-- The certificates of deletion, each with the hash of the one before it.
CREATE TABLE identity_certificate (
    number  INTEGER PRIMARY KEY, -- from 1, without gap
    base    TEXT    NOT NULL,
    person  TEXT    NOT NULL,
    content TEXT    NOT NULL, -- identity.Certificate as JSON
    UNIQUE (base, person)
);

-- +goose StatementBegin
CREATE TRIGGER reference_change_stays BEFORE UPDATE ON reference_change BEGIN SELECT RAISE(ABORT, 'reference_change is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER reference_change_is_kept BEFORE DELETE ON reference_change BEGIN SELECT RAISE(ABORT, 'reference_change is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER reference_base_stays BEFORE UPDATE ON reference_base BEGIN SELECT RAISE(ABORT, 'reference_base is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER reference_base_is_kept BEFORE DELETE ON reference_base BEGIN SELECT RAISE(ABORT, 'reference_base is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER reference_people_stays BEFORE UPDATE ON reference_people BEGIN SELECT RAISE(ABORT, 'reference_people is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER reference_people_is_kept BEFORE DELETE ON reference_people BEGIN SELECT RAISE(ABORT, 'reference_people is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER calendar_year_stays BEFORE UPDATE ON calendar_year BEGIN SELECT RAISE(ABORT, 'calendar_year is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER calendar_year_is_kept BEFORE DELETE ON calendar_year BEGIN SELECT RAISE(ABORT, 'calendar_year is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER identity_certificate_stays BEFORE UPDATE ON identity_certificate BEGIN SELECT RAISE(ABORT, 'identity_certificate is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER identity_certificate_is_kept BEFORE DELETE ON identity_certificate BEGIN SELECT RAISE(ABORT, 'identity_certificate is append-only'); END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE identity_certificate;
DROP TABLE identity;
DROP TABLE calendar_year;
DROP TABLE reference_people;
DROP TABLE reference_base;
DROP TABLE reference_change;
