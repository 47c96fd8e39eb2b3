"""Process-wide objects, each made from the settings at its first use."""

from __future__ import annotations

import functools
import threading

import cv2
import torch
from sqlalchemy import Engine

from mnist.metrics import Metrics
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.recognition.active_model import ActiveClassifier
from mnist.recognition.recogniser import Recogniser
from mnist.retraining.background import BackgroundRetraining
from mnist.settings import Settings
from mnist.store.administration import Administration
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.history import History
from mnist.store.labels import Labels
from mnist.store.model_registry import Registry
from mnist.store.own_labels import OwnLabels
from mnist.store.room import Room
from mnist.web.rate_limit import Budget
from mnist.web.sign_in import SignIn

SHIPPED_VERSION = 1

_making = threading.Lock()  # functools.cache alone would let two concurrent first calls make two


@functools.cache
def settings() -> Settings:
    return Settings.from_environment()


@functools.cache
def metrics() -> Metrics:
    metrics = Metrics()
    metrics.show_backups(settings().backup_mark)
    return metrics


@functools.cache
def engine() -> Engine:
    return connect(settings().database_url)


@functools.cache
def registry() -> Registry:
    return Registry(engine())


@functools.cache
def repository() -> Repository:
    return Repository(engine(), room())


@functools.cache
def room() -> Room:
    return Room(engine(), settings().database_bytes)


@functools.cache
def labels() -> Labels:
    return Labels(engine())


@functools.cache
def history() -> History:
    return History(engine())


@functools.cache
def administration() -> Administration:
    return Administration(engine(), room())


@functools.cache
def sign_in() -> SignIn:
    """Shared by page and API, so that wrong passwords are counted together."""
    return SignIn(settings().admin_password)


@functools.cache
def storing() -> Budget:
    """What each address may have stored, on the page and through the API together."""
    return Budget((settings().stored_bytes_per_minute, 60), (settings().stored_bytes_per_day, 24 * 3600))


@functools.cache
def background() -> BackgroundRetraining:
    return BackgroundRetraining()


def recogniser() -> Recogniser:
    """The recogniser that page, API and commands share.

    Raises FileNotFoundError or UnusableWeights while there is no usable network; the next call tries again.
    """
    with _making:
        return _recogniser()


@functools.cache
def _recogniser() -> Recogniser:
    chosen = settings()
    # Frames are small: on a busy machine with two cores, a second thread makes a prediction take 66 ms instead of 3.
    torch.set_num_threads(1)
    cv2.setNumThreads(1)  # likewise: a second thread doubles the processor time without being faster
    classifier = ActiveClassifier(
        registry(), SHIPPED_WEIGHTS, shipped_version=SHIPPED_VERSION, poll_seconds=chosen.model_poll_seconds
    )
    recogniser = Recogniser(
        classifier,
        repository(),
        max_bytes=chosen.max_upload_bytes,
        max_pixels=chosen.max_image_pixels,
        metrics=metrics(),
        model=classifier.card,
        own_labels=OwnLabels(engine()),
    )
    classifier.follow(recogniser.now_serves)
    return recogniser
