"""Small copies of stored pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from mnist.vision.image_files import encode_png
from mnist.vision.thumbnail import thumbnail


@pytest.mark.parametrize(
    ("height", "width", "size"), [(900, 1200, (640, 480)), (1200, 900, (480, 640)), (641, 10, (10, 640))]
)
def test_the_longer_side_is_the_limit(height, width, size):
    with Image.open(io.BytesIO(thumbnail(encode_png(np.zeros((height, width, 3), np.uint8)), 640))) as small:
        assert small.size == size


def test_a_picture_within_the_limit_comes_back_byte_for_byte():
    picture = encode_png(np.zeros((640, 300), np.uint8))

    assert thumbnail(picture, 640) is picture


def test_what_is_transparent_stays_so():
    picture = np.zeros((700, 700, 4), np.uint8)
    with Image.open(io.BytesIO(thumbnail(encode_png(picture), 640))) as small:
        assert small.mode == "RGBA"
        assert small.getextrema()[3] == (0, 0)
