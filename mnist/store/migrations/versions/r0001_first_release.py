"""The tables of the first release, which recorded no revision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "models",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("parent", sa.Integer, sa.ForeignKey("models.version")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("weights", sa.LargeBinary, nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.CheckConstraint("status IN ('active', 'retired', 'rejected')", name="status_is_known"),
    )
    _index("one_active_model", "models", ["status"], where="status = 'active'", unique=True)
    op.create_table(
        "predictions",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("session_id", sa.String(64)),
        sa.Column("image", sa.LargeBinary, nullable=False),
        sa.Column("predicted_digit", sa.SmallInteger),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("probabilities", sa.JSON, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("model_version", sa.Integer, nullable=False),
        sa.Column("predicted_number", sa.String(12)),
        sa.Column("true_label", sa.SmallInteger),
        sa.Column("true_number", sa.String(12)),
        sa.Column("labelled_at", sa.DateTime(timezone=True)),
        sa.Column("feedback_processed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("processed_by", sa.Integer),
        sa.Column("set_aside", sa.String(16)),
        sa.Column("reviewed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.CheckConstraint("predicted_digit BETWEEN 0 AND 9", name="predicted_digit_is_a_digit"),
        sa.CheckConstraint("true_label BETWEEN 0 AND 9", name="true_label_is_a_digit"),
        sa.CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence_is_a_probability"),
        sa.CheckConstraint("true_label IS NULL OR labelled_at IS NOT NULL", name="a_label_has_its_time"),
        sa.CheckConstraint("set_aside IS NULL OR feedback_processed", name="only_a_run_sets_aside"),
    )
    _index("predictions_by_time", "predictions", ["created_at", "id"])
    _index("predictions_by_session", "predictions", ["session_id", "created_at", "id"])
    labelled = "labelled_at IS NOT NULL"
    _index("predictions_to_learn_from", "predictions", ["feedback_processed", "labelled_at", "id"], where=labelled)
    _index(
        "predictions_labelled",
        "predictions",
        ["labelled_at", "model_version", "predicted_digit", "predicted_number", "true_label", "true_number"],
        where=labelled,
    )


def _index(name: str, table: str, columns: list[str], *, where: str | None = None, unique: bool = False) -> None:
    only = None if where is None else sa.text(where)
    op.create_index(name, table, columns, unique=unique, postgresql_where=only, sqlite_where=only)


def downgrade() -> None:
    raise NotImplementedError("There is nothing before the first release; a backup is the way back.")
