"""Schema migrations run by Alembic: one file in `versions/` for each change since the first release."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

FIRST = "0001"  # the revision of a database in which none is recorded


def upgrade(connection: Connection, revision: str | None) -> None:
    """Upgrade the tables to the newest revision, in the connection's current transaction.

    revision: the one they are at; None: none is recorded, so they are the first release's.
    """
    if revision is None:
        command.stamp(configuration(connection), FIRST)
    command.upgrade(configuration(connection), "head")


def configuration(connection: Connection) -> Config:
    """The configuration for Alembic's commands, which then use this connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
