"""Describes the machine that a measurement was taken on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path


def machine(*packages: str) -> str:
    """Processor, cores and load, and the versions of Python and of `packages`, in one line."""
    cpu = Path("/proc/cpuinfo")
    name = platform.processor() or platform.machine()
    if cpu.exists():
        name = next((line.split(":")[1].strip() for line in cpu.read_text().splitlines() if "model name" in line), name)
    versions = ", ".join(["Python " + platform.python_version(), *(f"{each} {version(each)}" for each in packages)])
    return f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} · {versions}"
