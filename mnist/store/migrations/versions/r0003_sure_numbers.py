"""A sure number has a verdict of its own, and room for 32 digits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

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
    for column in ("predicted_number", "true_number"):
        op.execute(f"UPDATE predictions SET {column} = NULL WHERE length({column}) > 12")
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
    op.execute(
        f"UPDATE sqlite_master SET sql = replace(sql, 'VARCHAR({before})', 'VARCHAR({after})')"
        " WHERE type = 'table' AND name = 'predictions'"
    )
    op.execute(f"PRAGMA schema_version = {version + 1}")
    op.execute("PRAGMA writable_schema = RESET")
