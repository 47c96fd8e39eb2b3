"""Covering indexes for the history and the insight page, so that neither reads pictures to filter or count."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TO_REVIEW = sa.text("set_aside = 'disputed' AND NOT reviewed")
LABELLED = sa.text("labelled_at IS NOT NULL")


def upgrade() -> None:
    # "If exists": databases created between the first release and this migration already have these indexes.
    _replace(
        "predictions_by_time",
        "created_at id source model_version verdict"
        " predicted_digit predicted_number true_label true_number labelled_at",
    )
    _replace(
        "predictions_labelled",
        "labelled_at id model_version predicted_digit predicted_number true_label true_number confidence",
        LABELLED,
    )
    _replace("predictions_to_review", "labelled_at id", TO_REVIEW)


def downgrade() -> None:
    op.drop_index("predictions_to_review", "predictions")
    _replace(
        "predictions_labelled",
        "labelled_at model_version predicted_digit predicted_number true_label true_number",
        LABELLED,
    )
    _replace("predictions_by_time", "created_at id")


def _replace(name: str, columns: str, where: sa.TextClause | None = None) -> None:
    op.drop_index(name, "predictions", if_exists=True)
    op.create_index(name, "predictions", columns.split(), postgresql_where=where, sqlite_where=where)
