"""The schema's history: one file of `versions/` for each change since the first release, run by Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

FIRST = "0001"  # what a database has that was made before its tables had a revision


def upgrade(connection: Connection, revision: str | None) -> None:
    """Bring the tables up to the newest revision, in the connection's own transaction.

    revision: where they stand; None: made before revisions were written down.
    """
    if revision is None:
        command.stamp(configuration(connection), FIRST)
    command.upgrade(configuration(connection), "head")


def configuration(connection: Connection) -> Config:
    """For Alembic's commands."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
