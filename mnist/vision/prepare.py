"""A picture → its frames: the whole, and each digit where several stand side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mnist.vision.ink import BlankDrawing, find_ink
from mnist.vision.mnist_frame import Prepared, frame_ink
from mnist.vision.split_digits import split_digits


def prepare(pixels: np.ndarray) -> Prepared:
    """Turn a picture into the network's input.

    pixels: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA, uint8, ink of any colour on paper of any colour.
    Raises BlankDrawing when no pixel has ink.
    """
    return frame_ink(find_ink(pixels))


@dataclass(frozen=True, slots=True, eq=False)
class Framed:
    """A picture's ink as frames for the network: the whole first, then each digit when there are several."""

    whole: Prepared
    frames: np.ndarray  # (1, 28, 28) for a single digit, (1 + n, 28, 28) for n side by side; uint8
    touching: bool  # some of it is wider than one digit: probably two that touch


def frame(pixels: np.ndarray) -> Framed:
    """Prepare a picture: (H, W), (H, W, 3) or (H, W, 4) uint8. Raises BlankDrawing when nothing is on it."""
    ink = find_ink(pixels)
    whole = frame_ink(ink)
    segments = split_digits(ink)
    frames = [whole.frame]
    if len(segments) > 1:
        try:
            frames += [frame_ink(segment.ink).frame for segment in segments]
        except BlankDrawing:  # a speck counted as a digit: no number then
            frames = [whole.frame]
    return Framed(whole, np.stack(frames), any(segment.touching for segment in segments))
