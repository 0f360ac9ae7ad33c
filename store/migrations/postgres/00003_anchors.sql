-- +goose Up

-- What witnesses have signed of a checkpoint: one signature line each.
CREATE TABLE log_cosignature (
    size    BIGINT NOT NULL,
    witness TEXT NOT NULL, -- its verifier key
    line    BYTEA NOT NULL,
    PRIMARY KEY (size, witness)
);
CREATE TRIGGER log_cosignature_keep BEFORE DELETE OR UPDATE ON log_cosignature FOR EACH ROW EXECUTE FUNCTION log_refuse();
CREATE TRIGGER log_cosignature_truncate BEFORE TRUNCATE ON log_cosignature FOR EACH STATEMENT EXECUTE FUNCTION log_refuse();

-- The newest checkpoint that each place outside has kept.
CREATE TABLE anchors (
    place TEXT NOT NULL PRIMARY KEY,
    size  BIGINT NOT NULL,
    note  BYTEA NOT NULL,
    kept  BIGINT NOT NULL
);
