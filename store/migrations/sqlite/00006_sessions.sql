-- +goose Up

-- What is known of sessions and tokens that people have in apps.
CREATE TABLE sessions (
    id      TEXT NOT NULL PRIMARY KEY,
    app     TEXT NOT NULL,
    person  TEXT NOT NULL,
    handle  BLOB NOT NULL CHECK (length(handle) = 16),
    mark    BLOB NOT NULL CHECK (length(mark) = 16), -- keyed hash of what tells it from others
    named   BLOB NOT NULL CHECK (length(named) = 16), -- keyed hash of the SAML name
    learned INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    sealed  BLOB NOT NULL,
    UNIQUE (app, mark)
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of ON sessions (person, app, learned);
CREATE INDEX sessions_named ON sessions (app, named);
CREATE INDEX sessions_handle ON sessions (handle);
CREATE INDEX sessions_expiring ON sessions (expires);

-- What protocols remember between two messages.
CREATE TABLE notes (
    key     BLOB NOT NULL PRIMARY KEY CHECK (length(key) = 32),
    expires INTEGER NOT NULL,
    sealed  BLOB NOT NULL -- under the installation's key
) STRICT, WITHOUT ROWID;
CREATE INDEX notes_expiring ON notes (expires);
