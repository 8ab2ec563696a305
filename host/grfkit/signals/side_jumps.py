"""Jumps on the spot seen from the side: when both feet land, for the alignment with plates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import CubicSpline

from ..arrays import Floats
from .runs import true_runs
from .side_foot import FEWEST_FRAMES, GRID_HZ, leaping, seen_stretches

CLEAR_LEGS = 0.1
"""Height (legs) over where they stand that both feet reach in a jump: 9 cm; chosen by hand."""
LANDING_LEGS = 0.05
"""Height (legs) at which their fall is taken; from there they go on to the floor as fast as they fall."""
FLIGHT_S = (0.12, 0.9)
"""Shortest and longest time (s) above the lower height; chosen by hand."""
STANDING_PERCENT = 20.0
"""Percentile of a foot's height that is its height on the floor: who jumps stands for longer."""
STILL_LEGS = 0.5
"""Way (legs) of the pelvis from a second before to a second after a jump on the spot, at the most; chosen by hand."""
AROUND_S = 1.0


def jump_landings(time_s: Floats, course: Floats, pelvis: Floats, names: Sequence[str]) -> Floats:
    """Return when both feet land from jumps on the spot, s, shape (jumps, 2): left and right.

    Parameters
    ----------
    course
        Shape (frames, points, 2): along the picture and up, legs; NaN where hidden.
    pelvis
        Shape (frames,), along the picture, legs.
    """
    parts = [[n for n in (f"heel_{side}", f"toe_{side}") if n in names] for side in ("left", "right")]
    if not all(parts):
        return np.zeros((0, 2))
    points = course[:, [names.index(n) for n in (*parts[0], *parts[1])]]
    found: list[tuple[float, float]] = []
    for start, end in seen_stretches(time_s, np.asarray(np.isfinite(points).all(axis=(1, 2)), dtype=bool)):
        rows = np.flatnonzero(np.isfinite(points[start:end]).all(axis=(1, 2))) + start
        rows = rows[~leaping(time_s[rows], points[rows][..., :1])]
        if rows.size >= FEWEST_FRAMES:
            of_stretch = _landings(time_s[rows], points[rows, :, 1], len(parts[0]))
            found += [pair for pair in of_stretch if _stays(time_s, pelvis, min(pair))]
    return np.asarray(found, dtype=np.float64).reshape(-1, 2)


def _landings(time_s: Floats, heights: Floats, of_left: int) -> list[tuple[float, float]]:
    """Return the landings of both feet in one stretch of heights (frames, points), the left foot's points first."""
    grid = np.arange(time_s[0], time_s[-1], 1.0 / GRID_HZ)
    curves = CubicSpline(time_s, heights)(grid)
    feet = [curves[:, :of_left].min(axis=1), curves[:, of_left:].min(axis=1)]
    feet = [foot - np.percentile(foot, STANDING_PERCENT) for foot in feet]
    both = np.minimum(*feet)
    landed = []
    for a, b in true_runs(both > LANDING_LEGS):
        whole = a > 0 and b < grid.size and FLIGHT_S[0] <= (b - a) / GRID_HZ <= FLIGHT_S[1]
        if whole and both[a:b].max() >= CLEAR_LEGS:
            times = [_down_s(grid, foot, int(a + np.argmax(both[a:b]))) for foot in feet]
            if np.isfinite(times).all():
                landed.append((times[0], times[1]))
    return landed


def _down_s(grid: Floats, height: Floats, top: int) -> float:
    """Return when a foot that is in the air at ``top`` comes to the floor, s; NaN where it does not."""
    below = np.flatnonzero(height[top:] <= LANDING_LEGS)
    if not below.size or below[0] < 2:
        return float("nan")
    k = top + int(below[0])
    speed = (height[k - 2] - height[k]) * GRID_HZ / 2.0
    return float(grid[k] + height[k] / speed) if speed > 0.0 else float("nan")


def _stays(time_s: Floats, pelvis: Floats, at_s: float) -> bool:
    """Return whether the pelvis stays where it is about a time."""
    seen = np.isfinite(pelvis)
    near = np.interp([at_s - AROUND_S, at_s, at_s + AROUND_S], time_s[seen], pelvis[seen])
    return bool(np.ptp(near) < STILL_LEGS)
