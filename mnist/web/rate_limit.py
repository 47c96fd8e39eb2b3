"""How often each client may come: a moving window in memory, of this process."""

from __future__ import annotations

import threading
import time
from collections import deque

SWEEP_SECONDS = 60  # between two looks for clients that stay away; they are forgotten


class MovingWindow:
    """At most so many events of one client in any stretch of time; safe to share between threads.

    Not the package limits: its memory keeps every client that ever came, and looks through all of them at nearly every
    request. Measured by the steady clock: the time of day may be set.
    """

    def __init__(self, *limits: tuple[int, float]) -> None:
        """limits: (events, seconds); a client must keep all of them."""
        self._limits = limits
        self._most = max(count for count, _ in limits)
        self._longest = max(seconds for _, seconds in limits)
        self._came: dict[str, deque[float]] = {}
        self._swept = time.monotonic()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many clients are remembered."""
        return len(self._came)

    def wait(self, client: str) -> float:
        """Seconds until the client may come (again); 0: now."""
        with self._lock:
            return self._wait(client, time.monotonic())

    def count(self, client: str) -> None:
        """The client came."""
        with self._lock:
            self._count(client, time.monotonic())

    def hit(self, client: str) -> float:
        """As `wait`, and where that is 0 as `count`, in one step."""
        with self._lock:
            now = time.monotonic()
            wait = self._wait(client, now)
            if wait == 0:
                self._count(client, now)
            return wait

    def _wait(self, client: str, now: float) -> float:
        came = self._came.get(client, ())
        full = [came[-count] + seconds - now for count, seconds in self._limits if len(came) >= count]
        return max(0.0, *full) if full else 0.0

    def _count(self, client: str, now: float) -> None:
        if now - self._swept > SWEEP_SECONDS:
            self._swept = now
            self._came = {each: came for each, came in self._came.items() if came[-1] > now - self._longest}
        self._came.setdefault(client, deque(maxlen=self._most)).append(now)
