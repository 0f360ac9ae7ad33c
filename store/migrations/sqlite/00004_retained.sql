-- +goose Up

-- What was asked to be retained of people, until they are forgotten.
CREATE TABLE retentions (
    handle  BLOB NOT NULL CHECK (length(handle) = 16),
    purpose TEXT NOT NULL,
    expires INTEGER NOT NULL,
    sealed  BLOB NOT NULL, -- basis, document and approver, as JSON
    PRIMARY KEY (handle, purpose)
) STRICT, WITHOUT ROWID;

-- The keys of retained hashes, each sealed under a subject key of its own.
CREATE TABLE peppers (
    handle  BLOB NOT NULL PRIMARY KEY CHECK (length(handle) = 16),
    purpose TEXT NOT NULL,
    epoch   INTEGER NOT NULL,
    ended   INTEGER NOT NULL, -- 1: it makes no more hashes, and is to be destroyed
    sealed  BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX peppers_of ON peppers (purpose, epoch);

CREATE TABLE retained (
    id      TEXT NOT NULL PRIMARY KEY,
    pepper  BLOB NOT NULL REFERENCES peppers,
    hash    BLOB NOT NULL CHECK (length(hash) = 32),
    made    INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    sealed  BLOB NOT NULL -- basis, document and approver, as JSON, under the installation's key
) STRICT, WITHOUT ROWID;
CREATE INDEX retained_known ON retained (pepper, hash);
CREATE INDEX retained_expiring ON retained (expires, id);

-- By which people ask for themselves to be forgotten.
CREATE TABLE links (
    hash    BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    handle  BLOB NOT NULL CHECK (length(handle) = 16),
    law     TEXT NOT NULL,
    made_by TEXT NOT NULL, -- id of a credential
    made    INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    used    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX links_expiring ON links (expires);
