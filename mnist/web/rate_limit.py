"""Limits per client, in the memory of this process: events within a moving window, and amounts over a day."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

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

    def hit(self, client: str, weight: int = 1) -> float:
        """Like `wait`; if that is 0, also record the event, atomically.

        weight: as how many events it counts; one that exceeds a limit by itself counts as the whole limit.
        """
        with self._lock:
            now = time.monotonic()
            wait = self._wait(client, now, weight)
            if wait == 0:
                for _ in range(min(weight, self._most)):
                    self._count(client, now)
            return wait

    def _wait(self, client: str, now: float, weight: int = 1) -> float:
        times = self._events.get(client, ())
        waits = [
            times[-(count - min(weight, count) + 1)] + seconds - now
            for count, seconds in self._limits
            if len(times) + min(weight, count) > count
        ]
        return max(0.0, *waits) if waits else 0.0

    def _count(self, client: str, now: float) -> None:
        if now - self._swept > SWEEP_SECONDS:
            self._swept = now
            self._events = {each: times for each, times in self._events.items() if times[-1] > now - self._longest}
        self._events.setdefault(client, deque(maxlen=self._most)).append(now)


@dataclass(slots=True)
class _Level:
    """What a client has used of its budget, as of a time; it sinks evenly."""

    used: float
    at: float  # monotonic clock


class Budget:
    """Limits amounts, such as bytes, for each client over long times. Thread-safe.

    What was used is given back evenly over the time, so it takes two numbers a client, however much it does.
    """

    def __init__(self, *limits: tuple[int, float]) -> None:
        """limits: pairs (amount, seconds), all of which apply; an amount of 0: no limit."""
        self._limits = [(amount, seconds) for amount, seconds in limits if amount]
        self._levels: dict[tuple[str, float], _Level] = {}  # by client and limit
        self._swept = time.monotonic()
        self._lock = threading.Lock()

    def wait(self, client: str) -> float:
        """Seconds until the client may spend again; 0: it may now, and its last spending may go a little beyond."""
        with self._lock:
            now = time.monotonic()
            return max((self._wait(client, now, *limit) for limit in self._limits), default=0.0)

    def spend(self, client: str, amount: float) -> None:
        """Record what the client used."""
        with self._lock:
            now = time.monotonic()
            self._sweep(now)
            for most, seconds in self._limits:
                level = self._levels.setdefault((client, seconds), _Level(0.0, now))
                level.used, level.at = max(0.0, level.used - (now - level.at) * most / seconds) + amount, now

    def _wait(self, client: str, now: float, most: int, seconds: float) -> float:
        level = self._levels.get((client, seconds))
        left = (level.used - most) * seconds / most - (now - level.at) if level else 0.0
        return max(0.0, left)

    def _sweep(self, now: float) -> None:
        """Forget the clients that have all of their budget again."""
        if now - self._swept > SWEEP_SECONDS:
            self._swept = now
            rate = {seconds: most / seconds for most, seconds in self._limits}
            self._levels = {
                key: level for key, level in self._levels.items() if level.used > (now - level.at) * rate[key[1]]
            }
