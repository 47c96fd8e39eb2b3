"""Photographed paper and boards give the frame of the clean drawing."""

from __future__ import annotations

import contextlib
import time

import cv2
import numpy as np
import pytest

from benchmarks.photos import KINDS, likeness, take_photo
from mnist.vision.candidates import find_line
from mnist.vision.image_files import STORED_BYTES, as_stored, decode, encode_png
from mnist.vision.ink import BlankDrawing, find_ink
from mnist.vision.mnist_frame import frame_ink
from mnist.vision.photo import SIDE, photo_ink
from mnist.vision.prepare import prepare
from mnist.vision.ruled_lines import erase_rules
from mnist.vision.sheet import is_photo

HEIGHT, WIDTH = 480, 640
SEVEN = [[(240, 120), (400, 120), (300, 380)]]
CROSSED_SEVEN = [*SEVEN, [(270, 250), (390, 250)]]
ONE = [[(320, 100), (320, 390)]]
FOUR = [[(300, 100), (230, 280), (400, 280)], [(360, 180), (360, 390)]]
FIVE_AND_HAT = [[(250, 150), (245, 230), (340, 240), (370, 310), (320, 380), (235, 365)], [(268, 118), (385, 112)]]


def draw(strokes, brush=12, size=(HEIGHT, WIDTH)) -> np.ndarray:
    ink = np.zeros(size, np.uint8)
    for stroke in strokes:
        cv2.polylines(ink, [np.array(stroke, np.int32)], False, 255, brush, cv2.LINE_AA)
    return ink


def photograph(ink, *, rules=None, squares=None, shadow=0.0, light_ink=False, pen=0.2, noise=3.0, seed=1) -> np.ndarray:
    """(480, 640, 3) uint8: ink on paper under uneven light, by a noisy camera."""
    rng = np.random.default_rng(seed)
    paper = np.full(ink.shape, 0.16 if light_ink else 0.92)
    rule = np.zeros(ink.shape, np.uint8)
    for y in range(20, HEIGHT, rules or squares or HEIGHT * 2):
        cv2.line(rule, (0, y), (WIDTH, y + 12), 255, 1, cv2.LINE_AA)
    for x in range(10, WIDTH, squares or WIDTH * 2):
        cv2.line(rule, (x, 0), (x - 9, HEIGHT), 255, 1, cv2.LINE_AA)
    if rules or squares:
        paper *= 1 - 0.35 * (rule / 255)
    share = ink / 255
    scene = paper * (1 - share) + (0.9 if light_ink else pen) * share
    y, x = np.mgrid[0 : 1 : ink.shape[0] * 1j, 0 : 1 : ink.shape[1] * 1j]
    scene = scene * (1 - 0.35 * x * y) * np.where(x + y > 0.95, 1 - shadow, 1)
    levels = cv2.GaussianBlur(scene, (0, 0), 0.7) * 250 + rng.normal(0, noise, ink.shape)
    return np.dstack([np.clip(levels, 0, 255).astype(np.uint8)] * 3)


def frame_of(picture: np.ndarray) -> np.ndarray:
    return prepare(picture).frame


@pytest.mark.parametrize(
    "options",
    [{}, {"rules": 40}, {"squares": 24}, {"shadow": 0.4}, {"light_ink": True}, {"pen": 0.5, "squares": 30}],
    ids=["plain", "lined", "squared", "shadow", "chalk", "pencil on squares"],
)
@pytest.mark.parametrize("strokes", [SEVEN, CROSSED_SEVEN, ONE, FOUR, FIVE_AND_HAT], ids=["7", "7-", "1", "4", "5"])
def test_a_photo_gives_the_frame_of_the_drawing(strokes, options):
    assert (
        likeness(frame_of(photograph(draw(strokes), **options)), frame_ink(draw(strokes)).frame) > 0.85
    )  # the centre is rounded


def test_a_bar_that_lies_on_a_rule_is_kept():
    on_rule = [[(240, 106), (400, 109), (300, 380)]]  # the third rule passes there
    picture = photograph(draw(on_rule, brush=3), rules=40, noise=1.5)
    assert likeness(frame_of(picture), frame_ink(draw(on_rule, brush=3)).frame) > 0.85


def test_a_stroke_apart_at_the_drawing_s_own_edge_is_kept():
    seven = [[(285, 120), (380, 120)], [(395, 150), (320, 380)]]

    ink = find_ink(photograph(draw(seven, brush=13)))

    assert (ink[105:135, 270:370] > 128).sum() > 1000


def test_rules_leave_nothing_behind():
    ink = find_ink(photograph(draw(SEVEN), squares=24))
    assert ink[:100].max() == 0
    assert ink[400:].max() == 0
    assert ink[:, :220].max() == 0
    assert ink[:, 420:].max() == 0


def test_a_much_paler_smear_that_touches_the_drawing_is_cut_off():
    smeared = np.maximum(draw(SEVEN), (draw([[(300, 380), (420, 430)]]) * 0.38).astype(np.uint8))

    assert likeness(frame_of(photograph(smeared)), frame_ink(draw(SEVEN)).frame) > 0.85


def test_where_two_rules_cross_their_ink_adds_up_and_nothing_is_left():
    density = np.zeros((200, 300), np.uint8)
    density[20::30] += 60
    density[:, 15::30] += 60

    assert not erase_rules((density > 30).view(np.uint8), density, faint=20).any()


@pytest.mark.parametrize(("end", "left"), [(200, 0), (140, 140)], ids=["a margin", "a stroke"])
def test_a_line_alone_is_a_rule_only_from_edge_to_edge(end, left):
    density = np.zeros((200, 300), np.uint8)
    density[:end, 100] = 60

    assert erase_rules((density > 30).view(np.uint8), density, faint=20).sum() == left


def test_specks_and_a_smaller_scribble_far_away_are_dropped():
    ink = draw(SEVEN)
    for x, y in ((40, 40), (600, 50), (80, 440)):
        cv2.circle(ink, (x, y), 2, 255, -1)
    cv2.line(ink, (560, 430), (600, 440), 255, 4)
    assert likeness(frame_of(photograph(ink)), frame_ink(draw(SEVEN)).frame) > 0.97


def test_a_table_around_the_sheet_is_no_ink():
    for table in (30, 90):
        picture = photograph(draw(SEVEN))
        picture[:60], picture[-50:], picture[:, :70], picture[:, -90:] = table, table, table, table
        assert likeness(frame_of(picture), frame_ink(draw(SEVEN)).frame) > 0.97


def test_a_sheet_on_a_flat_table_is_a_sheet_whatever_the_ink():
    """The ink differs from the table, too: it is no hole in what stands out from the edge."""
    drawn = draw(SEVEN) > 0
    for ink in ((25, 25, 25), (30, 60, 160), (170, 30, 30), (110, 110, 110)):
        picture = np.full((HEIGHT, WIDTH, 3), (38, 28, 26), np.uint8)
        picture[60:-50, 70:-90] = (225, 223, 214)
        picture[drawn] = ink
        assert likeness(frame_of(picture), frame_ink(draw(SEVEN)).frame) > 0.95


@pytest.mark.parametrize(("seed", "kind", "number"), [(1, "table", 64), (1, "everything", 12), (2, "everything", 39)])
def test_a_table_that_passes_for_a_board_hides_no_pen(seed, kind, number):
    photo = take_photo(kind, np.random.default_rng([seed, KINDS.index(kind), number]))

    assert likeness(frame_of(photo.picture), photo.clean) > 0.85


def test_a_number_on_paper_keeps_all_its_digits():
    strokes = [[(x, 180), (x, 300)] for x in (150, 230, 310, 390)]
    assert find_line(find_ink(photograph(draw(strokes, brush=8), rules=40))).pieces == 4


def test_bare_paper_is_blank():
    with pytest.raises(BlankDrawing):
        prepare(photograph(np.zeros((HEIGHT, WIDTH), np.uint8)))


def test_a_drawing_is_no_photo():
    """Whatever its polarity or compression, and also where it leaves the canvas."""
    ink = draw([[(-20, 60), (150, 40), (60, 300)]], brush=20, size=(280, 280))
    for picture in (ink, 255 - ink, ink // 3):
        for quality in (50, 90):
            jpeg = cv2.imdecode(cv2.imencode(".jpg", picture, [1, quality])[1], cv2.IMREAD_GRAYSCALE)
            for pixels in (picture, jpeg):
                assert not is_photo(cv2.absdiff(pixels, np.full_like(pixels, pixels[-1, -1])))
        assert find_ink(picture).shape == picture.shape


def test_grain_light_rules_and_a_table_make_a_photo():
    flat = draw(SEVEN)
    ruled = 255 - flat
    ruled[::40] = 180
    sheet = np.full((HEIGHT, WIDTH), 40, np.uint8)
    sheet[60:-60, 60:-60] = 255 - flat[60:-60, 60:-60]
    for picture in (photograph(flat)[:, :, 0], ruled, sheet):
        assert is_photo(cv2.absdiff(picture, np.full_like(picture, int(np.median(picture[0])))))


def test_ink_is_empty_or_full():
    ink = photo_ink(photograph(draw(SEVEN)))[0]
    assert ink.shape == (HEIGHT, WIDTH)
    assert ink.dtype == np.uint8
    assert ink.max() == 255
    assert max(photo_ink(np.kron(photograph(draw(SEVEN)), np.ones((2, 2, 1), np.uint8)))[0].shape) == SIDE
    assert not photo_ink(np.full((200, 200), 77, np.uint8))[0].any()


@pytest.mark.parametrize("kind", KINDS)
def test_simulated_photos(kind):
    """`python -m benchmarks.photos` measures hundreds of each kind."""
    photos = [take_photo(kind, np.random.default_rng([3, KINDS.index(kind), number])) for number in range(4)]
    alike = 0
    for photo in photos:
        with contextlib.suppress(BlankDrawing):
            alike += likeness(frame_of(photo.picture), photo.clean) >= 0.85
    assert alike >= 3


@pytest.mark.filterwarnings("error")
def test_a_pattern_takes_bounded_time():
    pattern = np.full((SIDE, SIDE), 255, np.uint8)
    for y, x in np.random.default_rng(2).integers(0, 3, (71 * 71, 2)) + np.mgrid[0:639:9, 0:639:9].reshape(2, -1).T:
        pattern[y : y + 3, x : x + 3] = 0
    pattern[300:320, 300:320] = 0
    assert is_photo(255 - pattern)

    began = time.process_time()
    photo_ink(pattern)
    assert time.process_time() - began < 2


def test_ink_that_fills_its_box_is_measured_without_a_warning():
    picture = photograph(np.zeros((HEIGHT, WIDTH), np.uint8))
    picture[150:300, 300:330] = 30  # a thick 1 with the corners of a ruler

    assert np.count_nonzero(frame_of(picture)) > 50


@pytest.mark.parametrize("strokes", [SEVEN, ONE, FOUR])
def test_what_is_stored_of_a_photo_is_small_and_gives_its_frame(strokes):
    photo = photograph(draw(strokes), rules=60, shadow=0.3, noise=8)

    stored = as_stored(b"", photo)

    assert len(encode_png(photo)) > STORED_BYTES
    assert len(stored) <= STORED_BYTES
    difference = np.abs(frame_of(photo).astype(int) - frame_of(decode(stored)))
    assert difference.mean() < 1  # of 255


def test_even_noise_is_stored_small():
    noise = np.random.default_rng(1).integers(0, 256, (1024, 1024, 4), np.uint8)

    assert len(as_stored(b"", noise)) <= STORED_BYTES
