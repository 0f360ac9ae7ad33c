-- +goose Up

-- What witnesses have signed of a checkpoint: one signature line each.
CREATE TABLE log_cosignature (
    size    INTEGER NOT NULL,
    witness TEXT NOT NULL, -- its verifier key
    line    BLOB NOT NULL,
    PRIMARY KEY (size, witness)
) STRICT, WITHOUT ROWID;
-- +goose StatementBegin
CREATE TRIGGER log_cosignature_update BEFORE UPDATE ON log_cosignature BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_cosignature_delete BEFORE DELETE ON log_cosignature BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER log_cosignature_once BEFORE INSERT ON log_cosignature WHEN EXISTS (SELECT 1 FROM log_cosignature WHERE size = NEW.size AND witness = NEW.witness) BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
-- +goose StatementEnd

-- The newest checkpoint that each place outside has kept.
CREATE TABLE anchors (
    place TEXT NOT NULL PRIMARY KEY,
    size  INTEGER NOT NULL,
    note  BLOB NOT NULL,
    kept  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
