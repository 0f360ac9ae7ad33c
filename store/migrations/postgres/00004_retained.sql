-- +goose Up

-- What was asked to be retained of people, until they are forgotten.
CREATE TABLE retentions (
    handle  BYTEA NOT NULL CHECK (length(handle) = 16),
    purpose TEXT NOT NULL,
    expires BIGINT NOT NULL,
    sealed  BYTEA NOT NULL, -- basis, document and approver, as JSON
    PRIMARY KEY (handle, purpose)
);

-- The keys of retained hashes, each sealed under a subject key of its own.
CREATE TABLE peppers (
    handle  BYTEA NOT NULL PRIMARY KEY CHECK (length(handle) = 16),
    purpose TEXT NOT NULL,
    epoch   BIGINT NOT NULL,
    ended   BIGINT NOT NULL, -- 1: it makes no more hashes, and is to be destroyed
    sealed  BYTEA NOT NULL
);
CREATE INDEX peppers_of ON peppers (purpose, epoch);

CREATE TABLE retained (
    id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    pepper  BYTEA NOT NULL REFERENCES peppers,
    hash    BYTEA NOT NULL CHECK (length(hash) = 32),
    made    BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    sealed  BYTEA NOT NULL -- basis, document and approver, as JSON, under the installation's key
);
CREATE INDEX retained_known ON retained (pepper, hash);
CREATE INDEX retained_expiring ON retained (expires, id);

-- By which people ask for themselves to be forgotten.
CREATE TABLE links (
    hash    BYTEA NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    handle  BYTEA NOT NULL CHECK (length(handle) = 16),
    law     TEXT NOT NULL,
    made_by TEXT NOT NULL, -- id of a credential
    made    BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    used    BIGINT NOT NULL
);
CREATE INDEX links_expiring ON links (expires);
