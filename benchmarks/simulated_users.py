"""Visitors who draw and label digits, honest or not, and a database that holds what they said."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from sqlalchemy import URL, Engine

from mnist.drawing import Drawing
from mnist.model.network import DigitNetwork
from mnist.model.weights_file import read_weights
from mnist.retraining.quarantine import Caps
from mnist.retraining.replay_data import ReplayData
from mnist.retraining.run import Limits, Outcome, Shipped, retrain
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.labels import Labels
from mnist.store.model_registry import Registry
from mnist.training.datasets import Labelled
from mnist.training.evaluation import accuracy, logits_of
from mnist.training.handwriting.digit_styles import Style
from mnist.training.handwriting.strokes import deform, draw, held_out_styles, write
from mnist.vision.image_files import decode, encode_png
from mnist.vision.ink import BlankDrawing
from mnist.vision.prepare import prepare

LIMITS = Limits(min_feedback=10, caps=Caps(per_session=100, per_label=100), most_rows=100_000)
VISITORS = 60
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


# --- what they draw


@dataclass(frozen=True, slots=True)
class Picture:
    png: bytes
    frame: np.ndarray  # (28, 28) uint8
    digit: int


def pictures(seed: int, styles: Sequence[Style]) -> Iterator[Picture]:
    """Drawings by one visitor after another, without end."""
    rng = np.random.default_rng(seed)
    while True:
        style = styles[int(rng.integers(len(styles)))]
        png = encode_png(draw(deform(write(style, rng), rng), rng, style.brush))
        try:
            yield Picture(png, prepare(decode(png)).frame, style.digit)
        except BlankDrawing:
            continue


def take(source: Iterator[Picture], count: int) -> list[Picture]:
    return list(islice(source, count))


def misread(network: DigitNetwork, source: Iterator[Picture], count: int, most: int = 500_000) -> list[Picture]:
    """The next `count` drawings that the network gets wrong, or those among the next `most`: what people correct."""
    found: list[Picture] = []
    for _ in range(0, most, 500):
        drawn = take(source, 500)
        found += [picture for picture, is_right in zip(drawn, read_right(network, drawn), strict=True) if not is_right]
        if len(found) >= count:
            break
    return found[:count]


def read_right(network: DigitNetwork, drawn: Sequence[Picture]) -> list[bool]:
    images = as_images(drawn)
    return [bool(right) for right in logits_of(network, images.frames)[:, :10].argmax(1) == images.labels]


def misread_styles(network: DigitNetwork) -> list[Style]:
    """The half of the held-out styles that a network misreads most."""
    errors = {}
    for number, style in enumerate(held_out_styles()):
        errors[style] = error(network, as_images(take(pictures(500 + number, [style]), 300)))
    return sorted(errors, key=errors.__getitem__, reverse=True)[: len(errors) // 2]


def as_images(drawn: Sequence[Picture]) -> Labelled:
    frames = torch.from_numpy(np.stack([picture.frame for picture in drawn]))
    return Labelled(frames, torch.tensor([picture.digit for picture in drawn]))


def error(network: DigitNetwork, images: Labelled) -> float:
    return 1 - accuracy(logits_of(network, images.frames), images.labels)


# --- who says what


def sessions(count: int, visitors: int = VISITORS, prefix: str = "visitor") -> list[str]:
    return [f"{prefix} {number % visitors}" for number in range(count)]


def labelled(
    picture: Picture, label: int, session: str, when: datetime, network: str | None = None, told: int | None = None
) -> Drawing:
    """told: what the network read; None: nothing."""
    return Drawing(
        image=picture.png,
        source="canvas",
        predicted_digit=told,
        confidence=0.5,
        probabilities=(0.1,) * 10,
        verdict="unsure",
        model_version=1,
        session_id=session,
        network=network,
        created_at=when,
        true_label=label,
        labelled_at=when,
    )


class Silent:
    """Watches a run without a word."""

    def stage(self, what: str) -> None: ...

    def step(self, done: int, steps: int) -> None: ...


class House:
    """A fresh SQLite file with the shipped network, and what happens in it."""

    def __init__(self, weights: bytes, folder: Path, materials: ReplayData | None = None) -> None:
        self.url = URL.create("sqlite", database=str(folder / f"{uuid.uuid4().hex}.db"))
        self.engine: Engine = connect(self.url)
        self.registry, self.repository = Registry(self.engine), Repository(self.engine)
        self.labels = Labels(self.engine)
        self.shipped = Shipped(weights, {})
        self.registry.seed(weights, {})
        self._materials = materials
        self._minute = 0

    def label(
        self,
        drawn: Sequence[Picture],
        labels: Sequence[int],
        people: Sequence[str],
        networks: Sequence[str | None] | None = None,
        told: Sequence[int | None] | None = None,
    ) -> list[uuid.UUID]:
        """Store what `people` said of what was drawn, a minute after the other."""
        rows = []
        none = [None] * len(drawn)
        for picture, label, session, network, read in zip(
            drawn, labels, people, networks or none, told or none, strict=True
        ):
            self._minute += 1
            rows.append(labelled(picture, label, session, NOON + timedelta(minutes=self._minute), network, read))
        self.repository.add_all(rows)
        return [row.id for row in rows]

    def retrain(self) -> Outcome:
        assert self._materials is not None
        materials = self._materials
        return retrain(self.engine, self.shipped, lambda: materials, LIMITS, Silent())

    def active(self) -> DigitNetwork:
        version = self.registry.active()
        assert version is not None
        return read_weights(self.registry.weights(version.version))[0]

    def standing(self) -> dict[uuid.UUID, str | None]:
        """Why each processed label was set aside; None: learned."""
        return {each.id: each.set_aside for each in self.labels.read(1_000_000) if each.is_processed}
