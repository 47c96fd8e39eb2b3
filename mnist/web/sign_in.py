"""Who may administer: one password, few attempts, and tickets with which a browser fetches a file."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading

from itsdangerous import TimestampSigner

from mnist.web.client_address import network_of
from mnist.web.rate_limit import MovingWindow

WRONG_ATTEMPTS = (5, 60.0), (30, 3600.0)  # of one client: number, seconds
TICKET_SECONDS = 3600


class TooManyAttempts(RuntimeError):
    """Somebody at this address guessed too often; right or wrong, the password is not looked at."""


class SignIn:
    """Lets administrators in. One object for the process, safe to share between threads."""

    def __init__(self, password: str | None) -> None:
        """password: None switches administration off."""
        self._digest = _digest(password) if password else None
        self._wrong = MovingWindow(*WRONG_ATTEMPTS)
        self._tickets = TimestampSigner(secrets.token_bytes(32), salt="ticket", digest_method=hashlib.sha256)
        self._lock = threading.Lock()  # looking at a password and counting it is one step, or many at once get through

    @property
    def is_on(self) -> bool:
        return self._digest is not None

    def admits(self, password: str, address: str) -> bool:
        """Whether this is the password. Raises TooManyAttempts after too many wrong ones from the address."""
        if self._digest is None:
            return False
        client = network_of(address)
        with self._lock:
            if self._wrong.wait(client) > 0:
                raise TooManyAttempts("Too many wrong passwords from your address. Wait a few minutes and try again.")
            is_right = hmac.compare_digest(self._digest, _digest(password))
            if not is_right:
                self._wrong.count(client)
            return is_right

    def ticket(self) -> str:
        """What stands for the password in a link, for an hour, in this process."""
        return self._tickets.sign("export").decode()

    def accepts(self, ticket: str) -> bool:
        """Whether this process made the ticket, within the hour, and administration is on."""
        return self.is_on and self._tickets.validate(ticket, max_age=TICKET_SECONDS)


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode()).digest()  # of equal length, so that comparing takes equal time
