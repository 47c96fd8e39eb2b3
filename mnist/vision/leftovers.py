"""Ink that is no part of a digit, each piece with the reason why it was left out of the reading."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """What a piece of ink was recognised as, when it was not a digit's."""

    RULE = "ruled line"
    BOX = "printed box"
    EDGE = "edge of the picture or the sheet"
    CRUMB = "crumb"
    SHADOW = "shadow"
    UNDERLINE = "underline"
    FULL_STOP = "point at the end"
    GROUPING_POINT = "point before each three digits"
    CLOSING_DASH = "dash after the number"
    POINT = "decimal point"
    MINUS = "minus"
    UNEXPLAINED = "unexplained"

    @property
    def changes_the_reading(self) -> bool:
        """Whether the digits alone would misstate what was written, so that they must be asked about."""
        return self in (Reason.POINT, Reason.MINUS, Reason.UNEXPLAINED)


@dataclass(frozen=True, slots=True)
class Leftover:
    """One piece of ink that is no digit's."""

    reason: Reason
    left: int  # of its box, in pixels of the ink it was found in
    top: int
    width: int
    height: int
