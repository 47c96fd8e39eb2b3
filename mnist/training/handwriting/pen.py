"""Lines → ink, by the pens, devices and resolutions that people use."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Line = np.ndarray  # (points, 2) float: where the pen went, x to the right, y down; 100 is about a digit's height
SUBPIXEL = 4  # cv2 takes fixed-point coordinates: 4 bits after the point


def render(lines: Sequence[Line], height: float, brush: float) -> np.ndarray:
    """Draw as a canvas does: round caps and joins, antialiased.

    height: pixels from the highest to the lowest point, or left to right if that is longer; brush: diameter in pixels.
    Returns (H, W) uint8, 0 = paper, 255 = ink, with a margin around the ink.
    """
    return _ink([(line, 1.0) for line in lines], height, brush)


def _ink(pieces: Sequence[tuple[Line, float]], height: float, brush: float) -> np.ndarray:
    """As `render`, each piece with its own share of the brush."""
    points = np.vstack([line for line, _ in pieces])
    low, high = points.min(axis=0), points.max(axis=0)
    scale = height / max(float((high - low).max()), 1e-3)
    margin = brush / 2 + 3
    width_px, height_px = np.ceil((high - low) * scale + 2 * margin).astype(int)
    ink = np.zeros((int(height_px), int(width_px)), np.uint8)
    for line, share in pieces:
        fixed = np.rint(((line - low) * scale + margin) * 2**SUBPIXEL).astype(np.int32)
        thickness = max(1, round(brush * share))
        cv2.polylines(ink, [fixed.reshape(-1, 1, 2)], False, 255, thickness, cv2.LINE_AA, SUBPIXEL)
    return ink


def _pressed(lines: Sequence[Line], rng: np.random.Generator) -> list[tuple[Line, float]]:
    """Cut the lines into pieces whose width swells and thins, as under a pen's pressure or a finger's speed."""
    swell, pieces = rng.uniform(0.1, 0.55), []
    for line in lines:
        phase, waves = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 2.5)
        for first in range(0, len(line) - 1, 3):
            share = 1 + swell * np.sin(phase + waves * 2 * np.pi * first / len(line))
            pieces.append((line[first : first + 4], float(share)))
    return pieces


def _break(lines: Sequence[Line], rng: np.random.Generator) -> list[Line]:
    """Lose a short piece of a line: the pen lifted, or the scanner's threshold ate it."""
    broken = []
    for line in lines:
        gap = int(len(line) * rng.uniform(0.03, 0.09))
        if gap and rng.random() < 0.6:
            first = int(rng.integers(0, len(line) - gap))
            broken += [part for part in (line[:first], line[first + gap :]) if len(part) > 1]
        else:
            broken.append(line)
    return broken


def draw(lines: Sequence[Line], rng: np.random.Generator, finer: float = 1.0) -> np.ndarray:
    """Lines → (H, W) uint8 ink by a pen, a device and a resolution that people use; `finer` below 1: by a finer pen."""
    height = float(np.exp(rng.uniform(np.log(34), np.log(190))))
    # From a fortieth to a fifth of the height, most of them as felt tips and default brushes: a twelfth or so.
    share = float(np.exp(np.clip(rng.normal(np.log(0.085), 0.5), np.log(0.02), np.log(0.21))))
    brush = max(1.0, height * share * finer)
    if rng.random() < 0.08:
        lines = _break(lines, rng)
    pieces = _pressed(lines, rng) if rng.random() < 0.2 else [(line, 1.0) for line in lines]
    ink = _ink(pieces, height, brush)
    if rng.random() < 0.04:  # over the edge of the canvas
        rows, columns = (int(length * rng.uniform(0.0, 0.09)) for length in ink.shape)
        ink = ink[rows:, columns:] if rng.random() < 0.5 else ink[: ink.shape[0] - rows, : ink.shape[1] - columns]
    kind = rng.random()
    if kind < 0.16:
        ink = _low_resolution(ink, rng)
    elif kind < 0.24:
        ink = cv2.GaussianBlur(ink, (0, 0), height * rng.uniform(0.008, 0.03))
    elif kind < 0.30:
        ink = _ragged(ink, rng)
    elif kind < 0.34:
        ink = _jpeg(ink, int(rng.integers(25, 90)))
    return ink


def _jpeg(ink: np.ndarray, quality: int) -> np.ndarray:
    decoded = cv2.imdecode(cv2.imencode(".jpg", ink, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)
    assert decoded is not None
    return decoded


def _low_resolution(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As scanned small: 8 to 32 pixels, grey or black and white, sometimes enlarged again."""
    points = np.argwhere(ink > 40)
    (top, left), (bottom, right) = points.min(axis=0), points.max(axis=0) + 1
    crop = ink[top:bottom, left:right]
    side = int(rng.choice([8, 12, 16, 16, 20, 24, 32]))
    scale = side / max(crop.shape)
    size = [max(2, round(length * scale)) for length in crop.shape[::-1]]
    if rng.random() < 0.25:  # stretched into a square, as some collections did; sticks keep their shape
        size = [max(length, side * 2 // 3) for length in size]
    small = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
    small = cv2.convertScaleAbs(small, alpha=255 / max(int(small.max()), 1))
    if rng.random() < 0.5 and side >= 12:
        small = np.where(small > rng.uniform(70, 140), 255, 0).astype(np.uint8)
    small = cv2.copyMakeBorder(small, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=0)
    if rng.random() < 0.6:
        how = int(rng.choice([cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
        factor = int(rng.integers(2, 10))
        small = cv2.resize(small, None, fx=factor, fy=factor, interpolation=how)
    return small


def _ragged(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uneven edges, as of pencil or of a threshold on paper grain."""
    white = rng.normal(0, 1, ink.shape).astype(np.float32)
    noise = cv2.GaussianBlur(white, (0, 0), max(ink.shape) * 0.015 + 0.5)
    noise = noise * rng.uniform(15, 55) / (noise.std() + 1e-6)
    soft = cv2.GaussianBlur(ink, (0, 0), max(ink.shape) * 0.008 + 0.4).astype(np.float32)
    return np.where(soft + noise * (soft > 8) > 110, 255, 0).astype(np.uint8)
