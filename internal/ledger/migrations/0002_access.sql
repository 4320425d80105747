-- +goose Up
-- Who may do what, and what was done. Accounts are never deleted: the audit log names them.
CREATE TABLE account (
    name        TEXT    NOT NULL PRIMARY KEY, -- lower case ASCII
    display     TEXT    NOT NULL,
    password    TEXT    NOT NULL,             -- argon2id, PHC string
    must_change INTEGER NOT NULL,             -- 1: the password was made by someone else
    disabled    INTEGER NOT NULL,
    created_ms  INTEGER NOT NULL,             -- milliseconds since the Unix epoch
    password_ms INTEGER NOT NULL              -- when the password was set
);

CREATE TABLE account_role (
    account TEXT NOT NULL REFERENCES account (name),
    role    TEXT NOT NULL,
    base    TEXT NOT NULL,                    -- code of a base; * is the whole city
    PRIMARY KEY (account, role, base)
) WITHOUT ROWID;

CREATE TABLE session (
    id_hash    BLOB    NOT NULL PRIMARY KEY,  -- SHA-256 of what the cookie holds
    account    TEXT    NOT NULL REFERENCES account (name),
    created_ms INTEGER NOT NULL,
    seen_ms    INTEGER NOT NULL,              -- to a minute
    expires_ms INTEGER NOT NULL
);
CREATE INDEX session_by_account ON session (account);

CREATE TABLE token (
    id         TEXT    NOT NULL PRIMARY KEY,
    account    TEXT    NOT NULL REFERENCES account (name),
    name       TEXT    NOT NULL,
    hash       BLOB    NOT NULL UNIQUE,       -- SHA-256 of the token
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    used_ms    INTEGER NOT NULL,              -- to an hour; 0: never
    revoked_ms INTEGER NOT NULL               -- 0: not revoked
);
CREATE INDEX token_by_account ON token (account);

CREATE TABLE token_role (
    token TEXT NOT NULL REFERENCES token (id),
    role  TEXT NOT NULL,
    base  TEXT NOT NULL,
    PRIMARY KEY (token, role, base)
) WITHOUT ROWID;

-- Each entry's hash covers its content and the hash of the one before; docs/security.md has the bytes.
CREATE TABLE audit (
    seq    INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- from 1, without a gap
    at_ms  INTEGER NOT NULL,
    actor  TEXT    NOT NULL,
    action TEXT    NOT NULL,
    object TEXT    NOT NULL,
    base   TEXT    NOT NULL,
    reason TEXT    NOT NULL,
    detail TEXT    NOT NULL,                  -- JSON object, or empty
    hash   BLOB    NOT NULL                   -- SHA-256
);
CREATE INDEX audit_by_actor ON audit (actor, seq);

-- +goose StatementBegin
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd
-- REPLACE deletes without asking the trigger above.
-- +goose StatementBegin
CREATE TRIGGER audit_at_the_end BEFORE INSERT ON audit
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM audit) BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE audit;
DROP TABLE token_role;
DROP TABLE token;
DROP TABLE session;
DROP TABLE account_role;
DROP TABLE account;
