"""Debian's Prometheus, for tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import ROOT, free_port

INSTALL = "{0} is not installed; run: apt-get install -y --no-install-recommends prometheus prometheus-alertmanager"
OURS = ROOT / "deploy" / "prometheus"
# How the application is found in compose, which is nowhere to be found in a test.
IN_COMPOSE = """    dns_sd_configs:
      - names: [app]
        type: A
        port: 8501
        refresh_interval: 15s
"""


def installed(name: str) -> str:
    """Path of one of its programs; skips the test without it, and fails it under CI."""
    binary = shutil.which(name)
    if binary is None:
        if os.environ.get("CI"):
            pytest.fail(INSTALL.format(name))
        pytest.skip(INSTALL.format(name))
    return binary


@contextmanager
def running(folder: Path, configuration: str, alerts: str) -> Iterator[str]:
    """Prometheus with this configuration and these rules; yields its address."""
    (folder / "prometheus.yml").write_text(configuration)
    (folder / "alerts.yml").write_text(alerts)
    port = free_port()
    command = [installed("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(150):
            try:
                urllib.request.urlopen(f"{address}/-/ready", timeout=2)
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def get(prometheus: str, path: str, **parameters: str) -> Any:
    """What its API answers: the value of "data"."""
    query = urllib.parse.urlencode(parameters)
    with urllib.request.urlopen(f"{prometheus}/api/v1/{path}?{query}", timeout=10) as answer:
        return json.loads(answer.read())["data"]
