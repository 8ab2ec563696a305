"""Pace of a walker in a film against the length of the leg: whether its times can be those of a walk.

A film has no clock but its stamps, and one that is played too fast shows short steps that come quickly. Whoever walks
takes longer steps the quicker they come: the walk ratio, step length over cadence, changes little with speed (Sekiya &
Nagasaki, J Hum Mov Stud 1996; above about 62 m/min, Murakami & Otaka, J Phys Ther Sci 29, 2017, PMC5430280, below which
it grows and scatters). In legs and seconds it is speed times the square of the time of a step; a film played 1.5 times
too fast divides it by 1.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.ndimage import median_filter
from scipy.signal import find_peaks

from ..arrays import Floats
from .film_stream import side_view_of

USUAL_LEG_S, SPREAD = 0.436, 0.12
"""Walk ratio of walkers (leg s), and the SD of its logarithm. 48 rendered films of 12 people over plates (Schreiber
2019, 0.8 to 3.0 legs/s), read by the pose model, have .338 to .554, SD .089; widened by hand so that the walker of a
real film (.60, 98 steps a minute) lies within."""
UNUSUAL = 3.0
"""SDs from which on a walk ratio is told."""
OLDER = 0.85
"""Walk ratio of older people over that of young ones, about (Sekiya & Nagasaki 1996; Bogen et al., Gait Posture 61,
2018)."""
NOBODYS = (OLDER * USUAL_LEG_S * np.exp(-UNUSUAL * SPREAD), 1.1 * USUAL_LEG_S * np.exp(UNUSUAL * SPREAD))
"""Walk ratios (leg s) below and above which nobody walks: three SDs beyond older people, and a tenth more than three
SDs beyond the others; the tenth by hand."""
STEADY_LEG_S = 1.22
"""Speed (legs/s) below which slow walkers take steps as long as they please, and no ratio is too large: 62 m/min."""
GRID_HZ = 100.0
"""Rate at which the distance of the ankles is looked at."""
MEDIAN_S, SMOOTH_S = 0.07, 0.15
"""Time (s) over whose median and over which the ankles' distance is smoothed; by hand: a step of a film that is twice
as fast lasts .25 s."""
LEAST_SHARE, SHORTEST_STEP_S = 0.4, 0.2
"""Share of the ankles' greatest distance by which it has to rise and fall for a step, and the shortest one (s); by
hand: 300 steps a minute. They are the same whichever leg is called left."""
FEWEST_STEPS = 2
"""Steps that a pace needs."""


@dataclass(frozen=True)
class Pace:
    """Pace of a walker: speed (legs/s) and time of a step (s)."""

    speed_leg_s: float
    step_s: float

    @property
    def ratio_leg_s(self) -> float:
        """Return the walk ratio, step length over steps a second, legs and seconds."""
        return self.speed_leg_s * self.step_s**2

    @property
    def too_fast(self) -> float:
        """Return how many times too fast the film would be for a usual walker; below 1: too slow."""
        return USUAL_LEG_S / self.ratio_leg_s

    @property
    def is_unusual(self) -> bool:
        """Return whether the walk ratio is beyond three SDs of the walkers it is known of."""
        off = abs(np.log(self.ratio_leg_s / USUAL_LEG_S)) > UNUSUAL * SPREAD
        return bool(off and (self.too_fast > 1.0 or self.speed_leg_s > STEADY_LEG_S))

    @property
    def is_nobodys(self) -> bool:
        """Return whether nobody walks so."""
        least, most = NOBODYS
        return self.ratio_leg_s < least or (self.ratio_leg_s > most and self.speed_leg_s > STEADY_LEG_S)

    def __str__(self) -> str:
        """Return the pace in words."""
        text = f"{60 / self.step_s:.0f} steps a minute of {self.speed_leg_s * self.step_s:.2f} leg lengths"
        if not (self.is_unusual or self.is_nobodys):
            return text
        speed = f"{max(self.too_fast, 1 / self.too_fast):.1f} times too {'fast' if self.too_fast > 1 else 'slow'}"
        return f"{text}: as if it were played {speed}"


def pace_of(stream: xr.Dataset) -> Pace | None:
    """Return the pace of the walker of a stream of keypoints, median over its passes; None where it is not seen."""
    names = [str(n) for n in stream["landmark"].values]
    if not {"ankle_left", "ankle_right"} <= set(names):
        return None
    time_s = np.asarray(stream["time"].values, dtype=np.float64)
    across = np.asarray(stream["position"].values, dtype=np.float64)[..., 0]
    apart = np.abs(across[:, names.index("ankle_left")] - across[:, names.index("ankle_right")])
    found: list[tuple[float, float]] = []
    for one in side_view_of(stream).passes:
        inside = (time_s >= one.start_s) & (time_s <= one.end_s) & np.isfinite(apart)
        found += [(one.speed_leg_s, step) for step in step_times(time_s[inside], apart[inside])]
    if len(found) < FEWEST_STEPS:
        return None
    speeds, steps = zip(*found)
    return Pace(float(np.median(speeds)), float(np.median(steps)))


def step_times(time_s: Floats, apart: Floats) -> Sequence[float]:
    """Return the times (s) of steps: between two moments with the ankles farthest apart, and two in which they pass.

    Parameters
    ----------
    time_s, apart
        Shape (frames,): s, and the distance of the ankles across the picture in any unit, without NaN.
    """
    if time_s.size < 2 * FEWEST_STEPS or time_s[-1] - time_s[0] < FEWEST_STEPS * SHORTEST_STEP_S:
        return []
    grid = np.arange(time_s[0], time_s[-1], 1.0 / GRID_HZ)
    course = median_filter(np.interp(grid, time_s, apart), 2 * round(MEDIAN_S * GRID_HZ / 2) + 1, mode="nearest")
    half = round(SMOOTH_S * GRID_HZ / 2)
    bell = np.hanning(2 * half + 3)[1:-1]
    course = np.convolve(np.pad(course, half, mode="edge"), bell / bell.sum(), "valid")
    least, gap = LEAST_SHARE * float(np.percentile(course, 90)), round(SHORTEST_STEP_S * GRID_HZ)
    times: list[float] = []
    for way in (course, -course):
        at, _ = find_peaks(way, prominence=least, distance=gap)
        times += [float(t) for t in np.diff(grid[at])]
    return times
