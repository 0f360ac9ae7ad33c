-- +goose Up

-- How far each export of the log has come.
CREATE TABLE exports (
    name   TEXT NOT NULL PRIMARY KEY,
    origin TEXT NOT NULL,    -- of the log that next counts in
    next   INTEGER NOT NULL, -- position of the first event that was not taken yet
    moved  INTEGER NOT NULL, -- when that was last changed
    holder BLOB NOT NULL,    -- the process that exports, until then
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Events that a receiver refused although it took others after them.
CREATE TABLE exports_refused (
    name   TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    status INTEGER NOT NULL, -- what it answered
    at     INTEGER NOT NULL,
    PRIMARY KEY (name, seq)
) STRICT, WITHOUT ROWID;
