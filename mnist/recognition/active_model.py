"""The network that answers now; it follows the active version in the database without a restart."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import numpy as np

from mnist.drawing import StorageUnavailable
from mnist.model.classifier import Classifier, Look, Prediction
from mnist.model.explanation import Explanation
from mnist.model.model_card import ModelCard, read_report, report_of
from mnist.model.weights_file import UnusableWeights
from mnist.store.model_registry import NoSuchVersion, Registry, Version

log = logging.getLogger(__name__)
Changed = Callable[[ModelCard], None]
_ANY = np.zeros((1, 28, 28), np.uint8)


class ActiveClassifier:
    """A classifier that follows the active version in the database; safe to share between threads.

    It starts with the shipped weights and polls the database every `poll_seconds` in a thread of its own. While the
    database is away, or holds weights that can't be used, it keeps the network that it has.
    """

    def __init__(self, registry: Registry, shipped: Path, *, shipped_version: int, poll_seconds: float) -> None:
        """shipped_version: the number of the shipped network until the database has given it one.

        Raises FileNotFoundError or UnusableWeights when the shipped weights can't be used.
        """
        self._registry = registry
        self._shipped = shipped
        self._weights = shipped.read_bytes()  # read once: the file may be replaced while its old content serves
        self._poll_seconds = poll_seconds
        # The network always answers on the same thread: PyTorch sets itself up on every new one, which takes 4 ms of
        # CPU time beside the answer's 0.5 ms, and the page comes with a new thread for every stroke.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="network")
        card = read_report(shipped.with_suffix(".json"), shipped_version)
        # One tuple, so that the network and its card change together.
        self._serving = (self._load(self._weights, shipped_version), card)
        self._is_seeded = False
        self._taken: int | None = None  # the version taken from the table; None: still the shipped file
        self._unusable: int | None = None  # the version whose weights were refused
        self._outage_logged = False
        self._stopped = threading.Event()
        self._changed: Changed = lambda card: None

    @property
    def version(self) -> int:
        return self._serving[0].version

    @property
    def card(self) -> ModelCard:
        """The model card of the version that answers now."""
        return self._serving[1]

    def predict(self, frames: np.ndarray) -> list[Prediction]:
        """Like Classifier.predict; all predictions of one call come from the same version."""
        return self.look(frames).predictions

    def look(self, frames: np.ndarray, meanwhile: Callable[[], None] = lambda: None) -> Look:
        """Like Classifier.look; `meanwhile` is called by the caller's thread while the network computes."""
        looking = self._thread.submit(self._serving[0].look, frames)
        meanwhile()
        return looking.result()

    def explain(self, frame: np.ndarray, digit: int) -> Explanation:
        """Like Classifier.explain; on the caller's thread, so that nobody's answer waits for it."""
        return self._serving[0].explain(frame, digit)

    def follow(self, changed: Changed) -> None:
        """Take the active version now and keep polling; `changed` is called with the card of every new version."""
        self._changed = changed
        self.refresh()
        threading.Thread(target=self._keep_polling, name="active-version", daemon=True).start()

    def stop(self) -> None:
        """Stop polling; `predict` can't be called any more."""
        self._stopped.set()
        self._thread.shutdown()

    def refresh(self) -> None:
        """Poll once. A database that is away, or unusable weights, are logged, and the present network stays."""
        try:
            if not self._is_seeded:
                self._registry.seed(self._weights, report_of(self._shipped))
                self._is_seeded = True
            version = self._registry.active_number()
            if version is not None and version not in (self._taken, self._unusable):
                self._exchange(version)
            self._outage_logged = False
        except StorageUnavailable as error:
            self._is_seeded = False  # the database may come back empty
            if not self._outage_logged:
                log.warning("Version %s goes on serving: %s", self.version, error)
            self._outage_logged = True
        except NoSuchVersion:  # deleted between two queries; the next poll will see it
            pass

    def _load(self, weights: bytes, version: int) -> Classifier:
        """Load a classifier and warm it up. Raises UnusableWeights."""
        classifier = Classifier.load(weights, version)
        for _ in range(2):  # PyTorch compiles during two calls, for 50 ms; the first visitor should not wait
            self._thread.submit(classifier.predict, _ANY)
        return classifier

    def _exchange(self, version: int) -> None:
        weights = self._registry.weights(version)
        try:
            if self._taken is None and weights == self._weights:  # the shipped weights serve already
                classifier = self._serving[0].numbered(version)
            else:
                classifier = self._load(weights, version)
        except UnusableWeights as error:
            self._unusable = version  # so that it is neither loaded nor logged again
            if self._taken is None:  # at the start: the shipped network has not learned what people taught
                self._take_last_good(version)
            log.error("Version %s can't be served, version %s goes on: %s", version, self.version, error)
            return
        active = self._registry.active()
        if active is None or active.version != version:  # replaced meanwhile; the next poll will see it
            return
        self._unusable = None
        self._take(classifier, active)

    def _take_last_good(self, before: int) -> None:
        """Serve the newest version before `before` that has served and can still be read."""
        for earlier in self._registry.versions():
            if earlier.status == "retired" and earlier.version < before:
                with suppress(UnusableWeights):
                    self._take(self._load(self._registry.weights(earlier.version), earlier.version), earlier)
                    return

    def _take(self, classifier: Classifier, version: Version) -> None:
        card = card_of(version)
        self._serving = (classifier, card)
        self._taken = version.version
        log.info("Version %s answers from now on.", version.version)
        self._changed(card)

    def _keep_polling(self) -> None:
        while not self._stopped.wait(min(self._poll_seconds, threading.TIMEOUT_MAX)):
            try:
                self.refresh()
            except Exception:  # this thread must not end: nobody would notice that the version no longer changes
                log.exception("The active version could not be asked for")


def card_of(version: Version) -> ModelCard:
    reported = version.metrics.get("trained_at")  # written by train.py; a fine-tuned network is stored when it is made
    made = None if version.parent is None else version.created_at
    return ModelCard(
        version=version.version,
        trained_at=datetime.fromisoformat(reported) if reported else made,
        trained_from=version.metrics.get("trained_from", "unknown"),
        metrics=dict(version.metrics),
    )
