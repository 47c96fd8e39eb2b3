"""Measures many people drawing at once: redraws a second and CPU time of each, beside a bare page and Gradio.

Run it with `python -m benchmarks.sessions [--seconds 8]`. The bare page, called the floor, has the same canvas and only
prints a sum. Clients speak Streamlit's WebSocket protocol and Gradio's queue; each sends again as soon as it has its
answer. They run on the same machine and send prepared messages, so that their own work is small.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import psutil

from benchmarks.machine import machine
from benchmarks.page_visitor import PageVisitor, ends_run
from benchmarks.peers import PINS, floor, gradio, ours
from benchmarks.peers.gradio_visitor import GradioVisitor
from benchmarks.results import Ratio, ratio, record, spread

SESSIONS = (1, 5, 20, 50)
ROUNDS = 3
STROKES = (np.array([[90, 60], [210, 60], [135, 240]], float), np.array([[120, 150], [200, 150]], float))

Redraw = Callable[[], None]


@contextmanager
def streamlit_visitor(port: int) -> Iterator[Redraw]:
    """One with a page open; each call draws, and returns when the page has answered."""
    with PageVisitor(port) as visitor:
        sent: list[bytes] = []
        pass_on = visitor.send
        link = visitor._link
        send, link.send = link.send, lambda data: (sent.append(data), send(data))[1]  # type: ignore[method-assign]
        visitor.open()
        for stroke in STROKES:  # a seven, and its bar: two pictures that take turns
            assert visitor.draw(stroke).problems == []
        link.send = send  # type: ignore[method-assign]
        messages = sent[-2:]
        turn = 0

        def redraw() -> None:
            nonlocal turn
            pass_on(messages[turn % 2])
            turn += 1
            while not ends_run(visitor.receive()):
                pass

        yield redraw


@contextmanager
def gradio_visitor(port: int) -> Iterator[Redraw]:
    visitor = GradioVisitor(port)
    yield visitor.redraw


def measure(redraws: list[Redraw], server: psutil.Process, seconds: float) -> tuple[float, float, list[float]]:
    """(redraws a second, ms of the server's processor time for each, ms that each took)."""
    times: list[float] = []
    until = time.perf_counter() + seconds

    def draw(redraw: Redraw) -> None:
        while (started := time.perf_counter()) < until:
            redraw()
            times.append((time.perf_counter() - started) * 1000)

    before, began = processor_seconds(server), time.perf_counter()
    with ThreadPoolExecutor(len(redraws)) as pool:
        list(pool.map(draw, redraws))
    took = time.perf_counter() - began
    return len(times) / took, (processor_seconds(server) - before) * 1000 / len(times), times


def processor_seconds(server: psutil.Process) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in (server, *server.children(recursive=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    seconds = parser.parse_args().seconds
    found: dict[tuple[str, int], list[tuple[float, float, list[float]]]] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        subjects = {
            "ours": (stack.enter_context(ours(Path(folder))), streamlit_visitor),
            "floor": (stack.enter_context(floor()), streamlit_visitor),
            "Gradio": (stack.enter_context(gradio()), gradio_visitor),
        }
        for count in SESSIONS:
            with ExitStack() as visits:
                visitors = {
                    name: [visits.enter_context(visit(port)) for _ in range(count)]
                    for name, ((port, _), visit) in subjects.items()
                }
                for _ in range(ROUNDS):
                    for name, redraws in visitors.items():
                        process = psutil.Process(subjects[name][0][1].pid)
                        found.setdefault((name, count), []).append(measure(redraws, process, seconds))
    figures: dict[str, str] = {}
    ratios: dict[str, Ratio] = {}
    for (name, count), rounds in found.items():
        p50, p99 = np.quantile([value for each in rounds for value in each[2]], [0.5, 0.99])
        rate, cpu = (
            spread([each[0] for each in rounds], "redraws/s"),
            spread([each[1] for each in rounds], "ms CPU each"),
        )
        figures[f"{name}, {count} sessions"] = f"{rate}; {cpu}; p50 {p50:.0f} ms, p99 {p99:.0f} ms"
    for other, target in (("floor", ">= 0.8"), ("Gradio", ">= 1")):
        for count in SESSIONS:
            mine, theirs = ([each[0] for each in found[name, count]] for name in ("ours", other))
            ratios[f"redraws/s at {count} sessions, ours / {other}"] = ratio(mine, theirs, target)
    record(
        "sessions",
        f"{machine('streamlit', 'torch')}, gradio {PINS['gradio']}; {ROUNDS} rounds of {seconds:g} s",
        figures,
        ratios,
    )


if __name__ == "__main__":
    main()
