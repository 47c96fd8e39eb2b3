"""What each person has labelled, as the network that answers now sees it: read from the database, kept in memory."""

from __future__ import annotations

import logging
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from threading import Lock

import numpy as np

from mnist.drawing import StorageUnavailable
from mnist.model.classifier import Look
from mnist.model.numbers import labelled
from mnist.model.personal import Hand, unit
from mnist.store.own_labels import OwnLabel, OwnLabels, Stamp
from mnist.vision.image_files import BadImage
from mnist.vision.ink import BlankDrawing
from mnist.vision.prepare import Framed

log = logging.getLogger(__name__)
LATEST = 200  # labels of one person that count, and digits: the latest
HELD = 5_000  # digits of everybody in memory, 3.5 kB each; whoever came longest ago is read again when they come back
AT_ONCE = 32  # labelled drawings that one answer waits for, the latest first; a drawing takes about 3 ms …
AT_ONCE_BYTES = 256 * 2**10  # … and a photo up to a hundred times as long
AWAY_SECONDS = 10  # after the database failed it is not asked before each answer, which may wait for it


@dataclass(frozen=True, slots=True, eq=False)
class _Studied:
    """The digits of one labelled drawing."""

    labelled_at: datetime
    model_version: int | None  # None: the picture can't be read, by no version
    features: np.ndarray  # (n, D) float32 of unit length
    classes: Sequence[int]


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What is in memory of one person. is_whole: whether all their labels (but the LATEST) are in it."""

    stamp: Stamp
    is_whole: bool
    drawings: dict[uuid.UUID, _Studied]
    hand: Hand


class Hands:
    """The hands of everybody who has labelled drawings of their own; safe to use from any thread.

    Each answer asks the database whether the person's labels are still the same, so that a label, a change of it and a
    deletion count at once in every process. While the database is away, what is in memory goes on counting.
    """

    def __init__(
        self, labels: OwnLabels, prepare: Callable[[bytes], Framed], look: Callable[[np.ndarray], Look]
    ) -> None:
        """prepare: raises BadImage or BlankDrawing for a picture that can't be read any more."""
        self._labels = labels
        self._prepare = prepare
        self._look = look
        self._known: OrderedDict[str, _Known] = OrderedDict()  # whoever came longest ago is first
        self._changed: dict[str, tuple[Stamp, int]] = {}  # what `study` is to bring up to date, and for which version
        self._guard = Lock()
        self._away_until = 0.0

    def of(self, people: Collection[str], model_version: int) -> dict[str, Hand]:
        """The hands of those people who have one, as far as they are in memory; `study` brings them up to date."""
        stamps = self._stamps(people) if people else None
        with self._guard:
            if stamps is not None:
                for person in people:
                    self._compare(person, stamps.get(person), model_version)
            return {person: self._known[person].hand for person in people if person in self._known}

    def study(self, person: str) -> bool:
        """Study what a person has labelled, if `of` found it changed; returns whether there is something new.

        At most AT_ONCE drawings; the next answer goes on with the rest.
        """
        with self._guard:
            known = self._known.get(person)
            if (changed := self._changed.get(person)) is None:
                return False
        try:
            now = self._study(person, *changed, {} if known is None else known.drawings)
        except StorageUnavailable as error:
            self._postpone(error)
            return False
        with self._guard:
            self._known[person] = now
            self._known.move_to_end(person)
            while len(self._known) > 1 and sum(len(each.hand.classes) for each in self._known.values()) > HELD:
                self._known.popitem(last=False)
        return True

    def _stamps(self, people: Collection[str]) -> dict[str, Stamp] | None:
        """None while the database is away."""
        if time.monotonic() < self._away_until:
            return None
        try:
            return self._labels.stamps(people)
        except StorageUnavailable as error:
            self._postpone(error)
            return None

    def _postpone(self, error: StorageUnavailable) -> None:
        self._away_until = time.monotonic() + AWAY_SECONDS
        log.warning("What people labelled is not looked at for %s s: %s", AWAY_SECONDS, error)

    def _compare(self, person: str, stamp: Stamp | None, model_version: int) -> None:
        known = self._known.get(person)
        self._changed.pop(person, None)
        if stamp is None:
            self._known.pop(person, None)
        elif known is None or (known.stamp, known.is_whole, known.hand.model_version) != (stamp, True, model_version):
            self._changed[person] = (stamp, model_version)
        if person in self._known:
            self._known.move_to_end(person)

    def _study(self, person: str, stamp: Stamp, model_version: int, before: dict[uuid.UUID, _Studied]) -> _Known:
        """Raises StorageUnavailable."""
        labels = self._labels.latest(person, LATEST)
        same = {each.id: before[each.id] for each in labels if _is_same(before.get(each.id), each, model_version)}
        missing = [each for each in labels if each.id not in same]
        bytes_so_far = accumulate(each.size for each in missing[:AT_ONCE])
        portion = missing[: max(1, sum(size <= AT_ONCE_BYTES for size in bytes_so_far))]
        pictures = self._labels.pictures([each.id for each in portion]) if portion else {}
        new = {each.id: self._read(each, pictures[each.id]) for each in portion if each.id in pictures}
        drawings = {each.id: studied for each in labels if (studied := same.get(each.id) or new.get(each.id))}
        digits = [
            digit
            for studied in drawings.values()
            if studied.model_version == model_version  # another one came meanwhile: the next answer reads them again
            for digit in zip(studied.features, studied.classes, strict=True)
        ][:LATEST]
        features = np.stack([feature for feature, _ in digits]) if digits else np.zeros((0, 0), np.float32)
        hand = Hand(model_version, features, np.array([each for _, each in digits], np.int64))
        return _Known(stamp, len(portion) == len(missing), drawings, hand)

    def _read(self, label: OwnLabel, picture: bytes) -> _Studied:
        try:
            framed = self._prepare(picture)
        except (BadImage, BlankDrawing):
            return _Studied(label.labelled_at, None, np.zeros((0, 0), np.float32), ())
        look = self._look(framed.frames)
        found = labelled(framed, look.predictions, label.truth)
        features = unit(look.features[np.array([place for place, _ in found], np.intp)])
        return _Studied(label.labelled_at, look.predictions[0].model_version, features, [each for _, each in found])


def _is_same(studied: _Studied | None, label: OwnLabel, model_version: int) -> bool:
    """Whether it was studied with the label that it has now, by the version that answers now."""
    return (
        studied is not None
        and studied.labelled_at == label.labelled_at
        and studied.model_version in (None, model_version)
    )
