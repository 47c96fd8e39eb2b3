"""A picture → its frames: the whole, and everything in it that may be one digit of a number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mnist.vision.candidates import Line, find_line
from mnist.vision.ink import BlankDrawing, Ink, find_ink, plain_ink, separate
from mnist.vision.leftovers import Leftover
from mnist.vision.mnist_frame import Prepared, frame_ink
from mnist.vision.photo import STRIP

Box = tuple[float, float, float, float]  # left, top, width, height as shares of the picture's width and height


def prepare(pixels: np.ndarray) -> Prepared:
    """Turn a picture into the network's input.

    pixels: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA, uint8, ink of any colour on paper of any colour.
    Raises BlankDrawing when no pixel has ink.
    """
    return frame_ink(find_ink(pixels))


@dataclass(frozen=True, slots=True, eq=False)
class Framed:
    """A picture's ink as frames for the network: the whole first, then each candidate when there are several."""

    whole: Prepared
    frames: np.ndarray  # (1, 28, 28) for a single digit, (1 + n, 28, 28) with n candidates; uint8
    line: Line
    places: tuple[int | None, ...]  # of each candidate's frame among `frames`; None where it left none
    plain: int | None  # place among `frames` of what a plain recipe finds on a photo; None where it finds nothing
    left_over: tuple[Leftover, ...]  # found before the line was
    size: tuple[int, int]  # height and width of the ink in pixels, in which the line's boxes are
    second: Framed | None = None  # of a strip, whose ink was found in another way, with the same `frames`

    def box(self, candidate: int) -> Box:
        """Where a candidate of the line stands in the picture."""
        height, width = self.size
        each = self.line.candidates[candidate]
        tall, wide = each.ink.shape
        return each.left / width, each.top / height, wide / width, tall / height


def frame(pixels: np.ndarray) -> Framed:
    """Prepare a picture: (H, W), (H, W, 3) or (H, W, 4) uint8. Raises BlankDrawing when nothing is on it."""
    ink = separate(pixels)
    whole = frame_ink(ink.pixels)
    line = find_line(ink.pixels)
    frames: list[np.ndarray] = [whole.frame]
    places: list[int | None] = [0]
    if not line.is_one_digit:
        places = [_add(frames, candidate.ink) for candidate in line.candidates]
    plain = _add(frames, plain_ink(pixels)) if ink.is_photo else None
    flat = None
    if ink.is_photo and not line.is_one_digit and min(pixels.shape[:2]) <= STRIP:
        flat = _flat(pixels, frames)
    stacked, size = np.stack(frames), ink.pixels.shape[:2]
    second = None
    if flat is not None:
        found, other, at = flat
        second = Framed(whole, stacked, other, at, None, found.left_over, found.pixels.shape[:2])
    return Framed(whole, stacked, line, tuple(places), plain, ink.left_over, size, second)


def _flat(pixels: np.ndarray, frames: list[np.ndarray]) -> tuple[Ink, Line, tuple[int | None, ...]] | None:
    """Ink and line where paper is taken as flat, and its candidates' places in `frames`; None where there is no ink."""
    try:
        ink = separate(pixels, is_flat=True)
    except BlankDrawing:
        return None
    line = find_line(ink.pixels)
    return ink, line, tuple(_add(frames, candidate.ink) for candidate in line.candidates)


def _add(frames: list[np.ndarray], ink: np.ndarray) -> int | None:
    """Append the frame of some ink and return its place; None where there is no more than a speck."""
    try:
        frames.append(frame_ink(ink).frame)
    except BlankDrawing:
        return None
    return len(frames) - 1
