"""The API against a plain one: FastAPI and uvicorn, Pillow → resize → eager forward of the same network, no storage.

Run it with `python -m benchmarks.api [--seconds 4] [--rounds 3]`. The servers are processes of their own and take turns
in short rounds, so that a busy machine is busy for all; the client sends ready-made bytes over kept-alive connections.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from benchmarks.machine import machine
from mnist.images import encode_png

ROOT = Path(__file__).resolve().parent.parent

PLAIN = f"""
import io, sys
sys.path.insert(0, {str(ROOT)!r})
import numpy as np, torch
from fastapi import FastAPI, Request
from PIL import Image
from starlette.concurrency import run_in_threadpool
from mnist.classifier import SHIPPED_WEIGHTS, read_weights
torch.set_num_threads(1)
network, _ = read_weights(SHIPPED_WEIGHTS)
app = FastAPI()

def read(data):
    picture = Image.open(io.BytesIO(data)).convert("L").resize((28, 28))
    with torch.inference_mode():
        logits = network(torch.from_numpy(np.asarray(picture).copy())[None, None].float() / 255)
        probabilities = logits[0, :10].softmax(0).tolist()
    digit = max(range(10), key=probabilities.__getitem__)
    return {{"digit": digit, "confidence": probabilities[digit], "probabilities": probabilities}}

@app.post("/api/predict")
async def predict(request: Request):
    return await run_in_threadpool(read, await request.body())

@app.get("/readyz")
def ready():
    return {{}}
"""

# Ours with every request on its own: what coalescing is worth.
ONE_BY_ONE = """
import sys, uvicorn, mnist.recognition
mnist.recognition.TOGETHER = 1
uvicorn.run("app:app", port=int(sys.argv[sys.argv.index("--port") + 1]), access_log=False)
"""


@dataclass
class Results:
    """What one server did over all rounds."""

    alone_ms: list[float] = field(default_factory=list)  # one connection
    crowd_ms: list[float] = field(default_factory=list)  # eight connections
    crowd_rate: list[float] = field(default_factory=list)  # requests a second of each round
    batch_rate: list[float] = field(default_factory=list)  # pictures a second of each round


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=8)
    options = parser.parse_args()
    picture = seven()
    single = request("/api/predict", "image/png", picture)
    batch = request(
        "/api/predict/batch",
        "application/json",
        json.dumps({"images": [base64.b64encode(picture).decode()] * 256}).encode(),
    )
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers = {
            "plain FastAPI": stack.enter_context(plain(Path(folder))),
            "streamlit run": stack.enter_context(ours(Path(folder) / "a", ["-m", "streamlit", "run", "app.py"])),
            "uvicorn app:app": stack.enter_context(ours(Path(folder) / "b", ["-m", "uvicorn", "app:app"])),
            "not coalesced": stack.enter_context(ours(Path(folder) / "c", ["-c", ONE_BY_ONE])),
        }
        results = {name: Results() for name in servers}
        for port in servers.values():
            measure(port, single, 1, 1)
        for _ in range(options.rounds):
            for name, port in servers.items():
                found = results[name]
                found.alone_ms += measure(port, single, 1, options.seconds)
                crowd = measure(port, single, options.connections, options.seconds)
                found.crowd_ms += crowd
                found.crowd_rate.append(len(crowd) / options.seconds)
                if name != "plain FastAPI":
                    found.batch_rate.append(256_000 / statistics.mean(measure(port, batch, 1, options.seconds)))
    show(results, options)


def show(results: dict[str, Results], options: argparse.Namespace) -> None:
    print(f"{machine('torch', 'fastapi', 'uvicorn', 'streamlit')}, CPU only")
    print(
        f"{options.rounds} rounds of {options.seconds:g} s; ours stores every drawing in SQLite, the plain one nothing"
    )
    heads = ("1 conn. p50", "p99", "n", f"{options.connections} conn. p50", "p99", "n", "requests/s", "batches")
    print(f"{'':16}" + "".join(f"{head:>14}" for head in heads))
    for name, found in results.items():
        cells = [
            f"{np.quantile(found.alone_ms, 0.5):.2f} ms",
            f"{np.quantile(found.alone_ms, 0.99):.1f} ms",
            f"{len(found.alone_ms):,}",
            f"{np.quantile(found.crowd_ms, 0.5):.2f} ms",
            f"{np.quantile(found.crowd_ms, 0.99):.1f} ms",
            f"{len(found.crowd_ms):,}",
            f"{statistics.median(found.crowd_rate):,.0f}",
            f"{statistics.median(found.batch_rate):,.0f} img/s" if found.batch_rate else "–",
        ]
        print(f"{name:16}" + "".join(f"{cell:>14}" for cell in cells))
    baseline, *others = results.items()
    for name, found in others:
        alone = np.quantile(found.alone_ms, 0.5) / np.quantile(baseline[1].alone_ms, 0.5)
        rate = statistics.median(found.crowd_rate) / statistics.median(baseline[1].crowd_rate)
        many = statistics.median(found.batch_rate) / statistics.median(baseline[1].crowd_rate)
        print(
            f"{name}: {alone:.2f} × the plain latency, {rate:.2f} × its requests/s; batches read {many:.2f} × as many"
        )


def seven() -> bytes:
    """A drawing as the page's canvas sends it: 300 × 300 PNG with alpha."""
    canvas = np.zeros((300, 300, 4), np.uint8)
    canvas[..., 3] = 255
    cv2.polylines(canvas, [np.array([[90, 60], [210, 60], [135, 240]])], False, (255, 255, 255, 255), 18, cv2.LINE_AA)
    return encode_png(canvas)


def request(path: str, content_type: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def measure(port: int, message: bytes, connections: int, seconds: float) -> list[float]:
    """Milliseconds of every request that so many kept-alive connections sent in the given time."""
    times: list[float] = []
    until = time.perf_counter() + seconds

    def client() -> None:
        with socket.create_connection(("127.0.0.1", port)) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while time.perf_counter() < until:
                started = time.perf_counter()
                link.sendall(message)
                read_answer(link)
                times.append((time.perf_counter() - started) * 1000)

    threads = [threading.Thread(target=client) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def read_answer(link: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += received(link)
    head, _, rest = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), data[:500]
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    left = int(lengths[0].split(b":")[1]) - len(rest)
    while left > 0:
        left -= len(received(link))


def received(link: socket.socket) -> bytes:
    data = link.recv(1 << 20)
    assert data, "the server hung up"
    return data


@contextmanager
def plain(folder: Path) -> Iterator[int]:
    (folder / "plain.py").write_text(PLAIN)
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "plain:app", "--port", str(port), "--no-access-log"]
    with running(command, port, folder, os.environ | {"PYTHONPATH": str(folder)}):
        yield port


@contextmanager
def ours(folder: Path, start: list[str]) -> Iterator[int]:
    folder.mkdir()
    port = free_port()
    environment = os.environ | {"DATABASE_URL": f"sqlite:///{folder}/mnist.db", "RATE_LIMIT": "0", "API_KEY": ""}
    flag = "--server.port" if "streamlit" in start else "--port"
    command = [sys.executable, *start, flag, str(port)]
    with running(command, port, ROOT, environment):
        yield port


@contextmanager
def running(command: list[str], port: int, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            for _ in range(300):
                time.sleep(0.2)
                if answers(port):
                    break
                if server.poll() is not None:
                    log.seek(0)
                    raise SystemExit(f"{' '.join(command)} died:\n{log.read().decode()}")
            yield
        finally:
            server.terminate()
            server.wait(20)


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
            link.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return link.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
