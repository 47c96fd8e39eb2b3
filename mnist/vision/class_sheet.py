"""A page to print, with ten boxes for each digit, and what people wrote into it → one labelled picture a box.

The four marks in the corners are ArUco markers (Garrido-Jurado et al. 2014), found and told apart by OpenCV, so a
photo may be taken at an angle or upside down.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mnist.vision.image_files import BadImage

WIDTH, HEIGHT = 210, 297  # mm, A4; a printer may scale it to another paper
ROWS, COLUMNS = 10, 10  # one row for each digit
MARK = 16  # mm, the side of a corner mark
MARKS_AT = ((10, 10), (184, 10), (184, 271), (10, 271))  # mm, the upper left corner of marks 0 to 3
LEFT, TOP = 31, 34  # mm, of the first box
BOX_WIDTH, BOX_HEIGHT = 16.5, 22.5  # mm
LINE = 205  # of 255: pale enough to be told from any pen

PRINTED = 12  # pixels a millimetre of the page that is printed
READ = 6  # pixels a millimetre of the page that is read
PAPER = 0.82  # of the paper around: what is brighter is paper, or a box's line
INK = 0.68  # of the paper around: a box without anything darker is empty
LEAST_INK = 1.5  # mm²: less is a speck
SHARED = 0.38  # of a piece's pixels: with more in a second box it is two digits that touch
MARGIN = 8  # pixels of paper around a digit
ENOUGH_MARKS = 3  # of four: a thumb may lie on one

_DICTIONARY = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_5X5_50)


class TooFewMarks(BadImage):
    """Part of a sheet's corner marks are seen, but not enough to find its boxes."""


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """What one person wrote into one box."""

    label: int  # 0–9, the digit that the row asks for
    column: int  # 0–9, from the left
    picture: np.ndarray  # (h, w) uint8, dark ink on white


def printed_page() -> np.ndarray:
    """The page to print: (3564, 2520) uint8, black on white."""
    page = Image.new("L", (WIDTH * PRINTED, HEIGHT * PRINTED), 255)
    pen = ImageDraw.Draw(page)
    for number, (x, y) in enumerate(MARKS_AT):
        mark = cv2.aruco.generateImageMarker(_DICTIONARY, number, MARK * PRINTED)
        page.paste(Image.fromarray(mark), (x * PRINTED, y * PRINTED))
    _write(pen, "Write each digit ten times, as you always write it.", WIDTH / 2, 15, 5.5, 0)
    _write(pen, "One digit in a box, without touching the lines. Leave boxes empty if you like.", WIDTH / 2, 23, 3.8, 0)
    for row in range(ROWS):
        _write(pen, str(row), LEFT - 9, TOP + (row + 0.5) * BOX_HEIGHT, 11, 120)
        for column in range(COLUMNS):
            left, top = LEFT + column * BOX_WIDTH, TOP + row * BOX_HEIGHT
            corners = [round(PRINTED * each) for each in (left, top, left + BOX_WIDTH, top + BOX_HEIGHT)]
            pen.rectangle(corners, outline=LINE, width=4)
    _write(pen, "Then photograph the whole page, all four corner marks, and upload it.", WIDTH / 2, 279, 3.8, 0)
    return np.asarray(page)


@cache
def as_pdf() -> bytes:
    """The page to print as a PDF file of one A4 page, made once in 0.4 s; it has 0.3 MB."""
    buffer = io.BytesIO()
    Image.fromarray(printed_page()).save(buffer, format="PDF", resolution=25.4 * PRINTED)
    return buffer.getvalue()


def read_sheet(pixels: np.ndarray) -> list[Cell] | None:
    """Find the boxes on a photo or scan of the page and cut out what was written.

    pixels: (H, W), (H, W, 3) or (H, W, 4) uint8; 2,000 pixels on the longer side are plenty.
    Returns the boxes that hold ink, row by row; None when the picture is no such page.
    Raises TooFewMarks when it is, and too little of it is on the picture.
    """
    grey = _grey(pixels)
    detector = cv2.aruco.ArucoDetector(_DICTIONARY)
    corners, numbers, _ = detector.detectMarkers(grey)
    found = {} if numbers is None else dict(zip(numbers.ravel().tolist(), corners, strict=True))
    found = {number: place for number, place in found.items() if number < len(MARKS_AT)}
    if len(found) < 2:
        return None  # one alone may be chance
    if len(found) < ENOUGH_MARKS:
        raise TooFewMarks(
            f"This is a class sheet, but only {len(found)} of its four corner marks can be seen. "
            "Photograph the whole page from above, in even light, without a finger on the corners."
        )
    seen = np.concatenate([place.reshape(4, 2) for place in found.values()])
    meant = np.concatenate([_corners_of(int(number)) for number in found])
    turn, _ = cv2.findHomography(seen, meant * READ, cv2.RANSAC, 3 * READ)
    if turn is None:
        return None
    flat = cv2.warpPerspective(grey, turn, (WIDTH * READ, HEIGHT * READ), flags=cv2.INTER_AREA, borderValue=255)
    light = _even_light(flat)
    owners = _owners(light)
    cells = [_cut(light, owners, number) for number in range(ROWS * COLUMNS)]
    return [cell for cell in cells if cell is not None]


def _grey(pixels: np.ndarray) -> np.ndarray:
    if pixels.ndim == 2:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_RGBA2GRAY if pixels.shape[2] == 4 else cv2.COLOR_RGB2GRAY)


def _corners_of(number: int) -> np.ndarray:
    """(4, 2) mm: where a mark's corners are on the page, in the order in which OpenCV names them."""
    x, y = MARKS_AT[number]
    return np.array([[x, y], [x + MARK, y], [x + MARK, y + MARK], [x, y + MARK]], np.float32)


def _even_light(flat: np.ndarray) -> np.ndarray:
    """(h, w) uint8 → (h, w) float32: the brightness as a share of the paper's around it."""
    small = cv2.resize(flat, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    paper = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))  # 10 mm, wider than any stroke
    paper = cv2.GaussianBlur(paper, (0, 0), 6)
    whole = cv2.resize(paper, flat.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return flat.astype(np.float32) / np.maximum(whole, 1)


def _owners(light: np.ndarray) -> np.ndarray:
    """(h, w) -> (h, w) int32: the number of the box to which each pixel's ink belongs, -1 where there is none.

    A stroke that leaves its box belongs to it whole; where neighbours touch, each keeps what lies in its own box.
    """
    height, width = light.shape
    box = _box_at(np.arange(width)[None, :] / READ, np.arange(height)[:, None] / READ)
    ink = cv2.dilate((light < INK).view(np.uint8), np.ones((3, 3), np.uint8))
    count, pieces = cv2.connectedComponents(ink)
    boxes = ROWS * COLUMNS + 1  # and what lies outside of them
    pixels = np.bincount((pieces * boxes + box + 1).ravel(), minlength=count * boxes).reshape(count, boxes)
    owner_of = pixels.argmax(axis=1) - 1
    is_shared = np.sort(pixels, axis=1)[:, -2] > SHARED * pixels.sum(axis=1)
    owner_of[0], is_shared[0] = -1, False  # the paper
    owners: np.ndarray = np.where(is_shared[pieces], box, owner_of[pieces])
    return owners


def _box_at(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The number of the box at each place (mm), row by row from 0; -1 outside the grid."""
    column, row = np.floor((x - LEFT) / BOX_WIDTH), np.floor((y - TOP) / BOX_HEIGHT)
    inside = (column >= 0) & (column < COLUMNS) & (row >= 0) & (row < ROWS)
    return np.where(inside, row * COLUMNS + column, -1).astype(np.int32)


def _cut(light: np.ndarray, owners: np.ndarray, number: int) -> Cell | None:
    row, column = divmod(number, COLUMNS)
    near = round(READ * BOX_HEIGHT)  # no piece reaches further
    x, y = round(READ * (LEFT + column * BOX_WIDTH)), round(READ * (TOP + row * BOX_HEIGHT))
    part = np.s_[max(0, y - near) : y + 2 * near, max(0, x - near) : x + 2 * near]
    own = (owners[part] == number).view(np.uint8)
    if cv2.countNonZero(own) < LEAST_INK * READ**2:
        return None
    around = cv2.dilate(own, np.ones((5, 5), np.uint8))  # the soft edge of the strokes
    left, top, width, height = cv2.boundingRect(around)
    inside = np.where(around, light[part], 1.0)[top : top + height, left : left + width]
    darkest = float(np.percentile(inside[own[top : top + height, left : left + width] > 0], 5))
    stretched = np.clip((inside - darkest) / (PAPER - darkest), 0, 1)
    picture = np.pad((stretched * 255).astype(np.uint8), MARGIN, constant_values=255)
    return Cell(row, column, picture)


def _write(pen: ImageDraw.ImageDraw, text: str, x: float, y: float, size: float, shade: int) -> None:
    """Write around (x, y), in millimetres as is the size."""
    font = ImageFont.load_default(size * PRINTED)
    pen.text((x * PRINTED, y * PRINTED), text, font=font, fill=shade, anchor="mm")
