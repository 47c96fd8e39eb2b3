"""The objects that live as long as the process: made once, at the first use, from the environment."""

from __future__ import annotations

import functools

from mnist.classifier import SHIPPED_WEIGHTS, Classifier
from mnist.database import connect
from mnist.recognition import Recogniser
from mnist.repository import Repository
from mnist.settings import Settings

SHIPPED_VERSION = 1


@functools.cache
def settings() -> Settings:
    return Settings.from_environment()


@functools.cache
def recogniser() -> Recogniser:
    """The page, and every other way in, share this one."""
    chosen = settings()
    return Recogniser(
        Classifier.load(SHIPPED_WEIGHTS, version=SHIPPED_VERSION),
        Repository(connect(chosen.database_url)),
        max_bytes=chosen.max_upload_bytes,
        max_pixels=chosen.max_image_pixels,
    )
