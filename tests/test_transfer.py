"""Labelled drawings in a file, from one machine to another."""

import csv
import io
import os
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from mnist import services, transfer
from mnist.archive import importing
from mnist.archive.export import COLUMNS, TABLE, BadArchive, read_archive, write_archive
from mnist.archive.importing import Imported
from mnist.archive.labelled_files import labelled_in_file
from mnist.drawing import Drawing, StorageUnavailable
from mnist.store import timeouts
from mnist.store.administration import Administration
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.vision.image_files import BadImage
from tests.store.test_drawings import NOON, drawing
from tests.support.pictures import seven


def archive_of(*drawings: Drawing) -> io.BytesIO:
    return io.BytesIO(b"".join(write_archive(iter(drawings))))


def take_over(file: io.BytesIO, *how) -> Imported:
    return importing.take_over(labelled_in_file(file, "out.zip"), *how)


def labelled(**changes) -> Drawing:
    return drawing(**{"image": seven(), "true_label": 7, "labelled_at": NOON + timedelta(hours=1), **changes})


def rewritten(archive: io.BytesIO, change: Callable[[str], str]) -> io.BytesIO:
    """The same archive with another table."""
    result = io.BytesIO()
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(result, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data.decode()) if name == TABLE else data)
    return result


class House:
    """Takes what is imported; reads every drawing as a 7."""

    def __init__(self, known: set = frozenset()) -> None:
        self.stored: list[Drawing] = []
        self.together: list[int] = []  # how many came at once
        self.known_ids = {*known}

    def reread(self, each: Drawing) -> Drawing:
        if not each.image.startswith(b"\x89PNG"):
            raise BadImage("not a picture")
        return replace(each, predicted_digit=7, confidence=0.9, verdict="digit", model_version=5)

    def known(self, ids: list) -> set:
        return {each for each in ids if each in self.known_ids}

    def add_new(self, drawings: list[Drawing]) -> int:
        new = {each.id: each for each in drawings if each.id not in self.known_ids}
        self.stored += new.values()
        self.together.append(len(drawings))
        return len(new)


def test_what_is_exported_comes_back_with_label_time_and_picture():
    one, number, none = labelled(), labelled(true_label=None, true_number="20"), labelled(true_label=None)
    house = House()

    imported = take_over(archive_of(one, number, none), house.reread, house)

    assert imported.summary == "3 drawings added, 0 were here already"
    for before, after in zip((one, number, none), house.stored, strict=True):
        for name in ("id", "image", "source", "created_at", "true_label", "true_number", "labelled_at"):
            assert getattr(after, name) == getattr(before, name)
        assert after.model_version == 5  # read by the network that is here
        assert not after.feedback_processed


def test_an_archive_keeps_people_apart_and_gives_nobody_their_key():
    mine, also_mine, theirs = labelled(), labelled(), labelled(session_id="somebody else")
    archive = archive_of(mine, also_mine, theirs, labelled(session_id=None))

    people = [each.session_id for each in read_archive(archive)]

    assert people[0] == people[1] != people[2]
    assert people[3] is None
    with zipfile.ZipFile(archive) as zipped:
        assert "a visitor" not in zipped.read(TABLE).decode()


def test_the_table_tells_what_was_read_for_whoever_studies_it():
    with zipfile.ZipFile(archive_of(labelled())) as zipped:
        [row] = csv.DictReader(io.StringIO(zipped.read(TABLE).decode()))
        picture = zipped.read(row["file"])

    assert (row["label"], row["read_as"], row["confidence"], row["model_version"]) == ("7", "1", "0.970000", "3")
    assert picture == seven()


def test_an_archive_is_written_piece_by_piece():
    pieces = iter(write_archive(labelled() for _ in range(50)))

    first = next(pieces)

    assert first.startswith(b"PK")
    assert len(first) < 3 * len(seven())


def test_photos_are_taken_over_a_few_megabytes_at_a_time():
    archive, house = archive_of(*(labelled() for _ in range(10))), House()

    take_over(archive, lambda each: replace(house.reread(each), image=bytes(2**20)), house)

    assert house.together == [4, 4, 2]


def test_known_drawings_stay_as_they_are():
    known, new = labelled(), labelled()
    house = House({known.id})

    assert take_over(archive_of(known, new), house.reread, house).summary == ("1 drawing added, 1 was here already")
    assert [each.id for each in house.stored] == [new.id]


@pytest.mark.parametrize(("old", "new", "reason"), [
    (",7,2026", ",seven,2026", "label"),
    ("2026-11-20T12:00:00+00:00", "yesterday", "isoformat"),
    ("2026-11-20T12:00:00+00:00", "2026-11-20T12:00:00", "no time zone"),
    ("drawings/", "elsewhere/", "no item named"),
])  # fmt: skip
def test_a_bad_line_is_told_and_the_others_are_taken(old, new, reason):
    bad, good = labelled(), labelled(true_label=3, created_at=NOON + timedelta(days=9))
    house = House()

    def spoil(table: str) -> str:
        header, first, *others = table.splitlines(keepends=True)
        assert old in first
        return "".join([header, first.replace(old, new), *others])

    imported = take_over(rewritten(archive_of(bad, good), spoil), house.reread, house)

    assert (imported.added, imported.refused) == (1, 1)
    assert "line 2" in imported.summary
    assert reason in imported.summary
    assert [each.id for each in house.stored] == [good.id]


def test_a_picture_that_is_none_is_refused():
    house = House()

    imported = take_over(archive_of(labelled(image=b"GIF89a")), house.reread, house)

    assert (imported.added, imported.refused) == (0, 1)


@pytest.mark.parametrize("harm", ["damaged", "encrypted", "packed in a way of tomorrow"])
def test_a_picture_that_can_not_be_unpacked_is_refused_and_the_others_are_taken(harm):
    bad, good, house = labelled(), labelled(), House()
    packed = io.BytesIO()
    with zipfile.ZipFile(archive_of(bad, good)) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    content = bytearray(packed.getvalue())
    listed = content.index(b"PK\x01\x02")  # the first member's line in the zip's directory
    if harm == "damaged":
        content[120:130] = bytes(10)
    elif harm == "encrypted":
        content[listed + 8] |= 1
    else:
        content[listed + 10] = 99

    imported = take_over(io.BytesIO(content), house.reread, house)

    assert (imported.added, imported.refused) == (1, 1)
    assert [each.id for each in house.stored] == [good.id]


def test_a_table_that_a_spreadsheet_saved_is_read():
    house = House()

    take_over(rewritten(archive_of(labelled()), lambda text: "\ufeff" + text), house.reread, house)

    assert len(house.stored) == 1


def test_a_picture_over_the_limit_is_not_unpacked(monkeypatch):
    monkeypatch.setattr("mnist.archive.export.MOST_BYTES", 10)

    [reason] = read_archive(archive_of(labelled()))

    assert "more than" in reason


@pytest.mark.parametrize("content", [b"", b"no zip", "empty zip", "no columns", "no text"])
def test_another_file_is_refused_with_a_word_on_what_is_meant(content):
    if content == "empty zip":
        content = io.BytesIO()
        zipfile.ZipFile(content, "w").close()
        content = content.getvalue()
    elif content == "no columns":
        content = rewritten(archive_of(), lambda _: "id,file\n").getvalue()
    elif content == "no text":
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr(TABLE, b"\xff\xfe\x00")
        content = content.getvalue()

    with pytest.raises(BadArchive, match=r"export wrote|can.t be read"):
        list(read_archive(io.BytesIO(content)))


def test_the_command_is_in_no_hurry(postgres_url, tmp_path, monkeypatch):
    engine = connect(postgres_url)
    Repository(engine).save(labelled())
    monkeypatch.setattr(services, "administration", lambda: Administration(engine))
    monkeypatch.setattr(timeouts, "ANSWER_SECONDS", 0)

    assert transfer.main(["export", str(tmp_path / "out.zip")]) == 0

    engine.dispose()


def test_the_command_carries_drawings_from_one_database_to_another(tmp_path, monkeypatch):
    import os
    import subprocess
    import sys
    from pathlib import Path

    from mnist.settings import Settings

    def run(database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mnist.transfer", *arguments],
            cwd=Path(__file__).resolve().parent.parent,
            env={**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/{database}.db"},
            capture_output=True,
            text=True,
        )

    here = connect(Settings.from_environment({"DATABASE_URL": f"sqlite:///{tmp_path}/here.db"}).database_url)
    kept = labelled()
    Repository(here).save(kept)
    here.dispose()

    assert run("here", "export", f"{tmp_path}/out.zip").returncode == 0
    imported = run("there", "import", f"{tmp_path}/out.zip")

    assert imported.stdout == "1 drawing added, 0 were here already\n"
    there = connect(Settings.from_environment({"DATABASE_URL": f"sqlite:///{tmp_path}/there.db"}).database_url)
    found = Repository(there).find(kept.id)
    assert (found.true_label, found.predicted_digit, found.image) == (7, 7, kept.image)
    there.dispose()
    before = (tmp_path / "out.zip").read_bytes()
    assert run("out.zip/there", "export", f"{tmp_path}/out.zip").returncode == 1  # no folder
    assert (tmp_path / "out.zip").read_bytes() == before
    assert sorted(each.name for each in tmp_path.glob("out*")) == ["out.zip"]
    monkeypatch.setenv("MAX_UPLOAD_MB", "many")
    refused = run("there", "import", f"{tmp_path}/out.zip")
    assert (refused.returncode, refused.stderr.startswith("MAX_UPLOAD_MB is")) == (1, True)
    monkeypatch.undo()
    refused = run("there", "import", str(Path(__file__)))
    assert (refused.returncode, "export wrote" in refused.stderr) == (1, True)


def test_an_export_that_breaks_off_leaves_the_earlier_one_as_it_was(tmp_path, monkeypatch, capsys):
    class Away:
        def labelled(self):
            yield labelled()
            raise StorageUnavailable("The database can't be used now.")

    monkeypatch.setattr("mnist.services.administration", Away)
    earlier = tmp_path / "out.zip"
    earlier.write_bytes(b"an earlier export")

    assert transfer.main(["export", str(earlier)]) == 1

    assert earlier.read_bytes() == b"an earlier export"
    assert list(tmp_path.iterdir()) == [earlier]
    assert "database" in capsys.readouterr().err


class Peak:
    """The most memory that Python's objects took while the block ran, in bytes."""

    def __enter__(self) -> "Peak":
        tracemalloc.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


@pytest.mark.parametrize("unit", ["a", "0,", '"', "\0"])
def test_a_small_file_with_an_endless_line_takes_little_memory(unit):
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(TABLE, "w") as table:
        table.write(f"{','.join(COLUMNS)}\n".encode())
        for _ in range(60):
            table.write(unit.encode() * (2**20 // len(unit)))

    with Peak() as peak, pytest.raises(BadArchive, match="line of more than"):
        list(read_archive(bomb))
    assert len(bomb.getvalue()) < 500_000
    assert peak.bytes < 10 * 2**20


def test_a_table_that_unpacks_to_hundreds_of_megabytes_is_refused(monkeypatch):
    monkeypatch.setattr("mnist.archive.export.MOST_TABLE_BYTES", 1000)
    archive = archive_of(*(labelled() for _ in range(10)))

    with pytest.raises(BadArchive):
        list(read_archive(archive))


def test_a_compression_whose_memory_the_file_chooses_is_not_read():
    other = io.BytesIO()
    with zipfile.ZipFile(archive_of(labelled())) as old, zipfile.ZipFile(other, "w", zipfile.ZIP_LZMA) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))

    with pytest.raises(BadArchive):
        list(read_archive(other))


def test_an_export_is_for_who_makes_it_alone(sqlite_url, tmp_path):
    engine = connect(sqlite_url)
    Repository(engine).save(labelled())
    engine.dispose()
    made = tmp_path / "labelled.zip"

    done = subprocess.run(
        [sys.executable, "-m", "mnist.transfer", "export", made],
        env={**os.environ, "DATABASE_URL": sqlite_url.render_as_string()},
        capture_output=True,
        text=True,
        umask=0o022,
    )

    assert done.returncode == 0, done.stderr
    assert made.stat().st_mode & 0o777 == 0o600
