"""A sure number has a verdict of its own, and room for 32 digits."""

from __future__ import annotations

from contextlib import suppress

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import OperationalError

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    _resize(12, 32)
    op.execute(
        "UPDATE predictions SET verdict = 'number' WHERE verdict = 'not_a_digit' AND predicted_number IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("UPDATE predictions SET verdict = 'not_a_digit' WHERE verdict = 'number'")
    # What is longer was not read by the earlier release.
    op.execute("UPDATE predictions SET predicted_number = NULL WHERE length(predicted_number) > 12")
    op.execute("UPDATE predictions SET true_number = NULL WHERE length(true_number) > 12")
    _resize(32, 12)


def _resize(before: int, after: int) -> None:
    if op.get_bind().dialect.name != "sqlite":
        for column in ("predicted_number", "true_number"):
            op.alter_column("predictions", column, type_=sa.String(after), existing_type=sa.String(before))
        return
    # SQLite keeps no length, so only the words of the table change (https://sqlite.org/lang_altertable.html, section 7)
    # and no picture is copied.
    version = op.get_bind().execute(sa.text("PRAGMA schema_version")).scalar_one()
    op.execute("PRAGMA writable_schema = ON")
    words = sa.text(
        "UPDATE sqlite_master SET sql = replace(sql, :before, :after) WHERE type = 'table' AND name = 'predictions'"
    )
    with suppress(OperationalError):  # a SQLite that is built to guard its schema: the old words do as well
        op.get_bind().execute(words, {"before": f"VARCHAR({before})", "after": f"VARCHAR({after})"})
        op.execute(f"PRAGMA schema_version = {version + 1}")
    op.execute("PRAGMA writable_schema = RESET")
