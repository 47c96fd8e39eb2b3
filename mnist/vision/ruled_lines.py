"""Ruled and squared paper: finds its lines and takes them out of a mask of ink without eating the strokes on them."""

from __future__ import annotations

import cv2
import numpy as np

TILT = np.deg2rad(14)  # how far a rule may lean from the picture's edges
MIN_FAMILY = 3  # fewer parallel lines across the picture may be strokes of the digit
WHOLE = 0.85  # of the paper's width: a single line is a rule when so much of it is there
END_OF_ONE = 0.04  # of the paper's width at each end: there a single rule still is …
END_OF_MANY = 0.15  # … and one of a family, which may be pale, is seen here and there
BEYOND = 0.05  # of the picture's width, at each end: so much farther than the rest of the ink a single rule goes …
LONG = 1.6  # … or the picture is so many times as wide as high: no digit's stroke is as long as that
MIN_VOTES = 0.35  # of the picture's width, in pixels of rule on one straight line
MAX_LINES = 90  # of one direction
REACH = 6  # pixels to each side in which a wavy rule is followed and its thickness measured
EXTRA = 2  # pixels by which a run of ink may exceed the rule's usual thickness and still be rule
STRIP_RULE = 13  # pixels: a rule of a strip of paper that was enlarged is no thicker
REMAINS = 0.15  # of the columns: a line of which more is left was not taken out cleanly, and stays
DARKER = 1.45  # times the rule's usual density: ink lies on it


def erase_rules(mask: np.ndarray, density: np.ndarray, faint: float, sheet: np.ndarray | None = None) -> np.ndarray:
    """Take ruled lines out of a mask.

    mask: (H, W) uint8, 1 = ink or rule; density: (H, W) uint8, how dark; faint: the density from which a rule is seen;
    sheet: (H, W) uint8, 0 where there is no paper, None where it is everywhere.
    Returns the mask without the runs of ink across each rule that are as thin and as pale as the rule itself. A rule
    goes on to both ends of the paper; a stem, however straight, ends with its digit.
    """
    paper = np.full_like(mask, 1) if sheet is None else sheet
    erased = mask.copy()
    seen = np.asarray(density >= faint, np.uint8)
    thin = np.asarray(cv2.subtract(seen, cv2.morphologyEx(seen, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))))
    crossed = np.zeros_like(mask)
    for turned in (False, True):
        seen_here = np.ascontiguousarray(thin.T) if turned else thin
        lines = _parallel_lines(seen_here, np.ascontiguousarray(paper.T) if turned else paper)
        target, dark, met = (erased.T, density.T, crossed.T) if turned else (erased, density, crossed)
        for slope, offset in lines:
            before = target.copy()
            _erase_line(target, dark, met, slope, offset, faint)
            if len(lines) < MIN_FAMILY and not _goes_beyond(target):
                target[:] = before
    return erased


def erase_level_rules(mask: np.ndarray, density: np.ndarray) -> np.ndarray:
    """Take the lines above and below what was written on a strip of paper out of a mask.

    mask: (H, W) uint8, 1 = ink or rule; density: (H, W) uint8, how dark. A strip holds few rules, and its digits are as
    high as it is: a line counts where hardly any column lacks it, which none along the bars of digits does.
    """
    erased = mask.copy()
    thin = cv2.subtract(mask, cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((STRIP_RULE + 1, 1), np.uint8)))
    everywhere, crossed = np.ones_like(mask), np.zeros_like(mask)
    for slope, offset in _level_lines(np.asarray(thin)):
        if _goes_on(mask, everywhere, slope, offset, END_OF_ONE, 0.6, WHOLE):
            before = erased.copy()
            _erase_line(erased, density, crossed, slope, offset, 1)
            if not _goes_beyond(erased) or _remains(erased, slope, offset) > REMAINS:
                erased = before
    return erased


def _remains(rest: np.ndarray, slope: float, offset: float) -> float:
    """Share of the columns in which ink is left where a line was, with none above: it went through the digits' feet."""
    height, width = rest.shape
    columns = np.arange(width)
    rows = np.rint(slope * columns + offset).astype(int)
    near = rest[np.clip(rows[None] + np.arange(-2 * REACH, 2 * REACH)[:, None], 0, height - 1), columns] > 0
    return float((near[REACH:].any(axis=0) & ~near[:2].any(axis=0)).mean())


def _goes_beyond(rest: np.ndarray) -> bool:
    """Whether a line across the whole picture is longer than the strokes that are left: it is no stroke itself."""
    height, width = rest.shape
    inked = np.flatnonzero(rest.any(axis=0))
    if not inked.size:
        return True
    return bool(width > LONG * height or (inked[0] >= BEYOND * width and inked[-1] < (1 - BEYOND) * width))


def _parallel_lines(thin: np.ndarray, paper: np.ndarray) -> list[tuple[float, float]]:
    """Nearly horizontal lines right across the picture as (slope, offset): y = slope · x + offset."""
    lines = _level_lines(thin)
    if not lines:
        return []
    usual = np.median([slope for slope, _ in lines])
    family = [line for line in lines if abs(line[0] - usual) < 0.06 and _goes_on(thin, paper, *line, END_OF_MANY, 0.25)]
    if len(family) >= MIN_FAMILY:
        return family
    return [line for line in lines if _goes_on(thin, paper, *line, END_OF_ONE, 0.6, WHOLE)]


def _level_lines(thin: np.ndarray) -> list[tuple[float, float]]:
    """Nearly horizontal lines of any length, the longest first."""
    width = thin.shape[1]
    found = cv2.HoughLines(
        thin, 1, np.pi / 360, int(MIN_VOTES * width), min_theta=np.pi / 2 - TILT, max_theta=np.pi / 2 + TILT
    )
    if found is None:
        return []
    lines: list[tuple[float, float]] = []
    middles: list[float] = []
    for rho, theta in found.reshape(-1, found.shape[-1])[:2000, :2]:
        slope, offset = -np.cos(theta) / np.sin(theta), rho / np.sin(theta)
        middle = slope * width / 2 + offset
        # Strongest first: its neighbours in the accumulator are the same line again.
        if all(abs(middle - other) > REACH for other in middles):
            lines.append((float(slope), float(offset)))
            middles.append(middle)
        if len(lines) == MAX_LINES:
            break
    return lines


def _goes_on(
    thin: np.ndarray, paper: np.ndarray, slope: float, offset: float, end: float, seen: float, whole: float = 0.0
) -> bool:
    """Whether a line is there at both ends of the paper, of which it takes in the share `end` each, and between."""
    height, width = thin.shape
    columns = np.arange(width)
    rows = np.rint(slope * columns + offset).astype(int)
    is_inside = (rows >= 0) & (rows < height)
    is_inside[is_inside] = paper[rows[is_inside], columns[is_inside]] > 0
    columns, rows = columns[is_inside], rows[is_inside]
    if len(columns) < width // 4:
        return False
    near = np.clip(rows[None] + np.arange(-3, 4)[:, None], 0, height - 1)
    is_there = thin[near, columns].any(axis=0)
    last = max(3, round(end * len(columns)))
    return bool(min(is_there[:last].mean(), is_there[-last:].mean()) >= seen and is_there.mean() > whole)


def _erase_line(
    mask: np.ndarray, density: np.ndarray, crossed: np.ndarray, slope: float, offset: float, faint: float
) -> None:
    height, width = mask.shape
    columns = np.arange(width)
    centre = slope * columns + offset
    inside = (centre > -REACH) & (centre < height + REACH - 1)
    columns, centre = columns[inside], centre[inside]
    if len(columns) < width // 4:
        return
    rows = _follow(density, columns, np.rint(centre).astype(int))
    around = np.clip(rows[None] + np.arange(-REACH, REACH + 1)[:, None], 0, height - 1)
    dark = density[around, columns]
    ink = mask[around, columns] > 0
    run = _run_through_middle(ink)
    thickness = run.sum(axis=0)
    peak = dark[REACH - 1 : REACH + 2].max(axis=0)
    on_rule = peak >= faint
    if on_rule.sum() < 0.3 * len(columns):
        return
    usual = max(1.0, float(np.median(thickness[on_rule])))
    level = float(np.median(peak[on_rule]))
    pale = (thickness <= usual + EXTRA) & (peak <= np.where(crossed[rows, columns] > 0, 2, 1) * DARKER * level)
    for row in range(-2, 3):  # where the other direction's rules will meet this one, two rules' ink adds up
        crossed[np.clip(rows + row, 0, height - 1), columns] = 1
    y, x = np.nonzero(run & pale)
    mask[around[y, x], columns[x]] = 0


def _follow(density: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Where a rule that should be at `rows` really is: paper is never quite flat."""
    height = len(density)
    near = np.clip(rows[None] + np.arange(-3, 4)[:, None], 0, height - 1)
    smooth = cv2.blur(density[near, columns], (41, 1))
    return np.clip(rows + smooth.argmax(axis=0) - 3, 0, height - 1)


def _run_through_middle(ink: np.ndarray) -> np.ndarray:
    """(rows, N) bool: in each column the unbroken run of ink that passes within a pixel of the middle row."""
    middle = len(ink) // 2
    run = np.zeros_like(ink)
    run[middle - 1 : middle + 2] = ink[middle - 1 : middle + 2]
    for row in range(middle + 2, len(ink)):
        run[row] = run[row - 1] & ink[row]
    for row in range(middle - 2, -1, -1):
        run[row] = run[row + 1] & ink[row]
    return run
