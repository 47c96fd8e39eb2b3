"""Where it is counted how often somebody came: in memory, and right even when the clock is set back."""

from __future__ import annotations

import time

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

WRONG_ATTEMPTS: tuple[RateLimitItem, ...] = (RateLimitItemPerMinute(5), RateLimitItemPerHour(30))  # of one client


class SteadyStorage(MemoryStorage):
    """Starts over when the clock is set back; else it would turn clients away until the old time comes again."""

    _latest = 0.0

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        self._look_at_the_clock()
        return super().acquire_entry(key, limit, expiry, amount)

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        self._look_at_the_clock()
        return super().get_moving_window(key, limit, expiry)

    def _look_at_the_clock(self) -> None:
        now = time.time()
        if now < self._latest - 1:
            self.reset()
        self._latest = now


class WrongAttempts:
    """How often a client guessed a password wrong."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(SteadyStorage())

    def may_try(self, client: str) -> bool:
        return all(self._limiter.test(limit, client) for limit in WRONG_ATTEMPTS)

    def count(self, client: str) -> None:
        for limit in WRONG_ATTEMPTS:
            self._limiter.hit(limit, client)
