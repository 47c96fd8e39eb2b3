"""Receives request bodies within limits of size, time and memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import HTTPException, Request

from mnist.web.client_address import client_address, network_of

# Total bytes of uploads that are being received or processed, per process; one client may hold half of them.
HELD_BYTES = 64 * 2**20


class Uploads:
    """Receives bodies on the event loop, so that slow uploads occupy no worker thread."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._held: Counter[str] = Counter()  # bytes by client

    @asynccontextmanager
    async def receive(
        self, request: Request, limit: int, *, remedy: str = "Send a smaller picture."
    ) -> AsyncIterator[bytes]:
        """The whole body, at most `limit` bytes; it counts as held until the block ends.

        remedy: advice for the client whose body is too large or arrives too slowly.
        Raises HTTPException 415 when it is compressed, 413 when the body is too large, 400 when it takes too long, 503
        when all uploads together exceed HELD_BYTES, and 429 when this client's exceed half of that.
        """
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", ""):
            raise HTTPException(415, f"The Content-Encoding is {encoding[:40]!r}; send the body as it is, without one.")
        client = network_of(client_address(request))
        announced = int(request.headers.get("content-length") or 0)
        body = bytearray()
        try:
            if announced <= limit:
                await self._collect(request, client, limit, body, remedy)
            if max(announced, len(body)) > limit:
                raise HTTPException(413, f"The body is over the limit of {_size(limit)}. {remedy}")
            yield bytes(body)
        finally:
            self._held[client] -= len(body)
            self._held += Counter()  # drops the clients that hold nothing

    async def _collect(self, request: Request, client: str, limit: int, body: bytearray, remedy: str) -> None:
        """Append to `body` until the upload ends or exceeds the limit."""
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in request.stream():
                    body += chunk
                    self._held[client] += len(chunk)
                    if len(body) > limit:
                        return
                    if self._held.total() > HELD_BYTES:
                        raise HTTPException(503, "Too many uploads at once. Try again.", {"Retry-After": "2"})
                    is_only_one = self._held[client] == len(body)
                    if not is_only_one and self._held[client] > HELD_BYTES // 2:
                        raise HTTPException(429, "Send fewer uploads at once.", {"Retry-After": "2"})
        except TimeoutError:
            raise HTTPException(400, f"The upload did not end within {self._seconds:.0f} seconds. {remedy}") from None


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MB" if count >= 2**20 else f"{count / 2**10:.0f} kB"
