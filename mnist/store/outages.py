"""Turns database errors into StorageUnavailable, and logs each kind once per outage."""

from __future__ import annotations

import logging
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from mnist.drawing import StorageUnavailable

log = logging.getLogger(__name__)
_logged: WeakKeyDictionary[Engine, set[str]] = WeakKeyDictionary()  # messages since the database last worked


def unavailable(engine: Engine, error: Exception) -> StorageUnavailable:
    """The exception to raise for a database error; its message is safe to show to clients.

    The driver's message goes to the log, once until `recovered`. Only its first line does: the others may hold the
    statement and its parameters.
    """
    message = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    logged = _logged.setdefault(engine, set())
    if message not in logged:
        logged.add(message)
        log.warning("The database can't be used: %s", message)
    return StorageUnavailable(f"The database can't be used now ({type(error).__name__}).")


def recovered(engine: Engine) -> None:
    """Note that the database works, so that the next outage is logged again."""
    _logged.pop(engine, None)
