"""The objects that live as long as the process: made once, at the first use, from the environment."""

from __future__ import annotations

import functools
import threading

import torch

from mnist.classifier import SHIPPED_WEIGHTS, Classifier
from mnist.database import connect
from mnist.metrics import Metrics
from mnist.model_card import read_report
from mnist.recognition import Recogniser
from mnist.repository import Repository
from mnist.settings import Settings

SHIPPED_VERSION = 1

_making = threading.Lock()  # functools.cache alone would let two first visitors make two


@functools.cache
def settings() -> Settings:
    return Settings.from_environment()


@functools.cache
def metrics() -> Metrics:
    return Metrics()


def recogniser() -> Recogniser:
    """The page, and every other way in, share this one.

    Raises FileNotFoundError or UnusableWeights while there is no usable network; the next call tries again.
    """
    with _making:
        return _recogniser()


@functools.cache
def _recogniser() -> Recogniser:
    chosen = settings()
    # Frames are small: on a busy machine of two cores a second thread makes an answer wait 66 ms instead of 3.
    torch.set_num_threads(1)
    return Recogniser(
        Classifier.load(SHIPPED_WEIGHTS, version=SHIPPED_VERSION),
        Repository(connect(chosen.database_url)),
        max_bytes=chosen.max_upload_bytes,
        max_pixels=chosen.max_image_pixels,
        metrics=metrics(),
        model=read_report(SHIPPED_WEIGHTS.with_suffix(".json"), SHIPPED_VERSION),
    )
