"""Writes digits as people do: a style of digit_styles.py in somebody's hand, drawn and framed as a drawing is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from multiprocessing import get_context

import cv2
import numpy as np
import torch

from mnist.training.datasets import Labelled
from mnist.training.handwriting.digit_styles import STYLES, Stroke, Style, parse
from mnist.training.handwriting.pen import Line, draw
from mnist.vision.ink import BlankDrawing
from mnist.vision.mnist_frame import frame_ink

CHUNK = 2_000  # drawings a task of a worker process; also the granularity of reproducibility
WORTH_WORKERS = 2  # tasks for each: a process takes as long to start (it imports torch) as a task takes


# --- from a style to pen lines ---


def write(style: Style, rng: np.random.Generator, care: float | None = None) -> list[Line]:
    """One writer's version of a style.

    care: 0 = exactly between the extremes of the style, 1 = the sloppiest; None = a random person.
    """
    sloppiness = rng.beta(1.5, 2.5) if care is None else care
    strokes = parse(style.shapes)
    mix = _mix(len(style.shapes), rng, 0.15 * sloppiness)
    lines = [_trace(stroke, mix, sloppiness, rng) for stroke in strokes]
    if len(lines) > 1 and sloppiness > 0:  # later strokes are not placed exactly
        lines = [lines[0]] + [line + rng.normal(0, 3.5 * sloppiness, 2) for line in lines[1:]]
    return lines


def _mix(extremes: int, rng: np.random.Generator, beyond: float) -> np.ndarray:
    """Weights that sum to 1, a little outside the hull when `beyond` is above 0."""
    weights = rng.dirichlet(np.full(extremes, 0.8))
    return np.asarray(weights * (1 + beyond * extremes) - beyond)


def _trace(stroke: Stroke, mix: np.ndarray, sloppiness: float, rng: np.random.Generator) -> Line:
    points = np.tensordot(mix, stroke.points, axes=1)
    points = points + rng.normal(0, 4.6 * sloppiness, points.shape)
    if stroke.closed:
        return _trace_loop(points, stroke.corners, sloppiness, rng)
    corners = stroke.corners & (rng.random() > 0.25 * sloppiness)  # some people round every corner
    line = _through(points, corners)
    return _begin_and_end(line, sloppiness, rng)


def _trace_loop(points: Line, corners: np.ndarray, sloppiness: float, rng: np.random.Generator) -> Line:
    """Once around from anywhere, with an overlap or a gap, drifting a little so that the ends rarely meet."""
    start = int(rng.integers(len(points))) if rng.random() < 0.5 else 0
    order = (np.arange(len(points) + 4) + start) % len(points)
    line = _through(points[order], corners[order])
    once = len(line) * len(points) // (len(points) + 3)
    overlap = float(np.clip(rng.normal(0.01, 0.07 * sloppiness), -0.1, 0.2))
    if rng.random() < 0.1 * sloppiness:
        overlap = float(rng.uniform(0.1, 0.3))
    line = line[: max(8, int(once * (1 + overlap)))]
    drift = rng.normal(0, 4 * sloppiness, 2)
    return line + np.linspace(0, 1, len(line))[:, None] ** 3 * drift


def _begin_and_end(line: Line, sloppiness: float, rng: np.random.Generator) -> Line:
    """Start late or end early, run on along the tangent, or leave a hook where the pen landed or lifted."""
    for _ in range(2):
        line = line[::-1]
        step = rng.normal(0, 0.035 * sloppiness)
        if step > 0:
            line = line[min(int(step * len(line)), len(line) // 4) :]
        elif len(line) > 4:
            tangent = line[0] - line[3]
            length = np.linalg.norm(line[-1] - line[0]) + 30
            line = np.vstack([line[0] - step * length * tangent / (np.linalg.norm(tangent) + 1e-6), line])
        if rng.random() < 0.12 * sloppiness:
            line = np.vstack([line[0] + rng.normal(0, 4.5, 2), line])
    return line


def _through(points: Line, corners: np.ndarray) -> Line:
    """A smooth line through the points, broken at the corners."""
    breaks = [0, *(np.flatnonzero(corners[1:-1]) + 1), len(points) - 1]
    parts = [_smooth(points[first : last + 1]) for first, last in pairwise(breaks)]
    return np.vstack([parts[0], *(part[1:] for part in parts[1:])])


def _smooth(points: Line, per_piece: int = 7) -> Line:
    """Cubic Hermite through the points, knots at the square roots of the distances (centripetal: no overshoot)."""
    if len(points) == 2:
        return np.linspace(points[0], points[1], per_piece)
    gaps = np.sqrt(np.linalg.norm(np.diff(points, axis=0), axis=1)) + 1e-3
    slopes = np.diff(points, axis=0) / gaps[:, None]
    before, after = gaps[:-1, None], gaps[1:, None]
    inner = (slopes[:-1] * after + slopes[1:] * before) / (before + after)
    tangents = np.vstack([1.5 * slopes[0] - 0.5 * inner[0], inner, 1.5 * slopes[-1] - 0.5 * inner[-1]])
    t = np.linspace(0, 1, per_piece, endpoint=False)[None, :, None]
    p0, p1 = points[:-1, None], points[1:, None]
    m0, m1 = tangents[:-1, None] * gaps[:, None, None], tangents[1:, None] * gaps[:, None, None]
    curve = (
        (2 * t**3 - 3 * t**2 + 1) * p0 + (t**3 - 2 * t**2 + t) * m0 + (3 * t**2 - 2 * t**3) * p1 + (t**3 - t**2) * m1
    )
    return np.vstack([curve.reshape(-1, 2), points[-1:]])


# --- a hand: how somebody's lines differ from the ideal ---


def deform(lines: Sequence[Line], rng: np.random.Generator, tame: float = 1.0) -> list[Line]:
    """Slant, proportions, rotation, bending and unsteadiness, the same for all strokes of a drawing.

    tame: scales every deformation; below 1 for things whose meaning a strong one would change.
    """
    slant = np.clip(rng.normal(0.08, 0.24), -0.5, 0.62) * tame
    turn = np.deg2rad(np.clip(rng.normal(0, 6.5), -18, 18)) * tame
    wide = np.exp(np.clip(rng.normal(0, 0.29), -0.75, 0.75) * tame)
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[wide, -slant], [0, 1]])
    centre = np.vstack(list(lines)).mean(axis=0)
    lines = [(line - centre) @ matrix.T for line in lines]
    taper, sag = rng.normal(0, 0.0012) * tame, rng.normal(0, 0.0011) * tame  # one end wider; top or bottom taller
    lines = [np.stack([x * (1 + taper * y), y + sag * (2500 - y * y)], axis=1) for x, y in (line.T for line in lines)]
    warp = rng.normal(0, 1, (2, 4)) * rng.gamma(1.3, 1.5) * tame  # slow bending of the whole plane
    waves = rng.uniform(0.015, 0.045, 4)
    phases = rng.uniform(0, 2 * np.pi, 4)
    lines = [
        line + np.stack([np.sin(line[:, [y, x, y, x]] * waves + phases) @ warp[x] for x, y in ((0, 1), (1, 0))], axis=1)
        for line in lines
    ]
    kind = rng.random()
    if kind < 0.25:
        lines = [_tremble(line, rng.gamma(2, 0.6) * tame, rng) for line in lines]
    elif kind < 0.42:
        lines = [_sample(line, rng) for line in lines]
    return lines


def slip(lines: Sequence[Line], rng: np.random.Generator) -> list[Line]:
    """What goes wrong now and then: a pen not lifted between strokes, a line gone over twice, a stray touch."""
    lines = list(lines)
    kind = rng.random()
    if kind < 0.05 and len(lines) > 1:
        return [np.vstack(lines)]
    if kind < 0.09:
        last = lines[-1]
        back = last[::-1][: max(2, int(len(last) * rng.uniform(0.2, 0.9)))]
        lines[-1] = np.vstack([last, back + np.linspace(0, 1, len(back))[:, None] * rng.normal(0, 5, 2)])
    elif kind < 0.13:
        points = np.vstack(lines)
        low, high = points.min(axis=0), points.max(axis=0)
        touch = low - 8 + rng.random(2) * (high - low + 16)
        lines.append(np.stack([touch, touch + rng.normal(0, 2.5, 2)]))
    return lines


def _tremble(line: Line, size: float, rng: np.random.Generator) -> Line:
    """A mouse's unsteadiness: noise along the line, smoothed over a few points."""
    noise = rng.normal(0, size, (len(line) + 6, 2))
    width = int(rng.integers(2, 7))
    kernel = np.ones(width) / np.sqrt(width)
    smooth = np.stack([np.convolve(noise[:, axis], kernel, "same") for axis in (0, 1)], axis=1)
    return line + smooth[3:-3]


def _sample(line: Line, rng: np.random.Generator) -> Line:
    """Few pen events joined by straight lines, as from a slow device, or a hand that draws in pieces."""
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    count = max(2, int(length[-1] / rng.uniform(12, 38)) + 1)
    at = np.linspace(0, length[-1], count)
    at[1:-1] += rng.normal(0, length[-1] / count * 0.15, count - 2)
    return np.stack([np.interp(at, length, line[:, axis]) for axis in (0, 1)], axis=1)


# --- many of them ---


def draw_digit(rng: np.random.Generator, styles: Sequence[Style]) -> tuple[np.ndarray, int]:
    """A digit, all ten equally often, in one of the styles: (ink, digit)."""
    present = sorted({style.digit for style in styles})
    digit = present[int(rng.integers(len(present)))]
    choices = [style for style in styles if style.digit == digit]
    weights = np.array([style.weight for style in choices])
    style = choices[int(rng.choice(len(choices), p=weights / weights.sum()))]
    tame = 0.75 if digit in (1, 7) else 1.0  # an angle is what tells them apart
    return draw(deform(slip(write(style, rng), rng), rng, tame), rng, style.brush), digit


def training_styles() -> list[Style]:
    return [style for style in STYLES if not style.held_out]


def held_out_styles() -> list[Style]:
    return [style for style in STYLES if style.held_out]


Drawn = Callable[[int], object]  # told how many more drawings are done


def digits(count: int, seed: int, styles: Sequence[Style], workers: int = 1, progress: Drawn | None = None) -> Labelled:
    """`count` frames of stroke-drawn digits; the same for the same seed, whatever `workers` is."""
    return many(count, seed, _Digits(tuple(styles)), workers, progress)


class _Digits:
    """A picklable drawer for worker processes."""

    def __init__(self, styles: tuple[Style, ...]) -> None:
        self.styles = styles

    def __call__(self, rng: np.random.Generator) -> tuple[np.ndarray, int]:
        return draw_digit(rng, self.styles)


Drawer = Callable[[np.random.Generator], tuple[np.ndarray, int]]


def many(count: int, seed: int, drawer: Drawer, workers: int = 1, progress: Drawn | None = None) -> Labelled:
    """Frames of `count` drawings by `drawer`, which returns (ink, label) and must be picklable if workers > 1."""
    tasks = [(drawer, seed, first, min(CHUNK, count - first)) for first in range(0, count, CHUNK)]
    frames, labels = np.empty((count, 28, 28), np.uint8), np.empty(count, np.int64)
    with ExitStack() as stack:
        parts: Iterable[tuple[np.ndarray, np.ndarray]] = map(_chunk, tasks)
        if workers > 1 and len(tasks) > WORTH_WORKERS * workers:
            # Not fork: the parent's torch threads would not survive it.
            pool = stack.enter_context(ProcessPoolExecutor(workers, mp_context=get_context("spawn")))
            parts = pool.map(_chunk, tasks)
        for (_, _, first, size), (part, part_labels) in zip(tasks, parts, strict=True):
            frames[first : first + size], labels[first : first + size] = part, part_labels
            if progress is not None:
                progress(size)
    return Labelled(torch.from_numpy(frames), torch.from_numpy(labels))


def _chunk(task: tuple[Drawer, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    drawer, seed, first, count = task
    cv2.setNumThreads(1)
    rng = np.random.default_rng([seed, first])
    frames, labels = np.empty((count, 28, 28), np.uint8), np.empty(count, np.int64)
    done = 0
    while done < count:
        ink, label = drawer(rng)
        try:
            frames[done] = frame_ink(ink).frame
        except BlankDrawing:  # a thin line that a low resolution swallowed
            continue
        labels[done] = label
        done += 1
    return frames, labels
