"""The administrator's sign-in: one password, limited attempts, sign-ins that end, and tickets for download links."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time

from itsdangerous import BadSignature, TimestampSigner

from mnist.web.client_address import network_of, wide_network_of
from mnist.web.rate_limit import MovingWindow

WRONG_ATTEMPTS = (5, 60.0), (30, 3600.0)  # per client: (attempts, seconds)
WRONG_ATTEMPTS_NEARBY = (20, 60.0), (120, 3600.0)  # per /48 of IPv6, all of whose /64s one customer may have
SIGN_IN_SECONDS = 8 * 3600
TICKET_SECONDS = 3600


class TooManyAttempts(RuntimeError):
    """This client sent too many wrong passwords; the one it sent now was not checked."""


class SignIn:
    """Checks the administrator's password and tickets. One object per process, thread-safe.

    A sign-in belongs to the `owner` who began it: the visitor's cookie and network (`owner_of`). Whoever learns its id,
    or a ticket, elsewhere can do nothing with it.
    """

    def __init__(self, password: str | None) -> None:
        """password: None or an empty text disables administration."""
        self._digest = _digest(password) if password else None
        self._wrong = MovingWindow(*WRONG_ATTEMPTS)
        self._wrong_nearby = MovingWindow(*WRONG_ATTEMPTS_NEARBY)
        self._open: dict[str, tuple[str, float]] = {}  # owner and end (monotonic clock), by id
        self._tickets = TimestampSigner(secrets.token_bytes(32), salt="ticket", digest_method=hashlib.sha256)
        self._lock = threading.Lock()  # makes check and count atomic, or concurrent guesses would exceed the limit

    @property
    def is_on(self) -> bool:
        return self._digest is not None

    def admits(self, password: str, address: str) -> bool:
        """Whether the password is right. Raises TooManyAttempts after too many wrong ones from the client's network."""
        if self._digest is None:
            return False
        client, nearby = network_of(address), wide_network_of(address)
        with self._lock:
            if self._wrong.wait(client) > 0 or self._wrong_nearby.wait(nearby) > 0:
                raise TooManyAttempts("Too many wrong passwords from your address. Wait a few minutes and try again.")
            is_right = hmac.compare_digest(self._digest, _digest(password))
            if not is_right:
                self._wrong.count(client)
                self._wrong_nearby.count(nearby)
            return is_right

    def begin(self, owner: str) -> str:
        """Begin a sign-in that ends after SIGN_IN_SECONDS; returns its id. Call it once `admits` has said yes."""
        now, begun = time.monotonic(), secrets.token_hex(16)
        with self._lock:
            self._open = {each: (who, end) for each, (who, end) in self._open.items() if end > now}
            self._open[begun] = owner, now + SIGN_IN_SECONDS
        return begun

    def is_open(self, begun: str | None, owner: str) -> bool:
        """Whether this owner's sign-in with this id goes on, and administration is on."""
        who, end = self._open.get(begun or "", ("", 0.0))
        return self.is_on and who == owner and time.monotonic() < end

    def end(self, begun: str | None) -> None:
        """End a sign-in, and with it its tickets."""
        with self._lock:
            self._open.pop(begun or "", None)

    def ticket(self, begun: str) -> str:
        """A signed token for a link, which this process accepts instead of the password for TICKET_SECONDS."""
        return self._tickets.sign(begun).decode()

    def accepts(self, ticket: str, owner: str) -> bool:
        """Whether this process issued the ticket within TICKET_SECONDS, for a sign-in of this owner that goes on."""
        try:
            begun = self._tickets.unsign(ticket, max_age=TICKET_SECONDS).decode()
        except BadSignature:  # or an expired one
            return False
        return self.is_open(begun, owner)


def _digest(password: str) -> bytes:
    # Digests have one length, so the time that comparing takes does not reveal the password's length.
    return hashlib.sha256(password.encode()).digest()
