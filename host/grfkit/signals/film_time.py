"""What a film shows of its own time: pictures that are missing, by their stamps and by how the walker moves on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from ..arrays import Floats

SLOWEST_HZ = 50.0
"""Pictures per second below which no force is estimated from a film: between two of 30 Hz a foot lands and is loaded to
half of the body's weight."""
ROUNDED_HZ = 0.1
"""By how much stamps that are rounded, and broadcast rates (50 / 1.001), make a rate seem smaller."""
CAPTURED = 1.1
"""Ratio of the rate that a camera states to that of the stamps from which on a film is slow motion, or speeded up;
nominal rates (60 of 59.94) are nearer. Chosen by hand."""
HOLE_S = 0.1
"""Time (s) without a picture from which on a stance is not estimated."""
LATE_STEPS = 0.75
"""Usual steps of time by which a picture may come late without one before it being missing. Chosen by hand."""
LEAP_LEG = 0.06
"""Way (legs) by which hips and shoulders are both off their course from one picture to the next, from which on pictures
between the two are missing whatever the stamps say. In 48 rendered films of 60 Hz, read by the pose model, it is .018
at most, in a real film of 30 Hz .036; of cuts of 4 and 5 pictures there (.07 and .08 s) 96 and 99 % make more."""
LEAP_SEEN_S, LEAP_SEEN = 0.05, 3
"""Time (s) and pictures on either side of a leap that its two courses are taken from, whichever is more: less than a
step, in which hips go faster and slower by a tenth."""
STEP_S = 0.6
"""Time (s) of about a step, over which the pace is taken that tells how long a leap would have lasted."""
TRUNK = ("hip", "shoulder")
"""Points whose middles have to leap together: a pose model draws wrong hips for some pictures, and right shoulders."""


@dataclass(frozen=True)
class Leap:
    """A trunk that leaps between two pictures, by how many legs, and the time (s) that they would have taken."""

    before_s: float
    after_s: float
    legs: float
    lost_s: float

    def __str__(self) -> str:
        """Return the leap in words."""
        lost = f", about {self.lost_s:.2f} s of the walk" if np.isfinite(self.lost_s) else ""
        return f"{self.after_s:.2f} s (the body leaps by {abs(self.legs):.2f} of the leg's length{lost})"


def slowed(time_s: Floats, captured_hz: float) -> float:
    """Return how many times slower than it was filmed a film is stamped; 1 where it is not, or nothing is stated.

    Parameters
    ----------
    captured_hz
        Pictures a second that the camera states, NaN if none.
    """
    steps = np.diff(time_s[np.isfinite(time_s)])
    ratio = captured_hz * float(np.median(steps)) if steps.size else float("nan")
    return ratio if np.isfinite(ratio) and max(ratio, 1.0 / ratio) > CAPTURED else 1.0


def missing_pictures(time_s: Floats) -> int:
    """Return how many pictures seem to be missing by the stamps (s) of those that are there."""
    steps = np.diff(time_s)
    if not steps.size:
        return 0
    return int(np.floor(steps / np.median(steps) - LATE_STEPS).clip(0).sum())


def trunk_of(across: Floats, names: Sequence[str]) -> Floats:
    """Return the middles of hips and shoulders, shape (frames, 2); (frames, 0) where a point of them is not there.

    Parameters
    ----------
    across
        Shape (frames, points).
    """
    pairs = [(f"{part}_left", f"{part}_right") for part in TRUNK]
    if not all(name in names for pair in pairs for name in pair):
        return np.zeros((len(across), 0))
    return np.stack([across[:, [names.index(name) for name in pair]].mean(axis=1) for pair in pairs], axis=1)


def leaps(time_s: Floats, trunk: Floats) -> list[Leap]:
    """Return where somebody's trunk leaps across the picture, as where pictures were cut out and the rest stamped anew.

    Before and after a place hips and shoulders go on a line each, of one speed; the leap is the distance of the two
    lines, of whichever point leaps less. A single wrong picture is no leap, nor is a hole that the stamps show. Who
    stays at one place, as on a treadmill, makes none, whatever is cut out.

    Parameters
    ----------
    time_s
        Shape (frames,), s.
    trunk
        Hips and shoulders across the picture, legs, shape (frames, 2); NaN where hidden.
    """
    seen = np.flatnonzero(np.isfinite(trunk).all(axis=1) & np.isfinite(time_s)) if trunk.shape[1] else np.zeros(0, int)
    seen = seen[~_alone(trunk[seen])]
    if seen.size < 2 * LEAP_SEEN:
        return []
    time = time_s[seen]
    k = max(LEAP_SEEN, round(LEAP_SEEN_S / float(np.median(np.diff(time)))))
    if time.size < 2 * k:
        return []
    hips, shoulders = (_off_course(time, trunk[seen, i], k) for i in (0, 1))
    together = np.sign(hips[0]) == np.sign(shoulders[0])
    less = np.where(np.abs(hips[0]) < np.abs(shoulders[0]), hips[0], shoulders[0])
    off, speed = np.where(together, less, 0.0), hips[1]
    around = round(STEP_S / 2 / float(np.median(np.diff(time))))
    found = []
    while np.abs(off).max() > LEAP_LEG:
        at = int(np.argmax(np.abs(off)))
        pace = float(np.median(speed[max(0, at - around) : at + around + 1]))
        lost = off[at] / pace if off[at] * pace > 0.0 else float("nan")
        found.append(Leap(float(time[at + k - 1]), float(time[at + k]), float(off[at]), float(lost)))
        off[max(0, at - 2 * k + 1) : at + 2 * k] = 0.0
    return sorted(found, key=lambda leap: leap.before_s)


def _alone(trunk: Floats) -> NDArray[np.bool_]:
    """Return which pictures have a trunk away from those before and after, shape (frames,)."""
    if not len(trunk):
        return np.zeros(0, dtype=bool)
    course = median_filter(trunk, size=(5, 1), mode="nearest")
    return np.asarray((np.abs(trunk - course) > LEAP_LEG).any(axis=1), dtype=bool)


def _off_course(time: Floats, way: Floats, k: int) -> tuple[Floats, Floats]:
    """Return the distance of the lines through ``k`` places before and after each place, legs, and their speed."""
    times = np.lib.stride_tricks.sliding_window_view(time, 2 * k)
    ways = np.lib.stride_tricks.sliding_window_view(way, 2 * k)
    halves = [(times[:, part], ways[:, part]) for part in (slice(None, k), slice(k, None))]
    slopes = np.zeros(len(times))
    spread = np.zeros(len(times))
    for t, x in halves:
        centred = t - t.mean(axis=1, keepdims=True)
        slopes += (centred * (x - x.mean(axis=1, keepdims=True))).sum(axis=1)
        spread += (centred**2).sum(axis=1)
    speed = slopes / spread
    (t0, x0), (t1, x1) = halves
    off = x1.mean(axis=1) - x0.mean(axis=1) - speed * (t1.mean(axis=1) - t0.mean(axis=1))
    # over a hole in the stamps a line of one speed is no course
    off[np.diff(times, axis=1).max(axis=1) > HOLE_S] = 0.0
    return off, speed
