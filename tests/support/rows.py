"""What a database holds after a visit."""

from __future__ import annotations

from sqlalchemy import URL, text

from mnist.drawing import Drawing
from mnist.store.drawings import Repository
from mnist.store.engine import connect


def stored(url: URL) -> list[Drawing]:
    """The latest hundred drawings, newest first."""
    engine = connect(url)
    try:
        return Repository(engine).recent(limit=100)
    finally:
        engine.dispose()


def how_many(url: URL) -> int:
    """Drawings in the database, of everybody."""
    engine = connect(url)
    try:
        with engine.connect() as connection:
            return connection.execute(text("SELECT count(*) FROM predictions")).scalar_one()
    finally:
        engine.dispose()
