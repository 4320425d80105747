-- +goose Up
-- A request to correct a trainee's lesson (补录/更正). It touches no evidence; what became of it is in correction_step.
CREATE TABLE correction (
    number     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    base       TEXT    NOT NULL,
    session    TEXT    NOT NULL,
    person     TEXT    NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind IN ('grant', 'exclude', 'presence')),
    start_ms   INTEGER NOT NULL, -- milliseconds since the Unix epoch
    end_ms     INTEGER NOT NULL CHECK (end_ms > start_ms),
    reason     TEXT    NOT NULL CHECK (reason <> ''),
    by_account TEXT    NOT NULL CHECK (by_account <> ''),
    at_ms      INTEGER NOT NULL
);
CREATE INDEX correction_by_base ON correction (base, start_ms);

CREATE TABLE correction_attachment (
    number  INTEGER NOT NULL PRIMARY KEY REFERENCES correction (number),
    name    TEXT    NOT NULL,
    sha256  TEXT    NOT NULL, -- hex
    size    INTEGER NOT NULL CHECK (size BETWEEN 1 AND 5242880),
    content BLOB    NOT NULL
);

CREATE TABLE correction_step (
    number     INTEGER NOT NULL REFERENCES correction (number),
    step       INTEGER NOT NULL, -- from 1
    state      TEXT    NOT NULL CHECK (state IN ('draft', 'submitted', 'approved', 'rejected', 'withdrawn')),
    by_account TEXT    NOT NULL CHECK (by_account <> ''),
    at_ms      INTEGER NOT NULL,
    note       TEXT    NOT NULL,
    supplement INTEGER NOT NULL, -- 1: after the seal of its period; it appears there as a supplementary entry only
    PRIMARY KEY (number, step)
) WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER correction_stays BEFORE UPDATE ON correction BEGIN SELECT RAISE(ABORT, 'correction is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER correction_is_kept BEFORE DELETE ON correction BEGIN SELECT RAISE(ABORT, 'correction is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER correction_attachment_stays BEFORE UPDATE ON correction_attachment BEGIN SELECT RAISE(ABORT, 'correction_attachment is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER correction_attachment_is_kept BEFORE DELETE ON correction_attachment BEGIN SELECT RAISE(ABORT, 'correction_attachment is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER correction_step_stays BEFORE UPDATE ON correction_step BEGIN SELECT RAISE(ABORT, 'correction_step is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER correction_step_is_kept BEFORE DELETE ON correction_step BEGIN SELECT RAISE(ABORT, 'correction_step is append-only'); END;
-- +goose StatementEnd
-- Each step follows the one before it, and only where the states allow it.
-- +goose StatementBegin
CREATE TRIGGER correction_step_follows BEFORE INSERT ON correction_step
WHEN NEW.step IS NOT (SELECT coalesce(max(step), 0) + 1 FROM correction_step WHERE number = NEW.number)
    OR NOT CASE (SELECT state FROM correction_step WHERE number = NEW.number ORDER BY step DESC LIMIT 1)
        WHEN 'draft' THEN NEW.state IN ('submitted', 'withdrawn')
        WHEN 'submitted' THEN NEW.state IN ('approved', 'rejected', 'withdrawn')
        WHEN 'approved' THEN NEW.state = 'withdrawn'
        WHEN 'rejected' THEN 0
        WHEN 'withdrawn' THEN 0
        ELSE NEW.state = 'draft'
    END BEGIN
    SELECT RAISE(ABORT, 'the correction cannot take this step');
END;
-- +goose StatementEnd
-- Who asks does not decide.
-- +goose StatementBegin
CREATE TRIGGER correction_maker_is_not_checker BEFORE INSERT ON correction_step
WHEN NEW.by_account = (SELECT by_account FROM correction WHERE number = NEW.number)
    AND (NEW.state IN ('approved', 'rejected')
        OR NEW.state = 'withdrawn' AND EXISTS (SELECT 1 FROM correction_step WHERE number = NEW.number AND state = 'approved')) BEGIN
    SELECT RAISE(ABORT, 'who asked for the correction cannot decide it');
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE correction_step;
DROP TABLE correction_attachment;
DROP TABLE correction;
