"""Contacts whose force stays near the threshold: noise of the plate then decides when they begin or end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Floats

LONGEST_S = 0.005
"""How much longer than usual in a trial (s) the force may take from the threshold to its double. Chosen by hand on 24
simulated trials (seeds 0 to 23, runs and split-belt walks, 30 s): of 78 contacts 10 ms and more off it flags 61, of
1,571 others 4; of 38 toe-offs 20 ms and more off 34, of 1,611 others 19."""
EARLY = "contact in doubt: the force stays near the threshold"
LATE = "toe-off in doubt: the force stays near the threshold"


def near_threshold(time_s: Floats, up_n: Floats, *, ic_s: float, to_s: float, level_n: float) -> tuple[float, float]:
    """Return how long (s) after contact, and before toe-off, the force is below the double of the threshold.

    NaN where it never is above it, as of a contact whose samples are unknown.
    """
    inside = np.flatnonzero((time_s >= ic_s) & (time_s <= to_s))
    above = inside[up_n[inside] >= 2.0 * level_n]
    if not above.size:
        return float("nan"), float("nan")
    return float(time_s[above[0]]) - ic_s, to_s - float(time_s[above[-1]])


def doubts(near: Sequence[tuple[float, float]]) -> list[list[str]]:
    """Return for every contact of a trial whether its beginning or its end is in doubt."""
    flags: list[list[str]] = [[] for _ in near]
    for end, flag in enumerate((EARLY, LATE)):
        lasted = np.asarray([pair[end] for pair in near])
        known = np.isfinite(lasted)
        if not known.any():
            continue
        limit = float(np.median(lasted[known])) + LONGEST_S
        for k in np.flatnonzero(known & (lasted > limit)):
            flags[k].append(flag)
    return flags
