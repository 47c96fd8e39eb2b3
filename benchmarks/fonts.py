"""Measures the accuracy on digits of handwriting fonts by different designers, which the network never trains on.

    python -m benchmarks.fonts [--weights FILE] [--sheet FILE]

The fonts come from npm's Fontsource packages into .peers/ (it needs npm, and 200 MB); none is part of this repository.
Each digit is drawn four times: unchanged, and three times slanted, turned and stretched, once with a thicker pen.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.peers import CACHE
from benchmarks.scans import centred, outcome
from mnist.model.classifier import Classifier
from mnist.model.weights_file import SHIPPED_WEIGHTS

TIMES = 4
CANVAS, HEIGHT = 300, 170
OUTCOMES = ("right", "wrong", "refused", "a number", "blank")

# Names and versions: "known", the mistakes in which were looked at when styles were added to digit_styles.py, and
# "fresh", which were chosen (by what their digits look like) and read after that.
FONTS: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "fonts.json").read_text())


def files_of(fonts: dict[str, str]) -> list[Path]:
    """The fonts, downloaded at the first use."""
    folder = CACHE / "fonts"
    packages = folder / "node_modules" / "@fontsource"
    if not all((packages / name).is_dir() for name in fonts):
        if shutil.which("npm") is None:
            raise SystemExit("The fonts are npm packages, and there is no npm here: install Node.js.")
        folder.mkdir(parents=True, exist_ok=True)
        wanted = {f"@fontsource/{name}": version for group in FONTS.values() for name, version in group.items()}
        (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": wanted}))
        subprocess.run(["npm", "install", "--no-audit", "--loglevel=error"], cwd=folder, check=True)
    return [_upright(packages / name / "files", name) for name in fonts]


def _upright(files: Path, name: str) -> Path:
    """The Latin letters in the weight that is nearest to the usual one."""
    found = files.glob(f"{name}-latin-[0-9]*-normal.woff2")
    return min(found, key=lambda file: abs(int(file.stem.split("-")[-2]) - 400))


def glyph(font: Path, digit: int) -> np.ndarray:
    """(300, 300) uint8, 255 = ink, the longer side of the digit HEIGHT pixels."""
    sheet = Image.new("L", (900, 900))
    ImageDraw.Draw(sheet).text((300, 300), str(digit), font=ImageFont.truetype(font, 200), fill=255)
    ink = np.asarray(sheet)
    left, top, width, height = cv2.boundingRect(np.asarray(ink > 40, np.uint8))
    scale = HEIGHT / max(width, height)
    size = (max(3, round(width * scale)), max(3, round(height * scale)))
    crop = ink[top : top + height, left : left + width]
    return centred(np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA)), CANVAS)


def by_hand(canvas: np.ndarray, rng: np.random.Generator, thicker: bool) -> np.ndarray:
    """Turned by up to 10°, slanted by up to 11°, stretched by up to 15 %."""
    turn = cv2.getRotationMatrix2D((CANVAS / 2, CANVAS / 2), rng.uniform(-10, 10), 1)
    slant, wide = rng.uniform(-0.2, 0.2), rng.uniform(0.85, 1.15)
    lean = np.array([[wide, slant, CANVAS / 2 * (1 - wide - slant)], [0, 1, 0]])
    drawn = cv2.warpAffine(canvas, lean @ np.vstack([turn, [0, 0, 1]]), (CANVAS, CANVAS))
    return np.asarray(cv2.dilate(drawn, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))) if thicker else drawn)


def drawings(fonts: dict[str, str]) -> Iterator[tuple[str, int, np.ndarray]]:
    """(font, digit, canvas), the same every time."""
    for name, font in zip(fonts, files_of(fonts), strict=True):
        for digit in range(10):
            rng = np.random.default_rng([digit, *name.encode()])
            canvas = glyph(font, digit)
            yield name, digit, canvas
            for time in range(1, TIMES):
                yield name, digit, by_hand(canvas, rng, thicker=time == 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=SHIPPED_WEIGHTS)
    parser.add_argument("--sheet", type=Path, help="draw what was not read right into this picture")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    classifier = Classifier.load(options.weights, version=1)
    unread: list[np.ndarray] = []
    print(f"| fonts | drawings | {' | '.join(OUTCOMES)} |\n| --- | ---: |{' ---: |' * len(OUTCOMES)}")
    for title, fonts in FONTS.items():
        came: Counter[str] = Counter()
        wrong: Counter[str] = Counter()
        for name, digit, canvas in drawings(fonts):
            result = outcome(classifier, canvas, digit)
            came[result] += 1
            if result != "right":
                wrong[f"{digit} {name} {result}"] += 1
                unread.append(_noted(canvas, f"{digit} {result[0]} {name}"))
        shares = " | ".join(f"{came[each] / came.total():.1%}" for each in OUTCOMES)
        print(f"| {title}, {len(fonts)} | {came.total():,} | {shares} |", flush=True)
        print("\n".join(f"    {what}: {times} of {TIMES}" for what, times in wrong.most_common(12)))
    if options.sheet and unread:
        unread += [np.zeros_like(unread[0])] * (-len(unread) % 12)
        rows = [np.hstack(unread[first : first + 12]) for first in range(0, len(unread), 12)]
        cv2.imwrite(str(options.sheet), 255 - np.vstack(rows))


def _noted(canvas: np.ndarray, note: str) -> np.ndarray:
    small = cv2.resize(canvas, (110, 110), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.putText(small, note, (2, 106), cv2.FONT_HERSHEY_SIMPLEX, 0.3, 255, 1, cv2.LINE_AA))


if __name__ == "__main__":
    main()
