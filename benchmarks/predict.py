"""Time one drawing, from pixels to verdict, on one core: against the eager module and the bare forward pass."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch

from mnist.classifier import SHIPPED_WEIGHTS, Classifier, freeze, read_weights
from mnist.network import as_input
from mnist.pen import render
from mnist.preprocess import prepare
from mnist.strokes import training_styles, write

CANVAS = 280
ROUNDS = 300


def drawings(count: int) -> list[np.ndarray]:
    """(280, 280) uint8 canvases with a digit each, as the page sends them."""
    rng, styles = np.random.default_rng(0), training_styles()
    canvases = []
    for number in range(count):
        ink = render(write(styles[number % len(styles)], rng), height=170, brush=14)[:CANVAS, :CANVAS]
        canvas = np.zeros((CANVAS, CANVAS), np.uint8)
        canvas[20 : 20 + ink.shape[0], 30 : 30 + ink.shape[1]] = ink[: CANVAS - 20, : CANVAS - 30]
        canvases.append(canvas)
    return canvases


def median_ms(calls: dict[str, Callable[[int], object]]) -> dict[str, float]:
    """Medians of calls that take turns, so that whatever else the machine does strikes them all alike."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(ROUNDS + 30):
        for name, call in calls.items():
            start = time.perf_counter()
            call(number)
            if number >= 30:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) * 1000 for name, values in times.items()}


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    canvases = drawings(60)
    frames = np.stack([prepare(canvas).frame for canvas in canvases])
    inputs = [as_input(torch.from_numpy(frame[None])) for frame in frames]
    eager, _ = read_weights(SHIPPED_WEIGHTS)
    frozen = freeze(read_weights(SHIPPED_WEIGHTS)[0])
    classifier = Classifier.load(SHIPPED_WEIGHTS, version=1)
    with torch.inference_mode():
        medians = median_ms(
            {
                "prepare + predict": lambda n: classifier.predict(prepare(canvases[n % 60]).frame[None]),
                "prepare alone": lambda n: prepare(canvases[n % 60]),
                "predict alone": lambda n: classifier.predict(frames[n % 60][None]),
                "eager module, bare forward": lambda n: eager(inputs[n % 60]),
                "frozen, bare forward": lambda n: frozen(inputs[n % 60]),
            }
        )
    for name, value in medians.items():
        print(f"{name:28} {value:6.3f} ms")
    whole = medians["prepare + predict"]
    print(
        f"one drawing takes {whole:.2f} ms (aim: at most 1), {whole / medians['eager module, bare forward']:.2f} × the "
        f"eager module's forward pass alone and {whole / medians['frozen, bare forward']:.2f} × the frozen one's"
    )


if __name__ == "__main__":
    main()
