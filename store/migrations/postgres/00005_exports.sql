-- +goose Up

-- How far each export of the log has come.
CREATE TABLE exports (
    name   text NOT NULL PRIMARY KEY,
    origin text NOT NULL,   -- of the log that next counts in
    next   bigint NOT NULL, -- position of the first event that was not taken yet
    moved  bigint NOT NULL, -- when that was last changed
    holder bytea NOT NULL,  -- the process that exports, until then
    until  bigint NOT NULL
);

-- Events that a receiver refused although it took others after them.
CREATE TABLE exports_refused (
    name   text NOT NULL,
    seq    bigint NOT NULL,
    status integer NOT NULL, -- what it answered
    at     bigint NOT NULL,
    PRIMARY KEY (name, seq)
);
