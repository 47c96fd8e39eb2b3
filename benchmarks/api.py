"""Measures POST /api/predict beside the usual service: FastAPI, uvicorn, Pillow, and the same network run eagerly.

Run it with `python -m benchmarks.api [--seconds 3] [--rounds 5]`. The usual service comes in three kinds, because ours
answers only after the drawing is safe on the disk: one stores nothing, one stores each drawing in SQLite through
SQLAlchemy with the defaults of both, and one adds the write-ahead log that ours has. The servers are separate processes
and take turns in short rounds, so that other load on the machine affects all of them; the client sends prepared bytes
over kept-alive connections.
"""

from __future__ import annotations

import argparse
import base64
import json
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import numpy as np

from benchmarks.machine import machine
from benchmarks.peers import free_port, ours, running
from benchmarks.results import Ratio, ratio, record, spread
from mnist.vision.image_files import encode_png

CONNECTIONS = (1, 8, 32)
OURS, NOTHING, STORES, LOGGED = "ours", "plain, stores nothing", "plain, stores", "plain, stores with our journal"
Measured = dict[tuple[str, int], list[list[float]]]  # server and connections → each round's milliseconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement in a round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    single, batch = requests()
    times: Measured = defaultdict(list)
    batches: list[float] = []  # pictures a second of each round
    failed: dict[str, int] = defaultdict(int)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        (Path(folder) / "ours").mkdir()
        servers = {
            NOTHING: stack.enter_context(plain()),
            STORES: stack.enter_context(plain(STORE=f"sqlite:///{folder}/plain.db")),
            LOGGED: stack.enter_context(plain(STORE=f"sqlite:///{folder}/logged.db", WAL="1")),
            OURS: stack.enter_context(ours(Path(folder) / "ours"))[0],
        }
        for port in servers.values():
            measure(port, single, 4, 1)
        for _ in range(options.rounds):
            for name, port in servers.items():
                for connections in CONNECTIONS:
                    found, problems = measure(port, single, connections, options.seconds)
                    times[name, connections].append(found)
                    failed[name] += problems
            took, _ = measure(servers[OURS], batch, 1, options.seconds)
            batches.append(256_000 / statistics.mean(took))
    keep(times, batches, failed, options)


def keep(times: Measured, batches: list[float], failed: dict[str, int], options: argparse.Namespace) -> None:
    def rate(name: str, connections: int) -> list[float]:
        return [len(each) / options.seconds for each in times[name, connections]]

    figures = {}
    for (name, connections), rounds in times.items():
        every = [value for each in rounds for value in each]
        p50, p99 = np.quantile(every, [0.5, 0.99])
        per_second = spread(rate(name, connections), "requests/s", 0)
        figures[f"{name}, {connections} connection{'s' * (connections > 1)}"] = (
            f"{per_second}; p50 {p50:.1f} ms, p99 {p99:.1f} ms; n = {len(every):,}"
        )
    figures["ours, batches of 256"] = spread(batches, "pictures/s", 0)
    figures["requests that failed"] = ", ".join(f"{name}: {count}" for name, count in failed.items())
    targets = {1: ">= 1", 32: ">= 1.5"}
    ratios: dict[str, Ratio] = {
        f"requests/s at {connections}, ours / {name}": ratio(
            rate(OURS, connections), rate(name, connections), targets.get(connections, "")
        )
        for name in (NOTHING, STORES, LOGGED)
        for connections in CONNECTIONS
    }
    ratios["a batch of 256 / one by one"] = ratio(batches, rate(OURS, 1), ">= 5")
    record(
        "api",
        f"{machine('torch', 'fastapi', 'uvicorn', 'streamlit', 'sqlalchemy')}, CPU only; {options.rounds} rounds of "
        f"{options.seconds:g} s",
        figures,
        ratios,
    )


def seven() -> bytes:
    """A drawing as the page's canvas sends it: 300 × 300 PNG with alpha."""
    canvas = np.zeros((300, 300, 4), np.uint8)
    canvas[..., 3] = 255
    cv2.polylines(canvas, [np.array([[90, 60], [210, 60], [135, 240]])], False, (255, 255, 255, 255), 18, cv2.LINE_AA)
    return encode_png(canvas)


def requests() -> tuple[bytes, bytes]:
    """One picture, and 256 of them in one request."""
    picture = seven()
    many = json.dumps({"images": [base64.b64encode(picture).decode()] * 256}).encode()
    return request("/api/predict", "image/png", picture), request("/api/predict/batch", "application/json", many)


def request(path: str, content_type: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def measure(port: int, message: bytes, connections: int, seconds: float) -> tuple[list[float], int]:
    """Milliseconds of every answer to so many kept-alive connections in the given time, and how many failed."""
    times: list[float] = []
    failed: list[bytes] = []
    until = time.perf_counter() + seconds

    def client() -> None:
        with socket.create_connection(("127.0.0.1", port)) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (started := time.perf_counter()) < until:
                link.sendall(message)
                head = read_answer(link)
                now = time.perf_counter()
                if not head.startswith(b"HTTP/1.1 200"):
                    failed.append(head)
                elif now < until:
                    times.append((now - started) * 1000)

    threads = [threading.Thread(target=client) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, len(failed)


def read_answer(link: socket.socket) -> bytes:
    """Take one answer from the wire; returns its head."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += received(link)
    head, _, rest = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    left = int(lengths[0].split(b":")[1]) - len(rest)
    while left > 0:
        left -= len(received(link))
    return head


def received(link: socket.socket) -> bytes:
    data = link.recv(1 << 20)
    assert data, "the server hung up"
    return data


@contextmanager
def plain(**environment: str) -> Iterator[int]:
    """The usual service; see benchmarks/peers/plain_api.py."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.peers.plain_api:app", "--no-access-log"]
    with running([*command, "--port", str(port)], port, "/readyz", environment):
        yield port


if __name__ == "__main__":
    main()
