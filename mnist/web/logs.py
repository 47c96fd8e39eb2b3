"""How a process of ours logs: a line a record, whichever library wrote it, that no client can forge or flood."""

from __future__ import annotations

import bisect
import contextlib
import json
import logging
import re
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TextIO

MOST = 500  # characters of a line
MOST_ALIKE, ALIKE_SECONDS = 20, 60.0  # records of one line of a program that are written, and in which time
MOST_OF_TRACE = 100  # lines; those in its middle are left out
REQUESTS = "mnist.requests"  # the logger of mnist/api/request_log.py, whose messages are JSON already

# What ends a line, moves a cursor, colours a terminal, turns the direction of reading, or can't be encoded.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_FRAME = re.compile(r'[ |+-]*File "')  # in a traceback, within groups of exceptions too


def configure(*, as_json: bool = False) -> None:
    """Have every logger of this process write to stderr in one format, and requests as JSON to stdout.

    Streamlit and uvicorn give their loggers handlers of their own, which go: their records would come in other formats,
    as they are, or twice. Call it again and it replaces what it did.
    """
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler.formatter, Lines):
            root.removeHandler(handler)
    handler = Console()
    handler.setFormatter(Lines(as_json=as_json))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    for logger in list(root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger) and any(map(_is_console, logger.handlers)):
            hand_over(logger)
    if as_json:
        requests = logging.getLogger(REQUESTS)
        requests.addHandler(logging.StreamHandler(sys.stdout))
        requests.propagate = False


def tell_repeats() -> None:
    """Have what was left out of the log told now: a server that is told to stop ends without closing its handlers."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, Console):
            handler.tell_repeats()


def hand_over(logger: logging.Logger) -> None:
    """Have the root's handler write what this logger gets, instead of one that a library gave it."""
    for handler in filter(_is_console, logger.handlers[:]):
        logger.removeHandler(handler)
    logger.propagate = True


def _is_console(handler: logging.Handler) -> bool:
    return type(handler) is logging.StreamHandler  # files are StreamHandlers as well, of a class of their own


class Console(logging.StreamHandler[TextIO]):
    """Writes to stderr. Of the records that one line of a program makes it writes MOST_ALIKE in ALIKE_SECONDS.

    How many more there were follows when the time is over. Alike is what comes from the same line, not what reads the
    same: a client may choose a part of the words. An access log of uvicorn's, for who wants one, stays whole.
    """

    def __init__(self) -> None:
        super().__init__()
        self._since = time.monotonic()
        self._count: Counter[tuple[str, int, str, int]] = Counter()  # records since then, by where they came from
        self._latest: dict[tuple[str, int, str, int], str] = {}  # of those that were left out
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "uvicorn.access":
            super().emit(record)
            return
        if time.monotonic() - self._since >= ALIKE_SECONDS:
            self.tell_repeats()
        place = record.name, record.levelno, record.pathname, record.lineno
        self._count[place] += 1
        if self._count[place] <= MOST_ALIKE:
            super().emit(record)
            return
        self._latest[place] = str(record.msg)[:MOST] if isinstance(record.msg, str) else type(record.msg).__name__
        if self._timer is None:
            self._timer = threading.Timer(ALIKE_SECONDS, self.tell_repeats)
            self._timer.daemon = True
            with contextlib.suppress(RuntimeError):  # no threads at the interpreter's end; `close` tells
                self._timer.start()

    def tell_repeats(self) -> None:
        """Write how many records were left out, and begin to count anew."""
        self.acquire()  # the timer's thread comes by no other lock
        try:
            for place, words in self._latest.items():
                name, level, path, line = place
                values = f"{self._count[place] - MOST_ALIKE:,}", words
                super().emit(logging.LogRecord(name, level, path, line, "… repeated %s times: %s", values, None))
            if self._timer is not None:
                self._timer.cancel()
            self._count.clear()
            self._latest.clear()
            self._since, self._timer = time.monotonic(), None
        finally:
            self.release()

    def close(self) -> None:
        self.tell_repeats()
        super().close()


class Lines(logging.Formatter):
    """One line a record: `time LEVEL logger: message`, or a JSON object with these four keys.

    Control characters are escaped, and a line has at most 500 characters. A traceback follows in lines that begin with
    spaces, so that none can be taken for a record; in JSON it is the key `trace`, and the line as long as that takes.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        message, trace = _message(record), list(_trace(record))
        if self._as_json:
            fields = {"time": time, "level": record.levelname, "logger": record.name, "message": message}
            return _object(fields, trace)
        line = cut(escaped(f"{time} {record.levelname} {record.name}: {message}"))
        return "\n".join([line, *(f"    {each}" for each in trace)])


def escaped(text: str) -> str:
    r"""The text with each control character as Python writes it: \n, \x1b, \u2028."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def cut(text: str, most: int = MOST) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _message(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage().removesuffix("\n")
    except Exception as error:  # a mistake in a call for the log must not become one in what is served
        pattern = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        message = f"{pattern[:MOST]} (its values can't be shown: {type(error).__name__})"
    return escaped(message[: MOST + 1])


def _trace(record: logging.LogRecord) -> Iterator[str]:
    lines = []
    if record.exc_info and record.exc_info[0] is not None:
        kind, error, frames = record.exc_info
        for piece in traceback.TracebackException(kind, error, frames).format():
            # The lines of a frame are the program's own; those of a message may be a client's.
            lines += piece.splitlines() if _FRAME.match(piece) else [piece.strip("\n")]
    if record.stack_info:
        lines += record.stack_info.splitlines()
    if (left_out := len(lines) - MOST_OF_TRACE) > 0:
        half = MOST_OF_TRACE // 2
        lines[half:-half] = [f"… {left_out:,} lines …"]
    for line in lines:
        yield cut(escaped(line[:MOST]), MOST - 4)


def _object(fields: dict[str, str], trace: list[str]) -> str:
    """fields: the last one is cut so that the line fits."""
    *others, (last, text) = fields.items()

    def line(length: int) -> str:
        return json.dumps({**dict(others), last: text if length == len(text) else f"{text[:length]}…"})

    length = len(text)
    if len(line(length)) > MOST:  # each character takes between one and twelve there
        length = max(0, bisect.bisect_right(range(length), MOST, key=lambda some: len(line(some))) - 1)
    if not trace:
        return line(length)
    return f"{line(length)[:-1]}, {json.dumps({'trace': chr(10).join(trace)})[1:]}"
