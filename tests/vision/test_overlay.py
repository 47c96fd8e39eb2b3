"""A box with its digit lies over each digit that was read."""

from __future__ import annotations

import numpy as np

from mnist.vision.image_files import decode, encode_png
from mnist.vision.overlay import ASKED, SURE, lay_boxes


def test_a_thin_box_lies_around_the_digit_and_nowhere_else():
    page = np.zeros((300, 600), np.uint8)

    for is_sure, colour in ((True, SURE), (False, ASKED)):
        shown = decode(lay_boxes(encode_png(page), [(0.25, 0.4, 0.1, 0.4)], [7], is_sure=is_sure))[:, :, :3]

        assert shown.shape == (300, 600, 3)
        is_box = (shown == colour).all(axis=2)
        assert is_box[150, 140:152].any()
        assert is_box[150, 208:220].any()
        assert not is_box[:, 240:].any()
        assert is_box.mean() < 0.02


def test_a_small_picture_is_enlarged_so_that_the_line_stays_thin():
    shown = decode(lay_boxes(encode_png(np.zeros((28, 28), np.uint8)), [(0.2, 0.2, 0.5, 0.6)], [3], is_sure=True))

    assert shown.shape[0] >= 240
