"""Access control of the API: the key, the rate limit, and the session under which a caller's drawings are stored."""

from __future__ import annotations

import hmac
import math
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from mnist.drawing import MAX_SESSION
from mnist.web.client_address import client_address, network_of
from mnist.web.rate_limit import MovingWindow
from mnist.web.sign_in import SignIn, TooManyAttempts
from mnist.web.visitor_cookie import owner_of

BEARER = HTTPBearer(auto_error=False, description="Needed when the server has an API_KEY.")
KEY_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key, for clients without Bearer.")


@dataclass(frozen=True, slots=True)
class Caller:
    """An admitted caller."""

    session_id: str  # X-Session-Id if a key is required and it was sent; else the client's network
    is_one_person: bool = False  # whether it was sent: many people may share a network


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
            return Caller(client)
        if not any(_same(self._key, key) for key in offered if key):
            raise HTTPException(
                401,
                "The API key is missing or wrong. Send it as Authorization: Bearer <key> or as X-API-Key: <key>.",
                {"WWW-Authenticate": "Bearer"},
            )
        if session and not (len(session) <= MAX_SESSION and session.isprintable()):
            raise HTTPException(422, f"X-Session-Id must be at most {MAX_SESSION} printable characters.")
        return Caller(session, is_one_person=True) if session else Caller(client)

    def _count(self, client: str) -> None:
        if self._window is not None and (wait := self._window.hit(client)) > 0:
            raise HTTPException(
                429,
                f"More than {self._rate_limit} requests in a minute. Wait, or send many pictures as one batch.",
                {"Retry-After": str(math.ceil(wait))},
            )


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
