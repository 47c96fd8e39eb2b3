"""A retraining beside the serving process: retrain.py in a process of its own, watched."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mnist.settings import ROOT

log = logging.getLogger(__name__)
COMMAND = (
    sys.executable,
    str(ROOT / "retrain.py"),
    "--json",
    "--progress",
    "--min-feedback",
    "1",  # whoever presses the button wants it
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a retraining is."""

    stage: str = "starting"
    share: float = 0.0  # 0–1 of the learning
    is_running: bool = True
    result: str = ""  # one line, once it has ended
    failed: bool = False


class BackgroundRetraining:
    """Starts at most one retraining; the lock in the database keeps out those of other processes and of cron."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = list(command)
        self._lock = threading.Lock()
        self._progress: Progress | None = None

    @property
    def progress(self) -> Progress | None:
        """Of the running or the latest retraining; None before the first."""
        return self._progress

    def start(self) -> None:
        """Does nothing while one is running."""
        with self._lock:
            if self._progress is not None and self._progress.is_running:
                return
            self._progress = Progress()
            threading.Thread(target=self._run, name="retraining", daemon=True).start()

    def _run(self) -> None:
        try:
            with subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as process:
                assert process.stderr is not None
                assert process.stdout is not None
                for line in process.stderr:
                    self._note(line)
                answer = process.stdout.read()
            self._finish(*_read(answer, process.returncode))
        except OSError as error:
            self._finish(f"It could not be started: {error}", True)

    def _note(self, line: str) -> None:
        assert self._progress is not None
        try:
            told = json.loads(line)
        except ValueError:  # a line of its log
            log.info("retrain.py: %s", line.rstrip())
            return
        if isinstance(told, dict) and "stage" in told:
            self._progress = replace(self._progress, stage=str(told["stage"]))
        elif isinstance(told, dict) and told.get("steps"):
            self._progress = replace(self._progress, share=told["done"] / told["steps"])

    def _finish(self, result: str, failed: bool) -> None:
        assert self._progress is not None
        self._progress = replace(self._progress, is_running=False, result=result, failed=failed)


def _read(answer: str, code: int) -> tuple[str, bool]:
    """What retrain.py printed → (one line for a person, whether it failed)."""
    try:
        told = json.loads(answer)
    except ValueError:
        return f"It ended with code {code} and said nothing; the server's log may know why.", True
    if "error" in told:
        return told["error"], True
    return told.get("summary", told["outcome"]), False
