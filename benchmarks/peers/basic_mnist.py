"""The recipe of PyTorch's basic MNIST example, written anew: two convolutions, Adadelta, batches of 64, 14 epochs.

`python -m benchmarks.peers.basic_mnist EPOCHS` prints a JSON line after each epoch: seconds and processor time
since the start of the training, and the share of the test images that it reads right.
"""

import json
import shutil
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.peers import CACHE
from mnist.settings import Settings
from mnist.training.datasets import torchvision_datasets


def main(epochs: int) -> None:
    torch.manual_seed(1)
    datasets = torchvision_datasets()
    from torchvision import transforms  # after the line above, which mends its import beside a CPU build of torch

    prepare = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    root = CACHE / "mnist"  # torchvision unpacks beside the archives, which may lie where nothing can be written
    if not root.exists() and (archives := Settings.from_environment().mnist_dir / "MNIST" / "raw").exists():
        shutil.copytree(archives, root / "MNIST" / "raw")
    learned, test = (
        datasets.MNIST(str(root), train=train, transform=prepare, download=True) for train in (True, False)
    )
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10),
    )  # fmt: skip
    optimiser = torch.optim.Adadelta(network.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=1, gamma=0.7)
    started, spent = time.perf_counter(), time.process_time()
    for _ in range(epochs):
        network.train()
        for frames, labels in DataLoader(learned, batch_size=64, shuffle=True):
            optimiser.zero_grad()
            F.cross_entropy(network(frames), labels).backward()
            optimiser.step()
        schedule.step()
        seconds, work = time.perf_counter() - started, time.process_time() - spent
        network.eval()
        with torch.no_grad():
            right = sum(
                int((network(frames).argmax(1) == labels).sum()) for frames, labels in DataLoader(test, batch_size=1000)
            )
        print(json.dumps({"seconds": seconds, "work": work, "accuracy": right / len(test)}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
