"""The archive format: labelled drawings as a zip file of pictures and a CSV table, written and read as a stream."""

from __future__ import annotations

import csv
import hashlib
import io
import tempfile
import uuid
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, BinaryIO

from mnist.drawing import MAX_SESSION, BadLabel, Drawing, parse_label

TABLE = "drawings.csv"
COLUMNS = (
    "id",
    "file",
    "created_at",  # ISO 8601, UTC; so is labelled_at
    "source",
    "person",  # a digest of the session id: groups one person's drawings without giving access
    "label",  # 0–9 or a whole number; empty: "not a digit"
    "labelled_at",
    "read_as",  # the prediction; empty: no digit
    "confidence",  # 0–1
    "verdict",
    "model_version",
)
MOST_BYTES = 10 * 2**20  # of one picture in an archive
MOST_TABLE_BYTES = 256 * 2**20  # a million drawings
MOST_LINE = 4_000  # characters of a line of the table; an export writes about 250
MOST_REASON = 200  # characters
# What zipfile and its decoders raise for members that are damaged, encrypted or compressed in an unsupported way.
UNREADABLE = (ValueError, KeyError, TypeError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


class BadArchive(ValueError):
    """Nothing can be imported from the file, or it is damaged; drawings imported before the damage stay."""


def write_archive(drawings: Iterable[Drawing]) -> Iterator[bytes]:
    """Yield a zip file in pieces: drawings/<id>.png (a photo: .webp) for every drawing, then drawings.csv.

    One picture is in memory at a time; the table moves to a temporary file once it exceeds 1 MB.
    """
    pieces = _Pieces()
    with (
        tempfile.SpooledTemporaryFile(2**20, mode="w+", encoding="utf-8", newline="") as spooled,
        zipfile.ZipFile(pieces, "w") as archive,
    ):
        table = csv.DictWriter(spooled, COLUMNS)
        table.writeheader()
        for drawing in drawings:
            row = _row(drawing)
            archive.writestr(row["file"], drawing.image)  # PNG is compressed already
            table.writerow(row)
            yield pieces.take()
        spooled.seek(0)
        with archive.open(TABLE, "w") as member:
            while text := spooled.read(2**16):
                member.write(text.encode())
                yield pieces.take()
    yield pieces.take()


def read_archive(file: BinaryIO) -> Iterator[Drawing | str]:
    """Yield each drawing of an archive without its prediction, or the reason why it can't be used.

    Predictions are not read because another network made them. Raises BadArchive.
    """
    try:
        archive = zipfile.ZipFile(file)
        table = archive.open(checked(archive.getinfo(TABLE), MOST_TABLE_BYTES))
    except UNREADABLE as error:
        raise BadArchive(f"This is no zip file with a {TABLE} in it. Take one that an export wrote.") from error
    with archive, table:
        try:
            rows = csv.DictReader(_lines(io.TextIOWrapper(table, encoding="utf-8-sig", newline="")))
            if missing := set(COLUMNS) - set(rows.fieldnames or ()):
                columns = ", ".join(sorted(missing))
                raise BadArchive(f"{TABLE} lacks the columns {columns}. Take a file that an export wrote.")
            for number, row in enumerate(rows, start=2):
                yield _drawing_or_reason(archive, row, number)
        except BadArchive:
            raise
        except (csv.Error, *UNREADABLE) as error:
            raise BadArchive(f"{TABLE} can't be read: {error}") from error


class _Pieces(io.RawIOBase):
    """A write-only file; `take` returns what was written since the last call."""

    def __init__(self) -> None:
        super().__init__()
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._written += data
        return len(data)

    def take(self) -> bytes:
        written, self._written = bytes(self._written), bytearray()
        return written


def _row(drawing: Drawing) -> dict[str, str]:
    assert drawing.labelled_at is not None
    return {
        "id": str(drawing.id),
        "file": f"drawings/{drawing.id}.{'webp' if drawing.image[8:12] == b'WEBP' else 'png'}",
        "created_at": drawing.created_at.isoformat(),
        "source": drawing.source,
        "person": "" if drawing.session_id is None else hashlib.sha256(drawing.session_id.encode()).hexdigest()[:32],
        "label": drawing.truth or "",
        "labelled_at": drawing.labelled_at.isoformat(),
        "read_as": drawing.guess or "",
        "confidence": f"{drawing.confidence:.6f}",
        "verdict": drawing.verdict,
        "model_version": str(drawing.model_version),
    }


def checked(member: zipfile.ZipInfo, most: int) -> zipfile.ZipInfo:
    """Raise ValueError for a member that unpacks to more than it should; zipfile unpacks no more than is announced."""
    if member.file_size > most:
        raise ValueError(f"{member.filename[:100]} has more than {most // 2**20} MB")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others take memory as the file asks
        raise ValueError(f"{member.filename[:100]} is compressed in a way that is not read")
    return member


def _lines(table: io.TextIOWrapper) -> Iterator[str]:
    """The lines; the csv module would take one of a gigabyte into memory before it says that it is too long."""
    while line := table.readline(MOST_LINE + 1):
        if len(line) > MOST_LINE:
            raise BadArchive(
                f"{TABLE} has a line of more than {MOST_LINE} characters. Take a file that an export wrote."
            )
        yield line


def _drawing_or_reason(archive: zipfile.ZipFile, row: dict[str, str], number: int) -> Drawing | str:
    try:
        return _drawing(archive, row)
    except UNREADABLE as error:
        return f"line {number}: {error}"[:MOST_REASON]


def _drawing(archive: zipfile.ZipFile, row: dict[str, str]) -> Drawing:
    member = checked(archive.getinfo(row["file"]), MOST_BYTES)
    return unread(
        row["label"] or None,
        id=uuid.UUID(row["id"]),
        image=archive.read(member),
        source=row["source"][:16],
        session_id=row["person"][:MAX_SESSION] or None,
        created_at=_parse_time(row["created_at"]),
        labelled_at=_parse_time(row["labelled_at"]),
    )


def unread(label: str | None, **known: Any) -> Drawing:
    """A labelled drawing that no network has read yet. known: its other fields. Raises ValueError for no label."""
    try:
        true_label, true_number = parse_label(label)
    except BadLabel as error:
        raise ValueError(str(error)) from None
    return Drawing(
        **known,
        true_label=true_label,
        true_number=true_number,
        predicted_digit=None,
        confidence=0.0,
        probabilities=(),
        verdict="",
        model_version=0,
    )


def _parse_time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return time
