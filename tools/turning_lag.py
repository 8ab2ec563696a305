"""How far the turning of simulated walkers' shoes lies from that of real ones, for the SD of its lag.

The table's lag of ``turning`` is of eight real people who walk slowly. The simulator's walkers show the middle of their
contact at another time; who is right for a third kind of shoe nobody knows. ``between_sd_s`` is the SD of the two:
their difference over the root of two. Printed beside it: in how many simulated walks the stated half-width holds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from grfkit.calibrate import load_lag_table
from grfkit.simulate.conditions import Condition

sys.path.insert(0, str(Path(__file__).parent))
from bench.sync.run import CONDITIONS
from bench.sync.trials import run_trial

SEED, WALKS = 40_000_000, 110
"""First seed, which no other tool uses, and how many walks: their mean is good to 1 ms."""


def rows(first: int, count: int) -> list[dict[str, Any]]:
    """Return the accepted alignments of simulated walkers' shoe IMUs that were timed by their turning."""
    entry = next(e for e in load_lag_table("default").document.entries if e.feature == "turning")
    condition = Condition(**CONDITIONS["walking, per-foot reference"] | {"wearables": ("imu",)})
    found = [row for k in range(count) for row in run_trial(condition, first + k)]
    return [r for r in found if r["accepted"] and not r["wrong"] and np.isclose(r["lag_ms"], 1e3 * entry.lag_s)]


def main() -> None:
    """Print the difference, the SD and the coverage."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--first", type=int, default=SEED, help="first seed")
    options.add_argument("--walks", type=int, default=WALKS)
    request = options.parse_args()
    found = rows(request.first, request.walks)
    errors = np.asarray([max(r["ends_ms"], key=abs) for r in found])
    held = np.mean([abs(e) <= r["uncertainty_ms"] for e, r in zip(errors, found)])
    half = np.median([r["uncertainty_ms"] for r in found])
    print(f"{len(found)} walks timed by turning: error {errors.mean():+.1f} ms (mean), SD {errors.std(ddof=1):.1f} ms")
    print(f"between_sd_s = |mean| / root of 2 = {abs(errors.mean()) / np.sqrt(2):.1f} ms")
    print(f"stated half-width {half:.1f} ms (median) holds in {100 * held:.0f} %")


if __name__ == "__main__":
    main()
