"""Times the start, from the command to the page and to the first prediction, and measures the memory at rest.

Run it with `python -m benchmarks.start [--rounds 5]`. It takes turns with an empty Streamlit page that imports torch.
It also reports what serving imports, and what that costs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from benchmarks.machine import machine
from benchmarks.page_visitor import PageVisitor
from benchmarks.peers import ROOT, free_port, ours, running
from benchmarks.results import ratio, record, spread

SEVEN = np.array([[90, 60], [210, 60], [135, 240]], float)
WATCHED = ("torch", "streamlit", "torchvision", "pandas", "altair", "cv2", "sqlalchemy", "alembic")
REST_SECONDS = 3
# Not the canvas itself: it needs Streamlit's server around it.
IMPORTS = (
    "import sys, app, mnist.ui.answer, mnist.ui.views.history\n"
    "print(*(name for name in {watched!r} if name in sys.modules))"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    loaded, costs = imports()
    seconds: dict[str, list[float]] = defaultdict(list)
    megabytes: dict[str, list[float]] = defaultdict(list)
    for turn in range(rounds + 1):  # the first one only fills the disk's cache
        for name, start in (("ours", our_server), ("empty", empty_page)):
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                with start(Path(folder)) as (port, server), PageVisitor(port) as visitor:
                    visitor.open()
                    found = {f"{name}, page": time.perf_counter() - began}
                    if name == "ours":
                        assert visitor.draw(SEVEN).problems == []
                        found["ours, first prediction"] = time.perf_counter() - began
                    time.sleep(REST_SECONDS)
                    memory = psutil.Process(server.pid).memory_info().rss / 2**20
            if turn > 0:
                megabytes[name].append(memory)
                for what, value in found.items():
                    seconds[what].append(value)
        if turn > 0:
            megabytes["imports"].append(memory_of_imports())
    record(
        "start",
        f"{machine('torch', 'streamlit')}; n = {rounds}",
        {
            "ours, command → page answers": spread(seconds["ours, page"], "s", 2),
            "ours, command → first prediction": spread(seconds["ours, first prediction"], "s", 2),
            "torch and an empty page, command → page answers": spread(seconds["empty, page"], "s", 2),
            f"ours, RSS {REST_SECONDS} s after its first prediction": spread(megabytes["ours"], "MiB", 0),
            f"empty page, RSS {REST_SECONDS} s after its first visitor": spread(megabytes["empty"], "MiB", 0),
            "`import torch, streamlit` alone, RSS": spread(megabytes["imports"], "MiB", 0),
            "imports of `app.py` and its page": ", ".join(f"{name} {cost}" for name, cost in costs.items()),
            "of the packages watched, loaded when the page is": loaded,
        },
        {
            "page answers, ours / empty": ratio(seconds["ours, page"], seconds["empty, page"], "<= 1.25"),
            "first prediction / empty page answers": ratio(
                seconds["ours, first prediction"], seconds["empty, page"], "<= 1.25"
            ),
            "RSS at rest, ours / empty": ratio(megabytes["ours"], megabytes["empty"], "<= 1.2"),
        },
    )


@contextmanager
def our_server(folder: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    with ours(folder) as found:
        yield found


@contextmanager
def empty_page(_folder: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    page = str(ROOT / "benchmarks" / "peers" / "empty_page.py")
    command = [sys.executable, "-m", "streamlit", "run", page, "--server.port", str(port)]
    with running(command, port, "/_stcore/health") as server:
        yield port, server


def memory_of_imports() -> float:
    """MiB that a process holds which has done nothing but import both."""
    code = "import torch, streamlit, psutil; print(psutil.Process().memory_info().rss / 2**20)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def imports() -> tuple[str, dict[str, str]]:
    """Which of the watched packages serving has loaded, and the seconds that each took with all it needs."""
    code = IMPORTS.format(watched=WATCHED)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    costs = {}
    for line in done.stderr.splitlines():  # import time: self | cumulative | name
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[2].strip() in (*WATCHED, "app"):
            costs[parts[2].strip()] = f"{int(parts[1]) / 1e6:.2f} s"
    return done.stdout.strip(), costs


if __name__ == "__main__":
    main()
