"""Rate limiting per client with a moving window, in the memory of this process."""

from __future__ import annotations

import threading
import time
from collections import deque

SWEEP_SECONDS = 60  # how often clients without recent events are forgotten


class MovingWindow:
    """Limits the events of each client within any interval of a given length. Thread-safe.

    Uses the monotonic clock, because the time of day can be set. The package `limits` was not used: its memory storage
    keeps every client it ever saw and scans all of them at nearly every request.
    """

    def __init__(self, *limits: tuple[int, float]) -> None:
        """limits: pairs (events, seconds), all of which apply."""
        self._limits = limits
        self._most = max(count for count, _ in limits)
        self._longest = max(seconds for _, seconds in limits)
        self._events: dict[str, deque[float]] = {}  # times of the latest events, by client
        self._swept = time.monotonic()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Number of clients that are remembered."""
        return len(self._events)

    def wait(self, client: str) -> float:
        """Seconds until the client's next event is allowed; 0: it is now."""
        with self._lock:
            return self._wait(client, time.monotonic())

    def count(self, client: str) -> None:
        """Record an event of the client."""
        with self._lock:
            self._count(client, time.monotonic())

    def hit(self, client: str) -> float:
        """Like `wait`; if that is 0, also record the event, atomically."""
        with self._lock:
            now = time.monotonic()
            wait = self._wait(client, now)
            if wait == 0:
                self._count(client, now)
            return wait

    def _wait(self, client: str, now: float) -> float:
        times = self._events.get(client, ())
        waits = [times[-count] + seconds - now for count, seconds in self._limits if len(times) >= count]
        return max(0.0, *waits) if waits else 0.0

    def _count(self, client: str, now: float) -> None:
        if now - self._swept > SWEEP_SECONDS:
            self._swept = now
            self._events = {each: times for each, times in self._events.items() if times[-1] > now - self._longest}
        self._events.setdefault(client, deque(maxlen=self._most)).append(now)
