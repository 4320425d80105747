-- +goose Up
-- What a day was settled from the last time: while it is the same, the day need not be settled again. This is a note, not a
-- record: without it every day is settled once more, and what has not changed makes no revision.
CREATE TABLE settled_day (
    base       TEXT NOT NULL,
    day        TEXT NOT NULL, -- Asia/Shanghai, yyyy-mm-dd
    inputs     TEXT NOT NULL, -- SHA-256, hex, of all that the day rests on
    settled_on TEXT NOT NULL, -- the day on which that was
    PRIMARY KEY (base, day)
) WITHOUT ROWID;

-- An officer has accepted that nothing more will come of a day from a bridge.
CREATE TABLE accepted_gap (
    base       TEXT    NOT NULL,
    bridge     TEXT    NOT NULL, -- '' is every bridge of the base
    day        TEXT    NOT NULL,
    by_account TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    at_ms      INTEGER NOT NULL, -- milliseconds since the Unix epoch
    PRIMARY KEY (base, bridge, day)
) WITHOUT ROWID;

-- What became of a base's period: it is provisional until it has a step.
CREATE TABLE period_step (
    base       TEXT    NOT NULL,
    period     TEXT    NOT NULL, -- month:2026-03, quarter:2026-Q1, year:2026
    state      TEXT    NOT NULL CHECK (state IN ('final', 'sealed')),
    from_day   TEXT    NOT NULL,
    to_day     TEXT    NOT NULL, -- inclusive
    digest     TEXT    NOT NULL, -- SHA-256, hex, of the figures at that step
    by_account TEXT    NOT NULL,
    at_ms      INTEGER NOT NULL,
    PRIMARY KEY (base, period, state)
) WITHOUT ROWID;

-- Which revisions a sealed period consists of.
CREATE TABLE sealed_usage (
    base      TEXT    NOT NULL,
    period    TEXT    NOT NULL,
    day       TEXT    NOT NULL,
    equipment TEXT    NOT NULL,
    revision  INTEGER NOT NULL,
    digest    TEXT    NOT NULL, -- SHA-256, hex, of the row's content
    PRIMARY KEY (base, period, day, equipment),
    FOREIGN KEY (base, equipment, day, revision) REFERENCES usage_day (base, equipment, day, revision)
) WITHOUT ROWID;

CREATE TABLE sealed_people (
    base     TEXT    NOT NULL,
    period   TEXT    NOT NULL,
    day      TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    digest   TEXT    NOT NULL, -- SHA-256, hex, of the settlement and of all verdicts as they were with it
    PRIMARY KEY (base, period, day),
    FOREIGN KEY (base, day, revision) REFERENCES people_day (base, day, revision)
) WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER usage_day_stays BEFORE UPDATE ON usage_day BEGIN SELECT RAISE(ABORT, 'usage_day is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER usage_day_is_kept BEFORE DELETE ON usage_day BEGIN SELECT RAISE(ABORT, 'usage_day is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER people_day_stays BEFORE UPDATE ON people_day BEGIN SELECT RAISE(ABORT, 'people_day is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER people_day_is_kept BEFORE DELETE ON people_day BEGIN SELECT RAISE(ABORT, 'people_day is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER hours_stays BEFORE UPDATE ON hours BEGIN SELECT RAISE(ABORT, 'hours is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER hours_is_kept BEFORE DELETE ON hours BEGIN SELECT RAISE(ABORT, 'hours is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER accepted_gap_stays BEFORE UPDATE ON accepted_gap BEGIN SELECT RAISE(ABORT, 'accepted_gap is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER accepted_gap_is_kept BEFORE DELETE ON accepted_gap BEGIN SELECT RAISE(ABORT, 'accepted_gap is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER period_step_stays BEFORE UPDATE ON period_step BEGIN SELECT RAISE(ABORT, 'period_step is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER period_step_is_kept BEFORE DELETE ON period_step BEGIN SELECT RAISE(ABORT, 'period_step is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER period_step_is_once BEFORE INSERT ON period_step
WHEN EXISTS (SELECT 1 FROM period_step WHERE base = NEW.base AND period = NEW.period AND (state = NEW.state OR state = 'sealed')) BEGIN
    SELECT RAISE(ABORT, 'the period has this step already');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER sealed_usage_stays BEFORE UPDATE ON sealed_usage BEGIN SELECT RAISE(ABORT, 'sealed_usage is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER sealed_usage_is_kept BEFORE DELETE ON sealed_usage BEGIN SELECT RAISE(ABORT, 'sealed_usage is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER sealed_usage_is_closed BEFORE INSERT ON sealed_usage
WHEN EXISTS (SELECT 1 FROM period_step WHERE base = NEW.base AND period = NEW.period AND state = 'sealed') BEGIN
    SELECT RAISE(ABORT, 'the period is sealed');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER sealed_people_stays BEFORE UPDATE ON sealed_people BEGIN SELECT RAISE(ABORT, 'sealed_people is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER sealed_people_is_kept BEFORE DELETE ON sealed_people BEGIN SELECT RAISE(ABORT, 'sealed_people is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER sealed_people_is_closed BEFORE INSERT ON sealed_people
WHEN EXISTS (SELECT 1 FROM period_step WHERE base = NEW.base AND period = NEW.period AND state = 'sealed') BEGIN
    SELECT RAISE(ABORT, 'the period is sealed');
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE sealed_people;
DROP TABLE sealed_usage;
DROP TABLE period_step;
DROP TABLE accepted_gap;
DROP TABLE settled_day;
DROP TRIGGER hours_is_kept;
DROP TRIGGER hours_stays;
DROP TRIGGER people_day_is_kept;
DROP TRIGGER people_day_stays;
DROP TRIGGER usage_day_is_kept;
DROP TRIGGER usage_day_stays;
