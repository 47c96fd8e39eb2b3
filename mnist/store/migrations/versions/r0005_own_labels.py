"""An index of each session's labels, which recognition asks for before it answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

LABELLED = sa.text("labelled_at IS NOT NULL")


def upgrade() -> None:
    # "If exists": init.sql makes it beside the tables of an earlier release, too.
    op.drop_index("predictions_own_labels", "predictions", if_exists=True)
    op.create_index(
        "predictions_own_labels",
        "predictions",
        ["session_id", "labelled_at", "id", "set_aside"],
        postgresql_where=LABELLED,
        sqlite_where=LABELLED,
    )


def downgrade() -> None:
    op.drop_index("predictions_own_labels", "predictions")
