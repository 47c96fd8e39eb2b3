"""What people would use instead: their versions, their environments, and servers in processes of their own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.server import NO_LIMITS
from tests.support.server import free_port as free_port

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / ".peers"  # git ignores it

PINS = {"gradio": "6.31.0", "onnxruntime": "1.31.1"}
BESIDE = {"onnxruntime": ("onnx==1.23.2", "onnxscript==0.7.2")}  # torch needs them to write a network for it

START_SECONDS = 90


def python_with(package: str) -> str:
    """The interpreter of an environment that has a peer, made at the first use.

    Its own packages come first and the project's behind them, so that torch is the same one.
    """
    folder = CACHE / f"{package}-{PINS[package]}"
    python = str(folder / "bin" / "python")
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", f"{package}=={PINS[package]}", *BESIDE.get(package, ())], check=True
        )
        [packages] = folder.glob("lib/python*/site-packages")
        (packages / "project.pth").write_text(sysconfig.get_path("purelib") + "\n")
        (folder / "ready").touch()
    return python


@contextmanager
def running(
    command: list[str], port: int, path: str = "/", environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server until the block ends; entered once `path` answers 200. Shows its output when it dies."""
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            until = time.monotonic() + START_SECONDS
            while not answers(port, path):
                if server.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise SystemExit(f"{' '.join(command)} did not start:\n{log.read().decode()}")
                time.sleep(0.05)
            yield server
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(20)
            server.kill()
            server.wait()


@contextmanager
def ours(folder: Path, *start: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The application on an empty SQLite database in `folder`, started as documented; or with `start` instead."""
    port = free_port()
    command = [sys.executable, *(start or ("-m", "streamlit", "run", "app.py"))]
    flag = "--server.port" if "streamlit" in command else "--port"
    environment = {"DATABASE_URL": f"sqlite:///{folder}/mnist.db", "API_KEY": "", **NO_LIMITS}
    with running([*command, flag, str(port)], port, "/readyz", environment) as server:
        yield port, server


@contextmanager
def floor() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A Streamlit page with the same canvas that only prints a sum."""
    port = free_port()
    page = str(Path(__file__).with_name("floor_page.py"))
    command = [sys.executable, "-m", "streamlit", "run", page, "--server.port", str(port)]
    with running(command, port, "/_stcore/health") as server:
        yield port, server


@contextmanager
def gradio() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Gradio's Sketchpad, live, with the same network."""
    port = free_port()
    command = [python_with("gradio"), str(Path(__file__).with_name("gradio_page.py")), str(port)]
    with running(command, port, "/", {"GRADIO_ANALYTICS_ENABLED": "False"}) as server:
        yield port, server


def answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
