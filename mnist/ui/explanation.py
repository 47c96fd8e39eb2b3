"""How the network came to its answer, as pictures; computed only for whoever asks."""

from __future__ import annotations

import numpy as np
import streamlit as st

from mnist import services
from mnist.recognition.recogniser import Recognition
from mnist.ui.gallery import data_url
from mnist.vision.image_files import encode_png

FOR, AGAINST = (255, 140, 0), (90, 150, 255)  # RGB: ink that speaks for the answer, and against it
LEAST = 0.5  # log odds: where no ink counts for more, colours stay pale
WIDTH = 144  # px: maps in one row, without the lines
LAYERS = ("Edges", "Corners and curves", "Parts of digits", "What decides")


def show(found: Recognition) -> None:
    """Offer the pictures for a single digit, and show them once asked."""
    if not st.toggle("Show how it thinks", key="explained"):
        return
    digit = found.prediction.digit
    explanation = services.recogniser().explain(found)
    ink = _figure(
        coloured(found.frame, explanation.importance),
        "ink",
        f"The drawing, coloured by what speaks for the {digit}",
        f"<b>Orange</b> ink made it a {digit}: without it the network would be less sure. "
        "<b>Blue</b> ink spoke against it.",
    )
    maps = "".join(
        _figure(tiled(each), "maps", f"{len(each)} maps of this layer", f"<b>{name}</b>")
        for name, each in zip(LAYERS, explanation.maps, strict=True)
    )
    st.html(
        f'<div class="explained">{ink}<p>The network looks in four layers, one after another: each small picture is '
        f"bright where its layer found the pattern that it looks for.</p>{maps}</div>"
    )


def coloured(frame: np.ndarray, importance: np.ndarray) -> np.ndarray:
    """The ink coloured by its importance: (28, 28, 3) uint8 RGB; white ink counts for nothing, on black paper.

    frame: (28, 28) uint8. importance: (28, 28), as mnist/model/explanation.py gives it.
    """
    strength = np.clip(importance / max(LEAST, float(np.abs(importance).max())), -1, 1)[..., None]
    colour = np.where(strength > 0, np.array(FOR), np.array(AGAINST))
    ink = 255 + np.abs(strength) * (colour - 255)
    picture: np.ndarray = (ink * frame[..., None] / 255).round().astype(np.uint8)
    return picture


def tiled(maps: np.ndarray) -> np.ndarray:
    """Maps (C, H, W) from 0 up, side by side: (h, w) uint8, the brightest spot 255, lines between."""
    columns = WIDTH // maps.shape[2]
    bright = np.pad(maps / max(float(maps.max()), 1e-6), ((0, 0), (0, 1), (0, 1)), constant_values=0.25)
    rows = [np.concatenate(list(bright[first : first + columns]), axis=1) for first in range(0, len(bright), columns)]
    rows[-1] = np.pad(rows[-1], ((0, 0), (0, rows[0].shape[1] - rows[-1].shape[1])))
    return (255 * np.concatenate(rows)).round().astype(np.uint8)


def _figure(picture: np.ndarray, kind: str, alt: str, text: str) -> str:
    return (
        f'<figure class="{kind}"><img alt="{alt}" src="{data_url(encode_png(picture))}">'
        f"<figcaption>{text}</figcaption></figure>"
    )
