"""Small copies of stored pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from mnist.vision.image_files import NotAnImage, encode_png
from mnist.vision.thumbnail import thumbnail


@pytest.mark.parametrize(
    ("height", "width", "size"), [(900, 1200, (640, 480)), (1200, 900, (480, 640)), (641, 10, (10, 640))]
)
def test_the_longer_side_is_the_limit(height, width, size):
    picture = encode_png(np.zeros((height, width, 3), np.uint8))

    with Image.open(io.BytesIO(thumbnail(picture, 640, 10**6))) as small:
        assert small.size == size


def test_a_picture_within_the_limits_comes_back_byte_for_byte():
    picture = encode_png(np.zeros((640, 300), np.uint8))

    assert thumbnail(picture, 640, 10**6) is picture


@pytest.mark.parametrize(("side", "most"), [(208, 10_000), (640, 200_000), (208, 1_000), (640, 100)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_even_noise_keeps_to_the_bytes(side, most, channels):
    noise = np.random.default_rng(1).integers(0, 256, (1024, 1024, channels), np.uint8)
    for pixels in (noise, noise[:side, :side]):
        small = thumbnail(encode_png(pixels.squeeze()), side, most)

        assert len(small) <= most
        with Image.open(io.BytesIO(small)) as image:
            assert image.width == image.height


def test_what_is_transparent_stays_so():
    picture = np.zeros((700, 700, 4), np.uint8)
    with Image.open(io.BytesIO(thumbnail(encode_png(picture), 640, 10**6))) as small:
        assert small.mode == "RGBA"
        assert small.getextrema()[3] == (0, 0)


@pytest.mark.parametrize("picture", [b"", b"\x89PNG", encode_png(np.zeros((700, 700), np.uint8))[:-30]])
def test_what_is_no_picture_is_told(picture):
    with pytest.raises(NotAnImage, match="can't be shown"):
        thumbnail(picture, 640, 10**6)
