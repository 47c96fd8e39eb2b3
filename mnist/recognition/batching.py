"""Batching: requests that arrive while another one is handled are handled together next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


class _Ticket(Generic[Task, Result]):
    """One caller's task and, once it is done, its result."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.result: Result | None = None
        self.is_done = False


class Batcher(Generic[Task, Result]):
    """Turns concurrent calls for one task each into fewer calls for several tasks.

    It never waits for a batch to fill: a caller who is alone goes straight through. The caller whose turn it is also
    handles the tasks that queued up meanwhile. Safe to use from any thread.
    """

    def __init__(self, work: Callable[[Sequence[Task]], Sequence[Result]], *, at_most: int) -> None:
        """work: called by one thread at a time with `at_most` tasks at most; returns a result for each, or raises."""
        self._work = work
        self._at_most = at_most
        self._turn = threading.Lock()
        self._guard = threading.Lock()
        self._queue: list[_Ticket[Task, Result]] = []

    def __call__(self, task: Task) -> Result:
        """The result of one task. Raises what `work` raises for it alone, never for another caller's task."""
        ticket: _Ticket[Task, Result] = _Ticket(task)
        with self._guard:
            self._queue.append(ticket)
        with self._turn:
            if not ticket.is_done:
                self._serve(ticket)
        return ticket.result  # type: ignore[return-value]

    def _serve(self, mine: _Ticket[Task, Result]) -> None:
        with self._guard:
            self._queue.remove(mine)
            others = self._queue[: self._at_most - 1]
            del self._queue[: len(others)]
        together = [mine, *others]
        try:
            results = self._work([ticket.task for ticket in together])
        except Exception:
            with self._guard:  # put the others back: each gets a turn of its own
                self._queue[:0] = others
            if not others:
                raise
            results = self._work([mine.task])
            together = [mine]
        for ticket, result in zip(together, results, strict=True):
            ticket.result, ticket.is_done = result, True
