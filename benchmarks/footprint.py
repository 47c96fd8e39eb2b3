"""Measures what a stroke costs in bytes over the WebSocket and in queries, and how large an installation is.

Run it with `python -m benchmarks.footprint`.
"""

from __future__ import annotations

import importlib.metadata
import re
import statistics
import tempfile
from pathlib import Path

import numpy as np
from sqlalchemy import URL, event

from benchmarks.api import seven
from benchmarks.machine import machine
from benchmarks.page_visitor import PageVisitor
from benchmarks.peers import ROOT, floor, ours
from benchmarks.results import Ratio, ratio, record
from mnist.drawing import Origin
from mnist.model.classifier import Classifier
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.recognition.recogniser import Recogniser
from mnist.store.drawings import Repository
from mnist.store.engine import connect

STROKES = 20


def bytes_per_stroke(port: int) -> tuple[list[int], list[int]]:
    """(to the server, to the browser) of each stroke; a new drawing every other stroke, uncompressed."""
    up, down = [], []
    with PageVisitor(port) as visitor:
        visitor.open()
        link = visitor._link
        send = link.send
        sent: list[int] = []
        link.send = lambda data: (sent.append(len(data)), send(data))[1]  # type: ignore[method-assign]
        for number in range(STROKES):
            sent.clear()
            line = np.array([[90, 60], [210, 60], [135 + number, 240]], float)
            run = visitor.draw(line) if number % 2 else visitor.draw(line + 20)
            up.append(sum(sent))
            down.append(run.bytes)
    return up, down


def queries_per_stroke() -> dict[str, int]:
    """Statements and transactions for the first stroke of a drawing, and for one that it grows by."""
    counted = {"statements": 0, "commits": 0}
    with tempfile.TemporaryDirectory() as folder:
        engine = connect(URL.create("sqlite", database=f"{folder}/mnist.db"))
        recogniser = Recogniser(
            Classifier.load(SHIPPED_WEIGHTS, version=1), Repository(engine), max_bytes=2**24, max_pixels=2**24
        )
        found = recogniser.recognise(seven(), Origin("canvas"))  # makes the tables

        def count(what: str) -> None:
            counted[what] += 1

        event.listen(engine, "before_cursor_execute", lambda *_: count("statements"))
        event.listen(engine, "commit", lambda *_: count("commits"))
        recogniser.recognise(seven(), Origin("canvas"))
        first = dict(counted)
        recogniser.recognise(seven(), Origin("canvas"), grows_from=found.drawing)
        engine.dispose()
    return {
        "first stroke, statements": first["statements"],
        "first stroke, transactions": first["commits"],
        "next stroke, statements": counted["statements"] - first["statements"],
        "next stroke, transactions": counted["commits"] - first["commits"],
    }


def sizes() -> dict[str, float]:
    """MiB of every package that requirements.txt brings, directly or not, as they lie in this environment."""
    pattern = re.compile(r"^[A-Za-z0-9_.-]+")
    wanted = {
        line.split("==")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line
    }
    found: dict[str, float] = {}
    while wanted:
        name = wanted.pop()
        key = name.lower().replace("_", "-")
        if key in found:
            continue
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:  # for another system
            continue
        paths = [Path(str(package.locate_file(each))) for each in package.files or ()]
        found[key] = sum(path.stat().st_size for path in paths if path.is_file()) / 2**20
        for needed in package.requires or ():
            if "extra ==" not in needed and (match := pattern.match(needed)):
                wanted.add(match.group())
    return found


def kibibytes(sizes: list[int]) -> str:
    return f"{statistics.median(sizes) / 1024:.1f} KiB"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, ours(Path(folder)) as (port, _):
        up, down = bytes_per_stroke(port)
    with floor() as (port, _):
        floor_up, floor_down = bytes_per_stroke(port)
    queries = queries_per_stroke()
    packages = sizes()
    largest = sorted(packages.items(), key=lambda each: -each[1])[:10]
    files = [path for path in (ROOT / "mnist").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    application = sum(path.stat().st_size for path in files)
    ratios: dict[str, Ratio] = {
        "bytes to the browser, ours / floor": ratio(down, floor_down),
        "bytes to the server, ours / floor": ratio(up, floor_up),
    }
    record(
        "footprint",
        f"{machine('streamlit', 'torch', 'sqlalchemy')}; {STROKES} strokes, messages before compression",
        {
            "a stroke to the server": f"{kibibytes(up)}; floor {kibibytes(floor_up)}",
            "its answer to the browser": f"{kibibytes(down)}; floor {kibibytes(floor_down)}",
            "queries": ", ".join(f"{what}: {count}" for what, count in queries.items()),
            "installed packages": f"{sum(packages.values()):,.0f} MiB in {len(packages)}; "
            + ", ".join(f"{name} {size:,.0f}" for name, size in largest),
            "the application itself, weights included": f"{application / 2**20:.1f} MiB",
        },
        ratios,
    )


if __name__ == "__main__":
    main()
