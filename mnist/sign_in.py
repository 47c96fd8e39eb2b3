"""Who may administer: one password, few attempts, and tickets with which a browser fetches a file."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time

from mnist.addresses import network_of

TICKET_SECONDS = 3600


class TooManyAttempts(RuntimeError):
    """Somebody at this address guessed too often; right or wrong, the password is not looked at."""


class SignIn:
    """Lets administrators in. One object for the process, safe to share between threads."""

    def __init__(self, password: str | None) -> None:
        """password: None switches administration off."""
        self._secret = secrets.token_bytes(32)
        self._digest = _digest(password) if password else None
        if self._digest is not None:
            from mnist.rate import WrongAttempts  # here: many have no administrator, and limits takes 0.02 s to load

            self._wrong = WrongAttempts()

    @property
    def is_on(self) -> bool:
        return self._digest is not None

    def admits(self, password: str, address: str) -> bool:
        """Whether this is the password. Raises TooManyAttempts after too many wrong ones from the address."""
        if self._digest is None:
            return False
        client = network_of(address)
        if not self._wrong.may_try(client):
            raise TooManyAttempts("Too many wrong passwords from your address. Wait a few minutes and try again.")
        if hmac.compare_digest(self._digest, _digest(password)):
            return True
        self._wrong.count(client)
        return False

    def ticket(self) -> str:
        """What stands for the password in a link, for an hour, in this process."""
        expires = str(int(time.time()) + TICKET_SECONDS)
        return f"{expires}.{self._sign(expires)}"

    def accepts(self, ticket: str) -> bool:
        expires, _, signature = ticket.partition(".")
        if not self.is_on or not hmac.compare_digest(self._sign(expires).encode(), signature.encode()):
            return False
        return time.time() < int(expires)

    def _sign(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode()).digest()  # of equal length, so that comparing takes equal time
