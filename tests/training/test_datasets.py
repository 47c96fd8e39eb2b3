from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from mnist.training.augmentation import Augmentation, augment
from mnist.training.datasets import Labelled, MissingMnist, load_mnist, split, torchvision_datasets

STILL = Augmentation(rotation=0, shear=0, scale=0, shift=0, elastic=0, thickness=0)


def idx(values: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    return gzip.compress(header + values.tobytes())


@pytest.fixture
def tiny_mnist(tmp_path, monkeypatch) -> Path:
    """A folder with four training images in MNIST's format, whose checksums torchvision is told to expect."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    files = {
        "train-images-idx3-ubyte.gz": idx(rng.integers(0, 256, (4, 28, 28), dtype=np.uint8)),
        "train-labels-idx1-ubyte.gz": idx(np.array([3, 1, 4, 9], np.uint8)),
    }
    for name, content in files.items():
        (raw / name).write_bytes(content)
    mnist = torchvision_datasets().MNIST
    resources = [(name, hashlib.md5(content).hexdigest()) for name, content in files.items()]
    monkeypatch.setattr(mnist, "resources", resources)
    monkeypatch.setattr(mnist, "mirrors", [(tmp_path / "no-such-mirror").as_uri() + "/"])
    return tmp_path


def test_images_are_read_from_the_archives_without_unpacking_beside_them(tiny_mnist):
    before = sorted(tiny_mnist.rglob("*"))

    images = load_mnist(tiny_mnist, train=True)

    assert tuple(images.frames.shape) == (4, 28, 28)
    assert images.frames.dtype == torch.uint8
    assert images.labels.tolist() == [3, 1, 4, 9]
    assert sorted(tiny_mnist.rglob("*")) == before


def test_a_damaged_archive_is_not_read(tiny_mnist):
    path = tiny_mnist / "MNIST" / "raw" / "train-labels-idx1-ubyte.gz"
    path.write_bytes(idx(np.array([0, 0, 0, 0], np.uint8)))

    with pytest.raises(MissingMnist):
        load_mnist(tiny_mnist, train=True)


def test_absent_and_unfetchable_is_said_with_the_folder_and_the_way_out(tiny_mnist, tmp_path):
    with pytest.raises(MissingMnist, match="MNIST_DIR") as caught:
        load_mnist(tmp_path / "elsewhere", train=True)
    assert str(tmp_path / "elsewhere") in str(caught.value)


@pytest.mark.skipif("MNIST_DIR" not in os.environ, reason="MNIST_DIR is not set")
def test_the_real_thing():
    images = load_mnist(Path(os.environ["MNIST_DIR"]), train=False)

    assert len(images) == 10_000
    assert images.labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_the_split_is_the_same_every_time_and_no_image_is_on_both_sides():
    images = Labelled(torch.zeros(100, 28, 28, dtype=torch.uint8), torch.arange(100))

    learned, held_back = split(images, held_back=20)
    _, again = split(images, held_back=20)

    assert len(held_back) == 20
    assert torch.equal(held_back.labels, again.labels)
    assert sorted(torch.cat([learned.labels, held_back.labels]).tolist()) == list(range(100))


def test_augmentation_with_nothing_to_do_returns_the_images():
    frames = torch.rand(4, 1, 28, 28)

    assert torch.allclose(augment(frames.clone(), STILL, torch.Generator().manual_seed(0)), frames, atol=1e-5)


@pytest.mark.parametrize("name", ["rotation", "shear", "scale", "shift", "elastic", "thickness"])
def test_every_part_of_the_augmentation_changes_images_within_range(name):
    frames = torch.zeros(64, 1, 28, 28)
    frames[:, :, 6:22, 12:15] = 1.0
    only = Augmentation(**{each: getattr(Augmentation(), each) if each == name else 0.0 for each in STILL.__slots__})

    bent = augment(frames.clone(), only, torch.Generator().manual_seed(0))

    assert tuple(bent.shape) == (64, 1, 28, 28)
    assert bent.min() >= 0
    assert bent.max() <= 1
    changed = (bent - frames).abs().flatten(1).amax(dim=1) > 0.02
    assert changed.float().mean() > (0.2 if name == "thickness" else 0.8)
    assert not torch.allclose(bent[changed][0], bent[changed][1])  # each its own way


def test_thickness_goes_both_ways_and_never_wipes_a_stroke_out():
    frames = torch.zeros(400, 1, 28, 28)
    frames[:, :, 6:22, 13:15] = 1.0
    only = Augmentation(**{each: 1.0 if each == "thickness" else 0.0 for each in STILL.__slots__})

    ink = augment(frames.clone(), only, torch.Generator().manual_seed(0)).flatten(1).sum(dim=1)

    before = frames[0].sum()
    assert ink.min() < 0.8 * before
    assert ink.max() > 1.3 * before
    assert ink.min() > 0.2 * before
