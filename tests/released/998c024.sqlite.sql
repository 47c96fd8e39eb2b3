-- The tables as that release made them in SQLite.

CREATE TABLE predictions (
    id CHAR(32) NOT NULL,
    created_at DATETIME NOT NULL,
    source VARCHAR(16) NOT NULL,
    session_id VARCHAR(64),
    image BLOB NOT NULL,
    predicted_digit SMALLINT,
    confidence DOUBLE NOT NULL,
    probabilities JSON NOT NULL,
    verdict VARCHAR(16) NOT NULL,
    model_version INTEGER NOT NULL,
    predicted_number VARCHAR(12),
    true_label SMALLINT,
    true_number VARCHAR(12),
    labelled_at DATETIME,
    feedback_processed BOOLEAN DEFAULT 0 NOT NULL,
    processed_by INTEGER,
    set_aside VARCHAR(16),
    reviewed BOOLEAN DEFAULT 0 NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT predicted_digit_is_a_digit CHECK (predicted_digit BETWEEN 0 AND 9),
    CONSTRAINT true_label_is_a_digit CHECK (true_label BETWEEN 0 AND 9),
    CONSTRAINT confidence_is_a_probability CHECK (confidence BETWEEN 0 AND 1),
    CONSTRAINT a_label_has_its_time CHECK (true_label IS NULL OR labelled_at IS NOT NULL),
    CONSTRAINT only_a_run_sets_aside CHECK (set_aside IS NULL OR feedback_processed)
);

CREATE INDEX predictions_labelled ON predictions (labelled_at, model_version, predicted_digit, predicted_number, true_label, true_number) WHERE labelled_at IS NOT NULL;

CREATE INDEX predictions_by_time ON predictions (created_at, id);

CREATE INDEX predictions_to_learn_from ON predictions (feedback_processed, labelled_at, id) WHERE labelled_at IS NOT NULL;

CREATE INDEX predictions_by_session ON predictions (session_id, created_at, id);

CREATE TABLE models (
    version INTEGER NOT NULL,
    parent INTEGER,
    created_at DATETIME NOT NULL,
    status VARCHAR(16) NOT NULL,
    weights BLOB NOT NULL,
    metrics JSON NOT NULL,
    PRIMARY KEY (version),
    CONSTRAINT status_is_known CHECK (status IN ('active', 'retired', 'rejected')),
    FOREIGN KEY(parent) REFERENCES models (version)
);

CREATE UNIQUE INDEX one_active_model ON models (status) WHERE status = 'active';
