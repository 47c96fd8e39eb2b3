"""What is told, and logged once, while the database can't be used."""

from __future__ import annotations

import logging
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from mnist.drawing import StorageUnavailable

log = logging.getLogger(__name__)
_told: WeakKeyDictionary[Engine, set[str]] = WeakKeyDictionary()  # what was logged since the database last worked


def unavailable(engine: Engine, error: Exception) -> StorageUnavailable:
    """What whoever asked is told of an error; the log gets the driver's own words, once until the database works again.

    Of these only the first line, which holds neither the statement nor its parameters.
    """
    said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    told = _told.setdefault(engine, set())
    if said not in told:
        told.add(said)
        log.warning("The database can't be used: %s", said)
    return StorageUnavailable(f"The database can't be used now ({type(error).__name__}).")
