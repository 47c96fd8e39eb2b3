"""Draws what is no digit: letters, symbols, doodles, shapes, scribbles, several digits at once; some kinds stay out of training.

Left out on purpose: what a person could read as a digit, such as O, l, I, Z, S, b, q, g, y, a bar standing upright, and
a B or D whose stem does not stand out.
"""

# ruff: noqa: E501 - a shape stays on one line, so that its strokes can be read against each other

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mnist.model.network import NON_DIGIT
from mnist.training.datasets import Labelled
from mnist.training.handwriting.digit_styles import STYLES, Style
from mnist.training.handwriting.glyphs import GRAMMARS, sign
from mnist.training.handwriting.pen import Line, draw
from mnist.training.handwriting.strokes import Drawn, deform, many, write

Hand = Callable[[np.random.Generator], list[Line]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of non-digit."""

    family: str  # letter, symbol, object, shape, scribble, glyph, several
    name: str
    shapes: tuple[str, ...] = ()  # as in mnist/training/handwriting/digit_styles.py; empty: `hand` makes it up
    hand: Hand | None = None
    held_out: bool = False

    def lines(self, rng: np.random.Generator) -> list[Line]:
        """Pen lines of one drawing, deformed as a person's would be."""
        if self.hand is not None:
            return self.hand(rng)
        return deform(write(Style(NON_DIGIT, self.name, self.shapes), rng), rng, tame=0.8)


def _walk(points: int, smooth: bool) -> Hand:
    def hand(rng: np.random.Generator) -> list[Line]:
        count = int(rng.integers(points, points * 3))
        where = rng.uniform(0, 100, (count, 2)) * [rng.uniform(0.5, 1.6), 1]
        shape = " ".join(f"{x:.0f},{y:.0f}{'' if smooth else '!'}" for x, y in where)
        return write(Style(NON_DIGIT, "walk", (shape,)), rng)

    return hand


def _coil(turns: float, wander: float, inwards: float) -> Hand:
    """Round and round: spirals, balls of wool, chains of loops."""

    def hand(rng: np.random.Generator) -> list[Line]:
        around = np.linspace(0, 2 * np.pi * turns * rng.uniform(0.7, 1.4), 160) * rng.choice([-1, 1])
        radius = (
            50 * np.linspace(1, 1 - inwards, 160) * (1 + rng.normal(0, 0.12) * np.sin(around * rng.uniform(0.2, 0.8)))
        )
        drift = np.linspace(0, 1, 160)[:, None] * rng.normal(0, 1, 2) * wander
        phase = rng.uniform(0, 6)
        return deform([np.stack([np.cos(around + phase), np.sin(around + phase)], 1) * radius[:, None] + drift], rng)

    return hand


def _zigzag(upright: bool) -> Hand:
    def hand(rng: np.random.Generator) -> list[Line]:
        count = int(rng.integers(6, 18))
        across = np.linspace(0, rng.uniform(60, 220), count)
        down = np.where(np.arange(count) % 2, 0, 100) + rng.normal(0, 12, count)
        where = np.stack([across, down] if upright else [down, across], axis=1)
        shape = " ".join(f"{x:.0f},{y:.0f}{'!' if rng.random() < 0.6 else ''}" for x, y in where)
        return deform(write(Style(NON_DIGIT, "zigzag", (shape,)), rng), rng)

    return hand


def _dashes(rng: np.random.Generator) -> list[Line]:
    lines = []
    for _ in range(int(rng.integers(4, 12))):
        middle, along = rng.uniform(0, 100, 2), rng.normal(0, 28, 2)
        lines.append(np.stack([middle - along, middle + rng.normal(0, 5, 2), middle + along]))
    return lines


def _dots(rng: np.random.Generator) -> list[Line]:
    return [rng.uniform(0, 100, (1, 2)) + rng.normal(0, 1.5, (2, 2)) for _ in range(int(rng.integers(3, 14)))]


def _bar(rng: np.random.Generator) -> list[Line]:
    across = np.linspace(0, 100, 12)
    wave = np.sin(across * rng.uniform(0.01, 0.09) + rng.uniform(0, 6)) * rng.gamma(1.2, 3)
    return [np.stack([across, wave + across * rng.uniform(-0.25, 0.25)], axis=1)]


def _hatching(rng: np.random.Generator) -> list[Line]:
    count, lean = int(rng.integers(4, 9)), rng.uniform(-40, 40)
    at = np.linspace(0, 100, count)
    lines = [np.array([[x, 0.0], [x + lean, 100.0]]) + rng.normal(0, 4, (2, 2)) for x in at]
    if rng.random() < 0.5:
        lines += [
            np.array([[0.0, y], [100.0 + lean, y]]) + rng.normal(0, 4, (2, 2)) for y in at[:: int(rng.integers(1, 3))]
        ]
    return lines


def _blob(rng: np.random.Generator) -> list[Line]:
    """An area filled by going to and fro."""
    count = int(rng.integers(18, 40))
    down = np.linspace(0, 100, count)
    half = (
        50
        * rng.uniform(0.6, 1.6)
        * np.sqrt(np.clip(1 - ((down - 50) / 54) ** 2, 0.02, 1))
        * rng.uniform(0.75, 1, count)
    )
    return deform([np.stack([np.where(np.arange(count) % 2, half, -half), down], axis=1)], rng)


def _lobes(rng: np.random.Generator) -> list[Line]:
    """A closed outline with dents or lobes: a leaf, a splash, a bean, a paw."""
    around = np.linspace(0, 2 * np.pi, 90)
    radius = np.ones(90)
    for waves in rng.choice(np.arange(2, 8), 2, replace=False):
        radius += rng.uniform(0.18, 0.38) * np.cos(waves * around + rng.uniform(0, 6))
    line = np.stack([np.cos(around), np.sin(around)], axis=1) * radius[:, None] * 50
    return deform([line], rng)


def _pieces(rng: np.random.Generator) -> list[Line]:
    """Three to five lines, arcs, rings and corners, anyhow: a sketch of nothing in particular."""
    lines: list[Line] = []
    for _ in range(int(rng.integers(3, 6))):
        around = np.linspace(0, rng.uniform(1.5, 4.5), 24) + rng.uniform(0, 6)
        arc = np.stack([np.cos(around), np.sin(around)], axis=1) * rng.uniform(10, 40, 2)
        ring = np.stack([np.cos(around * 5), np.sin(around * 5)], axis=1)[:12] * rng.uniform(6, 32)
        straight = np.stack([-rng.normal(0, 26, 2), rng.normal(0, 26, 2)])
        corner = np.stack([rng.normal(0, 30, 2), np.zeros(2), rng.normal(0, 30, 2)])
        lines.append([arc, ring, straight, corner][int(rng.integers(4))] + rng.uniform(0, 100, 2))
    return deform(lines, rng)


def _digit_lines(rng: np.random.Generator, digit: int | None = None) -> list[Line]:
    styles = [style for style in STYLES if digit is None or style.digit == digit]
    style = styles[int(rng.integers(len(styles)))]
    lines = deform(write(style, rng), rng)
    low = np.vstack(lines).min(axis=0)
    high = np.vstack(lines).max(axis=0)
    return [(line - low) * (100 / (high[1] - low[1] + 1e-6)) for line in lines]


def _several(fewest: int, most: int) -> Hand:
    """Digits side by side, as somebody writes a number."""

    def hand(rng: np.random.Generator) -> list[Line]:
        lines: list[Line] = []
        right, gap = 0.0, rng.uniform(-2, 30)
        for _ in range(int(rng.integers(fewest, most + 1))):
            size = rng.normal(1, 0.1)
            digit = [line * size + [right, rng.normal(0, 7)] for line in _digit_lines(rng)]
            lines += digit
            right = max(float(line[:, 0].max()) for line in digit) + gap + rng.normal(6, 4)
        return lines

    return hand


def _over_each_other(rng: np.random.Generator) -> list[Line]:
    # Not 0 nor 1: a second stroke of theirs often leaves the other digit readable, or makes it another.
    first, second = rng.choice(np.arange(2, 10), 2, replace=False)
    aside = np.array([rng.uniform(10, 30) * rng.choice([-1, 1]), rng.normal(0, 12)])
    return _digit_lines(rng, int(first)) + [line + aside for line in _digit_lines(rng, int(second))]


def _letters(**shapes: str) -> list[Kind]:
    return [Kind("letter", name, (shape,)) for name, shape in shapes.items()]


CIRCLE = "@ 50,0 15,15 0,50 15,85 50,100 85,85 100,50 85,15"
KINDS: tuple[Kind, ...] = (
    *_letters(
        A="0,100 20,50 38,0! 58,50 78,100|12,64 38,62 66,64",
        E="56,0 30,0 4,0! 2,50 0,100! 30,100 60,98|2,50 24,48 46,48",
        F="60,0 30,0 4,0! 2,50 0,100|2,48 24,46 46,46",
        H="0,0 1,50 2,100|60,0 60,50 60,100|2,50 30,48 60,50",
        N="0,100 2,50 4,0! 32,50 60,100! 62,50 64,0",
        T="0,0 36,1 74,0|37,2 37,50 36,100",
        V="0,0 20,50 38,100! 58,50 76,0",
        W="0,0 14,50 26,100! 38,60 50,24! 64,60 76,100! 90,50 102,0",
        X="0,0 34,50 68,100|68,0 34,50 0,100",
        P="2,0 2,50 0,100|0,4 34,0 54,14 50,38 26,52 2,50",
        L="4,0 2,50 0,100! 34,100 66,98",
        C="66,14 42,0 10,18 0,52 14,88 44,100 70,84",
        U="0,0 2,50 10,86 34,100 58,86 66,50 66,0",
        a="56,30 34,18 8,34 0,66 16,96 42,88 58,50 60,26! 60,70 76,96",
        e="4,56 34,54 64,46 56,14 28,6 4,28 0,60 14,92 42,100 70,80",
        f="56,6 38,0 26,18 24,60 22,100|0,42 24,40 52,40",
        k="2,0 2,50 0,100|44,34 22,56 4,68! 28,80 50,100",
        m="0,100 2,60 4,20! 12,36 28,20 38,40 38,98! 44,44 62,20 74,44 76,100",
        n="0,24 2,60 2,100! 6,52 28,26 50,40 54,72 56,100",
        t="26,0 24,40 26,84 42,100 58,90|0,32 28,30 58,28",
        u="0,0 2,50 12,92 36,92 54,60 58,0! 58,50 62,100",
        v="0,0 20,52 32,100! 46,56 62,4",
        x="4,0 24,30 44,70 66,100|64,2 36,44 0,100",
        AE="0,100 30,50 56,0! 54,50 54,100! 76,100 100,98|56,0 80,0 100,0|18,60 52,56 86,54",
        pi="0,8 40,2 90,4|24,6 22,50 14,100|62,6 60,60 74,100",
        G="70,18 44,0 12,16 0,54 14,92 48,100 72,80 74,58! 58,58 42,58",
        Q="@ 50,0 15,15 0,50 15,85 50,100 85,85 100,50 85,15|56,66 80,88 110,112",
        Y="0,0 18,24 36,46|74,0 54,26 36,46 34,74 34,100",
        j_with_dot="30,30 30,64 28,96 12,110 -6,100|30,4 32,6 30,7",
        i_with_dot="4,34 4,66 6,100|4,2 6,5 4,6",
        r="0,22 2,60 2,100! 6,56 22,30 44,26",
        p="2,24 2,80 0,140|2,40 26,22 50,40 48,74 24,86 2,74",
        gamma="0,10 16,0 34,30 36,70 26,100 16,80 36,40 64,0",
        alpha="84,4 60,40 34,76 10,70 2,38 20,10 44,20 64,60 88,80",
        psi="0,10 8,50 40,70 72,50 80,8|42,0 40,60 38,120",
        ae="4,30 26,20 36,40 30,80 8,88 4,66 36,56 66,48 62,22 40,30 36,70 52,92 76,80",
        lam="8,2 20,6 32,40 60,100|34,46 18,74 0,100",
        sigma="60,0 30,0 2,2! 20,26 36,48! 20,72 0,98! 34,100 66,98",
    ),
    *_letters(
        B_with_a_stem="4,-6 3,50 0,108|-10,4 30,0 46,18 34,40 6,48! 44,52 54,78 34,100 -8,104",
        D_with_a_stem="4,-6 2,50 0,108|-12,2 30,0 64,24 68,60 42,94 -12,102",
        a_of_two_storeys="6,16 22,0 44,8 48,40 48,84 60,100|48,44 20,46 0,70 14,96 38,92 48,70",
        G_with_a_spur="66,14 42,0 12,16 0,52 14,90 44,98 66,78|40,56 68,56 70,100",
        J_with_a_bar="6,0 50,0 94,0|52,0 52,50 48,88 26,100 4,84",
        epsilon="52,8 20,0 6,22 30,44! 4,54 2,86 30,100 56,86",
        mu="0,20 0,70 -6,140|2,60 14,84 36,80 48,50 50,20! 50,60 56,84 66,80",
        Gamma="0,100 2,50 2,0! 30,0 64,2",
        Pi="0,0 50,0 100,0|22,0 20,50 18,100|78,0 78,50 80,100",
        Omega="0,100 26,98! 4,60 12,14 46,0 82,14 90,60 68,98! 96,100",
        Xi="0,0 40,0 80,2|14,50 40,50 66,50|0,100 40,98 82,100",
        phi="@ 50,24 10,32 0,54 12,76 50,82 88,74 100,52 88,30|50,-10 50,50 46,118",
        alef="0,0 34,50 74,100|66,0 62,26 42,44|22,36 8,66 4,100",
        he="0,2 40,0 80,2! 80,50 76,100|16,38 14,70 8,100",
        shin="0,0 4,50 14,100! 50,96 84,100! 94,50 100,0|50,4 44,40 20,80",
    ),
    *(
        Kind("letter", name, (shape,), held_out=True)
        for name, shape in {
            "K": "2,0 1,50 0,100|58,0 30,30 4,54! 32,78 62,100",
            "M": "0,100 4,50 8,0! 26,40 42,70! 60,40 76,0! 80,50 84,100",
            "R": "2,0 2,50 0,100|0,4 34,0 52,16 42,40 4,50! 32,76 60,100",
            "d": "54,48 32,40 6,52 0,78 18,100 42,94 54,70|58,0 56,50 60,100",
            "h": "2,0 2,50 0,100! 6,64 28,46 50,58 54,78 54,100",
            "w": "0,0 8,60 24,96 40,70 46,30! 52,74 68,96 86,60 92,0",
            "omega": "14,10 0,50 12,92 36,90 46,50! 56,90 80,92 92,50 78,10",
        }.items()
    ),
    # symbols
    Kind("symbol", "plus", ("0,50 50,50 100,50|50,0 50,50 50,100",)),
    Kind("symbol", "equals", ("0,0 50,0 100,0|0,40 50,40 100,40",)),
    Kind("symbol", "question mark", ("0,22 14,0 44,2 52,24 34,44 26,58 26,70|26,94 27,96 26,97",)),
    Kind("symbol", "exclamation mark", ("10,0 10,30 8,66|8,92 9,95 8,96",)),
    Kind("symbol", "asterisk", ("50,0 50,50 50,100|6,24 50,50 94,76|94,24 50,50 6,76",)),
    Kind("symbol", "at", ("66,36 44,28 30,48 40,68 60,60 68,34! 68,62 88,62 96,36 72,4 34,2 2,32 4,76 40,100 80,92",)),
    Kind("symbol", "tick", ("0,60 14,76 28,100! 56,50 92,0",)),
    Kind("symbol", "arrow right", ("0,50 50,50 100,50|72,22 86,36 100,50! 86,64 72,78",), held_out=True),
    Kind("symbol", "arrow up", ("50,100 50,50 50,0|22,28 36,14 50,0! 64,14 78,28",)),
    Kind("symbol", "star", ("50,0 34,50 18,100! 60,66 100,36! 50,36 0,38! 42,70 84,100! 66,50 50,0",)),
    Kind("symbol", "percent", ("80,0 40,50 0,100|@ 16,0 4,10 14,26 30,20 30,6|@ 70,70 56,84 66,100 82,92 84,78",)),
    Kind("symbol", "section", ("60,10 40,0 16,8 20,26 56,46 58,64 34,72|36,28 12,36 14,54 50,74 54,92 30,100 8,90",)),
    Kind("symbol", "treble clef", ("36,100 22,96 28,84 44,92 40,110 20,60 30,10 40,0 44,16 10,50 6,72 30,86 52,70 40,52 24,62 32,76",)),
    Kind("symbol", "clubs", ("@ 50,0 32,10 36,32 50,38 64,32 68,10|@ 24,36 4,44 2,64 22,74 42,64 44,46|@ 76,36 56,46 58,64 78,74 98,64 96,44|50,40 50,70 40,100! 50,100 62,100",)),
    Kind("symbol", "pound", ("64,14 48,0 28,10 26,40 26,70 4,98! 36,92 70,98|4,52 28,52 54,50",)),
    Kind("symbol", "less", ("80,0 40,26 0,50! 40,76 80,100",)),
    Kind("symbol", "tilde", ("0,20 20,0 44,10 66,26 90,16 104,0",)),
    Kind("symbol", "euro", ("76,12 48,0 20,24 14,56 30,90 60,100 84,86|0,40 28,40 60,38|0,58 28,58 56,56",)),
    Kind("symbol", "infinity", ("@ 0,26 22,0 62,28 104,52 128,26 104,0 62,26 22,52",)),
    Kind("symbol", "root", ("0,60 10,54 26,100! 40,50 54,0! 90,0 130,2",)),
    Kind("symbol", "hash", ("30,0 26,50 20,100|72,0 68,50 62,100|0,34 50,32 98,30|0,70 50,68 96,66",), held_out=True),
    Kind("symbol", "ampersand", ("84,98 52,70 20,26 30,2 54,8 44,34 8,62 4,92 34,100 66,76 80,50",), held_out=True),
    Kind("symbol", "heart", ("@ 50,100 14,60 0,28 16,2 42,8 50,28 58,8 84,2 100,28 86,60",)),
    Kind("symbol", "arrow left", ("100,50 50,50 0,50|28,22 14,36 0,50! 14,64 28,78",), held_out=True),
    Kind("symbol", "note", ("56,66 56,34 56,0! 74,14 88,34|@ 54,70 34,66 14,76 8,92 26,100 46,94 56,82",)),
    Kind("symbol", "division sign", ("0,50 50,50 100,50|48,12 52,16|48,84 52,88",)),
    Kind("symbol", "plus and minus", ("0,40 50,40 100,40|50,0 50,40 50,80|0,100 50,100 100,100",)),
    Kind("symbol", "at most", ("84,0 40,24 0,44! 40,62 84,82|0,100 40,100 84,100",)),
    Kind("symbol", "unequal", ("0,34 50,34 100,34|0,66 50,66 100,66|76,0 50,50 26,100",)),
    Kind("symbol", "bracket", ("44,0! 20,0 0,0! 0,50 0,100! 20,100 44,100",)),
    Kind("symbol", "brace", ("44,0 24,8 24,34 2,50! 24,66 24,92 44,100",)),
    Kind("symbol", "element of", ("76,2 30,8 0,50 30,92 76,98|0,50 36,50 72,50",)),
    Kind("symbol", "nabla", ("0,0! 26,50 52,100! 78,50 104,0! 52,0 0,0",)),
    Kind("symbol", "for all", ("0,0 26,50 50,100! 76,50 100,0|20,36 50,36 82,36",)),
    # shapes
    Kind("shape", "triangle", ("50,0! 24,44 0,88! 50,88 100,88! 76,44 50,0",)),
    Kind("shape", "square", ("0,0! 50,0 100,0! 100,50 100,100! 50,100 0,100! 0,50 0,0",)),
    Kind("shape", "crossed square", (
        "0,0! 50,0 100,0! 100,50 100,100! 50,100 0,100! 0,50 0,0|0,0 50,50 100,100|100,0 50,50 0,100",
    )),
    Kind("shape", "crossed circle", (CIRCLE + "|50,0 50,50 50,100|0,50 50,50 100,50",)),
    Kind("shape", "target", (CIRCLE + "|@ 50,28 34,34 28,50 34,66 50,72 66,66 72,50 66,34",)),
    Kind("shape", "cube", (
        "0,30! 35,30 70,30! 70,65 70,100! 35,100 0,100! 0,65 0,30|0,30 14,15 30,0! 65,0 100,0! 86,15 70,30|100,0 100,35 100,72! 86,86 70,100",
    )),
    Kind("shape", "steps", ("0,100 0,80 0,66! 16,66 34,66! 34,50 34,34! 50,34 68,34! 68,18 68,0! 84,0 100,0",)),
    Kind("shape", "bar", hand=_bar),
    Kind("shape", "lobes", hand=_lobes),
    Kind("shape", "pieces", hand=_pieces),
    Kind("shape", "half moon", ("0,0! 40,10 60,50 40,90 0,100! 24,76 32,50 24,24 0,0",)),
    Kind("shape", "cross in outline", (
        "34,0! 50,0 66,0! 66,17 66,34! 83,34 100,34! 100,50 100,66! 83,66 66,66! 66,83 66,100! 50,100 34,100! 34,83 34,66! 17,66 0,66! 0,50 0,34! 17,34 34,34! 34,17 34,0",
    )),
    Kind("shape", "diamond with a line", ("50,0! 26,25 0,50! 24,76 50,100! 75,76 100,50! 76,24 50,0|0,50 50,50 100,50",), held_out=True),
    Kind("shape", "hexagon of lines", (
        "26,0! 50,0 76,0! 90,25 100,50! 88,76 74,100! 50,100 26,100! 12,76 0,50! 14,24 26,0|0,50 50,50 100,50|26,0 50,50 74,100|76,0 50,50 26,100",
    ), held_out=True),
    # objects
    Kind("object", "house", ("4,44 4,72 4,100! 50,100 96,100! 96,72 96,44|0,46 24,22 50,0! 76,22 100,46|40,100 40,84 40,68! 50,68 60,68! 60,84 60,100",), held_out=True),
    Kind("object", "face", (CIRCLE + "|32,36 33,40 32,42|68,36 67,40 68,42|26,66 40,80 60,80 74,66",)),
    Kind("object", "person", (
        "@ 50,0 40,4 38,16 50,24 62,16 60,4|50,24 50,44 50,62|20,40 50,36 80,40|50,62 38,80 24,100|50,62 62,80 76,100",
    )),
    Kind("object", "tree", ("44,100 46,76 44,52|58,100 56,76 58,52|@ 50,0 18,6 4,30 18,52 50,56 82,52 96,30 82,6",)),
    Kind("object", "pine", ("50,0! 36,20 22,40! 32,40 40,40! 22,64 6,84! 50,84 94,84! 78,64 60,40! 68,40 78,40! 64,20 50,0|50,84 50,92 50,100",)),
    Kind("object", "sun", (
        "@ 50,30 36,36 30,50 36,64 50,70 64,64 70,50 64,36|50,0 50,10 50,18|50,82 50,90 50,100|0,50 10,50 18,50|82,50 90,50 100,50|15,15 20,20 27,27|85,15 80,20 73,27|15,85 20,80 27,73|85,85 80,80 73,73",
    )),
    Kind("object", "cup", ("0,0 4,50 12,100! 40,102 66,100! 74,50 78,0! 40,2 0,0|76,20 104,18 108,50 72,66",)),
    Kind("object", "boat", ("0,66 50,68 100,66! 88,84 74,100! 50,100 26,100! 12,84 0,66|50,66 50,34 50,0! 68,26 84,54! 66,54 50,54",)),
    Kind("object", "umbrella", ("0,46 10,14 50,0 90,14 100,46! 74,38 50,46! 24,38 0,46|50,0 50,50 50,86 62,100 74,88",)),
    Kind("object", "glasses", ("@ 24,0 6,8 0,26 10,44 26,48 44,38 48,20 40,6|@ 96,0 80,8 74,26 84,44 100,48 116,38 122,20 112,6|48,22 60,16 74,22",)),
    Kind("object", "cat", (
        "8,40 10,18 14,0! 24,12 34,22! 50,20 66,22! 76,12 86,0! 90,20 92,40 94,70 70,98 50,100 30,98 6,70 8,40|34,50 35,54 34,56|66,50 65,54 66,56|50,66 50,72 50,74",
    )),
    Kind("object", "cloud", ("@ 20,60 0,44 8,24 28,22 42,2 70,6 80,26 104,28 110,50 90,62 54,64",)),
    Kind("object", "balloon", ("@ 40,0 10,12 0,36 12,58 40,68 68,58 80,36 70,12|40,68 34,84 46,100 38,120|30,80 40,68! 50,80",), held_out=True),
    Kind("object", "lollipop", ("@ 40,0 10,12 0,40 12,66 40,78 68,66 80,40 68,12|40,40 54,34 52,20 30,16 18,40 34,62|40,78 40,110 40,140",)),
    Kind("object", "flag on a pole", ("0,0 0,50 0,100|0,2 30,10 62,0! 60,20 62,42! 30,50 0,40",)),
    Kind("object", "mushroom", ("@ 50,0 14,16 0,46 26,54 50,50 74,54 100,46 86,16|38,52 40,76 34,100! 50,102 66,100! 60,76 62,52",)),
    Kind("object", "apple", ("@ 50,30 28,18 4,34 4,66 24,96 50,92 76,96 96,66 96,34 72,18|50,30 50,14 60,0|56,12 74,6 82,14 66,20",)),
    Kind("object", "snail", ("58,60 50,48 40,56 46,76 66,74 72,46 50,30 24,44 24,80 60,98|0,100 40,100 96,100 108,70 100,50|100,50 96,40 90,34|104,50 110,40 116,36",)),
    Kind("object", "hammer", ("0,0! 40,0 80,0! 80,14 80,28! 40,28 0,28! 0,14 0,0|34,28 34,64 34,100|46,28 46,64 46,100",)),
    Kind("object", "leaf", ("@ 0,100 10,50 50,10 100,0 92,50 50,90|0,100 40,60 80,20|40,60 42,42 46,30|56,44 74,46 86,44",)),
    Kind("object", "ladder", ("0,0 0,50 0,100|46,0 46,50 46,100|0,18 24,18 46,18|0,42 24,42 46,42|0,66 24,66 46,66|0,88 24,88 46,88",)),
    Kind("object", "fish", ("100,0 80,24 50,44 22,44 0,26 22,6 50,6 80,28 100,52! 98,26 100,0|18,22 19,24 18,25",), held_out=True),
    Kind("object", "flower", (
        "@ 50,20 42,24 40,32 50,38 60,32 58,24|@ 50,0 38,4 40,16 50,20 60,16 62,4|@ 38,28 26,20 14,28 22,42 36,38|@ 62,28 74,20 86,28 78,42 64,38|@ 50,40 38,44 40,58 60,58 62,44|50,58 50,80 48,100",
    ), held_out=True),
    Kind("object", "car", (
        "0,60 0,44 4,36! 20,34 30,32! 38,14 48,6! 74,4 96,6! 104,20 112,34! 130,38 136,44! 136,54 136,62! 70,62 0,60|@ 32,50 22,56 22,70 32,76 42,70 42,56|@ 104,50 94,56 94,70 104,76 114,70 114,56",
    ), held_out=True),
    Kind("object", "key", ("@ 20,0 4,8 0,22 8,38 24,40 38,30 40,14 34,4|38,24 76,58 110,90|90,70 82,80 74,90|104,84 96,94 90,104",)),
    # scribbles
    Kind("scribble", "smooth walk", hand=_walk(8, smooth=True)),
    Kind("scribble", "jagged walk", hand=_walk(7, smooth=False)),
    Kind("scribble", "ball", hand=_coil(7, 25, 0.9)),
    Kind("scribble", "chain of loops", hand=_coil(4.5, 180, 0.0)),
    Kind("scribble", "zigzag", hand=_zigzag(upright=True)),
    Kind("scribble", "dashes", hand=_dashes),
    Kind("scribble", "dots", hand=_dots),
    Kind("scribble", "blob", hand=_blob),
    Kind("scribble", "hatching", hand=_hatching, held_out=True),
    Kind("scribble", "spiral", hand=_coil(3.2, 0, 1.0), held_out=True),
    Kind("scribble", "zigzag downwards", hand=_zigzag(upright=False), held_out=True),
    # signs of no script
    *(Kind("glyph", name, hand=sign(grammar), held_out=name == "comb") for name, grammar in GRAMMARS.items()),
    # several digits
    Kind("several", "two digits", hand=_several(2, 2)),
    Kind("several", "four or five digits", hand=_several(4, 5)),
    Kind("several", "over each other", hand=_over_each_other),
    Kind("several", "three digits", hand=_several(3, 3), held_out=True),
)  # fmt: skip
# Kinds differ in how much there is to learn; a family is drawn first, then one of its kinds.
FAMILY_WEIGHTS = {
    "letter": 0.28,
    "symbol": 0.16,
    "object": 0.14,
    "shape": 0.1,
    "scribble": 0.17,
    "several": 0.15,
    "glyph": 0.45,
}


def draw_outlier(rng: np.random.Generator, kinds: Sequence[Kind]) -> tuple[np.ndarray, int]:
    """(ink, NOT_A_DIGIT) of one of the kinds."""
    present = [family for family in FAMILY_WEIGHTS if any(kind.family == family for kind in kinds)]
    weights = np.array([FAMILY_WEIGHTS[family] for family in present])
    family = present[int(rng.choice(len(present), p=weights / weights.sum()))]
    choices = [kind for kind in kinds if kind.family == family]
    return draw(choices[int(rng.integers(len(choices)))].lines(rng), rng), NON_DIGIT


def training_kinds() -> list[Kind]:
    return [kind for kind in KINDS if not kind.held_out]


def held_out_kinds() -> list[Kind]:
    return [kind for kind in KINDS if kind.held_out]


class _NonDigits:
    """A drawer for worker processes: functions inside kinds can't be pickled, so it carries their names."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def __call__(self, rng: np.random.Generator) -> tuple[np.ndarray, int]:
        return draw_outlier(rng, [kind for kind in KINDS if kind.name in self.names])


def non_digits(
    count: int, seed: int, kinds: Sequence[Kind], workers: int = 1, progress: Drawn | None = None
) -> Labelled:
    """`count` frames of non-digits, labelled NOT_A_DIGIT; the same for the same seed, whatever `workers` is."""
    return many(count, seed, _NonDigits(tuple(kind.name for kind in kinds)), workers, progress)
