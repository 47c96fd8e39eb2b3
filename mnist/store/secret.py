"""The database's own secret: nobody outside can foresee what is keyed with it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from contextlib import suppress

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from mnist.store.session import Storage
from mnist.store.tables import SecretRow

NAME, BYTES = "key", 32


class Secret(Storage):
    """The secret, made by whoever needs it first; every process then reads the same."""

    _key: bytes | None = None

    def key(self) -> bytes:
        """The 32 random bytes. Raises StorageUnavailable."""
        if self._key is None:
            self._key = self._read() or self._make()
        return self._key

    def digest(self, *words: str) -> str:
        """16 hexadecimal digits that stand for these words in this database. Raises StorageUnavailable."""
        return keyed(self.key(), *words).hex()[:16]

    def _read(self) -> bytes | None:
        with self._session("store") as session:
            value = session.scalar(select(SecretRow.value).where(SecretRow.name == NAME))
            return None if value is None else bytes(value)

    def _make(self) -> bytes:
        with suppress(IntegrityError), self._session("store") as session:  # another process was faster
            session.execute(insert(SecretRow).values(name=NAME, value=secrets.token_bytes(BYTES)))
        made = self._read()
        assert made is not None, "the row is never deleted"
        return made


def keyed(key: bytes, *words: str) -> bytes:
    """HMAC-SHA-256 of the words."""
    return hmac.digest(key, "\0".join(words).encode(), hashlib.sha256)
