"""Signs of no script: strokes joined by a random grammar, as letters and symbols are, but never like a digit."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np

from mnist.training.handwriting.pen import Line, render
from mnist.training.handwriting.strokes import deform, training_styles, write
from mnist.vision.ink import BlankDrawing
from mnist.vision.mnist_frame import frame_ink

Hand = Callable[[np.random.Generator], list[Line]]

STEP = 4.0  # between two points of a line, where a digit is 100 high
DIRECTIONS = np.deg2rad([0, 90, 90, 180, 270, 45, 135, 225, 315])  # 0 to the right, 90 down, as scripts prefer


# --- a stroke: pieces in a row ---


def _straight(rng: np.random.Generator) -> Line:
    length = rng.uniform(22, 95)
    along = np.linspace(0, length, max(3, int(length / STEP)))
    return np.stack([along, np.zeros_like(along)], axis=1)


def _arc(rng: np.random.Generator) -> Line:
    """Begins to the right; bends left or right by 60° to 330°."""
    radius, sweep = rng.uniform(10, 44), np.deg2rad(rng.uniform(60, 330))
    angle = np.linspace(0, sweep, max(6, int(radius * sweep / STEP)))
    line = np.stack([np.sin(angle), 1 - np.cos(angle)], axis=1) * radius
    return line * [rng.uniform(0.6, 1.6), rng.choice([-1.0, 1.0])]


def _wave(rng: np.random.Generator) -> Line:
    """Humps to one side (an m), or to both in turn (a tilde)."""
    humps, width, height = int(rng.integers(2, 5)), rng.uniform(14, 34), rng.uniform(10, 40)
    along = np.linspace(0, np.pi * humps, humps * 10)
    across = np.sin(along) if rng.random() < 0.5 else np.abs(np.sin(along))
    return np.stack([along / np.pi * width, across * height * rng.choice([-1.0, 1.0])], axis=1)


def _loop(rng: np.random.Generator) -> Line:
    """A pen that crosses its own way and goes on."""
    radius, turns = rng.uniform(8, 24), rng.uniform(1.0, 1.5)
    angle = np.linspace(0, 2 * np.pi * turns, 34)
    drift = np.linspace(0, rng.uniform(0, 36), 34)
    line = np.stack([np.sin(angle) * radius + drift, (1 - np.cos(angle)) * radius], axis=1)
    return line * [1.0, rng.choice([-1.0, 1.0])]


_PIECES: tuple[tuple[Callable[[np.random.Generator], Line], float], ...] = (
    (_straight, 0.48),
    (_arc, 0.34),
    (_wave, 0.08),
    (_loop, 0.10),
)


def _stroke(rng: np.random.Generator, pieces: int) -> Line:
    """Pieces end to end: half of them go on as the one before, the others turn to a direction that scripts prefer."""
    line = np.zeros((1, 2))
    heading = float(rng.choice(DIRECTIONS) + rng.normal(0, 0.12))
    for _ in range(pieces):
        chosen = int(rng.choice(len(_PIECES), p=[share for _, share in _PIECES]))
        piece = _turned(_PIECES[chosen][0](rng), heading)
        line = np.vstack([line, piece[1:] + line[-1]])
        way = line[-1] - line[-2]
        heading = float(np.arctan2(way[1], way[0]))
        if rng.random() < 0.5:
            heading = float(rng.choice(DIRECTIONS) + rng.normal(0, 0.15))
    return line


def _turned(line: Line, angle: float) -> Line:
    cosine, sine = np.cos(angle), np.sin(angle)
    return line @ np.array([[cosine, sine], [-sine, cosine]])


def _ring(rng: np.random.Generator) -> Line:
    angle = np.linspace(0, 2 * np.pi * rng.uniform(0.93, 1.05), 30) + rng.uniform(0, 6)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * rng.uniform(10, 40) * [rng.uniform(0.6, 1.4), 1]


# --- a sign: strokes that meet, cross, or stand side by side ---


def _joined(fewest: int, most: int) -> Hand:
    """Each stroke begins, ends or crosses at the beginning, the middle or the end of one before it."""

    def hand(rng: np.random.Generator) -> list[Line]:
        lines: list[Line] = []
        for _ in range(int(rng.integers(fewest, most + 1))):
            stroke = (
                _ring(rng) if rng.random() < 0.12 else _stroke(rng, int(rng.choice([1, 2, 3], p=[0.55, 0.35, 0.1])))
            )
            if lines:
                stroke = stroke - _place(stroke, rng) + _place(lines[int(rng.integers(len(lines)))], rng)
            lines.append(stroke + rng.normal(0, 1.5, 2))
        return lines

    return hand


def _place(line: Line, rng: np.random.Generator) -> Line:
    return np.asarray(line[int(rng.choice([0.0, 0.5, 1.0, rng.random()]) * (len(line) - 1))])


def _in_one(rng: np.random.Generator) -> list[Line]:
    """A longer stroke without lifting the pen, as cursive letters are."""
    return [_stroke(rng, int(rng.integers(2, 6)))]


def _marked(rng: np.random.Generator) -> list[Line]:
    """A small sign with dots, a bar or a hook above, below or beside it."""
    lines = _fitted(_joined(1, 2)(rng), (100.0, 100.0))
    while like_a_digit(lines):  # one with a stray touch is still a digit
        lines = _fitted(_joined(1, 2)(rng), (100.0, 100.0))
    for _ in range(int(rng.integers(1, 4))):
        side = rng.choice([-1, 1]) * rng.uniform(60, 80)
        where = np.array([rng.uniform(-40, 40), side] if rng.random() < 0.7 else [side, rng.uniform(-40, 40)])
        mark = rng.normal(0, 2, (2, 2)) if rng.random() < 0.55 else _fitted([_stroke(rng, 1)], (26.0, 26.0))[0]
        lines.append(mark + where + 50)
    return lines


def _stacked(rng: np.random.Generator) -> list[Line]:
    """Two to four small signs in the cells of a square, as syllables are built."""
    layouts = ([(0, 0), (1, 0)], [(0, 0), (0, 1)], [(0, 0), (1, 0), (0.5, 1)], [(0, 0), (1, 0), (0, 1), (1, 1)])
    lines: list[Line] = []
    for across, down in layouts[int(rng.integers(len(layouts)))]:
        size = rng.uniform(34, 52, 2)
        cell = _fitted(_joined(1, 3)(rng), (float(size[0]), float(size[1])))
        lines += [line + np.array([across, down]) * 54 + rng.normal(0, 3, 2) for line in cell]
    return lines


def _comb(rng: np.random.Generator) -> list[Line]:
    """One long stroke with three or more short ones on it."""
    spine = _straight(rng) * [1.0, 1.0]
    spine = spine * (100 / spine[-1, 0])
    lean = rng.uniform(-0.5, 0.5)
    lines = [spine]
    for at in np.linspace(0.05, 0.95, int(rng.integers(3, 6))):
        length = rng.uniform(24, 48) * (rng.choice([-1, 1]) if rng.random() < 0.3 else 1)
        lines.append(np.array([[at * 100, 0.0], [at * 100 + lean * length, length]]) + rng.normal(0, 2, 2))
    return [_turned(line, float(rng.choice(DIRECTIONS[:5]))) for line in lines]


def _fitted(lines: list[Line], size: tuple[float, float]) -> list[Line]:
    """Moved to 0,0 and scaled, its proportions kept, to lie within a box."""
    points = np.vstack(lines)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = float((np.array(size) / np.maximum(high - low, 1e-3)).min())
    return [(line - low) * scale for line in lines]


GRAMMARS: dict[str, Hand] = {
    "glyph in one stroke": _in_one,
    "glyph of two strokes": _joined(2, 2),
    "glyph of three or four strokes": _joined(3, 4),
    "glyph with marks": _marked,
    "glyph of cells": _stacked,
    "comb": _comb,
}


# --- what looks like a digit is none of them ---

SIDE = 14  # pixels of the pictures that are compared: half a frame's, so that lines side by side still match
NEAREST = 0.87  # cosine from which a sign is taken for a digit: 49 of 50 digits have another digit as near


def sign(grammar: Hand) -> Hand:
    """Signs of a grammar in somebody's hand, without those that lie as near to a digit as digits do to each other."""

    def hand(rng: np.random.Generator) -> list[Line]:
        while True:
            lines = deform(_fitted(grammar(rng), (100.0, 100.0)), rng, tame=0.7)
            if not like_a_digit(lines):
                return lines

    return hand


def like_a_digit(lines: list[Line]) -> bool:
    """Whether plainly drawn lines lie as near to one of 3,000 drawn digits as digits lie to each other."""
    try:
        # einsum: a product by BLAS would start threads in every worker process
        return bool(np.einsum("ij,j->i", _digits(), _picture(lines)).max() >= NEAREST)
    except BlankDrawing:
        return True


def _picture(lines: list[Line]) -> np.ndarray:
    """(SIDE * SIDE,) float32 of unit length: the frame of plainly drawn lines, blurred, less its mean."""
    frame = cv2.GaussianBlur(frame_ink(render(lines, 60, 6)).frame, (0, 0), 1.2)
    flat = cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    flat -= flat.mean()
    return np.asarray(flat / np.linalg.norm(flat), dtype=np.float32)


@cache
def _digits() -> np.ndarray:
    """(3000, SIDE * SIDE): pictures of digits in all styles of training, the same in every process."""
    rng, styles = np.random.default_rng(0), training_styles()
    written = (deform(write(styles[number % len(styles)], rng), rng, tame=0.8) for number in range(3_000))
    return np.stack([_picture(lines) for lines in written])
