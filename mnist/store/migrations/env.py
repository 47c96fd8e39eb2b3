"""Alembic's environment: uses the application's connection, or on the command line one made from the settings."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from mnist.settings import Settings
from mnist.store.engine import connect
from mnist.store.locks import lock_schema
from mnist.store.tables import Base
from mnist.store.timeouts import patiently


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,  # SQLite can alter little of an existing table, so Alembic copies it
    )
    context.run_migrations()


if (given := context.config.attributes.get("connection")) is not None:
    run(given)
else:
    engine = connect(Settings.from_environment().database_url)
    with patiently(), engine.begin() as own:
        lock_schema(own)
        run(own)
    engine.dispose()
