"""`python -m mnist.upgrade`: converts a database of the common digit applications to this one's schema, in place.

Those have one table, predictions(id, timestamp, predicted_digit, true_label, image, created_at, feedback_processed).
Stop every program that uses the database and make a backup first. The upgrade is one transaction: all or nothing. The
old table is kept with all its rows as predictions_before_upgrade. The settings choose the database, as for app.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, column, insert, inspect, select, table, text
from sqlalchemy.exc import SQLAlchemyError

from mnist.drawing import Verdict
from mnist.settings import BadSetting, Settings
from mnist.store.engine import connect
from mnist.store.locks import lock_schema
from mnist.store.outages import unavailable
from mnist.store.schema import UnusableSchema, bring_up, is_common
from mnist.store.tables import PredictionRow
from mnist.store.timeouts import patiently
from mnist.vision.image_files import BadImage, as_stored, decode, encode_png

OLD = "predictions_before_upgrade"
COLUMNS = ("id", "timestamp", "predicted_digit", "true_label", "image", "created_at", "feedback_processed")
BEFORE = 0  # model version of drawings that another application read; this one's versions begin at 1
CHUNK = 500  # rows per INSERT
SHOWN = 20  # rows that could not be upgraded are listed up to this number; --json lists all

# Namespace for uuid5: a row gets the same id wherever it is upgraded.
_IDS = uuid.UUID("6d6e6973-7420-5570-8772-616465206964")


class Unreadable(ValueError):
    """A row that can't become a drawing; the message says why."""


@dataclass(slots=True)
class Upgraded:
    """Counts of an upgrade."""

    drawings: int = 0
    labelled: int = 0
    # (old id, reason); these rows stay in the old table only.
    left_out: list[tuple[Any, str]] = field(default_factory=list)


def upgrade(engine: Engine) -> Upgraded | None:
    """Copy the drawings into new tables; other databases only get this application's tables, and None is returned.

    Raises UnusableSchema for tables that can't be upgraded, and SQLAlchemyError when the database fails; nothing
    changes then.
    """
    with patiently(), engine.begin() as connection:
        lock_schema(connection)
        if not is_common(connection):
            bring_up(connection)
            return None
        if connection.dialect.name == "mysql":
            raise UnusableSchema(
                "MySQL commits every change of a table by itself, so this could end half way. Load the table "
                "“predictions” into an SQLite file and upgrade that; `python -m mnist.transfer` carries the rest."
            )
        if inspect(connection).has_table(OLD):
            raise UnusableSchema(f"There is a table {OLD} already, beside another one to upgrade. Rename one of them.")
        columns = {each["name"] for each in inspect(connection).get_columns("predictions")}
        _put_aside(connection)
        bring_up(connection)
        done = Upgraded()
        chunk: list[dict[str, Any]] = []
        for row in _rows(connection, columns):
            try:
                chunk.append(_drawing(row))
            except Unreadable as error:
                done.left_out.append((row["id"], str(error)))
                continue
            done.drawings += 1
            done.labelled += row["true_label"] is not None
            if len(chunk) == CHUNK:
                connection.execute(insert(PredictionRow), chunk)
                chunk = []
        if chunk:
            connection.execute(insert(PredictionRow), chunk)
        return done


def _put_aside(connection: Connection) -> None:
    """Rename the old table, and rename or drop its constraints and indexes whose names the new one needs."""
    connection.execute(text(f"ALTER TABLE predictions RENAME TO {OLD}"))
    if connection.dialect.name == "postgresql":  # where constraints share the namespace of tables
        key = inspect(connection).get_pk_constraint(OLD)["name"]
        if key == "predictions_pkey":
            connection.execute(text(f"ALTER TABLE {OLD} RENAME CONSTRAINT {key} TO {OLD}_pkey"))
    needed = {index.name for index in PredictionRow.__table__.indexes}  # type: ignore[attr-defined]
    for index in inspect(connection).get_indexes(OLD):
        if index["name"] in needed:
            connection.execute(text(f"DROP INDEX {index['name']}"))


def _rows(connection: Connection, columns: set[str]) -> Iterator[dict[str, Any]]:
    """Every row, unconverted because SQLite allows any type in any column; missing columns are None."""
    present = [name for name in COLUMNS if name in columns]
    names: list[Any] = [column(name) for name in present]
    wanted = select(*names).select_from(table(OLD)).order_by(column("id"))
    for row in connection.execute(wanted.execution_options(yield_per=CHUNK)):
        yield dict.fromkeys(COLUMNS) | dict(zip(present, row, strict=True))


def _drawing(row: dict[str, Any]) -> dict[str, Any]:
    """The values of the new row. Raises Unreadable."""
    guess = _digit(row, "predicted_digit")
    label = _digit(row, "true_label")
    drawn_at = _time(row["created_at"] if row["created_at"] is not None else row["timestamp"])
    return {
        "id": uuid.uuid5(_IDS, str(row["id"])),
        "created_at": drawn_at,
        "source": "canvas",
        "image": _png(row["image"]),
        "predicted_digit": guess,
        # The old table has neither, so every digit is equally likely.
        "confidence": 0.1,
        "probabilities": [0.1] * 10,
        "verdict": Verdict.UNSURE if guess is None else Verdict.DIGIT,
        "model_version": BEFORE,
        "true_label": label,
        "labelled_at": None if label is None else drawn_at,
        "feedback_processed": row["feedback_processed"] in (True, 1),
    }


def _digit(row: dict[str, Any], name: str) -> int | None:
    value = row[name]
    if value is None:
        return None
    try:
        digit = int(value)
    except (TypeError, ValueError, OverflowError):
        digit = -1
    if not (0 <= digit <= 9 and digit == float(value)):
        raise Unreadable(f"{name} is {str(value)[:20]!r}, not a digit")
    return digit


def _time(value: Any) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise Unreadable(f"{value[:40]!r} is no time") from None
    if not isinstance(value, datetime):
        raise Unreadable("it has no time")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _png(value: Any) -> bytes:
    """The picture as a PNG file: a plain PNG unchanged, other formats and raw 28 × 28 pixels re-encoded."""
    if value is None:
        raise Unreadable("it has no picture")
    data = value.encode() if isinstance(value, str) else bytes(value)
    if len(data) == 28 * 28:
        return encode_png(np.frombuffer(data, np.uint8).reshape(28, 28))
    try:
        pixels = decode(data)
    except BadImage:
        raise Unreadable(f"its picture ({len(data)} bytes) is in no format that is read, or damaged") from None
    return as_stored(data, pixels)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m mnist.upgrade", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print exactly one JSON object")
    options = parser.parse_args(arguments)
    try:
        engine = connect(Settings.from_environment().database_url)
        done = upgrade(engine)
    except (BadSetting, UnusableSchema, OSError) as error:
        return _fail(options.json, str(error))
    except SQLAlchemyError as error:  # its text may contain pictures
        return _fail(options.json, str(unavailable(engine, error)))
    if options.json:
        print(json.dumps(_as_json(done)))
    else:
        print(_in_words(done))
    return 0


def _fail(as_json: bool, why: str) -> int:
    if as_json:
        print(json.dumps({"outcome": "error", "error": why}))
    else:
        print(f"Nothing was changed: {why}", file=sys.stderr)
    return 1


def _as_json(done: Upgraded | None) -> dict[str, Any]:
    if done is None:
        return {"outcome": "nothing_to_do"}
    return {
        "outcome": "upgraded",
        "drawings": done.drawings,
        "labelled": done.labelled,
        "left_out": [{"id": number, "why": why} for number, why in done.left_out],
        "old_table": OLD,
    }


def _in_words(done: Upgraded | None) -> str:
    if done is None:
        return "Nothing to do: the database is this application's, and up to date."
    lines = [f"{done.drawings} drawings are taken over, {done.labelled} of them labelled. The old table is {OLD} now."]
    if done.left_out:
        lines.append(f"{len(done.left_out)} rows are left in it alone, because they can't be drawings:")
        lines += [f"  {number}: {why}" for number, why in done.left_out[:SHOWN]]
        if (more := len(done.left_out) - SHOWN) > 0:
            reasons = Counter(why for _, why in done.left_out[SHOWN:])
            lines.append(f"  and {more} more, most often: {reasons.most_common(1)[0][0]} (--json lists all)")
    return "\n".join(lines)


if __name__ == "__main__":
    from mnist.web import logs

    logs.configure()
    raise SystemExit(main())
