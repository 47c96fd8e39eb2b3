"""The MNIST recipe: any clean drawing of a digit gives the frame that MNIST would have."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnist.vision.image_files import decode
from mnist.vision.ink import BlankDrawing, find_ink
from mnist.vision.mnist_frame import frame_ink
from mnist.vision.prepare import prepare

SEVEN = [(80, 60), (200, 60), (120, 230)]


def draw(points=SEVEN, size=(280, 280), brush=18, scale=1.0, move=(0, 0)) -> np.ndarray:
    """White strokes on black, antialiased: (H, W) uint8."""
    ink = np.zeros(size, np.uint8)
    corners = np.rint((np.array(points) * scale + move) * 16).astype(np.int32)
    cv2.polylines(ink, [corners], False, 255, max(1, round(brush * scale)), cv2.LINE_AA, 4)
    return ink


def colour(ink: np.ndarray, paper, pen) -> np.ndarray:
    share = ink[:, :, None] / 255
    return np.rint(np.array(paper) * (1 - share) + np.array(pen) * share).astype(np.uint8)


def difference(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    soft = [cv2.GaussianBlur(frame.astype(np.float32), (0, 0), 1).ravel() for frame in (a, b)]
    return float(np.corrcoef(soft[0], soft[1])[0, 1])


FRAME = prepare(draw()).frame


def test_a_drawing_becomes_the_frame_that_mnist_defines():
    prepared = prepare(draw())
    rows, columns = np.flatnonzero(FRAME.any(axis=1)), np.flatnonzero(FRAME.any(axis=0))

    assert prepared.frame.shape == (28, 28)
    assert prepared.frame.dtype == np.uint8
    assert rows[-1] - rows[0] + 1 == 20  # the longer side fills the box …
    assert columns[-1] - columns[0] + 1 == 15  # … and the shape is kept
    assert prepared.height == pytest.approx(191, abs=1)
    assert prepared.width == pytest.approx(141, abs=1)
    assert prepared.canvas_share == pytest.approx(191 / 280, abs=0.01)
    assert 0.1 < prepared.ink_share < 0.35


def test_the_golden_frame():
    """A 7, row by row: the columns where its ink begins and ends."""
    runs = [(int(np.argmax(row)), 28 - int(np.argmax(row[::-1]))) for row in FRAME >= 128 if row.any()]
    diagonal = [(18, 20), (18, 20), (17, 19), (17, 19), (16, 18), (16, 18), (15, 17), (15, 17), (14, 17), (14, 16)]
    diagonal += [(13, 16), (13, 15), (12, 15), (12, 14), (11, 14), (11, 13), (10, 13), (11, 12)]
    assert runs == [(6, 21), (6, 21), *diagonal]
    assert np.flatnonzero(FRAME.any(axis=1))[0] == 8  # low in the frame, for its mass is high
    assert FRAME.max() == 255


@pytest.mark.parametrize(
    ("paper", "pen"),
    [
        ((255, 255, 255), (0, 0, 0)),
        ((0, 0, 0), (255, 255, 255)),
        ((250, 240, 200), (20, 30, 160)),
        ((20, 60, 40), (250, 240, 120)),
        ((128, 128, 128), (128, 128, 255)),
        ((255, 255, 255), (255, 0, 0)),
        ((200, 200, 200), (120, 120, 120)),
    ],
)
def test_any_polarity_and_colour_gives_the_same_frame(paper, pen):
    assert difference(prepare(colour(draw(), paper, pen)).frame, FRAME) <= 4


@pytest.mark.parametrize("pen", [0, 255, 90])
def test_ink_on_transparency_gives_the_same_frame(pen):
    ink = draw()
    rgba = np.dstack([np.full_like(ink, pen)] * 3 + [ink])
    assert difference(prepare(rgba).frame, FRAME) <= 3


def test_opaque_paper_with_transparent_corners_gives_the_same_frame():
    rgba = np.dstack([255 - draw()] * 3 + [np.full((280, 280), 255, np.uint8)])
    rgba[:20, :20] = rgba[-20:, -20:] = 0
    assert difference(prepare(rgba).frame, FRAME) <= 3


def test_grey_rgb_and_rgba_agree():
    ink = draw()
    rgb = np.dstack([ink] * 3)
    rgba = np.dstack([rgb, np.full_like(ink, 255)])
    assert np.array_equal(prepare(rgb).frame, FRAME)
    assert np.array_equal(prepare(rgba).frame, FRAME)


def test_pale_ink_counts_as_much_as_dark():
    assert difference(prepare(draw() // 4).frame, FRAME) <= 8


@pytest.mark.parametrize("move", [(-60, -40), (60, 30), (0, 35)])
def test_position_does_not_matter(move):
    assert np.array_equal(prepare(draw(move=move)).frame, FRAME)


@pytest.mark.parametrize("scale", [0.25, 0.5, 2, 3.6])
def test_size_does_not_matter(scale):
    drawn = prepare(draw(scale=scale, size=(1024, 1024))).frame
    assert likeness(drawn, FRAME) > 0.98


def flecks(pixels: np.ndarray) -> np.ndarray:
    """With dust on the glass of the scanner."""
    for x, y in ((960, 40), (30, 940), (980, 990), (500, 15)):
        pixels[y : y + 4, x : x + 4] = 100
    return pixels


def lit_from_the_left(side: int) -> np.ndarray:
    """A photo of a pen's strokes, made as small as MNIST's: light falls from 200 to 150 of 255."""
    ink = cv2.resize(draw(), (side, side), interpolation=cv2.INTER_AREA) / 255
    return np.rint(np.linspace(200, 150, side)[None] * (1 - 0.7 * ink)).astype(np.uint8)


def scanned(noise: float) -> np.ndarray:
    """Pencil on paper with grain, lit evenly."""
    grain = np.random.default_rng(3).normal(0, noise, (400, 400))
    return np.clip(np.rint(245 - draw(size=(400, 400), brush=9, move=(60, 50)) / 255 * 80 + grain), 0, 255).astype(
        np.uint8
    )


@pytest.mark.parametrize(("pixels", "least"), [
    (flecks(255 - draw(size=(1000, 1000), move=(300, 300))), 0.99),
    (255 - draw(scale=4, size=(1000, 1000), brush=0.5), 0.9),  # 2 pixels of 700
    (draw(scale=1.7, size=(500, 500), brush=0.4), 0.9),  # a pencil of 1 pixel
    (lit_from_the_left(28), 0.95),
    (lit_from_the_left(48), 0.95),
    (scanned(2), 0.95),
    (scanned(3), 0.95),
], ids=["flecks", "thin pen", "pencil of a pixel", "28 pixels", "48 pixels", "grain", "more grain"])  # fmt: skip
def test_dust_thin_pens_grain_and_light_do_not_matter(pixels, least):
    frame = prepare(pixels).frame

    assert likeness(frame, FRAME) > least
    assert frame.max() >= 90


def test_a_dot_that_is_no_dust_stays():
    with_dot = draw()
    cv2.circle(with_dot, (220, 220), 9, 255, -1)

    assert prepare(with_dot).width > prepare(draw()).width


def test_jpeg_artefacts_do_not_matter():
    for quality in (40, 75, 95):
        data = cv2.imencode(".jpg", 255 - draw(), [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        assert likeness(prepare(decode(data)).frame, FRAME) > 0.98


def test_rotating_the_frame_is_rotating_the_drawing():
    turned = prepare(np.ascontiguousarray(np.rot90(draw(), 2))).frame
    soft = [cv2.GaussianBlur(frame, (5, 5), 1).astype(int) for frame in (turned, np.rot90(FRAME, 2))]
    shifts = [np.abs(soft[0] - np.roll(soft[1], (dy, dx), (0, 1))).mean() for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    assert min(shifts) < 4  # the centre of mass is rounded, so a pixel's shift may remain


def test_a_frame_stays_what_it_is():
    assert difference(frame_ink(FRAME).frame, FRAME) == 0


def mnist_images() -> np.ndarray | None:
    from mnist.training.datasets import load_mnist

    for folder in (os.environ.get("MNIST_DIR"), "../shared/mnist"):
        if folder and (Path(folder) / "MNIST" / "raw").is_dir():
            return load_mnist(Path(folder), train=True).frames.numpy()[:600]
    return None


def test_mnist_comes_out_unchanged():
    frames = mnist_images()
    if frames is None:  # our own drawings say the same about the recipe
        rng = np.random.default_rng(1)
        frames = np.stack([frame_ink(draw(rng.uniform(40, 240, (4, 2)))).frame for _ in range(200)])
    prepared = [prepare(frame).frame for frame in frames]
    same = sum(np.array_equal(a, b) for a, b in zip(prepared, frames, strict=True))
    alike = sum(likeness(a, b) > 0.999 for a, b in zip(prepared, frames, strict=True))
    # In a fifth the strongest ink was not quite 255, or a faint edge stood alone: a stretch that nobody sees.
    assert same >= 0.75 * len(frames)
    assert alike >= 0.985 * len(frames)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 279), st.integers(0, 279)), min_size=2, max_size=8, unique=True),
    st.integers(6, 50),
)
def test_mass_is_centred_and_nothing_is_cut_off(points, brush):
    ink = draw(points, brush=brush)
    frame = frame_ink(ink).frame

    rows, columns = np.flatnonzero(frame.any(axis=1)), np.flatnonzero(frame.any(axis=0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert max(height, width) <= 20
    assert max(height, width) >= 18  # only the faintest edge may vanish
    mass = frame.astype(float) / frame.sum()
    centre = (mass.sum(axis=1) @ np.arange(28), mass.sum(axis=0) @ np.arange(28))
    for at, used, size in zip(centre, (rows, columns), (height, width), strict=True):
        clamped = used[0] == 0 or used[-1] == 27
        assert abs(at - 14) <= 0.5 + 1e-6 or clamped or size < 3
    # As much of the box is ink as of the drawing's own box.
    prepared = frame_ink(ink)
    assert frame.sum() / 255 / (height * width) == pytest.approx(prepared.ink_share, abs=0.2)


BLANKS = {
    "white": np.full((280, 280, 4), 255, np.uint8),
    "black": np.dstack([np.zeros((280, 280, 3), np.uint8), np.full((280, 280), 255, np.uint8)]),
    "transparent": np.zeros((280, 280, 4), np.uint8),
    "transparent white": np.dstack([np.full((280, 280, 3), 255, np.uint8), np.zeros((280, 280), np.uint8)]),
    "one pixel": np.zeros((1, 1, 4), np.uint8),
    "one white pixel": np.full((1, 1, 3), 255, np.uint8),
    "one row": np.full((1, 40), 90, np.uint8),
    "a speck": np.pad(np.full((2, 2), 255, np.uint8), 130),
    "faint grain": np.random.default_rng(1).integers(245, 256, (200, 200)).astype(np.uint8),
}


@pytest.mark.parametrize("pixels", BLANKS.values(), ids=BLANKS.keys())
def test_nothing_drawn_is_a_blank(pixels):
    with pytest.raises(BlankDrawing):
        prepare(pixels)


def test_an_empty_jpeg_is_a_blank():
    data = cv2.imencode(".jpg", np.full((200, 200, 3), 253, np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 30])[1].tobytes()
    with pytest.raises(BlankDrawing):
        prepare(decode(data))


@pytest.mark.parametrize("shape", [(4, 1), (1, 4), (4, 1, 3), (4, 1, 4), (4, 4)])
def test_a_picture_of_four_rows_is_a_picture(shape):
    """OpenCV takes an array of four numbers for one colour."""
    for seed in range(5):
        pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
        with contextlib.suppress(BlankDrawing):
            assert prepare(pixels).frame.shape == (28, 28)


@pytest.mark.parametrize("side", [280, 640, 1024])
@pytest.mark.parametrize("specks", [12, 13, 20, 40])
def test_dust_is_a_blank_or_a_frame_and_never_an_error(side, specks):
    rng = np.random.default_rng(specks)
    pixels = np.full((side, side), 255, np.uint8)
    pixels[rng.integers(0, side, specks), rng.integers(0, side, specks)] = 0
    with contextlib.suppress(BlankDrawing):
        assert prepare(pixels).frame.max() > 0


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([None, 1, 3, 4]), st.integers(0, 2**32 - 1))
def test_any_pixels_give_a_frame_or_a_blank(height, width, channels, seed):
    rng = np.random.default_rng(seed)
    shape = (height, width) if channels in (None, 1) else (height, width, channels)
    pixels = (rng.random(shape) ** rng.uniform(0.2, 6) * 255).astype(np.uint8)
    before = pixels.copy()
    try:
        frame = prepare(pixels).frame
    except BlankDrawing:
        return
    finally:
        assert np.array_equal(pixels, before), "the caller's picture was changed"
    assert frame.shape == (28, 28)
    assert frame.max() > 0


def test_ink_is_zero_on_paper_and_full_where_it_is_strongest():
    ink = find_ink(colour(draw(), (250, 240, 230), (30, 60, 90)))
    assert ink.shape == (280, 280)
    assert ink[0, 0] == 0
    assert ink.max() == 255
