"""The weights file: network and calibration in one file, validated when it is read."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mnist.model.calibration import Calibration
from mnist.model.network import DigitNetwork

SHIPPED_WEIGHTS = Path(__file__).resolve().parent.parent / "weights" / "digits.pt"
FORMAT = 2  # version of the file's format; format 1 had another network
MAX_WEIGHTS_BYTES = 2 * 2**20


class UnusableWeights(ValueError):
    """A weights file that is damaged, of another format, or not one of ours; the message says which."""


def write_weights(network: DigitNetwork, calibration: Calibration) -> bytes:
    """The weights file: network and calibration, readable with `weights_only=True`."""
    buffer = io.BytesIO()
    content = {
        "format": FORMAT,
        "widths": list(network.widths),
        "state": {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()},
        "calibration": {
            "temperature": calibration.temperature,
            "not_a_digit": calibration.non_digit_threshold,
            "unsure": calibration.unsure_threshold,
        },
    }
    torch.save(content, buffer)
    return buffer.getvalue()


def read_weights(source: Path | str | bytes) -> tuple[DigitNetwork, Calibration]:
    """Read what `write_weights` wrote; the network is in evaluation mode.

    source: the path of a weights file, or its bytes. Raises UnusableWeights, or FileNotFoundError for a missing file.
    """
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    if len(data) > MAX_WEIGHTS_BYTES:
        raise UnusableWeights(f"The weights have {len(data):,} bytes; at most {MAX_WEIGHTS_BYTES:,} are expected.")
    try:
        content: Any = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # zipfile, pickle and torch raise a dozen types for damaged or foreign files
        raise UnusableWeights(f"The weights are damaged or not a weights file: {error}") from error
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        raise UnusableWeights(f"The weights are not of format {FORMAT}, which this version of the application reads.")
    try:
        first, second, third = (int(width) for width in content["widths"])
        if not all(0 < width <= 512 for width in (first, second, third)):
            raise ValueError(f"widths {content['widths']}")
        network = DigitNetwork((first, second, third))
        state: dict[str, Tensor] = content["state"]
        network.load_state_dict(state)
        calibration = Calibration(
            temperature=float(content["calibration"]["temperature"]),
            non_digit_threshold=float(content["calibration"]["not_a_digit"]),
            unsure_threshold=float(content["calibration"]["unsure"]),
        )
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise UnusableWeights(f"The weights do not fit the network: {error}") from error
    numbers = [*state.values(), torch.tensor(dataclasses.astuple(calibration))]
    if not all(torch.isfinite(tensor).all() for tensor in numbers) or not calibration.temperature > 0:
        raise UnusableWeights("The weights hold values that are not finite numbers.")
    return network.eval(), calibration
