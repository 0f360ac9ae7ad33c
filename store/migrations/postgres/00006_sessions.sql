-- +goose Up

-- What is known of sessions and tokens that people have in apps.
CREATE TABLE sessions (
    id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    app     TEXT NOT NULL,
    person  TEXT NOT NULL,
    handle  BYTEA NOT NULL CHECK (length(handle) = 16),
    mark    BYTEA NOT NULL CHECK (length(mark) = 16), -- keyed hash of what tells it from others
    named   BYTEA NOT NULL CHECK (length(named) = 16), -- keyed hash of the SAML name
    learned BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    sealed  BYTEA NOT NULL,
    UNIQUE (app, mark)
);
CREATE INDEX sessions_of ON sessions (person, app, learned);
CREATE INDEX sessions_named ON sessions (app, named);
CREATE INDEX sessions_handle ON sessions (handle);
CREATE INDEX sessions_expiring ON sessions (expires);

-- What protocols remember between two messages.
CREATE TABLE notes (
    key     BYTEA NOT NULL PRIMARY KEY CHECK (length(key) = 32),
    expires BIGINT NOT NULL,
    sealed  BYTEA NOT NULL -- under the installation's key
);
CREATE INDEX notes_expiring ON notes (expires);
