"""Compares the ratios in benchmarks/results.json with the last committed ones and prints what moved beyond the noise.

Run a benchmark, then `python -m benchmarks.compare [--since HEAD]`. Exits with 1 when a ratio has become worse.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping

from benchmarks.peers import ROOT
from benchmarks.results import FILE, Ratio, read_ratios


def moved(before: Mapping[str, Ratio], now: Mapping[str, Ratio]) -> dict[str, str]:
    """ "better", "worse" or "moved" for each ratio whose spread no longer meets that of the last time.

    A ratio with a target is better towards it; without one nobody has said which way is good.
    """
    found = {}
    for name in sorted(before.keys() & now.keys()):
        old, new = before[name], now[name]
        if new.low <= old.high and old.low <= new.high:
            continue
        wanted = new.target[:2]
        if not wanted:
            found[name] = "moved"
        else:
            found[name] = "better" if (new.value > old.value) == (wanted == ">=") else "worse"
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--since", default="HEAD", help="the commit that has the earlier ratios")
    since = parser.parse_args().since
    path = FILE.relative_to(ROOT).as_posix()
    committed = subprocess.run(["git", "show", f"{since}:{path}"], cwd=ROOT, capture_output=True, text=True)
    if committed.returncode != 0:
        print(f"{since} has no {path}: there is nothing to compare with yet.")
        return 0
    before, now = read_ratios(committed.stdout), read_ratios(FILE.read_text())
    found = moved(before, now)
    for name, how in found.items():
        old, new = before[name], now[name]
        print(
            f"{how:7} {name}: {old.value:.3g} × ({old.low:.3g}–{old.high:.3g}) → "
            f"{new.value:.3g} × ({new.low:.3g}–{new.high:.3g}) {new.target}"
        )
    print(f"{len(found)} of {len(before.keys() & now.keys())} ratios moved by more than their noise.")
    return int("worse" in found.values())


if __name__ == "__main__":
    sys.exit(main())
