"""Labelled pictures in the forms that people have."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mnist import transfer
from mnist.archive import importing, labelled_files, streams
from mnist.archive.export import BadArchive
from mnist.archive.importing import Imported
from mnist.archive.labelled_files import labelled_in, labelled_in_file
from mnist.vision.image_files import encode_png
from tests.support.pictures import seven
from tests.test_transfer import House

SEVEN = seven()
OTHER = encode_png(np.arange(256, dtype=np.uint8).reshape(16, 16))
PIXELS = [np.full((28, 28), level, np.uint8) for level in (40, 200)]


def take_over(path: Path, house: House) -> Imported:
    with labelled_in(path) as labelled:
        return importing.take_over(labelled, house.reread, house)


def zipped(**files: bytes) -> io.BytesIO:
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return result


def written(path: Path, **files: bytes) -> Path:
    """The files as a folder, or as a zip if the path ends so."""
    if path.suffix == ".zip":
        path.write_bytes(zipped(**files).getvalue())
    else:
        for name, data in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    return path


def idx(*arrays: np.ndarray, labels: bytes) -> dict[str, bytes]:
    pictures = struct.pack(">4I", 0x803, len(arrays), 28, 28) + b"".join(each.tobytes() for each in arrays)
    truths = struct.pack(">2I", 0x801, len(labels)) + labels
    return {"t-images-idx3-ubyte": pictures, "t-labels-idx1-ubyte": truths}


def line(label: object, pixels: np.ndarray) -> str:
    return ",".join(map(str, [label, *pixels.ravel()])) + "\n"


@pytest.mark.parametrize("form", ["mine.zip", "mine"])
def test_a_folder_for_each_digit_is_imported_and_what_is_no_picture_is_named(tmp_path, form):
    path = written(tmp_path / form, **{
        "set/7/a.png": SEVEN, "set/3/b.png": OTHER, "set/3/damaged.png": b"nothing", "set/cats/c.png": SEVEN,
        "__MACOSX/set/7/._a.png": b"", "set/7/.DS_Store": b"", "set/Thumbs.db": b"",
    })  # fmt: skip
    house = House()

    imported = take_over(path, house)

    assert sorted((each.true_label, each.image, each.source) for each in house.stored) == [
        (3, OTHER, "import"),
        (7, SEVEN, "import"),
    ]
    assert imported.summary.startswith("2 drawings added, 0 were here already, 2 could not be used: ")
    assert sorted(imported.reasons) == [
        "set/3/damaged.png: not a picture",
        "set/cats/c.png: it is in no folder 0 to 9",
    ]


@pytest.mark.parametrize("form", ["mine.zip", "mine"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_of_files_and_labels_is_imported(tmp_path, form, separator):
    rows = [["Label", "who", "File"], ["7", "me", "a.png"], ["not a digit", "", "./sub\\b.png"], ["", "me", "a.png"],
            ["3", "", "nowhere.png"], ["3", "", "../outside.png"], ["12.5", "", "a.png"], ["3"]]  # fmt: skip
    table = "\ufeff" + "\r\n".join(separator.join(row) for row in rows)
    (tmp_path / "outside.png").write_bytes(SEVEN)
    path = written(tmp_path / form, **{"x/labels.csv": table.encode(), "x/a.png": SEVEN, "x/sub/b.png": OTHER})
    house = House()

    imported = take_over(path, house)

    assert [(each.true_label, each.image) for each in house.stored] == [(7, SEVEN), (None, OTHER)]
    assert [reason.partition(": ")[0] for reason in imported.reasons] == [
        "x/a.png", "line 5", "line 6", "x/a.png", "line 8",
    ]  # fmt: skip


@pytest.mark.parametrize("header", ["", "label,", "last"])
@pytest.mark.parametrize("packed", [False, True])
def test_lines_of_a_label_and_784_numbers_are_imported(tmp_path, header, packed):
    text = "".join(line(label, pixels) for label, pixels in zip((4, "9.0"), PIXELS, strict=True))
    names = ",".join(f"pixel{at}" for at in range(784))
    if header == "last":
        text = f"{names},class\n" + "".join(
            f"{row.split(',', 1)[1]},{row.split(',')[0]}\n" for row in text.splitlines()
        )
    elif header:
        text = f"label,{names}\n{text}"
    damaged = [line(3, PIXELS[0])[:-4] + "\n", line("x", PIXELS[0]), line(3, PIXELS[0].astype(int) + 300)]
    text += "".join(damaged)
    path = tmp_path / ("mnist.csv.gz" if packed else "mnist.csv")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    house = House()

    imported = take_over(path, house)

    assert [(each.true_label, each.image) for each in house.stored] == [
        (4, encode_png(PIXELS[0])),
        (9, encode_png(PIXELS[1])),
    ]
    first = 4 if header else 3
    assert [reason.partition(": ")[0] for reason in imported.reasons] == [f"line {first + each}" for each in range(3)]


@pytest.mark.parametrize("form", ["mine.zip", "mine", "mine/t-images-idx3-ubyte"])
def test_idx_files_are_imported_and_have_the_ids_that_a_csv_gives(tmp_path, form):
    files = idx(*PIXELS, labels=bytes([4, 9]))
    written(tmp_path / form.partition("/")[0], **files)
    house, other = House(), House()

    with labelled_in(tmp_path / form) as labelled:
        assert labelled.total == 2
        importing.take_over(labelled, house.reread, house)

    assert [(each.true_label, each.image) for each in house.stored] == [
        (4, encode_png(PIXELS[0])),
        (9, encode_png(PIXELS[1])),
    ]
    (tmp_path / "same.csv").write_text(line(4, PIXELS[0]) + line(9, PIXELS[1]))
    take_over(tmp_path / "same.csv", other)
    assert [each.id for each in other.stored] == [each.id for each in house.stored]


def test_packed_idx_files_are_imported(tmp_path):
    files = {f"{name}.gz": gzip.compress(data) for name, data in idx(*PIXELS, labels=bytes([4, 9])).items()}

    assert take_over(written(tmp_path / "mine", **files), house := House()).added == len(house.stored) == 2


def test_a_second_import_reads_nothing_again_and_adds_nothing(tmp_path):
    path = written(tmp_path / "mine", **{"7/a.png": SEVEN, "7/same.png": SEVEN, "3/b.png": OTHER})
    first = House()
    assert (take_over(path, first).summary) == "2 drawings added, 1 was here already"

    second = House({each.id for each in first.stored})
    second.reread = lambda each: pytest.fail("it is known")

    assert take_over(path, second).summary == "0 drawings added, 3 were here already"


def test_progress_is_told_while_it_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "TOGETHER", 2)
    text = "".join(line(3, np.full((28, 28), level, np.uint8)) for level in range(5))
    (tmp_path / "a.csv").write_text(text)
    told: list[int] = []

    with labelled_in(tmp_path / "a.csv") as labelled:
        importing.take_over(labelled, House().reread, House(), told.append)

    assert told == [2, 4, 5]


@pytest.mark.parametrize(("change", "word"), [
    (lambda files: {**files, "t-images-idx3-ubyte": files["t-images-idx3-ubyte"][:-1]}, "ends too early"),
    (lambda files: {**files, "t-labels-idx1-ubyte": files["t-labels-idx1-ubyte"][:9]}, "ends too early"),
    (lambda files: {**files, "t-labels-idx1-ubyte": b"\0\0\x08\x01\0\0\0\x07" + bytes(7)}, "not the pictures"),
    (lambda files: {name + ".gz": data for name, data in files.items()}, "can’t be read"),
    (lambda files: {**files, "t-images-idx3-ubyte": struct.pack(">4I", 0x803, 2, 9**9, 9**9)}, "not the pictures"),
])  # fmt: skip
def test_a_damaged_data_set_is_told(tmp_path, change, word):
    path = written(tmp_path / "mine", **change(idx(*PIXELS, labels=bytes([4, 9]))))

    with pytest.raises(BadArchive, match=word):
        take_over(path, House())


@pytest.mark.parametrize("content", [b"", b"hello", b"a,b\n1,2\n", zipped(hello=b"x").getvalue(), b"\xff\xfe\x00"])
def test_a_file_without_labelled_pictures_is_told_what_it_can_be(content):
    with pytest.raises(BadArchive, match="folders 0 to 9"):
        labelled_in_file(io.BytesIO(content), "mine.csv")


def test_what_unpacks_without_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "MOST_UNPACKED", 100_000)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(line(3, PIXELS[0]).encode() * 1_000))

    with pytest.raises(BadArchive, match="unpacks to more than"):
        take_over(tmp_path / "a.csv.gz", House())


def test_a_picture_over_the_limit_is_named_and_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(labelled_files, "MOST_BYTES", 100)
    for form in ("mine", "mine.zip"):
        house = House()

        imported = take_over(written(tmp_path / form, **{"7/a.png": SEVEN + bytes(100)}), house)

        assert (imported.refused, house.stored) == (1, [])
        assert "7/a.png" in imported.summary
        assert "more than" in imported.summary


def test_the_command_says_what_can_be_imported(tmp_path, capsys):
    (tmp_path / "nothing.zip").write_bytes(b"")

    assert transfer.main(["import", str(tmp_path / "nothing.zip")]) == 1
    assert "folders 0 to 9" in capsys.readouterr().err
