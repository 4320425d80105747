-- +goose Up
-- One row per base, machine, day and revision. A revision is never changed: late evidence makes the next one.
CREATE TABLE usage_day (
    base                 TEXT    NOT NULL,
    equipment            TEXT    NOT NULL,
    day                  TEXT    NOT NULL, -- Asia/Shanghai, yyyy-mm-dd
    revision             INTEGER NOT NULL, -- from 1
    rule_version         TEXT    NOT NULL,
    registry_digest      TEXT    NOT NULL, -- SHA-256, hex
    evidence_digest      TEXT    NOT NULL, -- SHA-256, hex
    settled_ms           INTEGER NOT NULL, -- milliseconds since the Unix epoch
    start_ms             INTEGER NOT NULL, -- the window's start; its end is start_ms + window_ms
    window_ms            INTEGER NOT NULL,
    running_ms           INTEGER NOT NULL,
    idle_ms              INTEGER NOT NULL,
    off_ms               INTEGER NOT NULL,
    fault_ms             INTEGER NOT NULL,
    unknown_ms           INTEGER NOT NULL,
    estimated_running_ms INTEGER NOT NULL,
    estimated_off_ms     INTEGER NOT NULL,
    opening_ms           INTEGER NOT NULL,
    opening_known_ms     INTEGER NOT NULL,
    opening_running_ms   INTEGER NOT NULL,
    words                TEXT    NOT NULL, -- JSON object: controller word to milliseconds
    PRIMARY KEY (base, equipment, day, revision)
);
CREATE INDEX usage_day_by_day ON usage_day (base, day);

-- +goose Down
DROP TABLE usage_day;
