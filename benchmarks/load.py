"""Measures many people drawing at once while everything else goes on: errors, rows, memory and answer times.

python -m benchmarks.load [--people N] [--programs N] [--seconds N] [--before N] [--canvas N]

Each run measures three cases: a page that is nothing but the canvas, our page, and our page while retrain.py runs.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from sqlalchemy import URL, create_engine, text

from benchmarks.machine import machine
from benchmarks.page_visitor import PageVisitor
from mnist.training.handwriting.pen import Line, render
from mnist.training.handwriting.strokes import held_out_styles, write
from mnist.vision.image_files import encode_png
from tests.support.server import NO_LIMITS, free_port, running_app

ROOT = Path(__file__).resolve().parent.parent
CANVAS_ONLY = """
from streamlit_drawable_canvas import st_canvas
st_canvas(stroke_width=18, stroke_color="#ffffff", background_color="#000000", width=300, height=300,
          return_image_data=True, key="canvas")
"""
PAUSE = (1.0, 3.0)  # seconds between a person's strokes and taps
PROGRAM_PAUSE = 0.5  # seconds between a program's requests
HISTORY_EVERY = 5  # drawings


class Crowd:
    """People with a tab each, and programs at the API, until the block ends; notes what they were told.

    only_canvas: the page has no buttons, and nothing is stored.
    """

    def __init__(
        self,
        port: int,
        *,
        people: int,
        programs: int = 0,
        pause: tuple[float, float] = PAUSE,
        only_canvas: bool = False,
    ) -> None:
        self.port = port
        self.told: set[uuid.UUID] = set()  # stored, as the page or the API said
        self.drawn = 0  # finished drawings, each one row
        self.asked = 0  # requests to the API that were answered with a row
        self.redraws: list[float] = []  # seconds from a stroke to the whole answer
        self.histories: list[float] = []
        self.errors: list[str] = []
        self._pause, self._only_canvas = pause, only_canvas
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads = [
            *(threading.Thread(target=self._try, args=(self._live, number)) for number in range(people)),
            *(threading.Thread(target=self._try, args=(self._ask, people + number)) for number in range(programs)),
        ]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Everybody finishes the drawing that they are at."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _try(self, live: Callable[[int], None], number: int) -> None:
        try:
            live(number)
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")

    def _live(self, number: int) -> None:
        chance, rng = random.Random(number), np.random.default_rng(number)
        styles = held_out_styles()
        with PageVisitor(self.port) as visitor:
            self._wait(chance)  # people don't come in the same moment
            visitor.open()
            drawn = 0
            while not self._stopped.is_set():
                style = chance.choice(styles)
                for line in write(style, rng):
                    self._wait(chance)
                    self._draw(visitor, on_canvas(line))
                self._wait(chance)
                drawn += 1
                if self._only_canvas:
                    visitor.open()
                    continue
                visitor.press(str(style.digit))
                self._note(visitor, drawn)
                if drawn % HISTORY_EVERY == 0:
                    self.histories.append(visitor.open("history").seconds)
                    self._wait(chance)
                    visitor.open()

    def _draw(self, visitor: PageVisitor, line: Line) -> None:
        run = visitor.draw(line)
        self.redraws.append(run.seconds)
        self.errors += run.problems
        if "not stored" in visitor.texts:
            self.errors.append("the page says that a drawing was not stored")

    def _note(self, visitor: PageVisitor, drawn: int) -> None:
        shown = visitor.drawings
        with self._lock:
            self.drawn += 1
            self.told.update(map(uuid.UUID, shown))
        if "Thank you" not in visitor.texts:
            self.errors.append("a label was not thanked for")
        if len(shown) != min(drawn, 12):
            self.errors.append(f"{len(shown)} of the {drawn} drawings are on the page")

    def _ask(self, number: int) -> None:
        rng = np.random.default_rng(number)
        styles = held_out_styles()
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self._stopped.wait(PROGRAM_PAUSE):
            lines = write(styles[int(rng.integers(len(styles)))], rng)
            link.request("POST", "/api/predict", encode_png(render(lines, 100, 9)), {"Content-Type": "image/png"})
            answer = link.getresponse()
            body = json.loads(answer.read())
            if answer.status != 200 or not body["stored"]:
                self.errors.append(f"{answer.status}: {body}")
                continue
            with self._lock:
                self.asked += 1
                self.told.add(uuid.UUID(body["id"]))
        link.close()

    def _wait(self, chance: random.Random) -> None:
        self._stopped.wait(chance.uniform(*self._pause))


def on_canvas(line: Line) -> Line:
    """From the square of 0–100 that styles are written in to the canvas's pixels."""
    return np.clip(line * 2 + 50, 10, 290)


def stored(url: URL) -> set[uuid.UUID]:
    """The ids of all rows."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {uuid.UUID(str(each)) for each in connection.scalars(text("SELECT id FROM predictions"))}
    engine.dispose()
    return found


class Memory:
    """A process's resident memory, once a second until the block ends."""

    def __init__(self, process: psutil.Process) -> None:
        self.bytes: list[int] = []
        self._process = process
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def growth(self, *, after: int, over: int = 20) -> float:
        """From the median of `over` seconds, `after` seconds from the start, to that of the last: 0.05 = 5 %."""
        return statistics.median(self.bytes[-over:]) / statistics.median(self.bytes[after : after + over]) - 1

    def _watch(self) -> None:
        while not self._stopped.wait(1):
            self.bytes.append(self._process.memory_info().rss)


def server_of(port: int) -> psutil.Process:
    """The process that listens on the port."""
    return next(process for process in psutil.Process().children(recursive=True) if str(port) in process.cmdline())


@contextmanager
def canvas_only(folder: Path) -> Iterator[int]:
    """A Streamlit page that shows the canvas and nothing else, with Streamlit's own settings."""
    (folder / "page.py").write_text(CANVAS_ONLY)
    port = free_port()
    options = ["--server.port", str(port), "--server.headless", "true", "--server.fileWatcherType", "none"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "page.py", *options], cwd=folder, stdout=log, stderr=log
        )
    try:
        wait_until_open(port)
        yield port
    finally:
        process.kill()
        process.wait()


def wait_until_open(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            PageVisitor(port, cookie="").close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


class Retraining:
    """retrain.py, again as soon as it has ended, until the block ends."""

    def __init__(self, url: URL) -> None:
        self.exits: list[int] = []
        self._environment = {**os.environ, "DATABASE_URL": str(url)}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._repeat)

    def __enter__(self) -> Retraining:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _repeat(self) -> None:
        while not self._stopped.is_set():
            process = subprocess.Popen(
                [sys.executable, "retrain.py"], cwd=ROOT, env=self._environment,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            while process.poll() is None and not self._stopped.wait(0.2):
                pass
            if process.poll() is None:
                process.terminate()
                process.wait()
            else:
                self.exits.append(process.returncode)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=25)
    parser.add_argument("--programs", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=300, help="while a retraining runs")
    parser.add_argument("--before", type=int, default=75, help="seconds without one")
    parser.add_argument("--canvas", type=int, default=40, help="seconds on the page with only the canvas")
    options = parser.parse_args()
    print(machine("streamlit", "torch"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = URL.create("sqlite", database=str(folder / "mnist.db"))
        with canvas_only(folder) as port:
            alone = draw(port, options.people, options.canvas, only_canvas=True)
        with running_app(url, folder / "app.log", **NO_LIMITS) as address:
            port = int(address.rsplit(":", 1)[1])
            before = draw(port, options.people, options.before, programs=options.programs)
            with Memory(server_of(port)) as memory, Retraining(url) as retraining:
                during = draw(port, options.people, options.seconds, programs=options.programs)
        told, rows = before.told | during.told, stored(url)
    show("only the canvas", alone)
    show("ours", before)
    show("while retrain.py runs", during)
    slowest = [np.quantile(each.redraws, 0.95) for each in (alone, before, during)]
    print(f"p95: ours {slowest[1] / slowest[0]:.2f} × the canvas alone", end=", ")
    print(f"while a retraining runs {slowest[2] / slowest[1]:.2f} × without")
    print(f"{len(rows):,} rows, {len(told):,} told as stored; lost {len(told - rows)}, never told {len(rows - told)}")
    settled = min(60, options.seconds // 2)
    print(f"memory: {memory.bytes[settled] / 2**20:.0f} MB after {settled} s, ", end="")
    print(f"{memory.growth(after=settled):+.1%} from there to the end")
    print(f"retrainings that ended: {len(retraining.exits)}, exit codes {retraining.exits}")
    for error in sorted({*alone.errors, *before.errors, *during.errors}):
        print(f"error: {error}")


def draw(port: int, people: int, seconds: float, *, programs: int = 0, only_canvas: bool = False) -> Crowd:
    process = server_of(port)
    before = sum(process.cpu_times()[:2])
    with Crowd(port, people=people, programs=programs, only_canvas=only_canvas) as crowd:
        time.sleep(seconds)
    print(f"{sum(process.cpu_times()[:2]) - before:.1f} s of processor time in {seconds:.0f} s", flush=True)
    return crowd


def show(name: str, crowd: Crowd) -> None:
    median, slow = (1000 * np.quantile(crowd.redraws, share) for share in (0.5, 0.95))
    history = f", history p50 {1000 * statistics.median(crowd.histories):.0f} ms" if crowd.histories else ""
    print(
        f"{name}: redraw p50 {median:.0f} ms, p95 {slow:.0f} ms (n = {len(crowd.redraws):,}){history}; "
        f"{crowd.drawn:,} drawings, {crowd.asked:,} by programs, {len(crowd.errors)} errors"
    )


if __name__ == "__main__":
    main()
