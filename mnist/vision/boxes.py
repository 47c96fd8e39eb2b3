"""Printed boxes and rows of boxes: finds a straight frame around other ink and takes it out."""

from __future__ import annotations

import cv2
import numpy as np

from mnist.vision.leftovers import Leftover, Reason

SMALLEST = 16  # pixels: a frame is at least so high and wide …
SMALLEST_SHARE = 0.25  # … and at least that much of the picture's shorter side
STRAIGHT = 0.93  # of the outline's area in that of its four corners
COVERED = 0.9  # of each side has ink
THICKEST = 0.12  # of the frame's shorter side
BARE = 0.35  # of a ring around the inside: with less ink the frame's line has ended
INSIDE = 0.3  # of the inside's height: something must stand in a frame, or it is a drawn 0
DIVIDER = 0.9  # of the inside's height: a thin upright line that long parts two boxes of a row


def erase_boxes(ink: np.ndarray, solid: int) -> tuple[np.ndarray, list[Leftover]]:
    """Take printed frames out of ink.

    ink: (H, W) uint8, 0 = paper; solid: what is darker than paper's noise.
    Returns the ink without them, itself where there are none, and what was found.
    """
    marks = (ink >= solid).view(np.uint8)
    shortest = max(SMALLEST, SMALLEST_SHARE * min(ink.shape))
    contours = cv2.findContours(marks, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    found: list[Leftover] = []
    erased = ink
    for contour in contours:
        left, top, width, height = cv2.boundingRect(contour)
        if min(width, height) < shortest:
            continue
        corners = _corners(contour)
        if corners is None or not _is_covered(marks, corners):
            continue
        box = np.s_[max(top - 1, 0) : top + height + 1, max(left - 1, 0) : left + width + 1]
        inside = _inside(marks[box], corners - [max(left - 1, 0), max(top - 1, 0)])
        if inside is None:
            continue
        erased = erased.copy() if erased is ink else erased
        erased[box][inside == 0] = 0
        _erase_dividers(erased[box], inside, solid)
        found.append(Leftover(Reason.BOX, left, top, width, height))
    return erased, found


def _corners(contour: np.ndarray) -> np.ndarray | None:
    """(4, 2) of an outline with four straight sides; None of any other."""
    hull = cv2.convexHull(contour)
    corners = cv2.approxPolyDP(hull, 0.03 * cv2.arcLength(hull, True), True).reshape(-1, 2)
    if len(corners) != 4:
        return None
    area = cv2.contourArea(corners)
    if area <= 0 or cv2.contourArea(contour) < STRAIGHT * area or cv2.contourArea(hull) > area / STRAIGHT:
        return None
    return np.asarray(corners, np.int32)


def _is_covered(marks: np.ndarray, corners: np.ndarray) -> bool:
    """Whether there is ink all along each of the four sides."""
    reach = 2 + min(marks.shape) // 100
    near = cv2.dilate(marks, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        steps = max(2, int(np.abs(b - a).max()))
        places = np.rint(np.linspace(a, b, steps)).astype(int)
        if near[places[:, 1], places[:, 0]].mean() < COVERED:
            return False
    return True


def _inside(marks: np.ndarray, corners: np.ndarray) -> np.ndarray | None:
    """What the frame encloses, (h, w) uint8, 1 inside; None where nothing stands there, or no line ends."""
    area: np.ndarray = np.zeros(marks.shape, np.uint8)
    cv2.fillConvexPoly(area, corners.astype(np.int32), 1)
    area = np.asarray(cv2.copyMakeBorder(area, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0))
    square = np.ones((3, 3), np.uint8)
    for _ in range(int(max(3, THICKEST * min(marks.shape))) + 1):
        smaller = np.asarray(cv2.erode(area, square))
        ring = (area - smaller)[1:-1, 1:-1] > 0
        if not ring.any():
            return None
        if marks[ring].mean() < BARE:
            smaller = np.asarray(cv2.erode(smaller, square))[1:-1, 1:-1]  # and the soft edge of its line
            tall = cv2.boundingRect(smaller)[3]
            kept = cv2.connectedComponentsWithStats(marks & smaller, connectivity=8)[2][1:, cv2.CC_STAT_HEIGHT]
            return smaller if kept.size and kept.max() >= INSIDE * tall else None
        area = smaller
    return None


def _erase_dividers(ink: np.ndarray, inside: np.ndarray, solid: int) -> None:
    _, _, width, height = cv2.boundingRect(inside)
    if width < 1.6 * height:
        return
    marks = (ink >= solid).view(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(marks, connectivity=8)
    for label in range(1, len(stats)):
        if stats[label, cv2.CC_STAT_HEIGHT] < DIVIDER * height:
            continue
        own = labels == label
        columns = own.sum(axis=0) >= 0.85 * height
        if 0 < columns.sum() <= 0.25 * height:
            ink[:, cv2.dilate(columns.view(np.uint8)[None], np.ones((1, 3), np.uint8))[0] > 0] = 0
