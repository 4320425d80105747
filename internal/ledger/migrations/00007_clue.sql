-- +goose Up
-- Clues (疑点线索) that rules raised, and what people made of them. A clue is never deleted: one that a later derivation of its
-- day does not find any more is marked as gone.
CREATE TABLE clue (
    key      TEXT    NOT NULL PRIMARY KEY,
    origin   TEXT    NOT NULL,           -- the derivation that finds it
    base     TEXT    NOT NULL,
    day      TEXT    NOT NULL,           -- yyyy-mm-dd, Asia/Shanghai
    rule     TEXT    NOT NULL,
    revision INTEGER NOT NULL,           -- the latest
    first_ms INTEGER NOT NULL,           -- milliseconds since the Unix epoch
    seen_ms  INTEGER NOT NULL,           -- the last derivation that found it
    gone_ms  INTEGER NOT NULL            -- the first derivation since then that did not; 0: it is still found
);
CREATE INDEX clue_by_origin ON clue (origin);
CREATE INDEX clue_by_day ON clue (day, key);

-- What a clue says, each time that it says something else.
CREATE TABLE clue_revision (
    key      TEXT    NOT NULL REFERENCES clue (key),
    revision INTEGER NOT NULL,           -- from 1
    version  INTEGER NOT NULL,           -- of the rule
    severity TEXT    NOT NULL,
    content  TEXT    NOT NULL,           -- JSON
    at_ms    INTEGER NOT NULL,
    PRIMARY KEY (key, revision)
) WITHOUT ROWID;

-- The bases that a clue is about.
CREATE TABLE clue_base (
    base TEXT NOT NULL,
    key  TEXT NOT NULL REFERENCES clue (key),
    PRIMARY KEY (base, key)
) WITHOUT ROWID;

CREATE TABLE clue_step (
    key         TEXT    NOT NULL REFERENCES clue (key),
    step        INTEGER NOT NULL,        -- from 1
    revision    INTEGER NOT NULL,        -- of the clue, as the person saw it
    state       TEXT    NOT NULL,
    by_account  TEXT    NOT NULL CHECK (by_account <> ''),
    at_ms       INTEGER NOT NULL,
    assignee    TEXT    NOT NULL CHECK (assignee <> '' OR state <> 'assigned'),
    finding     TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    attachments TEXT    NOT NULL,        -- JSON
    PRIMARY KEY (key, step)
) WITHOUT ROWID;

-- What a base says to a clue. It changes no state.
CREATE TABLE clue_answer (
    key        TEXT    NOT NULL REFERENCES clue (key),
    number     INTEGER NOT NULL,         -- from 1
    base       TEXT    NOT NULL,
    by_account TEXT    NOT NULL CHECK (by_account <> ''),
    at_ms      INTEGER NOT NULL,
    answer     TEXT    NOT NULL CHECK (answer <> ''),
    PRIMARY KEY (key, number)
) WITHOUT ROWID;

-- What a day's clues were derived from the last time, and who was seen where on it, for clues about several bases.
CREATE TABLE clue_day (
    base      TEXT NOT NULL,
    day       TEXT NOT NULL,
    inputs    TEXT NOT NULL,             -- digest
    sightings BLOB,                      -- JSON, zstd; NULL when they are not kept any more
    PRIMARY KEY (base, day)
) WITHOUT ROWID;
CREATE INDEX clue_day_by_day ON clue_day (day) WHERE sightings IS NOT NULL;

-- The random audit sample (抽样核查): first the seed, then the draw, then what was found.
CREATE TABLE audit_seed (
    sample     TEXT    NOT NULL PRIMARY KEY,
    seed       TEXT    NOT NULL CHECK (seed <> ''),
    source     TEXT    NOT NULL CHECK (source <> ''), -- where it was published
    by_account TEXT    NOT NULL CHECK (by_account <> ''),
    at_ms      INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE audit_draw (
    sample           TEXT    NOT NULL PRIMARY KEY REFERENCES audit_seed (sample),
    from_day         TEXT    NOT NULL,
    to_day           TEXT    NOT NULL,
    size             INTEGER NOT NULL CHECK (size > 0),
    units            INTEGER NOT NULL,   -- how many it was drawn from
    units_digest     TEXT    NOT NULL,   -- SHA-256 of them, hex
    total_half_units INTEGER NOT NULL,   -- that they claim
    by_account       TEXT    NOT NULL CHECK (by_account <> ''),
    at_ms            INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE audit_unit (
    sample     TEXT    NOT NULL REFERENCES audit_draw (sample),
    unit       TEXT    NOT NULL,
    half_units INTEGER NOT NULL CHECK (half_units > 0),
    certain    INTEGER NOT NULL,
    PRIMARY KEY (sample, unit)
) WITHOUT ROWID;

CREATE TABLE audit_result (
    sample           TEXT    NOT NULL,
    unit             TEXT    NOT NULL,
    found_half_units REAL    NOT NULL CHECK (found_half_units >= 0),
    note             TEXT    NOT NULL CHECK (note <> ''),
    by_account       TEXT    NOT NULL CHECK (by_account <> ''),
    at_ms            INTEGER NOT NULL,
    PRIMARY KEY (sample, unit),
    FOREIGN KEY (sample, unit) REFERENCES audit_unit (sample, unit)
) WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER clue_is_kept BEFORE DELETE ON clue BEGIN SELECT RAISE(ABORT, 'a clue is never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER clue_stays BEFORE UPDATE OF key, base, day, rule, first_ms ON clue BEGIN SELECT RAISE(ABORT, 'a clue stays what it is about'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER clue_revision_stays BEFORE UPDATE ON clue_revision BEGIN SELECT RAISE(ABORT, 'clue_revision is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER clue_revision_is_kept BEFORE DELETE ON clue_revision BEGIN SELECT RAISE(ABORT, 'clue_revision is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER clue_base_stays BEFORE UPDATE ON clue_base BEGIN SELECT RAISE(ABORT, 'clue_base is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER clue_base_is_kept BEFORE DELETE ON clue_base BEGIN SELECT RAISE(ABORT, 'clue_base is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER clue_step_stays BEFORE UPDATE ON clue_step BEGIN SELECT RAISE(ABORT, 'clue_step is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER clue_step_is_kept BEFORE DELETE ON clue_step BEGIN SELECT RAISE(ABORT, 'clue_step is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER clue_answer_stays BEFORE UPDATE ON clue_answer BEGIN SELECT RAISE(ABORT, 'clue_answer is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER clue_answer_is_kept BEFORE DELETE ON clue_answer BEGIN SELECT RAISE(ABORT, 'clue_answer is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_seed_stays BEFORE UPDATE ON audit_seed BEGIN SELECT RAISE(ABORT, 'audit_seed is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_seed_is_kept BEFORE DELETE ON audit_seed BEGIN SELECT RAISE(ABORT, 'audit_seed is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_draw_stays BEFORE UPDATE ON audit_draw BEGIN SELECT RAISE(ABORT, 'audit_draw is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_draw_is_kept BEFORE DELETE ON audit_draw BEGIN SELECT RAISE(ABORT, 'audit_draw is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_unit_stays BEFORE UPDATE ON audit_unit BEGIN SELECT RAISE(ABORT, 'audit_unit is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_unit_is_kept BEFORE DELETE ON audit_unit BEGIN SELECT RAISE(ABORT, 'audit_unit is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_result_stays BEFORE UPDATE ON audit_result BEGIN SELECT RAISE(ABORT, 'audit_result is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_result_is_kept BEFORE DELETE ON audit_result BEGIN SELECT RAISE(ABORT, 'audit_result is append-only'); END;
-- +goose StatementEnd
-- Each step follows the one before it, and only where the states allow it.
-- +goose StatementBegin
CREATE TRIGGER clue_step_follows BEFORE INSERT ON clue_step
WHEN NEW.step IS NOT (SELECT coalesce(max(step), 0) + 1 FROM clue_step WHERE key = NEW.key)
    OR NOT CASE coalesce((SELECT state FROM clue_step WHERE key = NEW.key ORDER BY step DESC LIMIT 1), 'raised')
        WHEN 'raised' THEN NEW.state = 'assigned'
        WHEN 'assigned' THEN NEW.state IN ('assigned', 'investigated')
        WHEN 'investigated' THEN NEW.state IN ('assigned', 'excluded', 'confirmed')
        WHEN 'excluded' THEN NEW.state = 'assigned'
        WHEN 'confirmed' THEN NEW.state IN ('assigned', 'removed', 'recovered', 'referred')
        WHEN 'removed' THEN NEW.state IN ('recovered', 'referred')
        WHEN 'recovered' THEN NEW.state = 'referred'
        ELSE 0
    END BEGIN
    SELECT RAISE(ABORT, 'the clue cannot take this step');
END;
-- +goose StatementEnd
-- Who investigated, or answered for a base, does not decide.
-- +goose StatementBegin
CREATE TRIGGER clue_maker_is_not_checker BEFORE INSERT ON clue_step
WHEN NEW.state IN ('excluded', 'confirmed')
    AND (NEW.by_account = (SELECT by_account FROM clue_step WHERE key = NEW.key AND state = 'investigated' ORDER BY step DESC LIMIT 1)
        OR EXISTS (SELECT 1 FROM clue_answer WHERE key = NEW.key AND by_account = NEW.by_account)) BEGIN
    SELECT RAISE(ABORT, 'who investigated the clue, or answered it, cannot decide it');
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE audit_result;
DROP TABLE audit_unit;
DROP TABLE audit_draw;
DROP TABLE audit_seed;
DROP TABLE clue_day;
DROP TABLE clue_answer;
DROP TABLE clue_step;
DROP TABLE clue_base;
DROP TABLE clue_revision;
DROP TABLE clue;
