"""The rest of a refused upload: read past, because many clients read no answer before they have sent everything."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 64 * 2**20
MOST_SECONDS = 3.0


class Drain:
    """ASGI middleware: an answer that comes before the end of its request waits for that end, within limits.

    Nothing is kept of what is read past, and no worker waits for it. Without this a client that is told 413 or 401
    would see a broken connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A client that asked first has not sent anything yet; reading would invite it to.
        ended = any(name == b"expect" for name, _ in scope["headers"])

        async def watch() -> Message:
            nonlocal ended
            message = await receive()
            ended = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        async def send_after_the_end(message: Message) -> None:
            if message["type"] == "http.response.start" and not ended:
                left = MOST_BYTES
                try:
                    async with asyncio.timeout(MOST_SECONDS):
                        while not ended and left > 0:
                            left -= len((await watch()).get("body", b""))
                except TimeoutError:
                    pass
            await send(message)

        await self._app(scope, watch, send_after_the_end)
