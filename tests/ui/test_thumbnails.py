"""The cache of the small pictures that lists show."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from mnist.ui.thumbnails import MAX_BYTES, Thumbnails
from mnist.vision.image_files import encode_png
from tests.store.test_drawings import drawing

PHOTO = encode_png(np.random.default_rng(1).integers(0, 256, (600, 600, 3), np.uint8))


class Store:
    """Pictures by id, and which were read."""

    def __init__(self) -> None:
        self.pictures: dict[uuid.UUID, bytes] = {}
        self.read: list[uuid.UUID] = []
        self.at_once = self.most_at_once = 0

    def add(self, picture: bytes = PHOTO):
        kept = drawing(image=picture)
        self.pictures[kept.id] = picture
        return kept

    def __call__(self, ids: Sequence[uuid.UUID]) -> Iterable[tuple[uuid.UUID, bytes]]:
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        for each in ids:
            time.sleep(0.001)  # lets other threads in
            if each in self.pictures:
                self.read.append(each)
                yield each, self.pictures[each]
        self.at_once -= 1


def test_each_picture_is_read_once_and_becomes_small():
    store = Store()
    shown = [store.add() for _ in range(3)]
    thumbnails = Thumbnails(store)

    first, second = thumbnails.of(shown), thumbnails.of(shown[::-1])

    assert first == second
    assert sorted(store.read) == sorted(each.id for each in shown)
    assert all(0 < len(small) <= MAX_BYTES for small in first.values())


def test_a_drawing_that_grows_gets_a_new_one():
    store = Store()
    before = store.add(encode_png(np.zeros((300, 300), np.uint8)))
    thumbnails = Thumbnails(store)
    old = thumbnails.of([before])

    store.pictures[before.id] = PHOTO
    grown = replace(before, confidence=0.5)

    assert thumbnails.of([grown]) != old


def test_a_picture_that_can_not_be_read_and_one_that_is_gone_leave_the_others_alone():
    store = Store()
    broken, whole, gone = store.add(b"\x89PNG"), store.add(), drawing()

    found = Thumbnails(store).of([broken, whole, gone])

    assert found.keys() == {broken.id, whole.id}
    assert found[broken.id] == b""


def test_the_least_recently_shown_make_room():
    store = Store()
    one, two, three = (store.add() for _ in range(3))
    size = len(Thumbnails(store).of([one])[one.id])
    thumbnails = Thumbnails(store, kept_bytes=2 * size)
    for shown in (one, two, one, three):
        thumbnails.of([shown])

    store.read.clear()
    thumbnails.of([one, two, three])

    assert store.read == [two.id]
    assert thumbnails._size <= 2 * size


def test_many_pages_at_once_read_each_picture_once_and_one_page_at_a_time():
    store = Store()
    shown = [store.add(encode_png(np.zeros((300, 300), np.uint8))) for _ in range(8)]
    thumbnails, together = Thumbnails(store), threading.Barrier(6)

    def open_page(_: int) -> int:
        together.wait()
        return len(thumbnails.of(shown))

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(open_page, range(6))) == [8] * 6

    assert len(store.read) == 8
    assert store.most_at_once == 1
