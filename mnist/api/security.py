"""Access control of the API: the key, the rate limit, and the session under which a caller's drawings are stored."""

from __future__ import annotations

import hmac
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from mnist.drawing import MAX_SESSION, Drawing
from mnist.web.client_address import client_address, neighbourhood_of, network_of
from mnist.web.rate_limit import Budget, MovingWindow
from mnist.web.sign_in import SignIn, TooManyAttempts
from mnist.web.visitor_cookie import owner_of

BEARER = HTTPBearer(auto_error=False, description="Needed when the server has an API_KEY.")
KEY_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key, for clients without Bearer.")


@dataclass(frozen=True, slots=True)
class Caller:
    """An admitted caller."""

    session_id: str  # X-Session-Id if a key is required and it was sent; else the client's network
    network: str  # for the limits
    has_key: bool  # the server has an API_KEY, and the caller sent it
    is_one_person: bool = False  # whether X-Session-Id was sent: many people may share a network
    neighbourhood: str | None = None  # its /24 or /48; None: the key vouches for the session


class AccessControl:
    """Checks the API key and limits the requests of each client."""

    def __init__(self, api_key: str | None, rate_limit: int) -> None:
        """rate_limit: requests per minute and client in this process; 0: no limit. api_key None: the API is open."""
        self._key = api_key.encode() if api_key else None
        self._rate_limit = rate_limit
        self._window = MovingWindow((rate_limit, 60)) if rate_limit else None

    def admit(self, address: str, offered: tuple[str | None, ...], session: str | None) -> Caller:
        """Admit a caller who offers any of these keys.

        Raises HTTPException 429 over the rate limit, 401 without the right key, 422 for an invalid session.
        """
        client = network_of(address)  # else one IPv6 customer would count as many people in a retraining
        self._count(client)  # before the key is checked, which limits guessing, too
        if self._key is None:
            return Caller(client, client, has_key=False, neighbourhood=neighbourhood_of(address))
        if not any(_same(self._key, key) for key in offered if key):
            raise HTTPException(
                401,
                "The API key is missing or wrong. Send it as Authorization: Bearer <key> or as X-API-Key: <key>.",
                {"WWW-Authenticate": "Bearer"},
            )
        if session and not (len(session) <= MAX_SESSION and session.isprintable()):
            raise HTTPException(422, f"X-Session-Id must be at most {MAX_SESSION} printable characters.")
        return Caller(session or client, client, has_key=True, is_one_person=bool(session))

    def charge(self, caller: Caller, pixels: Sequence[int]) -> None:
        """Count the pictures of an admitted request, each as its megapixels or a part of one.

        pixels: of each picture. Raises HTTPException 429 over the rate limit; a request that exceeds it by itself is
        let through when nothing else was asked.
        """
        whole = sum(max(1, math.ceil(each / 1e6)) for each in pixels)
        if whole > 1 and self._rate_limit > 1:
            self._count(caller.network, min(whole, self._rate_limit) - 1)  # `admit` counted one

    def _count(self, client: str, weight: int = 1) -> None:
        if self._window is not None and (wait := self._window.hit(client, weight)) > 0:
            raise HTTPException(
                429,
                f"More than {self._rate_limit} pictures or megapixels in a minute. Wait, or send smaller pictures.",
                {"Retry-After": str(math.ceil(wait))},
            )


class Storing:
    """Limits what callers without a key have stored, and how many batches each has read at once."""

    def __init__(self, budget: Callable[[], Budget]) -> None:
        self._budget = budget
        self._batches: set[str] = set()  # networks whose batch is being read

    def check(self, caller: Caller) -> None:
        """Raise HTTPException 429 where the caller's network has had too much stored."""
        if not caller.has_key and (wait := self._budget().wait(caller.network)) > 0:
            raise HTTPException(
                429,
                "So many pictures were stored for your address that no more are taken for now.",
                {"Retry-After": str(math.ceil(wait))},
            )

    def count(self, caller: Caller, drawings: Iterable[Drawing]) -> None:
        if not caller.has_key:
            self._budget().spend(caller.network, sum(each.stored_bytes for each in drawings))

    @contextmanager
    def one_batch(self, caller: Caller) -> Iterator[None]:
        """Raise HTTPException 429 while another batch of the caller's network is read."""
        if caller.network in self._batches:
            raise HTTPException(429, "Another batch of yours is being read. Wait for it.", {"Retry-After": "2"})
        self._batches.add(caller.network)
        try:
            yield
        finally:
            self._batches.discard(caller.network)


async def admit(  # async although it awaits nothing: FastAPI would run a plain function in a thread
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    key: Annotated[str | None, Depends(KEY_HEADER)],
) -> Caller:
    """FastAPI dependency of every route that needs the API key. Raises what `AccessControl.admit` raises."""
    access: AccessControl = request.app.state.access
    offered = (bearer.credentials if bearer else None, key)
    return access.admit(client_address(request), offered, request.headers.get("x-session-id"))


def admit_administrator(request: Request, ticket: str) -> None:
    """Check the administrator's password in the header, or the ticket of a download link.

    Raises HTTPException: 404 when administration is off, 401 without either, 429 after too many wrong passwords.
    """
    sign_in: SignIn = request.app.state.sign_in()
    if not sign_in.is_on:
        raise HTTPException(404, "Administration is off here: the server has no ADMIN_PASSWORD.")
    if ticket and sign_in.accepts(ticket, owner_of(request.cookies, client_address(request))):
        return
    scheme, _, password = request.headers.get("authorization", "").partition(" ")
    # Starlette decodes header bytes as Latin-1.
    password = password.strip().encode("latin-1", "replace").decode("utf-8", "replace")
    try:
        if scheme.lower() == "bearer" and sign_in.admits(password, client_address(request)):
            return
    except TooManyAttempts as error:
        raise HTTPException(429, str(error), {"Retry-After": "60"}) from None
    raise HTTPException(
        401,
        "The administrator's password is missing or wrong, or the link is too old. Send Authorization: Bearer "
        "<ADMIN_PASSWORD>, or take a new link from the page Administration.",
        {"WWW-Authenticate": "Bearer"},
    )


def _same(key: bytes, offered: str) -> bool:
    # Starlette decodes header bytes as Latin-1.
    return hmac.compare_digest(key, offered.encode("latin-1", "replace"))
