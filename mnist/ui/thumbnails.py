"""The small pictures that lists of drawings show: each is made once and kept while there is room."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence

from mnist import services
from mnist.drawing import Record
from mnist.vision.image_files import BadImage
from mnist.vision.thumbnail import thumbnail

SIDE = 208  # px: twice the 104 px that a list gives a picture, for screens with two pixels to each
MAX_BYTES = 10_000  # of one: a page of 24 stays below 350 kB as base64, whatever was drawn
KEPT_BYTES = 16 * 2**20  # of all: about 4,000 drawings

ReadPictures = Callable[[Sequence[uuid.UUID]], Iterable[tuple[uuid.UUID, bytes]]]
# A drawing keeps its id while it grows, but another picture gets other probabilities.
_Key = tuple[uuid.UUID, float, tuple[float, ...]]


class Thumbnails:
    """Least recently used cache of thumbnails; threads share it."""

    def __init__(self, read_pictures: ReadPictures, kept_bytes: int = KEPT_BYTES) -> None:
        """read_pictures: yields (id, encoded picture) for ids, without holding all pictures at once."""
        self._read_pictures = read_pictures
        self._kept_bytes = kept_bytes
        self._held: OrderedDict[_Key, bytes] = OrderedDict()
        self._size = 0
        self._changing = threading.Lock()
        self._making = threading.Lock()  # whole pictures are in memory for one page at a time, however many are open

    def of(self, drawings: Sequence[Record]) -> dict[uuid.UUID, bytes]:
        """Encoded thumbnails by drawing id; b"" for a picture that can't be shown, none for a deleted drawing.

        Raises StorageUnavailable.
        """
        found = self._find(drawings)
        if len(found) < len(drawings):
            with self._making:
                found |= self._find([each for each in drawings if each.id not in found])
                missing = {each.id: each for each in drawings if each.id not in found}
                for drawing_id, small in self._make(list(missing)):
                    found[drawing_id] = small
                    self._keep(_key(missing[drawing_id]), small)
        return found

    def _make(self, ids: Sequence[uuid.UUID]) -> Iterator[tuple[uuid.UUID, bytes]]:
        for drawing_id, picture in self._read_pictures(ids) if ids else ():
            try:
                yield drawing_id, thumbnail(picture, SIDE, MAX_BYTES)
            except BadImage:
                yield drawing_id, b""

    def _find(self, drawings: Sequence[Record]) -> dict[uuid.UUID, bytes]:
        found = {}
        with self._changing:
            for each in drawings:
                if (small := self._held.get(_key(each))) is not None:
                    self._held.move_to_end(_key(each))
                    found[each.id] = small
        return found

    def _keep(self, key: _Key, small: bytes) -> None:
        with self._changing:
            self._size += len(small) - len(self._held.pop(key, b""))
            self._held[key] = small
            while self._size > self._kept_bytes:
                self._size -= len(self._held.popitem(last=False)[1])


def _key(drawing: Record) -> _Key:
    return drawing.id, drawing.confidence, drawing.probabilities


_thumbnails = Thumbnails(lambda ids: services.history().pictures(ids))


def thumbnails(drawings: Sequence[Record]) -> dict[uuid.UUID, bytes]:
    """Thumbnails of stored drawings, shared by all visits; see Thumbnails.of."""
    return _thumbnails.of(drawings)
