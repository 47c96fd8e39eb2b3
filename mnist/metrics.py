"""The Prometheus metrics of the process: their names, labels and buckets."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

log = logging.getLogger(__name__)

ACCURACY_WINDOW = 1_000  # latest labelled drawings
ACCURACY_SECONDS = 10  # minimum interval between database queries, however often /metrics is scraped

# Histogram buckets in seconds: recognising a stroke takes 2 ms, a photo of 40 megapixels half a second.
DURATIONS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 0.5, 1, 2, 5, 10)
SHARES = tuple(step / 20 for step in range(1, 21))
CONFIDENCES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1)


class Tally(Protocol):
    """How often one model version was right; mnist.drawing.Accuracy is one."""

    @property
    def model_version(self) -> int: ...
    @property
    def labelled(self) -> int: ...
    @property
    def right(self) -> int: ...


class Metrics:
    """All metrics of one process, in a registry of their own. Thread-safe."""

    def __init__(self) -> None:
        disable_created_metrics()  # _created series would double the output, and nothing reads them
        self.registry = CollectorRegistry()
        self._predictions = Counter(
            "mnist_predictions",
            "Drawings that were read; digit is none where no single digit was found.",
            ["digit", "verdict", "source", "model_version"],
            registry=self.registry,
        )
        self._stages = Histogram(
            "mnist_stage_duration_seconds",
            "Time spent in one stage of reading: preprocess a picture, inference of one batch, store one batch.",
            ["stage"],
            buckets=DURATIONS,
            registry=self.registry,
        )
        self._recognitions = Histogram(
            "mnist_recognition_duration_seconds",
            "Time from a picture's bytes to its stored answer; a batch counts once.",
            ["source"],
            buckets=DURATIONS,
            registry=self.registry,
        )
        self._requests = Histogram(
            "mnist_http_request_duration_seconds",
            "Time from the first byte of an API request to the last of its answer.",
            ["method", "route", "status"],
            buckets=DURATIONS,
            registry=self.registry,
        )
        self._feedback = Counter(
            "mnist_feedback",
            "Labels that people gave: right where the network had read the same.",
            ["outcome"],
            registry=self.registry,
        )
        self._database_errors = Counter(
            "mnist_database_errors",
            "Database operations that failed.",
            ["operation"],
            registry=self.registry,
        )
        self._version = Gauge(
            "mnist_active_model_version", "Version of the network that answers now.", registry=self.registry
        )
        self._trained_at = Gauge(
            "mnist_active_model_trained_timestamp_seconds",
            "When the network that answers now was trained, in seconds since 1970; its age is time() minus this.",
            registry=self.registry,
        )
        # Drift: when people, pens or cameras change, these distributions shift before labels show it.
        self._ink_share = Histogram(
            "mnist_drawing_ink_ratio",
            "Share of the ink's bounding box that is ink: thick or thin pens.",
            ["source"],
            buckets=SHARES,
            registry=self.registry,
        )
        self._box_share = Histogram(
            "mnist_drawing_box_ratio",
            "Longer side of the ink's bounding box as a share of the picture's: large or small writing.",
            ["source"],
            buckets=SHARES,
            registry=self.registry,
        )
        self._confidence = Histogram(
            "mnist_prediction_confidence_ratio",
            "Calibrated confidence in the digit.",
            ["source"],
            buckets=CONFIDENCES,
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        # Start these series at zero: increase() does not count the event with which a series first appears.
        for stage in ("preprocess", "inference", "store"):
            self._stages.labels(stage)
        for outcome in ("right", "wrong"):
            self._feedback.labels(outcome)
        for operation in ("store", "correct", "read", "delete"):
            self._database_errors.labels(operation)

    def time_stage(self, stage: str) -> AbstractContextManager[object]:
        """Context manager that times one stage: "preprocess", "inference" or "store"."""
        return self._stages.labels(stage).time()

    def time_recognition(self, source: str) -> AbstractContextManager[object]:
        """Context manager that times a whole recognition, from the picture's bytes to the stored result."""
        return self._recognitions.labels(source).time()

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """route: the matched pattern, never the path, which would let clients create any number of series."""
        self._requests.labels(method, route, str(status)).observe(seconds)

    def count_prediction(
        self, *, digit: int | None, verdict: str, source: str, version: int, confidence: float | None
    ) -> None:
        """Count one drawing; confidence: 0–1, or None where nothing was read, as on a blank picture."""
        self._predictions.labels("none" if digit is None else str(digit), verdict, source, str(version)).inc()
        if confidence is not None:
            self._confidence.labels(source).observe(confidence)

    def observe_ink(self, *, source: str, ink_share: float, box_share: float) -> None:
        """ink_share, box_share: 0–1, as measured in mnist/vision/mnist_frame.py (there ink_share, canvas_share)."""
        self._ink_share.labels(source).observe(ink_share)
        self._box_share.labels(source).observe(box_share)

    def count_feedback(self, *, is_right: bool) -> None:
        self._feedback.labels("right" if is_right else "wrong").inc()

    def count_database_error(self, operation: str) -> None:
        """Count a failed operation: "store", "correct", "read" or "delete"."""
        self._database_errors.labels(operation).inc()

    def show_model(self, version: int, trained_at: datetime | None) -> None:
        """Export the active version and when it was trained."""
        self._version.set(version)
        self._trained_at.set(trained_at.timestamp() if trained_at else float("nan"))

    def show_room(self, size: Callable[[], int | None], most: int) -> None:
        """Export how large the database is and may be. size: bytes, None: unknown; most: bytes, 0: no limit."""
        Gauge(
            "mnist_database_bytes", "Size of the database; NaN while it can't be asked.", registry=self.registry
        ).set_function(lambda: math.nan if (bytes_ := size()) is None else bytes_)
        Gauge(
            "mnist_database_limit_bytes",
            "Size beyond which nothing new is kept (DATABASE_MAX_MB); 0: no limit.",
            registry=self.registry,
        ).set(most)

    def show_backups(self, mark: Path | None) -> None:
        """Export when the newest backup was made. mark: a file that every good one touches; None: nobody tells."""

        def made() -> float:
            try:
                return mark.stat().st_mtime if mark else math.nan
            except OSError:  # none yet
                return math.nan

        Gauge(
            "mnist_newest_backup_timestamp_seconds",
            "When the newest backup was made, in seconds since 1970; NaN before the first.",
            registry=self.registry,
        ).set_function(made)

    def latency(self, share: float) -> float | None:
        """Quantile of this process's recognition times, in seconds; None before the first recognition.

        share: 0–1; 0.5 gives the median. Interpolates within a bucket, like histogram_quantile() of Prometheus.
        """
        totals: dict[float, float] = {}
        for family in self._recognitions.collect():
            for sample in family.samples:
                if sample.name.endswith("_bucket"):
                    edge = float(sample.labels["le"])
                    totals[edge] = totals.get(edge, 0.0) + sample.value
        wanted = share * totals.get(float("inf"), 0.0)
        if wanted == 0:
            return None
        low, below = 0.0, 0.0
        for edge, total in sorted(totals.items()):
            if total >= wanted:
                return low if math.isinf(edge) else low + (edge - low) * (wanted - below) / (total - below)
            low, below = edge, total
        return low

    def show_accuracy(self, count: Callable[[], Sequence[Tally]]) -> None:
        """Export the accuracy on the latest labels; `count` queries it, and may raise."""
        self.registry.register(_Accuracy(count, lambda: self.count_database_error("read")))


class _Accuracy(Collector):
    """Queries the database when /metrics is scraped, so that every replica exports the same values."""

    def __init__(self, count: Callable[[], Sequence[Tally]], on_error: Callable[[], None]) -> None:
        self._count = count
        self._on_error = on_error
        self._lock = threading.Lock()
        self._queried_at = float("-inf")
        self._tallies: Sequence[Tally] = ()

    def describe(self) -> Iterator[GaugeMetricFamily]:
        return iter(self._families())  # without this method, register() would call collect()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        with self._lock:
            if time.monotonic() - self._queried_at >= ACCURACY_SECONDS:
                self._tallies = self._query()
                self._queried_at = time.monotonic()
            tallies = self._tallies
        accuracy, labelled = self._families()
        for tally in tallies:
            accuracy.add_metric([str(tally.model_version)], tally.right / tally.labelled)
            labelled.add_metric([str(tally.model_version)], tally.labelled)
        yield accuracy
        yield labelled

    def _query(self) -> Sequence[Tally]:
        try:
            return self._count()
        except Exception as error:  # one missing metric must not fail the whole scrape
            log.warning("The accuracy is not known now: %s", error)
            self._on_error()
            return ()

    @staticmethod
    def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        window = f"the latest {ACCURACY_WINDOW:,} labelled drawings"
        return (
            GaugeMetricFamily(
                "mnist_labelled_accuracy_ratio",
                f"Share of {window} that the network had read as people said, by the version that read them.",
                labels=["model_version"],
            ),
            GaugeMetricFamily(
                "mnist_labelled_drawings", f"How many of {window} each version had read.", labels=["model_version"]
            ),
        )
