-- +goose Up

-- Requests to forget somebody. There is no personal data in them: they stay.
CREATE TABLE erasures (
    id       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    handle   BYTEA NOT NULL CHECK (length(handle) = 16),
    stage    TEXT NOT NULL,
    urgency  BIGINT NOT NULL,
    epoch    BIGINT NOT NULL, -- in which it was done
    not_before BIGINT NOT NULL, -- nothing is done about it until then
    received BIGINT NOT NULL,
    body     TEXT NOT NULL -- JSON
);
CREATE INDEX erasures_in_order ON erasures (received, id);
CREATE INDEX erasures_by_stage ON erasures (stage, received, id);
CREATE INDEX erasures_of ON erasures (handle);

-- Legal holds: on one person, or, with the zero handle, on a source, or on everybody.
CREATE TABLE holds (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    handle     BYTEA NOT NULL CHECK (length(handle) = 16),
    source     TEXT NOT NULL, -- '' if it is not on a source
    sealed     BYTEA NOT NULL, -- basis and approver as JSON, under the installation's key
    placed_by  TEXT NOT NULL, -- JSON
    by_source  TEXT NOT NULL, -- the source that says so; '' if an operator does
    placed     BIGINT NOT NULL,
    review     BIGINT NOT NULL, -- 0: nobody has to
    overdue    BOOLEAN NOT NULL,
    lifted     BIGINT NOT NULL
);
CREATE INDEX holds_in_order ON holds (placed, id);
CREATE INDEX holds_standing ON holds (handle, source) WHERE lifted = 0;

ALTER TABLE actions ADD COLUMN held BOOLEAN NOT NULL DEFAULT false;
CREATE INDEX actions_held ON actions (app, person) WHERE held = true;
