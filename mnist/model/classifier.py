"""The classifier: frames in, predictions with calibrated probabilities and a verdict out."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from mnist.drawing import Verdict
from mnist.model.calibration import Calibration
from mnist.model.explanation import Explanation, explain
from mnist.model.network import DigitNetwork, as_input
from mnist.model.tta import tta_logits
from mnist.model.weights_file import read_weights

WIDEST = 2.4  # width / height of the ink; from here on it is no single digit, whatever the network thinks


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the network believes about one drawing."""

    probabilities: tuple[float, ...]  # ten, indexed by digit, summing to 1, given that it is a digit
    non_digit_score: float  # log odds of "not a digit"; above 0 the network thinks it more likely than all digits
    verdict: Verdict
    model_version: int
    is_personal: bool = False  # whether the person's own labelled drawings counted (mnist/model/personal.py)

    @property
    def digit(self) -> int:
        """The likeliest digit, whatever the verdict."""
        return max(range(10), key=self.probabilities.__getitem__)

    @property
    def confidence(self) -> float:
        return self.probabilities[self.digit]

    @property
    def candidates(self) -> tuple[int, ...]:
        """The digits worth asking about, likeliest first: one when sure, two or three otherwise."""
        ranked = sorted(range(10), key=self.probabilities.__getitem__, reverse=True)
        if self.verdict == Verdict.DIGIT:
            return (ranked[0],)
        return tuple(ranked[:2] + [digit for digit in ranked[2:3] if self.probabilities[digit] >= 0.05])


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What one version of the network makes of some frames."""

    predictions: list[Prediction]  # one for each frame, in order
    features: np.ndarray  # (N, D) float32: what its last layer sees of each
    calibration: Calibration


class Classifier:
    """A network ready to answer; safe to share between threads."""

    def __init__(self, network: DigitNetwork, calibration: Calibration, version: int) -> None:
        self.calibration = calibration
        self.version = version
        self._layers = copy.deepcopy(network).cpu().float().eval()  # the frozen one does not show them
        self._network = freeze(_FromFrames(network), torch.zeros(1, 28, 28, dtype=torch.uint8))
        self._lock = threading.Lock()

    @classmethod
    def load(cls, source: Path | str | bytes, version: int) -> Classifier:
        """Read a weights file, or its bytes. Raises UnusableWeights; a missing file raises FileNotFoundError."""
        network, calibration = read_weights(source)
        return cls(network, calibration, version)

    def numbered(self, version: int) -> Classifier:
        """The same network under another version's number."""
        same = copy.copy(self)
        same.version = version
        return same

    def predict(self, frames: np.ndarray) -> list[Prediction]:
        """Classify frames; one prediction each, in order.

        frames: (N, 28, 28) uint8, 0 = paper, as mnist/vision/prepare.py makes them; N may be 0.
        Unsure answers are improved by test-time augmentation (mnist/model/tta.py).
        Raises ValueError for another shape or type.
        """
        return self.look(frames).predictions

    def look(self, frames: np.ndarray, meanwhile: Callable[[], None] = lambda: None) -> Look:
        """Like `predict`, with the features.

        meanwhile: called by the caller's thread; ActiveClassifier does so while its own thread computes.
        """
        if frames.ndim != 3 or frames.shape[1:] != (28, 28) or frames.dtype != np.uint8:
            raise ValueError(f"Frames must be (N, 28, 28) uint8, not {frames.shape} {frames.dtype}.")
        meanwhile()
        if len(frames) == 0:
            return Look([], np.zeros((0, 0), np.float32), self.calibration)
        seen = torch.from_numpy(np.ascontiguousarray(frames))
        with torch.inference_mode(), self._lock:
            logits, features = self._network(seen)
            rows = [self.calibration.read(row) for row in logits.tolist()]
            threshold = self.calibration.unsure_threshold
            unsure = [number for number, (probabilities, _) in enumerate(rows) if max(probabilities) < threshold]
            if unsure:
                again = tta_logits(self._logits, as_input(seen[unsure]), logits[unsure])
                for number, row in zip(unsure, again.tolist(), strict=True):
                    rows[number] = (self.calibration.read(row)[0], rows[number][1])
        predictions = [self._judge(*row, too_wide(frame)) for row, frame in zip(rows, frames, strict=True)]
        return Look(predictions, features.numpy(), self.calibration)

    def explain(self, frame: np.ndarray, digit: int) -> Explanation:
        """Why a (28, 28) uint8 frame is read as `digit`; takes as long as a hundred answers."""
        return explain(self._layers, frame, digit)

    def _logits(self, inputs: Tensor) -> Tensor:
        """(N, 1, 28, 28) float in 0..1 -> (N, 11) logits; the frozen network takes frames in 0..255."""
        logits: Tensor = self._network(inputs.squeeze(1) * 255)[0]
        return logits

    def _judge(self, probabilities: tuple[float, ...], score: float, is_too_wide: bool) -> Prediction:
        verdict = Verdict.NOT_A_DIGIT if is_too_wide else self.calibration.verdict(max(probabilities), score)
        return Prediction(probabilities, score, verdict, self.version)


class _FromFrames(nn.Module):
    """(N, 28, 28) in 0..255 -> logits and features, as one module because every call from Python takes time."""

    def __init__(self, network: DigitNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        return self.network.look(as_input(frames))


def too_wide(frame: np.ndarray) -> bool:
    """Whether the ink of a (28, 28) uint8 frame is wider than any single digit: a dash, a word, a long number."""
    _, _, width, height = cv2.boundingRect((frame >= 24).view(np.uint8))
    return bool(height > 0 and width >= WIDEST * height)


def freeze(network: nn.Module, example: Tensor) -> Callable[[Tensor], Any]:
    """A copy for inference on the CPU: batch norms folded into convolutions, traced, weights as constants.

    example: an input, with any number of frames.
    """
    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        network = copy.deepcopy(network).cpu().float().eval().requires_grad_(False)
        for block in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
            _fold(block)
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit; its successors need a compiler at run time
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # A function takes a quarter of the time that a module takes to trace. check_trace would import torch's
        # distributed tensors and SymPy: 0.8 s and 50 MB; a test compares the outputs instead.
        traced: Callable[[Tensor], Any] = torch.jit.trace(lambda frames: network(frames), example, check_trace=False)
        return traced


def _fold(block: nn.Sequential) -> None:
    """Replace convolution, (pooling,) batch norm by one convolution with a bias (and the pooling)."""
    norms = [number for number, layer in enumerate(block) if isinstance(layer, nn.BatchNorm2d)]
    if not norms or not isinstance(block[0], nn.Conv2d):
        return
    convolution, norm = block[0], block[norms[0]]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    assert norm.running_mean is not None
    if norms[0] > 1 and not (norm.weight > 0).all():
        return  # a negative factor would turn the maximum that was pooled into a minimum
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    block[norms[0]] = nn.Identity()
