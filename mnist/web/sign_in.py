"""The administrator's sign-in: one password, limited attempts, and short-lived tickets for download links."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading

from itsdangerous import TimestampSigner

from mnist.web.client_address import network_of
from mnist.web.rate_limit import MovingWindow

WRONG_ATTEMPTS = (5, 60.0), (30, 3600.0)  # per client: (attempts, seconds)
TICKET_SECONDS = 3600


class TooManyAttempts(RuntimeError):
    """This client sent too many wrong passwords; the one it sent now was not checked."""


class SignIn:
    """Checks the administrator's password and tickets. One object per process, thread-safe."""

    def __init__(self, password: str | None) -> None:
        """password: None or an empty text disables administration."""
        self._digest = _digest(password) if password else None
        self._wrong = MovingWindow(*WRONG_ATTEMPTS)
        self._tickets = TimestampSigner(secrets.token_bytes(32), salt="ticket", digest_method=hashlib.sha256)
        self._lock = threading.Lock()  # makes check and count atomic, or concurrent guesses would exceed the limit

    @property
    def is_on(self) -> bool:
        return self._digest is not None

    def admits(self, password: str, address: str) -> bool:
        """Whether the password is right. Raises TooManyAttempts after too many wrong ones from the client's network."""
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
        """A signed token for a link, which this process accepts instead of the password for TICKET_SECONDS."""
        return self._tickets.sign("export").decode()

    def accepts(self, ticket: str) -> bool:
        """Whether this process issued the ticket within TICKET_SECONDS, and administration is on."""
        return self.is_on and self._tickets.validate(ticket, max_age=TICKET_SECONDS)


def _digest(password: str) -> bytes:
    # Digests have one length, so the time that comparing takes does not reveal the password's length.
    return hashlib.sha256(password.encode()).digest()
