"""People's strokes: UNIPEN text read, checked, fetched, and drawn."""

from __future__ import annotations

import hashlib
import os
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch

from mnist.training import pendigits
from mnist.training.pendigits import (
    PACKED,
    UNPACKED,
    MissingPendigits,
    as_written,
    divide,
    load_pendigits,
    mix,
    parse,
    pictures,
)


def unipen(*digits: tuple[int, int, int, list[list[tuple[int, int]]]]) -> str:
    """Text as UCI has it: (digit, writer, number, strokes with y upward)."""
    rows = [".INCLUDE        dene.doc", "", '.LEXICON "0" "1"', ".HIERARCHY      DIGIT", ""]
    for digit, writer, number, strokes in digits:
        rows += [f'.SEGMENT DIGIT    0 ? "{digit}"', f".COMMENT {digit} {writer}  {number}"]
        for stroke in strokes:
            rows += [".PEN_DOWN", *(f" {x}  {y}" for x, y in stroke), ".PEN_UP"]
        rows += [".DT 100", ""]
    return "\n".join(rows)


SEVEN = (7, 3, 20, [[(100, 300), (200, 300), (120, 100)], [(90, 200), (180, 200)]])
ONE = (1, 4, 11, [[(50, 400), (52, 380), (55, 100)]])
TEXT = unipen(SEVEN, ONE)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with two digits, whose checksum is the one that is expected."""
    (tmp_path / UNPACKED).write_text(TEXT)
    monkeypatch.setitem(pendigits.SHA256, UNPACKED, hashlib.sha256(TEXT.encode()).hexdigest())
    return tmp_path


def test_digits_writers_and_strokes_are_read_the_right_way_up():
    seven, one = parse(TEXT)

    assert [(each.digit, each.writer, each.number, len(each.lines)) for each in (seven, one)] == [
        (7, 3, 20, 2),
        (1, 4, 11, 1),
    ]
    bar, stem = seven.lines[0][0], seven.lines[0][-1]
    assert stem[1] - bar[1] == pytest.approx(100)  # y grows downward, and the longer side is 100
    assert np.vstack(seven.lines).min(axis=0) == pytest.approx([0, 0])


def test_a_touch_of_the_pen_is_a_line_that_can_be_drawn():
    [writing] = parse(unipen((1, 1, 1, [[(50, 400), (50, 100)], [(60, 90)]])))

    assert [len(line) for line in writing.lines] == [2, 2]
    assert len(pictures(2, 0, [writing])) == 2


def test_a_folder_with_the_unpacked_file_needs_no_network(folder):
    assert [writing.digit for writing in load_pendigits(folder, fetch=True)] == [7, 1]


def test_another_file_under_that_name_is_refused_and_named(folder):
    (folder / UNPACKED).write_text(TEXT.replace("52  380", "52  381"))

    with pytest.raises(MissingPendigits, match=r"pendigits-orig\.tra is not the file that is expected"):
        load_pendigits(folder)


def test_it_is_fetched_only_when_asked_and_without_a_network_the_ways_out_are_named(tmp_path, monkeypatch):
    asked = []

    def no_network(address: str, timeout: float) -> None:
        asked.append(address)
        raise urllib.error.URLError("Network is unreachable")

    monkeypatch.setattr("urllib.request.urlopen", no_network)

    with pytest.raises(MissingPendigits, match="is not in"):
        load_pendigits(tmp_path)
    assert not asked
    with pytest.raises(MissingPendigits, match=r"PENDIGITS_DIR.*--without-pendigits") as caught:
        load_pendigits(tmp_path, fetch=True)
    assert asked == [pendigits.ADDRESS]
    assert str(tmp_path) in str(caught.value)


def test_what_was_fetched_is_checked_and_kept_for_the_next_time(tmp_path, monkeypatch):
    source = tmp_path / "served"
    source.write_bytes(b"\x1f\x9d something else")
    monkeypatch.setattr(pendigits, "ADDRESS", source.as_uri())

    with pytest.raises(MissingPendigits, match="not the file"):
        load_pendigits(tmp_path / "new", fetch=True)
    assert not (tmp_path / "new").exists()

    monkeypatch.setitem(pendigits.SHA256, PACKED, hashlib.sha256(source.read_bytes()).hexdigest())
    monkeypatch.setattr(pendigits, "_unpacked", lambda name, content: TEXT)
    assert len(load_pendigits(tmp_path / "new", fetch=True)) == 2
    source.unlink()
    assert len(load_pendigits(tmp_path / "new", fetch=True)) == 2


def test_writers_left_out_are_in_no_other_part_and_every_twentieth_drawing_validates():
    writings = [
        writing
        for number in range(1, 41)
        for writing in parse(unipen((number % 10, 1, number, ONE[3]), (number % 10, 2, number, ONE[3])))
    ]

    learned, kept_back, left_out = divide(writings, left_out=(2,))

    assert {writing.writer for writing in learned + kept_back} == {1}
    assert [writing.number for writing in kept_back] == [20, 40]
    assert len(learned) == 38
    assert len(left_out) == 40


def test_pictures_are_many_versions_and_the_same_for_the_same_seed():
    writings = list(parse(TEXT))

    drawn, again = pictures(40, 3, writings), pictures(40, 3, writings)

    assert torch.equal(drawn.frames, again.frames)
    assert set(drawn.labels.tolist()) == {1, 7}
    assert len({frame.numpy().tobytes() for frame in drawn.frames}) == 40
    assert as_written(writings).labels.tolist() == [7, 1]


def test_a_mixture_stays_near_a_writing_of_the_same_strokes_and_leaves_others_alone():
    seven, one = parse(TEXT)
    [wider] = parse(unipen((7, 5, 1, [[(100, 300), (215, 300), (120, 100)], [(90, 200), (190, 200)]])))
    rng = np.random.default_rng(0)

    assert mix(seven.lines, one.lines, rng) is seven.lines
    mixed = mix(seven.lines, wider.lines, rng)
    assert [line.shape for line in mixed] == [line.shape for line in seven.lines]
    moved = np.abs(np.vstack(mixed) - np.vstack(seven.lines)).max()
    assert 0 < moved < pendigits.NEAR


@pytest.mark.skipif("PENDIGITS_DIR" not in os.environ, reason="PENDIGITS_DIR is not set")
def test_the_real_thing():
    writings = load_pendigits(Path(os.environ["PENDIGITS_DIR"]))

    assert len(writings) == 7_494
    assert {writing.writer for writing in writings} == set(range(1, 31))
    assert [writing.digit for writing in writings[:5]] == [8, 2, 1, 4, 1]
