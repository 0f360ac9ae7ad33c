-- +goose Up

-- Requests to forget somebody. There is no personal data in them: they stay.
CREATE TABLE erasures (
    id       TEXT NOT NULL PRIMARY KEY,
    handle   BLOB NOT NULL CHECK (length(handle) = 16),
    stage    TEXT NOT NULL,
    urgency  INTEGER NOT NULL,
    epoch    INTEGER NOT NULL, -- in which it was done
    not_before INTEGER NOT NULL, -- nothing is done about it until then
    received INTEGER NOT NULL,
    body     TEXT NOT NULL -- JSON
) STRICT;
CREATE INDEX erasures_in_order ON erasures (received, id);
CREATE INDEX erasures_by_stage ON erasures (stage, received, id);
CREATE INDEX erasures_of ON erasures (handle);

-- Legal holds: on one person, or, with the zero handle, on a source, or on everybody.
CREATE TABLE holds (
    id         TEXT NOT NULL PRIMARY KEY,
    handle     BLOB NOT NULL CHECK (length(handle) = 16),
    source     TEXT NOT NULL, -- '' if it is not on a source
    sealed     BLOB NOT NULL, -- basis and approver as JSON, under the installation's key
    placed_by  TEXT NOT NULL, -- JSON
    by_source  TEXT NOT NULL, -- the source that says so; '' if an operator does
    placed     INTEGER NOT NULL,
    review     INTEGER NOT NULL, -- 0: nobody has to
    overdue    INTEGER NOT NULL,
    lifted     INTEGER NOT NULL
) STRICT;
CREATE INDEX holds_in_order ON holds (placed, id);
CREATE INDEX holds_standing ON holds (handle, source) WHERE lifted = 0;

ALTER TABLE actions ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
CREATE INDEX actions_held ON actions (app, person) WHERE held = true;
