"""Retraining in the background: runs retrain.py in a process of its own and follows its progress."""

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
    "1",  # the person who pressed the button wants a run, however few labels wait
)


@dataclass(frozen=True, slots=True)
class RetrainingProgress:
    """How far a retraining has come, or how it ended."""

    stage: str = "starting"
    share: float = 0.0  # 0–1, of the training steps
    is_running: bool = True
    result: str = ""  # one line, once it has ended
    failed: bool = False


class BackgroundRetraining:
    """Runs at most one retraining at a time; a lock in the database excludes those of other processes and of cron."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = list(command)
        self._lock = threading.Lock()
        self._progress: RetrainingProgress | None = None

    @property
    def progress(self) -> RetrainingProgress | None:
        """Progress of the running or the latest retraining; None before the first."""
        return self._progress

    def start(self) -> None:
        """Start a retraining in a thread; does nothing while one is running."""
        with self._lock:
            if self._progress is not None and self._progress.is_running:
                return
            self._progress = RetrainingProgress()
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
            self._finish(*_parse(answer, process.returncode))
        except OSError as error:
            self._finish(f"It could not be started: {error}", True)

    def _note(self, line: str) -> None:
        assert self._progress is not None
        try:
            message = json.loads(line)
        except ValueError:  # a line of the log
            log.info("retrain.py: %s", line.rstrip())
            return
        if isinstance(message, dict) and "stage" in message:
            self._progress = replace(self._progress, stage=str(message["stage"]))
        elif isinstance(message, dict) and message.get("steps"):
            self._progress = replace(self._progress, share=message["done"] / message["steps"])

    def _finish(self, result: str, failed: bool) -> None:
        assert self._progress is not None
        self._progress = replace(self._progress, is_running=False, result=result, failed=failed)


def _parse(answer: str, code: int) -> tuple[str, bool]:
    """retrain.py's standard output and exit code → (one line for a person, whether it failed)."""
    try:
        outcome = json.loads(answer)
    except ValueError:
        return f"It ended with code {code} and said nothing; the server's log may know why.", True
    if "error" in outcome:
        return outcome["error"], True
    return outcome.get("summary", outcome["outcome"]), False
