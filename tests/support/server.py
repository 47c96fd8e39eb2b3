"""Runs the real application in a process of its own, on a free port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 90
# For tests and benchmarks that ask more than one client may.
NO_LIMITS = dict.fromkeys(("RATE_LIMIT", "SESSIONS_PER_ADDRESS", "STORED_MB_PER_MINUTE", "STORED_MB_PER_DAY"), "0")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def running_app(database_url: URL, log: Path, port: int | None = None, **environment: str) -> Iterator[str]:
    """Run `streamlit run app.py` until the block ends; yields its address.

    log: the file for its output, which is part of the RuntimeError raised when it does not come up.
    """
    port = port or free_port()
    settings = {"DATABASE_URL": database_url.render_as_string(hide_password=False), **environment}
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
            cwd=ROOT,
            env={**os.environ, **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_healthy(process, port, log)
            yield f"http://localhost:{port}"
        finally:
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"The application ended with {process.returncode}:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"The application did not answer in {START_SECONDS} s:\n{log.read_text()}")
