"""A keyed digest of each drawing's network, and the secret that it is keyed with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    there = sa.inspect(op.get_bind())  # init.sql may have run beside older tables, and a revision may have been lost
    if "network" not in {column["name"] for column in there.get_columns("predictions")}:
        op.add_column("predictions", sa.Column("network", sa.String(16)))
    if not there.has_table("secrets"):
        op.create_table(
            "secrets",
            sa.Column("name", sa.String(16), primary_key=True),
            sa.Column("value", sa.LargeBinary(2**32 - 1), nullable=False),
        )


def downgrade() -> None:
    op.drop_table("secrets")
    op.drop_column("predictions", "network")
