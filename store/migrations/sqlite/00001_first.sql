-- +goose Up

-- Wide rows are kept by rowid, new ones side by side; narrow ones by their key.
--
-- Times are microseconds since 1970 UTC; 0 is "not yet". Ids are UUIDs as text.

-- The keys under which what is kept of a person is sealed, themselves wrapped by
-- the key of an epoch, which is not in here. The person with the zero handle is
-- the installation. What is called sealed in other tables is sealed under them.
CREATE TABLE subject_keys (
    handle  BLOB PRIMARY KEY CHECK (length(handle) = 16),
    person  TEXT NOT NULL, -- whose it is, while that is known; else ''
    wrapped BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Whose key was destroyed. They never get another.
CREATE TABLE tombstones (
    handle BLOB PRIMARY KEY CHECK (length(handle) = 16),
    erased INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE people (
    id           TEXT NOT NULL PRIMARY KEY,
    source       TEXT NOT NULL,
    handle       BLOB NOT NULL CHECK (length(handle) = 16),
    active       INTEGER NOT NULL,
    sealed       BLOB NOT NULL, -- names, addresses, the resource
    version      INTEGER NOT NULL,
    created      INTEGER NOT NULL,
    modified     INTEGER NOT NULL
) STRICT;
CREATE INDEX people_in_order ON people (source, created, id);
CREATE INDEX people_inactive ON people (source, created, id) WHERE active = false;

-- What people are looked up by: one row a value, normalised, as a keyed hash.
CREATE TABLE people_keys (
    source    TEXT NOT NULL,
    attribute TEXT NOT NULL,
    value     BLOB NOT NULL,
    id        TEXT NOT NULL REFERENCES people ON DELETE CASCADE,
    PRIMARY KEY (source, attribute, value, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX people_keys_of ON people_keys (id);
CREATE UNIQUE INDEX people_user_name ON people_keys (source, value) WHERE attribute = 'userName';

CREATE TABLE groups (
    id           TEXT NOT NULL PRIMARY KEY,
    source       TEXT NOT NULL,
    display_name TEXT NOT NULL,
    external_id  TEXT NOT NULL,
    resource     BLOB NOT NULL,
    version      INTEGER NOT NULL,
    created      INTEGER NOT NULL,
    modified     INTEGER NOT NULL
) STRICT;
CREATE INDEX groups_in_order ON groups (source, created, id);

CREATE TABLE groups_keys (
    source    TEXT NOT NULL,
    attribute TEXT NOT NULL,
    value     TEXT NOT NULL,
    id        TEXT NOT NULL REFERENCES groups ON DELETE CASCADE,
    PRIMARY KEY (source, attribute, value, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX groups_keys_of ON groups_keys (id);

CREATE TABLE members (
    group_id TEXT NOT NULL REFERENCES groups ON DELETE CASCADE,
    member   TEXT NOT NULL, -- a person or a group
    is_group INTEGER NOT NULL,
    PRIMARY KEY (group_id, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_of ON members (member);

-- How many people and groups a source has: the sum over the shards.
CREATE TABLE tallies (
    source TEXT NOT NULL,
    what   TEXT NOT NULL, -- the table that is counted
    shard  INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    PRIMARY KEY (source, what, shard)
) STRICT, WITHOUT ROWID;

CREATE TABLE cases (
    id         TEXT NOT NULL PRIMARY KEY,
    source     TEXT NOT NULL,
    person     TEXT NOT NULL,
    handle     BLOB NOT NULL CHECK (length(handle) = 16),
    sealed     BLOB NOT NULL, -- who it is, as JSON; empty if they were erased
    "trigger"  TEXT NOT NULL,
    state      TEXT NOT NULL,
    ordered_by TEXT NOT NULL, -- JSON
    opened     INTEGER NOT NULL,
    closed     INTEGER NOT NULL,
    returned   INTEGER NOT NULL,
    returned_as TEXT NOT NULL
) STRICT;
CREATE INDEX cases_in_order ON cases (opened, id);
CREATE INDEX cases_by_state ON cases (state, opened, id);
CREATE INDEX cases_by_handle ON cases (handle);
CREATE INDEX cases_of ON cases (source, person) WHERE returned = 0;

-- By what, as a keyed hash, somebody who was deleted is recognised when they come
-- back under a new id.
CREATE TABLE gone_keys (
    source    TEXT NOT NULL,
    attribute TEXT NOT NULL,
    value     BLOB NOT NULL,
    person    TEXT NOT NULL,
    PRIMARY KEY (source, attribute, value, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX gone_keys_of ON gone_keys (person);

CREATE TABLE actions (
    seq      INTEGER PRIMARY KEY,
    id       TEXT NOT NULL UNIQUE,
    case_id  TEXT NOT NULL REFERENCES cases,
    app      TEXT NOT NULL,
    person   TEXT NOT NULL,
    effect   TEXT NOT NULL,
    state    TEXT NOT NULL,
    ordered  INTEGER NOT NULL,
    due      INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    begun    INTEGER NOT NULL,
    checks   INTEGER NOT NULL,
    problem  TEXT NOT NULL,
    sealed   BLOB NOT NULL, -- receipts, as JSON; empty if there are none
    settled  INTEGER NOT NULL
) STRICT;
CREATE INDEX actions_of_case ON actions (case_id);
CREATE INDEX actions_of_lane ON actions (app, person, seq) WHERE state IN ('waiting', 'pending_check', 'stuck');
CREATE INDEX actions_by_state ON actions (app, state, due);

CREATE TABLE accounts (
    app        TEXT NOT NULL,
    person     TEXT NOT NULL,
    sealed     BLOB NOT NULL, -- JSON
    case_id    TEXT NOT NULL, -- that it was last found for
    PRIMARY KEY (app, person)
) STRICT, WITHOUT ROWID;

-- One account's queue of actions. turn rises with each new job, and fences off
-- the old one. live: a job has it. wake_at: when the job looks again; 0 while
-- it is at work.
CREATE TABLE lanes (
    app     TEXT NOT NULL,
    person  TEXT NOT NULL,
    turn    INTEGER NOT NULL,
    live    INTEGER NOT NULL,
    wake_at INTEGER NOT NULL,
    PRIMARY KEY (app, person)
) STRICT, WITHOUT ROWID;

-- slot: a source has two, so that one token can replace the other; whoever wants
-- a third has to revoke one.
CREATE TABLE tokens (
    id      TEXT PRIMARY KEY,
    source  TEXT NOT NULL,
    hash    BLOB NOT NULL CHECK (length(hash) = 32),
    slot    INTEGER NOT NULL CHECK (slot IN (1, 2)),
    created INTEGER NOT NULL,
    revoked INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_of ON tokens (source, created);
CREATE UNIQUE INDEX tokens_live ON tokens (source, slot) WHERE revoked = 0;

-- When a credential was last used, to within minutes: a token of ours by its id,
-- or one of the configuration ("okta.1"), a JWT ("jwt:client"), a certificate.
CREATE TABLE uses (
    source     TEXT NOT NULL,
    credential TEXT NOT NULL,
    used       INTEGER NOT NULL,
    PRIMARY KEY (source, credential)
) STRICT, WITHOUT ROWID;

-- The log. body is the leaf without its position, which is given when it is
-- sealed.
CREATE TABLE log_event (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
-- By the case or erasure that an event belongs to, as it stands in the leaf.
CREATE INDEX log_event_request ON log_event (substr(body, 27, 16));

-- Personal data of events: outside the log, and destroyed without touching it.
CREATE TABLE log_payload (
    handle BLOB NOT NULL CHECK (length(handle) = 16),
    event  INTEGER NOT NULL REFERENCES log_event,
    n      INTEGER NOT NULL, -- position among the event's parties
    sealed BLOB NOT NULL, -- what the leaf's commitment is opened with, and the payload
    PRIMARY KEY (handle, event, n)
) STRICT, WITHOUT ROWID;

-- Every event waits for its place from the moment it is written.
CREATE TABLE log_pending (event INTEGER PRIMARY KEY) STRICT;
-- +goose StatementBegin
CREATE TRIGGER log_event_pending AFTER INSERT ON log_event BEGIN INSERT INTO log_pending (event) VALUES (NEW.id); END;
-- +goose StatementEnd
CREATE TABLE log_leaf (
    seq   INTEGER PRIMARY KEY,
    event INTEGER NOT NULL UNIQUE REFERENCES log_event
) STRICT;
CREATE TABLE log_node (id INTEGER PRIMARY KEY, hash BLOB NOT NULL CHECK (length(hash) = 32)) STRICT; -- id: tlog.StoredHashIndex
CREATE TABLE log_checkpoint (size INTEGER PRIMARY KEY, note BLOB NOT NULL) STRICT;

-- With recursive_triggers on, the delete triggers refuse REPLACE too.
-- +goose StatementBegin
CREATE TRIGGER log_event_update BEFORE UPDATE ON log_event BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_event_delete BEFORE DELETE ON log_event BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_event_position BEFORE INSERT ON log_event WHEN NEW.id <> -1 AND NEW.id <= (SELECT coalesce(max(id), 0) FROM log_event) BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_leaf_update BEFORE UPDATE ON log_leaf BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_leaf_delete BEFORE DELETE ON log_leaf BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_leaf_position BEFORE INSERT ON log_leaf WHEN NEW.seq IS NOT (SELECT coalesce(max(seq) + 1, 0) FROM log_leaf) BEGIN SELECT RAISE(ABORT, 'the log has no gaps'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_node_update BEFORE UPDATE ON log_node BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_node_delete BEFORE DELETE ON log_node BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_node_position BEFORE INSERT ON log_node WHEN NEW.id IS NOT (SELECT coalesce(max(id) + 1, 0) FROM log_node) BEGIN SELECT RAISE(ABORT, 'the log has no gaps'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_checkpoint_update BEFORE UPDATE ON log_checkpoint BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_checkpoint_delete BEFORE DELETE ON log_checkpoint BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_checkpoint_position BEFORE INSERT ON log_checkpoint WHEN NEW.size <= (SELECT coalesce(max(size), 0) FROM log_checkpoint) BEGIN SELECT RAISE(ABORT, 'the log does not shrink'); END;
-- +goose StatementEnd
