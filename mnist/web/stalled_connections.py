"""Ends connections that stall: a request whose head never ends, a body nobody waits for, an answer nobody takes."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

SWEEP_SECONDS = 5.0

_open: WeakSet[asyncio.Protocol] = WeakSet()


def note_connections(protocol: Any) -> None:
    """Have every HTTP connection of uvicorn's noted from now on. uvicorn has no time limit of its own for them.

    protocol: uvicorn's class of them. WebSockets are not among them: they have pings.
    """
    made = protocol.connection_made

    def connection_made(self: asyncio.Protocol, transport: asyncio.BaseTransport) -> None:
        made(self, transport)
        _open.add(self)

    protocol.connection_made = connection_made


async def end_stalled(seconds: float) -> None:
    """End connections that have made no progress for so many seconds, for ever."""
    seen: WeakKeyDictionary[asyncio.Protocol, tuple[object, float]] = WeakKeyDictionary()
    while True:
        await asyncio.sleep(min(SWEEP_SECONDS, seconds / 2))
        now = time.monotonic()
        for connection in list(_open):
            place = _place(connection)
            if seen.get(connection, (None, 0.0))[0] != place:
                seen[connection] = place, now
            elif place is not None and now - seen[connection][1] >= seconds:
                connection.transport.abort()  # type: ignore[attr-defined]


def _place(connection: asyncio.Protocol) -> tuple[object, int] | None:
    """Where the connection stands while it waits for its client, which changes with progress; None: it does not wait.

    It waits for a request until a whole head has come, and for the client to take what lies in the buffer.
    """
    transport, cycle = connection.transport, connection.cycle  # type: ignore[attr-defined]
    if transport.get_protocol() is not connection:  # it has become a WebSocket
        return None
    unsent = transport.get_write_buffer_size()
    is_idle = cycle is None or cycle.response_complete
    return (cycle, unsent) if is_idle or unsent else None
