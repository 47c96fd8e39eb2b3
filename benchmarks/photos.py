"""Simulates photographs of digits on paper and counts how many are read like the clean drawing.

    python -m benchmarks.photos [--count 100] [--seed 7] [--sheet FILE.png] [--gallery FILE.png]

Every picture passes the steps of a camera: reflectance of paper, ruled lines and ink; perspective; light; lens; sensor;
JPEG. The clean drawing has the same strokes and perspective, so that only the effect of the photo is measured. The
constants of mnist/vision/photo.py were chosen on seeds 1–3; report others.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mnist.model.classifier import Classifier
from mnist.training.handwriting.strokes import Line, deform, training_styles, write
from mnist.vision.ink import BlankDrawing, find_ink
from mnist.vision.mnist_frame import frame_ink
from mnist.vision.prepare import prepare

SUBPIXEL = 4  # bits after the point in cv2's coordinates
PENS = ((0.1, 0.2, 0.65), (0.75, 0.1, 0.12), (0.1, 0.5, 0.2), (0.85, 0.4, 0.1), (0.5, 0.15, 0.6))
KINDS = (
    "white",
    "lined",
    "squared",
    "shadow",
    "pencil",
    "coloured",
    "board",
    "table",
    "small",
    "blurred",
    "pencil on squares",
    "everything",
)


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    picture: np.ndarray  # (H, W, 3) uint8 RGB
    clean: np.ndarray  # (28, 28) uint8, what the same strokes give when drawn on a canvas
    digit: int
    kind: str


def take_photo(kind: str, rng: np.random.Generator) -> Photo:
    """A digit in one of the training styles, written on what `kind` says and photographed."""
    width, height = [(960, 720), (720, 960), (640, 480), (1024, 768), (600, 600)][int(rng.integers(5))]
    everything = kind == "everything"
    style = training_styles()[int(rng.integers(len(training_styles())))]
    lines = deform(write(style, rng, care=0.3), rng, tame=0.5)

    sheet = _paper(height, width, rng)
    if kind in ("lined", "squared", "pencil on squares") or (everything and rng.random() < 0.6):
        _rule(sheet, rng, squared="squar" in kind or rng.random() < 0.4)
    low, high = (0.08, 0.16) if kind == "small" else (0.12, 0.85)
    size = float(np.exp(rng.uniform(np.log(low), np.log(min(high, 0.6) if kind in ("table", "everything") else high))))
    size *= min(height, width)
    pen = max(2.0, size * float(np.exp(rng.uniform(np.log(0.03), np.log(0.12)))))
    view = _view(height, width, rng, margin=kind == "table" or (everything and rng.random() < 0.5))
    placed = _place(lines, size, pen, height, width, rng)

    pencil = kind.startswith("pencil") or (everything and rng.random() < 0.4)
    mask = _draw(placed, height, width, pen)
    coloured = kind == "coloured" or (everything and rng.random() < 0.3)
    reflectance = _write_on(sheet, mask, rng, pencil=pencil, coloured=coloured)
    _speckle(reflectance, rng)
    picture = _on_table(reflectance, view, rng)
    if kind == "board":
        picture = _board(mask, view, rng)
    picture *= _light(height, width, rng, shadow=kind == "shadow" or (everything and rng.random() < 0.5))[:, :, None]
    picture = _expose(picture, rng, blur=2.5 if kind == "blurred" else 1.0)

    seen = [cv2.perspectiveTransform(line[None].astype(np.float64), view)[0] for line in placed]
    clean = frame_ink(_draw(seen, height, width, pen)).frame
    return Photo(picture, clean, style.digit, kind)


def _paper(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) float32 reflectance, about 0.8–1."""
    tint = np.array([1.0, rng.uniform(0.97, 1), rng.uniform(0.88, 1)]) * rng.uniform(0.85, 1)
    grain = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 1.2) * rng.uniform(0, 0.04)
    waves = cv2.resize(rng.normal(0, 1, (6, 6)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray((1 + grain + waves * 0.01)[:, :, None] * tint.astype(np.float32), np.float32)


def _rule(sheet: np.ndarray, rng: np.random.Generator, squared: bool) -> None:
    height, width = sheet.shape[:2]
    spacing = float(rng.uniform(18, 36) if squared else rng.uniform(26, 70))
    colour = [(0.55, 0.65, 0.85), (0.6, 0.6, 0.6), (0.5, 0.7, 0.8), (0.75, 0.6, 0.8)][int(rng.integers(4))]
    strength, thickness = float(rng.uniform(0.5, 1)), float(rng.uniform(0.8, 2.2))
    cover = np.zeros((height, width), np.uint8)
    for axis, end in ((0, height), (1, width)) if squared else ((0, height),):
        for at in np.arange(rng.uniform(0, spacing), end, spacing):
            band = np.clip(thickness / 2 + 0.5 - np.abs(np.arange(end) - at), 0, 1) * 255
            cover = np.maximum(cover, (band[:, None] if axis == 0 else band[None, :]).astype(np.uint8))
    if not squared and rng.random() < 0.5:  # a margin line
        x = int(width * rng.uniform(0.08, 0.2))
        cover[:, x : x + 2] = 255
    share = cover[:, :, None].astype(np.float32) / 255 * strength
    sheet *= 1 - share * (1 - np.array(colour, np.float32))


def _view(height: int, width: int, rng: np.random.Generator, margin: bool) -> np.ndarray:
    """The homography from the sheet to the picture."""
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    centre = corners.mean(axis=0)
    turn = np.deg2rad(rng.normal(0, 3))
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    zoom = rng.uniform(0.72, 0.92) if margin else 1.18
    seen = (corners - centre) @ rotation.T * zoom + centre + rng.normal(0, 0.015, (4, 2)) * [width, height]
    return cv2.getPerspectiveTransform(corners, seen.astype(np.float32))


def _place(lines: list[Line], size: float, pen: float, height: int, width: int, rng: np.random.Generator) -> list[Line]:
    points = np.vstack(lines)
    low, high = points.min(axis=0), points.max(axis=0)
    extent = (high - low) * size / max(float((high - low).max()), 1e-3)
    room = np.array([width, height]) * 0.76 - extent - pen
    origin = np.array([width, height]) * 0.12 + pen / 2 + rng.random(2) * np.maximum(room, 0)
    scale = size / max(float((high - low).max()), 1e-3)
    return [(line - low) * scale + origin for line in lines]


def _draw(lines: list[Line], height: int, width: int, pen: float) -> np.ndarray:
    ink = np.zeros((height, width), np.uint8)
    for line in lines:
        points = np.rint(line * 2**SUBPIXEL).astype(np.int32)
        cv2.polylines(ink, [points], False, 255, max(1, round(pen)), cv2.LINE_AA, SUBPIXEL)
    return ink


def _write_on(
    sheet: np.ndarray, mask: np.ndarray, rng: np.random.Generator, pencil: bool, coloured: bool
) -> np.ndarray:
    share = mask.astype(np.float32) / 255
    if pencil:
        grain = cv2.GaussianBlur(rng.normal(0, 1, mask.shape).astype(np.float32), (0, 0), 0.9)
        share = np.clip(share * (rng.uniform(0.45, 0.8) + grain * 0.5), 0, 0.9)
        colour = np.full(3, 0.2)
    else:
        share = share * rng.uniform(0.85, 1)
        colour = rng.uniform(0.05, 0.15, 3)
        if coloured:
            colour = np.array(
                [(0.1, 0.2, 0.65), (0.75, 0.1, 0.12), (0.1, 0.5, 0.2), (0.85, 0.4, 0.1), (0.5, 0.15, 0.6)]
            )[int(rng.integers(5))]
        else:
            colour[2] += rng.uniform(0, 0.25)
    return np.asarray(sheet * (1 - share[:, :, None] * (1 - colour.astype(np.float32))), np.float32)


def _speckle(sheet: np.ndarray, rng: np.random.Generator) -> None:
    height, width = sheet.shape[:2]
    for _ in range(int(rng.integers(0, 8))):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(sheet, centre, int(rng.integers(1, 3)), (float(rng.uniform(0.3, 0.8)),) * 3, -1, cv2.LINE_AA)


def _on_table(sheet: np.ndarray, view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = sheet.shape[:2]
    wood = [(0.45, 0.3, 0.18), (0.25, 0.25, 0.27), (0.62, 0.5, 0.36), (0.15, 0.1, 0.08), (0.5, 0.52, 0.55)]
    table = np.ones((height, width, 3), np.float32) * np.array(wood[int(rng.integers(5))], np.float32)
    fibres = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), sigmaX=30, sigmaY=1.5)
    table *= (1 + fibres / (fibres.std() + 1e-6) * rng.uniform(0, 0.12))[:, :, None]
    # The sheet's border is repeated beyond it, so that its edge does not mix with black before it is laid on the table.
    seen = cv2.warpPerspective(sheet, view, (width, height), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpPerspective(np.ones((height, width), np.float32), view, (width, height))[:, :, None]
    return np.asarray(seen * cover + table * (1 - cover), np.float32)


def _board(mask: np.ndarray, view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = mask.shape
    colour = np.array([(0.12, 0.2, 0.16), (0.1, 0.1, 0.11), (0.14, 0.18, 0.25)][int(rng.integers(3))], np.float32)
    smears = cv2.resize(rng.normal(0, 1, (9, 12)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    board = colour * (1 + 0.15 * smears)[:, :, None]
    grain = cv2.GaussianBlur(rng.normal(0, 1, mask.shape).astype(np.float32), (0, 0), 0.9)
    seen = cv2.warpPerspective(mask, view, (width, height)).astype(np.float32) / 255
    share = np.clip(seen * (rng.uniform(0.6, 1) + 0.4 * grain), 0, 1)[:, :, None]
    chalk = np.array([(0.9, 0.9, 0.88), (0.9, 0.85, 0.5), (0.9, 0.6, 0.65)][int(rng.integers(3))], np.float32)
    return np.asarray(board * (1 - share) + chalk * share, np.float32)


def _light(height: int, width: int, rng: np.random.Generator, shadow: bool) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    light: np.ndarray = 1 + rng.uniform(0.05, 0.35) * (x * np.cos(angle) + y * np.sin(angle))
    light *= 1 - rng.uniform(0, 0.3) * (x**2 + y**2) / 2
    if shadow:
        blob: np.ndarray = np.zeros((height, width), np.float32)
        start = rng.uniform(0, 1, 2) * [width, height]
        ends = start + rng.normal(0, 0.6, (3, 2)) * [width, height]
        cv2.fillPoly(blob, [np.vstack([start, ends]).astype(np.int32)], 1.0)
        blob = cv2.GaussianBlur(blob, (0, 0), float(np.exp(rng.uniform(np.log(2), np.log(40)))))
        light *= 1 - rng.uniform(0.2, 0.5) * blob
    return np.asarray(light, np.float32)


def _expose(picture: np.ndarray, rng: np.random.Generator, blur: float) -> np.ndarray:
    picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 1.0)) * blur)
    levels = np.clip(picture * rng.uniform(0.75, 1.0), 0, 1) ** (1 / 1.15) * 250
    noise = rng.uniform(0.8, 4.5)
    levels = levels + rng.normal(0, 1, levels.shape) * noise * np.sqrt(0.3 + levels / 350)
    encoded = cv2.imencode(".jpg", np.clip(levels, 0, 255).astype(np.uint8), [1, int(rng.integers(55, 93))])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two (28, 28) frames, a little blurred so that half a pixel does not count."""
    soft = [cv2.GaussianBlur(frame.astype(np.float32), (0, 0), 1.0).ravel() for frame in (a, b)]
    return float(np.corrcoef(soft[0], soft[1])[0, 1])


def frame_or_blank(read: Callable[[np.ndarray], np.ndarray], picture: np.ndarray) -> np.ndarray:
    """The frame that `read` makes of a picture; an empty one when it sees nothing."""
    try:
        return read(picture)
    except BlankDrawing:
        return np.zeros((28, 28), np.uint8)


def as_photo(picture: np.ndarray) -> np.ndarray:
    return prepare(picture).frame


def as_drawing(picture: np.ndarray) -> np.ndarray:
    """The baseline: the frame when a photo is taken for a drawing on flat paper."""
    distance = np.abs(picture.astype(int) - np.median(picture[0], axis=0)).max(axis=2)
    return frame_ink(np.clip(distance * 255 // max(int(distance.max()), 1), 0, 255).astype(np.uint8)).frame


def gallery(side: int = 150) -> np.ndarray:
    """A column for each of eight kinds: the photo, its ink, its frame. Returns (3 · side, 8 · side, 3) uint8."""
    columns = []
    for kind in ("lined", "squared", "shadow", "pencil", "coloured", "board", "table", "everything"):
        photo = take_photo(kind, np.random.default_rng([1, KINDS.index(kind), 3]))
        ink = find_ink(photo.picture)
        cells = []
        for shown in (photo.picture, 255 - ink, 255 - frame_ink(ink).frame):
            scale = side / max(shown.shape)
            method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
            small = cv2.resize(shown, None, fx=scale, fy=scale, interpolation=method)
            cell = np.full((side, side, 3), 255, np.uint8)
            cell[: small.shape[0], : small.shape[1]] = small if small.ndim == 3 else small[:, :, None]
            cells.append(cell)
        columns.append(np.vstack(cells))
    return np.hstack(columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="photos of each kind")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this kind; may be repeated")
    parser.add_argument("--weights", type=Path, default=Path("mnist/weights/digits.pt"))
    parser.add_argument("--sheet", type=Path, help="write the photos that read otherwise as a PNG contact sheet")
    parser.add_argument(
        "--gallery", type=Path, help="write docs/images/photos.png instead: photo, ink and frame by kind"
    )
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.gallery:
        cv2.imwrite(str(arguments.gallery), gallery()[:, :, ::-1])
        return
    classifier = Classifier.load(arguments.weights, version=0)

    misread: list[np.ndarray] = []
    print(f"{'':18s} reads as the clean drawing     taken for a    frame alike   CPU ms")
    print(f"{'':18s} with its digit  by any answer  flat drawing   (r ≥ 0.85)    median")
    for kind in arguments.kind or KINDS:
        tally, alike, times = np.zeros(3, int), 0, []
        for number in range(arguments.count):
            photo = take_photo(kind, np.random.default_rng([arguments.seed, KINDS.index(kind), number]))
            began = time.thread_time()
            frame = frame_or_blank(as_photo, photo.picture)
            times.append(time.thread_time() - began)
            plain = frame_or_blank(as_drawing, photo.picture)
            clean, read, flat = classifier.predict(np.stack([photo.clean, frame, plain]))
            same = read.digit == clean.digit
            tally += (same, same and read.verdict == clean.verdict, flat.digit == clean.digit)
            alike += likeness(frame, photo.clean) >= 0.85 if frame.any() else 0
            if not same:
                misread.append(_tile(photo, frame, f"{kind} {number}"))
        digit, verdict, flat_digit = tally / arguments.count
        print(
            f"{kind:18s} {digit:13.1%} {verdict:14.1%} {flat_digit:14.1%} {alike / arguments.count:13.1%} "
            f"{np.median(times) * 1000:9.1f}"
        )
    if arguments.sheet and misread:
        misread += [np.zeros_like(misread[0])] * (-len(misread) % 8)
        rows = [np.hstack(misread[first : first + 8]) for first in range(0, len(misread), 8)]
        cv2.imwrite(str(arguments.sheet), np.vstack(rows)[:, :, ::-1])


def _tile(photo: Photo, frame: np.ndarray, title: str, side: int = 200) -> np.ndarray:
    """A photo with the clean frame and the one it gave: (side + 56, side, 3) uint8."""
    tile = np.full((side + 56, side, 3), 90, np.uint8)
    scale = side / max(photo.picture.shape)
    small = cv2.resize(photo.picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile[: small.shape[0], : small.shape[1]] = small
    for place, shown in enumerate((photo.clean, frame)):
        tile[side:, 56 * place : 56 * (place + 1)] = cv2.resize(shown, (56, 56))[:, :, None]
    cv2.putText(tile, title, (114, side + 30), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (255, 255, 0), 1, cv2.LINE_AA)
    return tile


if __name__ == "__main__":
    main()
