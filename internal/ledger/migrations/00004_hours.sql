-- +goose Up
-- One row for each settlement of a base's day that said something new about its people.
CREATE TABLE people_day (
    base             TEXT    NOT NULL,
    day              TEXT    NOT NULL, -- Asia/Shanghai, yyyy-mm-dd
    revision         INTEGER NOT NULL, -- from 1
    rule_version     TEXT    NOT NULL,
    rules_digest     TEXT    NOT NULL, -- SHA-256, hex, of the figures of the rules
    registry_digest  TEXT    NOT NULL,
    roster_digest    TEXT    NOT NULL,
    evidence_digest  TEXT    NOT NULL,
    decisions_digest TEXT    NOT NULL,
    settled_ms       INTEGER NOT NULL, -- milliseconds since the Unix epoch
    cause            TEXT    NOT NULL, -- what changed since the revision before, by comma
    changed          INTEGER NOT NULL, -- how many verdicts changed
    PRIMARY KEY (base, day, revision)
);

-- A trainee's lesson on a day, as it was from a revision on. A revision holds only what changed with it.
CREATE TABLE hours (
    base        TEXT    NOT NULL,
    day         TEXT    NOT NULL,
    session     TEXT    NOT NULL,
    person      TEXT    NOT NULL,
    revision    INTEGER NOT NULL,
    removed     INTEGER NOT NULL, -- 1: from this revision on the trainee is not in the lesson
    class       TEXT    NOT NULL,
    practice    INTEGER NOT NULL,
    status      TEXT    NOT NULL,
    flags       TEXT    NOT NULL, -- JSON array
    claimed_ms  INTEGER,          -- NULL: nothing was claimed
    planned_ms  INTEGER NOT NULL,
    present_ms  INTEGER NOT NULL,
    verified_ms INTEGER NOT NULL,
    pending_ms  INTEGER NOT NULL,
    granted_ms  INTEGER NOT NULL,
    pieces      TEXT    NOT NULL, -- JSON array of [start_ms, end_ms, reason], all of the scheduled time in order
    PRIMARY KEY (base, day, session, person, revision),
    FOREIGN KEY (base, day, revision) REFERENCES people_day (base, day, revision)
);
CREATE INDEX hours_by_person ON hours (base, person, day);

-- +goose Down
DROP TABLE hours;
DROP TABLE people_day;
