-- PostgreSQL schema, run by the database container at its first start. The application creates the same tables from
-- mnist/store/tables.py; tests/store/test_schema.py checks on a real server that the two are equal.

-- Alembic's table with the schema's revision. It stays empty if older tables exist, which the application then upgrades.
CREATE TABLE IF NOT EXISTS alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO alembic_version
    SELECT '0005' WHERE to_regclass('predictions') IS NULL AND NOT EXISTS (SELECT FROM alembic_version);

CREATE TABLE IF NOT EXISTS models (
    version    INTEGER                  NOT NULL PRIMARY KEY,
    parent     INTEGER REFERENCES models (version),
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    status     VARCHAR(16)              NOT NULL,
    weights    BYTEA                    NOT NULL,
    metrics    JSON                     NOT NULL,
    CONSTRAINT status_is_known CHECK (status IN ('active', 'retired', 'rejected'))
);

-- At most one version is active, whatever the application does.
CREATE UNIQUE INDEX IF NOT EXISTS one_active_model ON models (status) WHERE status = 'active';

CREATE TABLE IF NOT EXISTS predictions (
    id                 UUID                     NOT NULL PRIMARY KEY,
    created_at         TIMESTAMP WITH TIME ZONE NOT NULL,
    source             VARCHAR(16)              NOT NULL, -- canvas, upload, camera, api
    session_id         VARCHAR(64),
    image              BYTEA                    NOT NULL, -- PNG, as it was drawn
    predicted_digit    SMALLINT,
    confidence         DOUBLE PRECISION         NOT NULL,
    probabilities      JSON                     NOT NULL, -- ten, indexed by digit
    verdict            VARCHAR(16)              NOT NULL, -- digit, number, unsure, not_a_digit
    model_version      INTEGER                  NOT NULL,
    predicted_number   VARCHAR(32),                       -- several digits side by side, such as "2026"
    true_label         SMALLINT,
    true_number        VARCHAR(32),
    labelled_at        TIMESTAMP WITH TIME ZONE,          -- set without a label: "not a digit"
    feedback_processed BOOLEAN                  NOT NULL DEFAULT false,
    processed_by       INTEGER,                           -- the version, active or rejected, that was trained on it
    set_aside          VARCHAR(16),                       -- why no version learned from it: disputed, duplicate, …
    reviewed           BOOLEAN                  NOT NULL DEFAULT false, -- an administrator decided; retrainings keep that
    network            VARCHAR(16),                       -- keyed digest of the visitor's network, never the address
    CONSTRAINT predicted_digit_is_a_digit CHECK (predicted_digit BETWEEN 0 AND 9),
    CONSTRAINT true_label_is_a_digit CHECK (true_label BETWEEN 0 AND 9),
    CONSTRAINT confidence_is_a_probability CHECK (confidence BETWEEN 0 AND 1),
    CONSTRAINT a_label_has_its_time CHECK (true_label IS NULL OR labelled_at IS NOT NULL),
    CONSTRAINT only_a_run_sets_aside CHECK (set_aside IS NULL OR feedback_processed)
);

-- Random values that the database makes for itself; see mnist/store/secret.py.
CREATE TABLE IF NOT EXISTS secrets (
    name  VARCHAR(16) NOT NULL PRIMARY KEY,
    value BYTEA       NOT NULL
);

-- Covers every filter of the history, so that searching far back reads no pictures.
CREATE INDEX IF NOT EXISTS predictions_by_time
    ON predictions (created_at, id, source, model_version, verdict, predicted_digit, predicted_number, true_label,
                    true_number, labelled_at);
CREATE INDEX IF NOT EXISTS predictions_by_session ON predictions (session_id, created_at, id);
-- Covers the question whether somebody has labelled anything, which precedes every answer.
CREATE INDEX IF NOT EXISTS predictions_own_labels ON predictions (session_id, labelled_at, id, set_aside)
    WHERE labelled_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS predictions_to_learn_from ON predictions (feedback_processed, labelled_at, id)
    WHERE labelled_at IS NOT NULL;
-- Covers the statistics of the latest labels, so that they read no pictures.
CREATE INDEX IF NOT EXISTS predictions_labelled
    ON predictions (labelled_at, id, model_version, predicted_digit, predicted_number, true_label, true_number, confidence)
    WHERE labelled_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS predictions_to_review ON predictions (labelled_at, id)
    WHERE set_aside = 'disputed' AND NOT reviewed;
