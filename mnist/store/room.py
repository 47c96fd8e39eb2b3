"""How much room the database takes, and how much it may (DATABASE_MAX_MB)."""

from __future__ import annotations

import logging
import threading
import time

from sqlalchemy import Engine, text

from mnist.drawing import DatabaseFull, StorageUnavailable
from mnist.store.session import Storage

log = logging.getLogger(__name__)

ASK_SECONDS = 5.0  # between two questions to the database
NEARLY = 0.9  # of the limit: from there on its keeper is told

_SIZE = {  # bytes
    # What is free within the file is used again, and the file does not shrink.
    "sqlite": text(
        "SELECT (page_count - freelist_count) * page_size"
        " FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()"
    ),
    "postgresql": text("SELECT pg_database_size(current_database())"),
    "mysql": text(
        "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = DATABASE()"
    ),
}


class Room(Storage):
    """The size of the database and its limit, beyond which drawings are read and no longer kept. Thread-safe."""

    def __init__(self, engine: Engine, most: int = 0, *, ask_seconds: float = ASK_SECONDS) -> None:
        """most: bytes; 0: no limit."""
        super().__init__(engine)
        self.most = most
        self._ask_seconds = ask_seconds
        self._asking = threading.Lock()
        self._asked_at = float("-inf")
        self._size: int | None = None
        self._is_told = False

    @property
    def size(self) -> int | None:
        """Bytes, as of ASK_SECONDS ago at most; None while the database can't be asked."""
        with self._asking:
            if time.monotonic() - self._asked_at >= self._ask_seconds:
                self._size = self._ask()
                self._asked_at = time.monotonic()
                self._tell()
            return self._size

    @property
    def is_nearly_full(self) -> bool:
        return self._holds(NEARLY)

    @property
    def is_full(self) -> bool:
        return self._holds(1)

    def check(self) -> None:
        """Raise DatabaseFull where nothing more may be stored."""
        if self.is_full:
            raise DatabaseFull("The database has reached its limit (DATABASE_MAX_MB); nothing more is stored.")

    def _holds(self, share: float) -> bool:
        return self.most > 0 and (self.size or 0) >= share * self.most

    def _ask(self) -> int | None:
        try:
            with self._session(operation=None) as session:
                return int(session.scalar(_SIZE[self._engine.dialect.name]) or 0)
        except StorageUnavailable:  # whoever stores finds out
            return None

    def _tell(self) -> None:
        is_nearly_full = self.most > 0 and (self._size or 0) >= NEARLY * self.most
        if is_nearly_full and not self._is_told:
            log.warning(
                "The database has %d MB of the %d that it may have (DATABASE_MAX_MB); beyond them nothing is kept.",
                (self._size or 0) // 2**20,
                self.most // 2**20,
            )
        self._is_told = is_nearly_full
