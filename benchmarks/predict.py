"""Times one drawing, from pixels to verdict, on one core, beside the network's bare forward pass and ONNX Runtime.

Run it with `python -m benchmarks.predict [--rounds 500]`; it restarts itself in the environment with ONNX Runtime.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import sys
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch

from benchmarks.machine import machine
from benchmarks.peers import PINS, ROOT, python_with
from benchmarks.results import ratio, record, spread
from mnist.model.classifier import Classifier, freeze
from mnist.model.network import as_input
from mnist.model.weights_file import SHIPPED_WEIGHTS, read_weights
from mnist.training.handwriting.pen import render
from mnist.training.handwriting.strokes import training_styles, write
from mnist.vision.prepare import prepare

CANVAS = 280
IN_PEER = "BENCHMARK_HAS_ONNXRUNTIME"


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


def times_of(calls: dict[str, Callable[[int], object]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of calls that take turns, so that whatever else the machine does strikes them all alike.

    In another order every round: who always came after a relative would find the processor's caches warm.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    order, rng = list(calls), random.Random(0)
    for number in range(rounds + 30):
        rng.shuffle(order)
        for name in order:
            start = time.perf_counter()
            calls[name](number)
            if number >= 30:
                times[name].append((time.perf_counter() - start) * 1000)
    return times


def in_tens(values: list[float]) -> list[float]:
    """The medians of ten stretches of a run: single drawings differ by more than the two sides do."""
    return [float(np.median(part)) for part in np.array_split(values, 10)]


def onnx_session(network: torch.nn.Module) -> object:
    """The same network in ONNX Runtime, on one thread."""
    import onnxruntime

    buffer = io.BytesIO()
    torch.onnx.export(network, (torch.zeros(1, 1, 28, 28),), buffer, dynamo=False, input_names=["frames"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(buffer.getvalue(), options, providers=["CPUExecutionProvider"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=500)
    rounds = parser.parse_args().rounds
    if not os.environ.get(IN_PEER):
        environment = {**os.environ, IN_PEER: "1", "PYTHONPATH": str(ROOT)}
        python = python_with("onnxruntime")
        os.execve(python, [python, "-m", "benchmarks.predict", *sys.argv[1:]], environment)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    canvases = drawings(60)
    frames = np.stack([prepare(canvas).frame for canvas in canvases])
    inputs = [as_input(torch.from_numpy(frame[None])) for frame in frames]
    eager, _ = read_weights(SHIPPED_WEIGHTS)
    frozen = freeze(read_weights(SHIPPED_WEIGHTS)[0], torch.zeros(1, 1, 28, 28))
    classifier = Classifier.load(SHIPPED_WEIGHTS, version=1)
    session = onnx_session(eager)
    [difference] = [
        float(np.abs(session.run(None, {"frames": each.numpy()})[0] - eager(each).detach().numpy()).max())
        for each in inputs[:1]
    ]
    assert difference < 1e-3, difference  # it is the same network
    whole, bare, eagerly = "prepare + predict", "frozen network, bare forward", "eager module, bare forward"
    alone, onnx, with_onnx = "predict alone", "ONNX Runtime, bare forward", "prepare + ONNX Runtime, softmax"

    def prepare_and_run(number: int) -> np.ndarray:
        frame = prepare(canvases[number % 60]).frame
        logits = session.run(None, {"frames": frame[None, None].astype(np.float32) / 255})[0][0, :10]
        odds = np.exp(logits - logits.max())
        return odds / odds.sum()

    with torch.inference_mode():
        times = times_of(
            {
                whole: lambda n: classifier.predict(prepare(canvases[n % 60]).frame[None]),
                "prepare alone": lambda n: prepare(canvases[n % 60]),
                alone: lambda n: classifier.predict(frames[n % 60][None]),
                eagerly: lambda n: eager(inputs[n % 60]),
                bare: lambda n: frozen(inputs[n % 60]),
                onnx: lambda n: session.run(None, {"frames": inputs[n % 60].numpy()}),
                with_onnx: prepare_and_run,
            },
            rounds,
        )
    record(
        "predict",
        f"{machine('torch', 'opencv-python-headless')}, onnxruntime {PINS['onnxruntime']}, one thread; n = {rounds}",
        {name: spread(values, "ms", 3) for name, values in times.items()},
        {
            "prepare + predict / the bare forward": ratio(in_tens(times[whole]), in_tens(times[bare]), "<= 1.5"),
            "prepare + predict / the same with ONNX Runtime": ratio(
                in_tens(times[whole]), in_tens(times[with_onnx]), "<= 1.5"
            ),
            "bare forward, frozen / ONNX Runtime": ratio(in_tens(times[bare]), in_tens(times[onnx])),
            "prepare + predict / the eager module's forward": ratio(in_tens(times[whole]), in_tens(times[eagerly])),
        },
    )


if __name__ == "__main__":
    main()
