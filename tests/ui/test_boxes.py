"""The picture with a box over each digit that was read."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from mnist.ui.boxes import boxed
from mnist.vision.image_files import encode_png

PICTURE = encode_png(np.zeros((100, 200), np.uint8))


def test_each_digit_has_its_box_and_its_name():
    html = boxed(PICTURE, [(0.1, 0.2, 0.25, 0.5), (0.5, 0.2, 0.25, 0.5)], "20", alt="Your picture")

    assert re.findall(r"left:([\d.]+)%;top:([\d.]+)%;width:([\d.]+)%;height:([\d.]+)%.*?<b>(\d)</b>", html) == [
        ("10.00", "20.00", "25.00", "50.00", "2"),
        ("50.00", "20.00", "25.00", "50.00", "0"),
    ]
    assert 'alt="Your picture"' in html


def test_a_digit_at_the_upper_edge_has_its_name_within_the_box():
    assert 'class="inside"' in boxed(PICTURE, [(0.1, 0.0, 0.2, 0.9)], "1", alt="")
    assert 'class="inside"' not in boxed(PICTURE, [(0.1, 0.3, 0.2, 0.6)], "1", alt="")


def test_a_picture_of_which_nothing_was_read_has_no_box():
    assert "<b>" not in boxed(PICTURE, [], "", alt="")


def test_as_many_digits_as_boxes_are_needed():
    with pytest.raises(ValueError, match="zip"):
        boxed(PICTURE, [(0.1, 0.2, 0.25, 0.5)], "20", alt="")


def test_a_photo_travels_as_a_small_copy():
    noise = np.random.default_rng(0).integers(0, 255, (900, 1200, 3), np.uint8)
    html = boxed(encode_png(noise), [], "", alt="")

    assert "data:image/webp;base64," in html
    assert len(html) < 400_000  # the PNG has 3 MB


def test_a_small_picture_stays_as_it_is():
    assert "data:image/png;base64," in boxed(PICTURE, [], "", alt="")
    with Image.open(io.BytesIO(PICTURE)) as image:
        assert image.size == (200, 100)


def test_what_is_asked_about_looks_otherwise_than_what_is_sure():
    assert 'class="boxed asked"' in boxed(PICTURE, [(0.1, 0.2, 0.25, 0.5)], "2", alt="", is_sure=False)
    assert 'class="boxed"' in boxed(PICTURE, [(0.1, 0.2, 0.25, 0.5)], "2", alt="", is_sure=True)
