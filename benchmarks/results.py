"""Keeps all benchmark results in benchmarks/results.json and writes the tables of docs/benchmarks.md from them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("results.json")
DOCUMENT = FILE.parent.parent / "docs" / "benchmarks.md"


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ours over a baseline of the same run."""

    value: float
    low: float  # where the middle half of the rounds lies, or all of them where they are few
    high: float
    target: str = ""  # "<= 1.15", ">= 0.8"; empty where there is none

    @property
    def verdict(self) -> str:
        if not self.target:
            return ""
        sign, number = self.target.split()
        met = self.value <= float(number) if sign == "<=" else self.value >= float(number)
        return "met" if met else "**missed**"


def ratio(ours: Sequence[float], baseline: Sequence[float], target: str = "") -> Ratio:
    """Medians divided; the spread is that of the rounds, each against the baseline's same round."""
    rounds = [mine / theirs for mine, theirs in zip(ours, baseline, strict=True)]
    few = len(rounds) < 8
    return Ratio(
        value=statistics.median(ours) / statistics.median(baseline),
        low=min(rounds) if few else float(np.quantile(rounds, 0.25)),
        high=max(rounds) if few else float(np.quantile(rounds, 0.75)),
        target=target,
    )


def spread(values: Sequence[float], unit: str, digits: int = 1) -> str:
    """The median, and where the middle half lies (all of it where there are few)."""
    few = len(values) < 8
    low, high = (min(values), max(values)) if few else (float(each) for each in np.quantile(values, [0.25, 0.75]))
    return f"{statistics.median(values):,.{digits}f} {unit} ({low:,.{digits}f}–{high:,.{digits}f})"


def record(name: str, taken_on: str, figures: Mapping[str, str], ratios: Mapping[str, Ratio]) -> None:
    """Print what a benchmark measured and keep it, in place of what the same benchmark measured before."""
    print(taken_on)
    for what, figure in figures.items():
        print(f"  {what}: {figure}")
    for what, each in ratios.items():
        aim = f", aim {each.target}: {each.verdict}" if each.target else ""
        print(f"  {what}: {each.value:.3g} × ({each.low:.3g}–{each.high:.3g}{aim})")
    kept = json.loads(FILE.read_text()) if FILE.exists() else {}
    kept[name] = {
        "taken": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": taken_on,
        "figures": dict(figures),
        "ratios": {what: asdict(each) for what, each in ratios.items()},
    }
    FILE.write_text(json.dumps(dict(sorted(kept.items())), indent=1, ensure_ascii=False) + "\n")


def read_ratios(text: str) -> dict[str, Ratio]:
    """Every ratio of a results file, by "benchmark: what"."""
    return {
        f"{name}: {what}": Ratio(**each)
        for name, benchmark in json.loads(text).items()
        for what, each in benchmark["ratios"].items()
    }


def tables(text: str) -> dict[str, str]:
    """A results file as Markdown: one piece a benchmark, and a summary of all that has a target."""
    aimed = {name: each for name, each in read_ratios(text).items() if each.target}
    summary = ["| ratio | measured | to reach | |", "| --- | --- | --- | --- |"]
    summary += [f"| {name} | {each.value:.3g} × | {each.target} | {each.verdict} |" for name, each in aimed.items()]
    pieces = {"summary": "\n".join(summary)}
    for name, found in json.loads(text).items():
        lines = [f"{found['machine']}; {found['taken']}", ""]
        lines += ["| measured | |", "| --- | --- |"]
        lines += [f"| {what} | {figure} |" for what, figure in found["figures"].items()]
        if found["ratios"]:
            lines += ["", "| ratio | value | spread | to reach | |", "| --- | --- | --- | --- | --- |"]
        for what, values in found["ratios"].items():
            each = Ratio(**values)
            lines.append(
                f"| {what} | {each.value:.3g} × | {each.low:.3g}–{each.high:.3g} | {each.target} | {each.verdict} |"
            )
        pieces[name] = "\n".join(lines)
    return pieces


def write_document(document: str, pieces: Mapping[str, str]) -> str:
    """The document with every piece between its markers, <!-- name --> and <!-- end of name -->."""
    for name, piece in pieces.items():
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        if start in document:
            before, _, rest = document.partition(start)
            document = f"{before}{start}\n{piece}\n{end}{rest.partition(end)[2]}"
    return document


if __name__ == "__main__":
    DOCUMENT.write_text(write_document(DOCUMENT.read_text(), tables(FILE.read_text())))
